"""Tables for notebooks and terminals. Everything that came from data is escaped or made printable."""

from __future__ import annotations

import html
import linecache
import os
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace._headrace import Batch
    from headrace.errors import HeadraceError

SHOWN_ROWS = 20
SHOWN_COLUMNS = 40
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


_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_MACHINERY = (f"{os.sep}IPython{os.sep}", f"{os.sep}ipykernel{os.sep}")


def short_traceback(error: HeadraceError) -> list[str]:
    """An error as a notebook shows it: the caller's lines without ours and IPython's, the message, its cause,
    and whether trying again may help.
    """
    lines = [*_callers_lines(error.__traceback__), f"{type(error).__name__}: {error}"]
    if error.__cause__ is not None:
        lines.append(f"  because of {type(error.__cause__).__name__}: {error.__cause__}")
    if error.receipt is not None and not isinstance(error.receipt, str):
        lines += [f"  {line}" for line in str(error.receipt).splitlines() if not line.startswith("error: ")]
    if error.retriable:
        lines.append("  Trying again later may help: what was committed stays, and is not loaded again.")
    return lines


def _callers_lines(trace: TracebackType | None) -> list[str]:
    """The place and the source line of each frame that is neither ours nor the notebook's."""
    lines = []
    while trace is not None:
        code, number = trace.tb_frame.f_code, trace.tb_lineno
        path = code.co_filename
        if not os.path.abspath(path).startswith(_OURS) and not any(part in path for part in _MACHINERY):
            source = linecache.getline(path, number, trace.tb_frame.f_globals).strip()
            lines.append(f"{_place(path, trace)}, line {number}: {source}".rstrip(": "))
        trace = trace.tb_next
    return lines


def _place(path: str, trace: TracebackType) -> str:
    """What a frame's file is called; cells of a notebook have a number instead of a name."""
    if "ipykernel_" in path or path.startswith("<ipython-input"):
        return "this cell" if trace.tb_frame.f_code.co_name == "<module>" else "a cell"
    return path


def batch_html(batch: Batch) -> str:
    """The first rows of a batch as an HTML table, as a notebook shows it."""
    kinds = zip(batch.schema.names, batch.schema.types, strict=True)
    names = [shorten(f"{name} ({kind})") for name, kind in kinds][:SHOWN_COLUMNS]
    shown = min(batch.num_rows, SHOWN_ROWS)
    rows = ([batch.column_text(column, row) for column in range(len(names))] for row in range(shown))
    caption = f"{batch.num_rows:,} rows"
    if shown < batch.num_rows:
        caption += f", the first {shown} shown"
    if len(names) < batch.num_columns:
        caption += f"; the first {len(names)} of {batch.num_columns} columns"
    return html_table(names, rows, caption)
