"""Progress of a run: the value, and ways to show it."""

from __future__ import annotations

import html
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TextIO


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. Totals are None when unknown."""

    read: int = 0
    loaded: int = 0
    rejected: int = 0
    skipped: int = 0
    bytes: int = 0
    seconds: float = 0.0
    total_records: int | None = None
    total_bytes: int | None = None

    @classmethod
    def from_json(cls, text: str) -> Progress:
        """From the C module's JSON; totals of -1 become None."""
        data = json.loads(text)
        counts = {
            name: int(data.get(name) or 0) for name in ("read", "loaded", "rejected", "skipped", "bytes")
        }
        return cls(
            **counts,
            seconds=float(data.get("seconds") or 0.0),
            total_records=_total(data.get("total_records")),
            total_bytes=_total(data.get("total_bytes")),
        )

    @property
    def rate(self) -> float:
        """Records read a second, since the start."""
        return self.read / self.seconds if self.seconds > 0 else 0.0

    @property
    def fraction(self) -> float | None:
        """From 0 to 1, or None when the end is unknown."""
        if self.total_records:
            return min(1.0, self.read / self.total_records)
        if self.total_bytes:
            return min(1.0, (self.bytes + self.read) / self.total_bytes)  # a line end goes with each record
        return None


def _total(number: int | None) -> int | None:
    return number if number is not None and number >= 0 else None


def describe(progress: Progress) -> str:
    """How far it is, in one line."""
    rejected = f", {progress.rejected:,} rejected" if progress.rejected else ""
    return f"{progress.read:,} records{rejected}, {progress.rate:,.0f}/s, {progress.seconds:.0f} s"


class Line:
    """One line on a terminal, drawn over itself."""

    def __init__(self, stream: TextIO | None = None, label: str = "") -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.label = label
        self.drawn = 0

    def __call__(self, progress: Progress) -> None:
        """Draw."""
        fraction = progress.fraction
        bar = ""
        if fraction is not None:
            filled = int(fraction * 20)
            bar = f"[{'#' * filled}{'.' * (20 - filled)}] {fraction:4.0%} "
        text = f"{self.label}{bar}{describe(progress)}"
        self.stream.write("\r" + text.ljust(self.drawn))
        self.stream.flush()
        self.drawn = len(text)

    def close(self) -> None:
        """Wipe the line, so that the summary starts clean."""
        if self.drawn:
            self.stream.write("\r" + " " * self.drawn + "\r")
            self.stream.flush()
            self.drawn = 0


class NotebookBar:
    """A bar in a notebook's output that needs no widgets: it is drawn again in place."""

    def __init__(self, label: str = "") -> None:
        self.label = label
        self.progress = Progress()
        self.ended = False
        self._handle: Any = None

    def __call__(self, progress: Progress) -> None:
        """Draw."""
        self.progress = progress
        self._show()

    def close(self) -> None:
        """Draw for the last time: how far it came."""
        self.ended = True
        if self._handle is not None:
            self._show()

    def _show(self) -> None:
        display: Any = sys.modules["IPython"].display.display  # a kernel has imported it

        if self._handle is None:
            self._handle = display(self, display_id=True)
        else:
            self._handle.update(self)

    def __repr__(self) -> str:
        return self.label + describe(self.progress)

    def _repr_html_(self) -> str:
        fraction = self.progress.fraction
        bar = ""
        if fraction is not None:
            bar = f'<progress max="1" value="{fraction:.3f}" style="width: 20em"></progress> {fraction:.0%} '
        elif not self.ended:
            bar = '<progress style="width: 20em"></progress> '
        return f"<div>{html.escape(self.label)}{bar}{html.escape(describe(self.progress))}</div>"


def in_notebook() -> bool:
    """Whether a kernel runs us, whose front end draws what is displayed."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class Bar:
    """Any tqdm-like object: something with `n`, `total` and `refresh()`."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def __call__(self, progress: Progress) -> None:
        """Move the bar."""
        if progress.total_records is not None:
            self.bar.total = progress.total_records
        self.bar.n = progress.read
        if hasattr(self.bar, "set_postfix") and progress.rejected:
            self.bar.set_postfix(rejected=progress.rejected, refresh=False)
        self.bar.refresh()


def make_callback(progress: Any, label: str = "") -> tuple[Callable[[str], None] | None, Callable[[], None]]:
    """What run_load wants, from what a user gave: (callback or None, something to call at the end).

    progress: None or False (nothing), True (in a notebook a bar; elsewhere tqdm when installed, or a line on
    stderr), a tqdm bar, or a function that takes a Progress. TypeError for anything else.
    """
    if progress is None or progress is False:
        return None, _nothing
    show, finish = _shower(progress, label)

    begun = time.monotonic()

    def callback(text: str) -> None:
        found = Progress.from_json(text)
        # generate and produce leave the clock to us
        show(found if found.seconds > 0 else replace(found, seconds=time.monotonic() - begun))

    return callback, finish


def _shower(progress: Any, label: str) -> tuple[Callable[[Progress], Any], Callable[[], None]]:
    if progress is True and in_notebook():
        shown = NotebookBar(label)
        return shown, shown.close
    if progress is True:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            line = Line(label=label)
            return line, line.close
        bar = tqdm(desc=label.strip(": ") or None, unit=" records", unit_scale=True)
        return Bar(bar), bar.close
    if isinstance(progress, Line):
        return progress, progress.close
    if hasattr(progress, "refresh") and hasattr(progress, "total"):
        return Bar(progress), _nothing
    if callable(progress):
        return progress, _nothing
    raise TypeError(f"progress must be True, a tqdm bar or a function, not {type(progress).__name__}")


def _nothing() -> None:
    """There is nothing to tidy up."""
