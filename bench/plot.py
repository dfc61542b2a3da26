"""Line plots as small SVG files, written without a library: axes with labelled ticks, a line for each series,
its name at its end.

`python -m bench.plot` draws the plots of build/bench-scaling.json again.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from stack.paths import BUILD, ROOT

PICTURES = ROOT / "docs" / "pictures"
COLOURS = ("#0b6e99", "#c2571a", "#4a7c23", "#7b4fa3", "#555555")
"""Told apart by those who see fewer colours too, and by the marks."""
MARKS = ("circle", "square", "diamond", "triangle", "circle")

WIDTH, HEIGHT = 500, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 146, 44, 48
FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"


@dataclass(frozen=True)
class Series:
    """A line: its name, and points with the lowest and the highest run of each."""

    name: str
    points: Sequence[tuple[float, float, float, float]]  # x, median, lowest, highest


@dataclass(frozen=True)
class Panel:
    """One pair of axes. Both may be logarithmic; a linear y begins at 0."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    log_x: bool = True
    log_y: bool = False


def number(value: float) -> str:
    """A number as one reads it on an axis: 2, 0.5, 20k, 1.5M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def linear_ticks(highest: float) -> list[float]:
    """Round steps from 0 to just above the highest value."""
    rough = highest / 4 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return [step * i for i in range(math.ceil(highest / step - 1e-9) + 1)]


def log_ticks(lowest: float, highest: float) -> list[float]:
    """1, 2, 5, 10 ... around the values; powers of ten alone where they span more than three."""
    first, last = math.floor(math.log10(lowest)), math.ceil(math.log10(highest))
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    below = [tick for tick in ticks if tick <= lowest * 1.0001]
    above = [tick for tick in ticks if tick >= highest * 0.9999]
    return [tick for tick in ticks if below[-1] <= tick <= above[0]]


class Axis:
    """From values to pixels."""

    def __init__(
        self, ticks: Sequence[float], ends: tuple[float, float], start: float, size: float, log: bool
    ):
        self.ticks = ticks
        self._log = log
        self._ends = (math.log10(ends[0]), math.log10(ends[1])) if log else ends
        self._start = start
        self._size = size

    def at(self, value: float) -> float:
        """Where a value lies."""
        low, high = self._ends
        share = ((math.log10(value) if self._log else value) - low) / ((high - low) or 1.0)
        return round(self._start + self._size * share, 1)


def mark(shape: str, x: float, y: float, colour: str) -> str:
    """A point of a line."""
    if shape == "circle":
        return f"<circle cx='{x}' cy='{y}' r='3' fill='{colour}'/>"
    corners = {
        "square": ((-3, -3), (3, -3), (3, 3), (-3, 3)),
        "diamond": ((0, -4), (4, 0), (0, 4), (-4, 0)),
        "triangle": ((0, -4), (4, 3), (-4, 3)),
    }[shape]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f"<polygon points='{points}' fill='{colour}'/>"


def text(x: float, y: float, words: str, *, size: int = 11, anchor: str = "start", more: str = "") -> str:
    """A line of text."""
    place = f"x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}'"
    return f"<text {place} {more}>{escape(words)}</text>"


def apart(wanted: Sequence[float], least: float) -> list[float]:
    """The same heights, moved so that no two are nearer than `least`."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = list(wanted)
    for before, after in itertools.pairwise(order):
        placed[after] = max(placed[after], placed[before] + least)
    return placed


def axes(panel: Panel, left: float) -> tuple[Axis, Axis]:
    """Both axes of a panel whose area begins at `left`."""
    points = [point for series in panel.series for point in series.points]
    xs = sorted({point[0] for point in points})
    ends = (xs[0], xs[-1]) if panel.log_x else (min(0.0, xs[0]), xs[-1])
    x = Axis(xs, ends, left, WIDTH - LEFT - RIGHT, panel.log_x)
    low, high = min(point[2] for point in points), max(point[3] for point in points)
    ticks = log_ticks(low, high) if panel.log_y else linear_ticks(high)
    y = Axis(ticks, (ticks[0], ticks[-1]), HEIGHT - BOTTOM, -(HEIGHT - TOP - BOTTOM), panel.log_y)
    return x, y


def draw_panel(panel: Panel) -> list[str]:
    """The parts of one panel."""
    left, right = LEFT, WIDTH - RIGHT
    x, y = axes(panel, left)
    bottom = HEIGHT - BOTTOM
    parts = [text(left, TOP - 12, panel.y_label, more="fill='#333'")]
    for tick in y.ticks:
        parts.append(f"<path d='M{left} {y.at(tick)}H{right}' stroke='#ddd'/>")
        parts.append(text(left - 6, y.at(tick) + 4, number(tick), anchor="end", more="fill='#333'"))
    for tick in x.ticks:
        parts.append(f"<path d='M{x.at(tick)} {bottom}v4' stroke='#333'/>")
        parts.append(text(x.at(tick), bottom + 17, number(tick), anchor="middle", more="fill='#333'"))
    parts.append(f"<path d='M{left} {bottom}H{right}' stroke='#333'/>")
    parts.append(text((left + right) / 2, HEIGHT - 10, panel.x_label, anchor="middle", more="fill='#333'"))
    ends = []
    for number_of, series in enumerate(panel.series):
        colour, shape = COLOURS[number_of % len(COLOURS)], MARKS[number_of % len(MARKS)]
        path = " ".join(f"{x.at(px)},{y.at(py)}" for px, py, _, _ in series.points)
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='1.8'/>")
        for px, py, low, high in series.points:
            if high > low:
                parts.append(
                    f"<path d='M{x.at(px)} {y.at(low)}V{y.at(high)}' stroke='{colour}' opacity='.5'/>"
                )
            parts.append(mark(shape, x.at(px), y.at(py), colour))
        ends.append(y.at(series.points[-1][1]))
    for series, at, number_of in zip(panel.series, apart(ends, 13), range(len(ends)), strict=True):
        parts.append(text(right + 8, at + 4, series.name, more=f"fill='{COLOURS[number_of % len(COLOURS)]}'"))
    return parts


def draw(title: str, panels: Sequence[Panel], note: str = "") -> str:
    """An SVG document with the panels in rows of two."""
    width = WIDTH * min(2, len(panels))
    notes = textwrap.wrap(note, (width - LEFT) // 5)
    bottom = HEIGHT + (HEIGHT - 24) * ((len(panels) - 1) // 2)
    height = bottom + 12 * len(notes) + 4
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' {FONT}>",
        f"<title>{escape(title)}</title>",
        f"<rect width='{width}' height='{height}' fill='#fff'/>",
        text(LEFT, 17, title, size=14, more="font-weight='bold'"),
    ]
    for place, panel in enumerate(panels):
        across, down = place % 2 * WIDTH, place // 2 * (HEIGHT - 24)
        parts += [f"<g transform='translate({across} {down})'>", *draw_panel(panel), "</g>"]
    for line, words in enumerate(notes):
        parts.append(text(LEFT, bottom + 6 + 12 * line, words, size=9, more="fill='#777'"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def pictures(path: Path, folder: Path = PICTURES) -> list[Path]:
    """Draw the plots of a file that bench.scaling has written; the files that were made."""
    from bench.scaling import panels

    measured = json.loads(path.read_text())
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, plot in measured["plots"].items():
        target = folder / f"scaling-{name}.svg"
        target.write_text(draw(plot["title"], panels(plot), plot["note"]))
        made.append(target)
    return made


if __name__ == "__main__":
    for file in pictures(Path(sys.argv[1]) if len(sys.argv) > 1 else BUILD / "bench-scaling.json"):
        print(file)
