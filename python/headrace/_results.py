"""headrace.results: what a window worker has put out, read back from its result topic.

A result is a message whose value is a JSON object with at least window, window_start and window_end.
"final": false marks an early one, which a later one of the same window replaces.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, overload

from headrace import _kafka, _source
from headrace.display import html_table, text_table
from headrace.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from headrace._headrace import Batch

Result = dict[str, Any]

_OF_THE_WINDOW = ("window", "window_start", "window_end", "final")
_SHOWN = 50
_FAR = re.compile(r'"window_(?:start|end)"\s*:\s*"(?:-|\d{5,}-|0000-)')


class Results:
    """The results of a topic, one for each window and key: the newest. In order of time, then of length.

    Like a list of dicts, as they were sent; and by the Arrow PyCapsule interface, as a table with types:
    polars.DataFrame(results). (A Sequence by name it is not: polars would take the dicts.)
    messages: read from the topic; foreign: of them, those that are no results; far: those of the foreign ones
    that are windows before the year 1 or after 9999, which Python has no times for; repeated: windows that
    came again after their final result, which a sound worker never lets happen.
    """

    def __init__(self) -> None:
        self.messages = 0
        self.foreign = 0
        self.far = 0
        self.repeated = 0
        self._found: dict[tuple[Any, ...], Result] = {}
        self._sorted: list[Result] | None = []

    def add(self, message: Mapping[str, Any]) -> Result | None:
        """Take a message as read_messages hands it out. The result in it, None when there is none."""
        self.messages += 1
        result = _parse(message.get("value"))
        if result is None:
            self.foreign += 1
            self.far += _FAR.search(message.get("value") or "") is not None
            return None
        identity = (result["window"], message.get("key"), result["window_start"])
        before = self._found.get(identity)
        if before is not None and before.get("final", True):
            self.repeated += 1
        self._found[identity] = result
        self._sorted = None
        return result

    def keep(self, wanted: Callable[[Result], bool]) -> None:
        """Drop the others."""
        self._found = {key: result for key, result in self._found.items() if wanted(result)}
        self._sorted = None

    @property
    def rows(self) -> list[Result]:
        """The results in order."""
        if self._sorted is None:
            self._sorted = sorted(
                self._found.values(),
                key=lambda r: (r["window_start"], r["window_end"], r["window"], _text_of(r)),
            )
        return self._sorted

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> list[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | list[Result]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.rows)

    @property
    def columns(self) -> list[str]:
        """All names that results have, those of the window first."""
        names = dict.fromkeys(name for result in self.rows for name in result)
        return sorted(
            names, key=lambda name: _OF_THE_WINDOW.index(name) if name in _OF_THE_WINDOW[:3] else len(names)
        )

    def to_batch(self) -> Batch:
        """A Batch: window_start and window_end are timestamptz, the rest is typed by the values."""
        from headrace import Schema, decode_json

        names = self.columns
        schema = Schema([(name, _type_of(name, [r.get(name) for r in self.rows])) for name in names])
        batch, rejects = decode_json([json.dumps(result) for result in self.rows], schema)
        if rejects:  # cannot be, as the types were chosen by the values
            raise UsageError(f"a result cannot be read back: {rejects[0]}")
        return batch

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.to_batch().__arrow_c_stream__(requested_schema)

    def table(self, last: int | None = None) -> str:
        """A table for a terminal; last: only so many."""
        header, rows = self._cells(last)
        return text_table(header, rows) if rows else "(none)"

    def _cells(self, last: int | None) -> tuple[list[str], list[list[Any]]]:
        names = self.columns
        shown = self.rows if last is None else self.rows[-last:]
        if all(result.get("final", True) for result in shown) and "final" in names:
            names.remove("final")
        return names, [[result.get(name) for name in names] for result in shown]

    def __str__(self) -> str:
        more = "".join(
            f", {count:,} {what}"
            for count, what in (
                (sum(not result.get("final", True) for result in self._found.values()), "not final yet"),
                (self.foreign - self.far, "messages that are no results"),
                (self.far, "of years that cannot be shown: has the job the right unit of time?"),
                (self.repeated, "REPEATED after their final result"),
            )
            if count
        )
        return f"{len(self):,} results of {self.messages:,} messages{more}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        header, rows = self._cells(_SHOWN)
        left = f", the last {_SHOWN} shown" if len(self) > _SHOWN else ""
        return html_table(header, rows, f"{self}{left}")

    def plot(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        window: str | None = None,
        column: str | None = None,
    ) -> Figure:
        """Plot a column (users, or the first number there is) over time, as a step for each window.

        path: also write it there, as PNG, SVG or PDF by the name's ending. window: which windows, when there
        are several (default: the shortest). In a notebook the figure shows itself. UsageError when matplotlib
        is not installed, or there is nothing to plot.
        """
        from headrace import _plot

        figure = _plot.results(self.rows, window, column or self.number(), self.keys())
        if path is not None:
            _plot.save(figure, path)
        return figure

    def number(self) -> str:
        """The column that a plot shows: users, or the first number. UsageError when there is none."""
        names = [name for name in self.columns if name not in _OF_THE_WINDOW]
        if "users" in names:
            return "users"
        for name in names:
            if any(_is_number(result.get(name)) for result in self.rows):
                return name
        raise UsageError("there is nothing to plot: no results, or none with a number")

    def keys(self) -> list[str]:
        """The columns of the key, besides the window."""
        return [
            name
            for name in self.columns
            if name not in _OF_THE_WINDOW and any(isinstance(r.get(name), str) for r in self.rows)
        ]


def results(
    topic: str,
    *,
    window: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    follow: Callable[[Result], object] | None = None,
    settle: float = 10.0,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
) -> Results:
    """Read the results that are in a topic now, committed ones only.

        headrace.results("kafka://localhost:9092/visitors").plot()

    topic: "kafka://host:port/topic", or a topic of the brokers in `kafka`. window: only these windows
    ("minute"). since, until: only windows that start at since or later, and before until.
    follow: a function that is called with each result as it comes; then this returns only when it raises, or
      at Ctrl-C. Results are not kept then.
    settle: Kafka shows the messages of a transaction a moment after its writer was told that it is committed.
      So results that are there but not visible yet are waited for, as many seconds at most.
    Raises UsageError for a topic that is not there, RetriableError without a broker.
    """
    from headrace import _headrace

    name, settings = _source.parse_kafka(topic if "://" in topic else f"kafka://{topic}", kafka)
    first, last = _moment("since", since), _moment("until", until)
    found = Results()

    def wanted(result: Result) -> bool:
        return (
            (window is None or result["window"] == window)
            and (first is None or _start(result) >= first)
            and (last is None or _start(result) < last)
        )

    def take(text: str) -> None:
        for message in json.loads(text):
            result = found.add(message)
            if follow is not None and result is not None and wanted(result):
                follow(result)
        if follow is not None:
            found.keep(lambda _: False)

    if follow is None:
        _settle(settings, name, settle)
    source = {
        "kind": "kafka",
        "topic": name,
        "config": settings,
        "start": "earliest",
        "lost_offsets": "earliest",
        "until": "forever" if follow is not None else "end",
    }
    _headrace.read_messages(json.dumps(source), take)
    if window is not None or first is not None or last is not None:
        found.keep(wanted)
    return found


def _settle(settings: Mapping[str, str], topic: str, patience: float) -> None:
    """Wait until all that is in the topic now can be read, or a transaction has been open for too long."""
    visible = {**settings, "isolation.level": "read_committed"}
    there = _kafka.offsets({**settings, "isolation.level": "read_uncommitted"}, topic)
    end = time.monotonic() + patience
    while True:
        seen = {known.partition: known.end for known in _kafka.offsets(visible, topic)}
        if all(seen.get(known.partition, known.end) >= known.end for known in there):
            return
        if time.monotonic() > end:
            return
        time.sleep(0.1)


def _moment(name: str, moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise UsageError(
            f"{name}={moment.isoformat()} has no time zone: write {moment.isoformat()}+00:00 for UTC"
        )
    return moment


def _start(result: Result) -> datetime:
    return datetime.fromisoformat(result["window_start"])


def _parse(value: str | None) -> Result | None:
    """The result in a message's value; None when there is none."""
    try:
        result = json.loads(value or "")
        for name in ("window_start", "window_end"):
            if datetime.fromisoformat(result[name]).tzinfo is None:
                return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return result if isinstance(result.get("window"), str) else None


def _text_of(result: Result) -> str:
    """To order results of one window: by the values of their key."""
    return json.dumps([value for value in result.values() if isinstance(value, str)])


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _type_of(name: str, values: list[Any]) -> str:
    """The column type that takes all these values."""
    if name in ("window_start", "window_end"):
        return "timestamptz"
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        small = all(value is None or -(2**63) <= value < 2**63 for value in values)
        return "bigint" if small else "numeric"
    if kinds and kinds <= {int, float}:
        return "double precision"
    return "text" if kinds <= {str} else "jsonb"


def parse_moment(text: str, option: str) -> datetime:
    """A time as the command line has it; one without a zone is UTC. UsageError for what is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: write a time as 2026-11-21T10:00:00Z, or a date") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
