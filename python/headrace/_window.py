"""headrace.window: event-time windows over the rows of a batch. docs/windows.md has the rules."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypedDict, overload

from headrace import _headrace, _settings
from headrace._headrace import Batch
from headrace.errors import UsageError

Unit = Literal["minute", "hour", "day", "week", "month", "year"]
TimeUnit = Literal["s", "ms", "us", "ns"]
Duration = timedelta | str
# "count", ("sum", "amount") or ("distinct_hll", "uid", 12)
Aggregate = str | tuple[str, str] | tuple[str, str, int]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.IGNORECASE)
_LENGTHS = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "sec": 1_000_000,
    "second": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "minute": 60_000_000,
    "h": 3_600_000_000,
    "hour": 3_600_000_000,
    "d": 86_400_000_000,
    "day": 86_400_000_000,
    "w": 604_800_000_000,
    "week": 604_800_000_000,
}


class WindowReject(TypedDict):
    """A row that counts nowhere, or not in all kinds of windows: its number, why, and the windows it missed.

    reason: "late", "future" (too far ahead of the rows around it), "null" (no time) or "range" (an infinite
    time, or one beyond what 64 bits of microseconds hold).
    """

    index: int
    reason: str
    windows: list[str]


@overload
def window(
    batch: Any,
    time: str,
    *,
    by: str | Sequence[str] = (),
    size: Duration | int | None = None,
    every: Duration | int | None = None,
    gap: Duration | None = None,
    unit: Unit | Sequence[Unit] | None = None,
    zone: str = "UTC",
    origin: datetime | None = None,
    lateness: Duration | None = None,
    jump: Duration | Literal["lateness"] | None = "lateness",
    time_unit: TimeUnit | None = None,
    distinct: str | Sequence[str] = (),
    aggregates: Mapping[str, Aggregate] | None = None,
    rejects: Literal[False] = False,
) -> Batch: ...
@overload
def window(
    batch: Any,
    time: str,
    *,
    by: str | Sequence[str] = (),
    size: Duration | int | None = None,
    every: Duration | int | None = None,
    gap: Duration | None = None,
    unit: Unit | Sequence[Unit] | None = None,
    zone: str = "UTC",
    origin: datetime | None = None,
    lateness: Duration | None = None,
    jump: Duration | Literal["lateness"] | None = "lateness",
    time_unit: TimeUnit | None = None,
    distinct: str | Sequence[str] = (),
    aggregates: Mapping[str, Aggregate] | None = None,
    rejects: Literal[True],
) -> tuple[Batch, list[WindowReject]]: ...
def window(
    batch: Any,
    time: str,
    *,
    by: str | Sequence[str] = (),
    size: Duration | int | None = None,
    every: Duration | int | None = None,
    gap: Duration | None = None,
    unit: Unit | Sequence[Unit] | None = None,
    zone: str = "UTC",
    origin: datetime | None = None,
    lateness: Duration | None = None,
    jump: Duration | Literal["lateness"] | None = "lateness",
    time_unit: TimeUnit | None = None,
    distinct: str | Sequence[str] = (),
    aggregates: Mapping[str, Aggregate] | None = None,
    rejects: bool = False,
) -> Batch | tuple[Batch, list[WindowReject]]:
    """Count the rows of each window and key: a batch with a row for each, in order of time, then key.

        users = headrace.window(frames, "ts", unit="minute", distinct="uid")
        users = headrace.window("history/*.parquet", "ts", time_unit="s", unit="day", distinct="uid")

    batch: a Batch, or anything with the Arrow PyCapsule interface (pyarrow, polars, pandas 3, DuckDB); or
      Parquet files, by name or glob, of which only the columns that are needed are read (with pyarrow).
    time: a date, timestamp or timestamptz column; or numbers since 1970 in time_unit (with pyarrow, too).
    by: the columns of the key.
    Windows, one of:
      size="5m"                    side by side, from origin on (1970-01-01 UTC)
      size="1h", every="5m"        sliding
      gap="30m"                    sessions: rows of a key with less than the gap between them
      unit="day", zone="Europe/Warsaw"   of the calendar; several at once: unit=["minute", "hour", "day"];
                                   size and every then count units: unit="day", size=7, every=1
    Durations are timedelta or text: "250ms", "90s", "5m", "1h", "1h 30m", "7d".
    lateness: rows so much behind the latest one before them, and more, miss windows that have ended, as in a
      stream. None: the batch is complete, nothing is late. jump: see docs/windows.md.
    distinct: columns whose different values are counted, as distinct_<column>.
    aggregates: {"revenue": ("sum", "amount"), "rows": "count", "about": ("distinct_hll", "uid", 12)}; count,
      distinct, distinct_hll, sum, min, max.
    Columns of the result: [window (the unit's name, for several),] window_start, window_end, the key's, then
      one for each aggregate; a count of rows when none is named.
    rejects=True returns (Batch, list of WindowReject); otherwise rows that count nowhere raise a warning.
    Raises UsageError for what cannot be, DataError when a sum fits no column.
    """
    keys, named = (by,) if isinstance(by, str) else tuple(by), _aggregates(distinct, aggregates)
    rows = _rows(batch, time, time_unit, (*keys, *(column for *_, column, _ in named if column is not None)))
    units: tuple[Unit | None, ...] = (unit,) if unit is None or isinstance(unit, str) else tuple(unit)
    specs = tuple(_spec(each, size, every, gap, origin) for each in units)
    late = -1 if lateness is None else _micros(lateness, "lateness")
    if jump == "lateness":
        ahead = max(late, 3_600_000_000) if late >= 0 else -1
    else:
        ahead = -1 if jump is None else _micros(jump, "jump")
    result, refused = _headrace.window(
        rows,
        specs,
        time,
        keys,
        named,
        lateness=late,
        jump=ahead,
        zone=zone,
        zoneinfo=_settings.zoneinfo_directory(),
        named=len(specs) > 1,
    )
    found: list[WindowReject] = [
        {
            "index": row,
            "reason": reason,
            "windows": [spec[0] for i, spec in enumerate(specs) if reason != "late" or missed >> i & 1],
        }
        for row, reason, missed in refused
    ]
    if rejects:
        return result, found
    if found:
        reasons = [reject["reason"] for reject in found]
        counts = ", ".join(f"{reasons.count(reason)} {reason}" for reason in dict.fromkeys(reasons))
        warnings.warn(f"rows that miss windows: {counts} (rejects=True returns them)", stacklevel=2)
    return result


def _rows(batch: Any, time: str, time_unit: TimeUnit | None, others: Sequence[str]) -> Batch:
    """The batch itself, or what it stands for. UsageError when that cannot be read."""
    if isinstance(batch, (str, os.PathLike)):
        from headrace import _parquet

        batch = _parquet.read(batch, dict.fromkeys((time, *others)))
    if time_unit is not None:
        from headrace import _parquet

        batch = _parquet.with_times(batch, time, time_unit)
    return batch if isinstance(batch, Batch) else Batch.from_arrow(batch)


def _spec(
    unit: Unit | None,
    size: Duration | int | None,
    every: Duration | int | None,
    gap: Duration | None,
    origin: datetime | None,
) -> tuple[str, str, str | None, int, int, int, int]:
    """One kind of window as the C module reads it. UsageError for settings that do not go together."""
    if gap is not None:
        if unit is not None or size is not None or every is not None or origin is not None:
            raise UsageError("gap makes sessions: leave out size, every, unit and origin")
        return ("session", "session", None, 0, 0, _micros(gap, "gap"), 0)
    if unit is None and size is None:
        raise UsageError("say how long the windows are: size, unit or gap")
    start = 0
    if origin is not None:
        if unit is not None:
            raise UsageError("origin goes with size, not with unit: units begin with the calendar")
        moment = origin if origin.tzinfo is not None else origin.replace(tzinfo=UTC)
        start = (moment - _EPOCH) // _MICROSECOND
    if unit is None:
        length = _micros(size, "size")
        step = 0 if every is None else _micros(every, "every")
    else:
        length = 1 if size is None else _count(size, "size")
        step = 0 if every is None else _count(every, "every")
    kind = "tumbling" if every is None else "sliding"
    return (unit or kind, kind, unit, length, step, 0, start)


def _count(value: Any, name: str) -> int:
    """A number of units."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise UsageError(f"{name}={value!r}: with unit it is a number of units, such as 7")


def _micros(value: Any, name: str) -> int:
    """A duration in microseconds. UsageError for what is none, or negative."""
    micros = -1
    if isinstance(value, timedelta):
        micros = value // _MICROSECOND
    elif isinstance(value, str):
        parts = list(_DURATION.finditer(value))
        units = [part[2].lower() for part in parts]
        units = [word if word in _LENGTHS else word.removesuffix("s") for word in units]
        if parts and "".join(part[0] for part in parts) == value and all(word in _LENGTHS for word in units):
            micros = sum(
                round(float(part[1]) * _LENGTHS[word]) for part, word in zip(parts, units, strict=True)
            )
    if 0 <= micros < 2**62:
        return micros
    raise UsageError(f"{name}={value!r} is no duration: give a timedelta, or a text such as 90s, 5m, 1h, 7d")


def _aggregates(
    distinct: str | Sequence[str], aggregates: Mapping[str, Aggregate] | None
) -> tuple[tuple[str, str, str | None, int], ...]:
    """(name, function, column, precision) of each."""
    columns = (distinct,) if isinstance(distinct, str) else tuple(distinct)
    found: list[tuple[str, str, str | None, int]] = [(f"distinct_{c}", "distinct", c, 0) for c in columns]
    for name, aggregate in (aggregates or {}).items():
        words: tuple[Any, ...] = (aggregate,) if isinstance(aggregate, str) else tuple(aggregate)
        if not 1 <= len(words) <= 3:
            raise UsageError(f"aggregate {name}: give a function, or (function, column)")
        column = words[1] if len(words) > 1 else None
        precision = words[2] if len(words) > 2 else 0
        found.append((name, words[0], column, precision))
    return tuple(found) or (("count", "count", None, 0),)
