"""Tables for notebooks and terminals. Everything that came from data is escaped or made printable."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace._headrace import Batch

SHOWN_ROWS = 20
SHOWN_CHARACTERS = 120


def shorten(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """The text itself, or its beginning and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def html_table(header: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """An HTML table; None shows as a grey "null", numbers stand to the right."""
    parts = ["<table>"]
    if caption:
        parts.append(f"<caption>{html.escape(caption)}</caption>")
    parts.append(
        "<thead><tr>" + "".join(f"<th>{html.escape(str(h))}</th>" for h in header) + "</tr></thead><tbody>"
    )
    for row in rows:
        parts.append("<tr>" + "".join(_html_cell(value) for value in row) + "</tr>")
    parts.append("</tbody></table>")
    return "".join(parts)


def _html_cell(value: Any) -> str:
    if value is None:
        return '<td style="color: gray">null</td>'
    if _is_number(value):
        return f'<td style="text-align: right">{value:,}</td>'
    return f"<td>{html.escape(shorten(str(value)))}</td>"


def text_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A plain table with aligned columns; control characters are shown escaped, so a value cannot move the
    cursor.
    """
    listed = [list(row) for row in rows]
    cells = [[_text_cell(value) for value in row] for row in listed]
    numbers = [
        all(_is_number(row[i]) or row[i] is None for row in listed) and bool(listed)
        for i in range(len(header))
    ]
    widths = [max([len(title), *(len(row[i]) for row in cells)]) for i, title in enumerate(header)]

    def line(row: Sequence[str]) -> str:
        done = (c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numbers, strict=True))
        return "  ".join(done).rstrip()

    return "\n".join([line(list(header)), line(["-" * w for w in widths]), *(line(row) for row in cells)])


def _text_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return shorten(printable(str(value)), 60)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def printable(text: str) -> str:
    """The text with control characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def batch_html(batch: Batch) -> str:
    """The first rows of a batch as an HTML table, as a notebook shows it."""
    names = [f"{name} ({kind})" for name, kind in zip(batch.schema.names, batch.schema.types, strict=True)]
    shown = min(batch.num_rows, SHOWN_ROWS)
    rows = ([batch.column_text(column, row) for column in range(batch.num_columns)] for row in range(shown))
    caption = f"{batch.num_rows:,} rows"
    if shown < batch.num_rows:
        caption += f", the first {shown} shown"
    return html_table(names, rows, caption)
