"""Receipts as people read them: a table for the log, HTML for a mail, one sum for several.

Everything here works on the plain dict of a receipt's JSON, which is what travels through XCom.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Receipt = Mapping[str, Any]

COUNTS = ("read", "loaded", "rejected", "skipped", "bytes")


def balances(receipt: Receipt) -> bool:
    """Whether every record read is accounted for: ``read = loaded + rejected + skipped``."""
    return int(receipt["read"]) == sum(int(receipt[name]) for name in ("loaded", "rejected", "skipped"))


def combine(receipts: Iterable[Receipt]) -> dict[str, Any]:
    """The sum of receipts of one job: counts, tables, reject reasons and offset ranges of all of them.

    ``seconds`` is the longest of them, for shares of a job run side by side. An empty list gives zeros.
    """
    receipts = list(receipts)
    tables: Counter[str] = Counter()
    rejects: Counter[str] = Counter()
    for receipt in receipts:
        tables.update({name: int(rows) for name, rows in (receipt.get("tables") or {}).items()})
        rejects.update({reason: int(count) for reason, count in (receipt.get("rejects") or {}).items()})
    total: dict[str, Any] = {
        name: sum(int(receipt.get(name) or 0) for receipt in receipts) for name in COUNTS
    }
    total["seconds"] = max((float(receipt.get("seconds") or 0) for receipt in receipts), default=0.0)
    total["tables"] = dict(sorted(tables.items()))
    total["rejects"] = dict(rejects.most_common())
    total["offsets"] = sorted(
        (dict(lane) for receipt in receipts for lane in receipt.get("offsets") or []),
        key=lambda lane: (
            str(lane.get("topic")),
            int(lane.get("partition") or 0),
            int(lane.get("from") or 0),
        ),
    )
    total["receipts"] = len(receipts)
    for name in ("job", "target", "mode", "source"):
        values = {receipt[name] for receipt in receipts if isinstance(receipt.get(name), str)}
        if len(values) == 1:
            total[name] = values.pop()
    return total


def rate(receipt: Receipt) -> float:
    """Records read a second."""
    seconds = float(receipt.get("seconds") or 0)
    return int(receipt.get("read") or 0) / seconds if seconds > 0 else 0.0


def grid(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in plain text: numbers to the right with thousands separated, everything else to the left."""
    cells = [[_shown(value) for value in row] for row in rows]
    numeric = [False] * len(header)
    rows = list(rows)
    for column in range(len(header)):
        values = [row[column] for row in rows if row[column] is not None]
        numeric[column] = bool(values) and all(isinstance(value, (int, float)) for value in values)
    widths = [max([len(title), *(len(row[i]) for row in cells)]) for i, title in enumerate(header)]

    def line(row: Sequence[str]) -> str:
        parts = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        ]
        return "  ".join(parts).rstrip()

    return "\n".join(
        [line(header), "  ".join("-" * width for width in widths), *(line(row) for row in cells)]
    )


def text(receipt: Receipt) -> str:
    """A receipt as a readable table, for a task's log or a terminal."""
    parts = [headline(receipt)]
    lanes = [
        (
            lane.get("topic"),
            lane.get("partition"),
            lane.get("from"),
            lane.get("to"),
            lane.get("read"),
            lane.get("loaded"),
            lane.get("rejected"),
            lane.get("skipped"),
        )
        for lane in receipt.get("offsets") or []
    ]
    if lanes:
        header = ("source", "partition", "from", "to", "read", "loaded", "rejected", "skipped")
        parts.append(grid(header, [_without_separators(lane) for lane in lanes]))
    if receipt.get("tables"):
        parts.append(grid(("table", "rows"), list(receipt["tables"].items())))
    if receipt.get("rejects"):
        parts.append(grid(("rejected because", "records"), list(receipt["rejects"].items())))
    return "\n\n".join(parts)


def letters_text(letters: Mapping[str, Any]) -> str:
    """A report on dead letters (see ``accounts.dead_letter_report``) as text."""
    parts = [grid(("rejected because", "records"), list(letters["reasons"].items()))]
    for example in letters["examples"]:
        where = f"{example['topic']}/{example['partition']} at {example['offset']}"
        column = f", column {example['column_name']}" if example.get("column_name") else ""
        value = f", value {example['value']!r}" if example.get("value") is not None else ""
        parts.append(
            f"{example['reason']}{column}{value}\n  {example['message']}\n  {where}: {example['raw'] or ''}"
        )
    parts.append(f"replay when mended: {letters['replay']}")
    return "\n\n".join(parts)


def headline(receipt: Receipt) -> str:
    """A receipt in one sentence."""
    sentence = (
        f"{receipt.get('job') or 'load'}: read {int(receipt['read']):,} = {int(receipt['loaded']):,} loaded "
        f"+ {int(receipt['rejected']):,} rejected + {int(receipt['skipped']):,} skipped"
    )
    if receipt.get("target"):
        sentence += f" into {receipt['target']}"
    seconds = float(receipt.get("seconds") or 0)
    sentence += f" in {seconds:.1f} s"
    if seconds > 0 and int(receipt["read"]) > 0:
        sentence += f" ({rate(receipt):,.0f} records/s)"
    return sentence if balances(receipt) else sentence + " DOES NOT BALANCE"


def as_html(receipt: Receipt) -> str:
    """A receipt as HTML for a mail. Every value is escaped: reasons and names may come from the data."""
    parts = [f"<p><b>{html.escape(headline(receipt))}</b></p>"]
    if receipt.get("tables"):
        parts.append(html_table(("Table", "Rows"), receipt["tables"].items()))
    if receipt.get("rejects"):
        parts.append(html_table(("Rejected because", "Records"), receipt["rejects"].items()))
    lanes = receipt.get("offsets") or []
    if lanes:
        names = ("topic", "partition", "from", "to", "read", "loaded", "rejected", "skipped")
        rows = [_without_separators([lane.get(name) for name in names]) for lane in lanes]
        parts.append(html_table([name.capitalize() for name in names], rows))
    return "\n".join(parts)


def html_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as HTML that mail programs show well: styles at the cells, numbers to the right."""
    cell = "padding:3px 10px;border:1px solid #cbd5e1;"
    head = "".join(
        f'<th style="{cell}text-align:left;background:#e2e8f0">{html.escape(t)}</th>' for t in header
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{cell}text-align:{"right" if isinstance(v, (int, float)) else "left"}">'
            f"{html.escape(_shown(v))}</td>"
            for v in row
        )
        + "</tr>"
        for row in rows
    )
    return (
        '<table style="border-collapse:collapse;margin:8px 0;font-family:sans-serif;font-size:13px">'
        f"<tr>{head}</tr>{body}</table>"
    )


def _without_separators(lane: Sequence[Any]) -> list[Any]:
    """Partition and offsets are names of places, not amounts: shown as they are."""
    return [str(v) if i in (1, 2, 3) and v is not None else v for i, v in enumerate(lane)]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if isinstance(value, float) else str(value)
