"""Plots of results, with matplotlib where it is installed."""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINES = 10
_ENDINGS = (".png", ".svg", ".pdf")


def results(
    rows: Sequence[Mapping[str, Any]], window: str | None, column: str, keys: Sequence[str]
) -> Figure:
    """A figure of a column over time: a step for each window, a line for each key (the ten largest)."""
    try:
        from matplotlib.figure import Figure as Plain

        dates: Any = importlib.import_module("matplotlib.dates")  # which has no types
    except ImportError:
        raise UsageError(
            "plotting needs matplotlib, which is not installed: pip install matplotlib (or headrace[plot])"
        ) from None

    class Figure(Plain):
        """A figure that a notebook shows without pyplot having been imported."""

        def _repr_png_(self) -> bytes:
            drawn = io.BytesIO()
            self.savefig(drawn, format="png", dpi=100)
            return drawn.getvalue()

    chosen = window or _shortest(rows)
    lines: dict[str, list[tuple[datetime, datetime, float]]] = {}
    for row in rows:
        value = row.get(column)
        if row["window"] == chosen and isinstance(value, (int, float)):
            span = datetime.fromisoformat(row["window_start"]), datetime.fromisoformat(row["window_end"])
            lines.setdefault(", ".join(str(row.get(key)) for key in keys), []).append((*span, value))
    if not lines:
        raise UsageError(f"there is nothing to plot: no {chosen} has a number called {column}")
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.add_subplot()
    largest = sorted(lines, key=lambda name: -sum(value for *_, value in lines[name]))[:_LINES]
    for name in largest:
        times: list[datetime] = []
        values: list[float] = []
        for start, end, value in lines[name]:
            if times and times[-1] < start:  # no window between them: nobody came
                times.append(times[-1])
                values.append(float("nan"))
            times += [start, end]
            values += [value, value]
        axes.plot([dates.date2num(time) for time in times], values, label=name or column, linewidth=1.2)
    axes.xaxis_date()
    locator = dates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axes.set_ylim(bottom=0)
    axes.set_title(f"{column} by {chosen} (UTC)")
    axes.grid(alpha=0.3)
    if len(lines) > 1:
        axes.legend(fontsize="small")
    return figure


def _shortest(rows: Sequence[Mapping[str, Any]]) -> str:
    """The name of the shortest windows."""
    if not rows:
        raise UsageError("there is nothing to plot: no results")
    best = min(
        rows,
        key=lambda r: datetime.fromisoformat(r["window_end"]) - datetime.fromisoformat(r["window_start"]),
    )
    return str(best["window"])


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure, by the ending of the name. UsageError for one that is not known."""
    check_path(path)
    figure.savefig(os.fspath(path), dpi=120)


def check_path(path: str | os.PathLike[str]) -> None:
    """UsageError when a plot cannot be written under this name."""
    if Path(path).suffix.lower() not in _ENDINGS:
        raise UsageError(f"{os.fspath(path)}: a plot is written as one of {', '.join(_ENDINGS)}")
    if not Path(path).resolve().parent.is_dir():
        raise UsageError(f"{os.fspath(path)}: there is no folder {Path(path).resolve().parent}")
