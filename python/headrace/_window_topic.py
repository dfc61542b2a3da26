"""headrace.window_topic: event-time windows over a Kafka topic, restartable and exact. docs/windows.md has
the rules.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from headrace import _settings, _source
from headrace._window import _micros
from headrace.display import html_table
from headrace.errors import HeadraceError, UsageError

UNITS = ("minute", "hour", "day", "week", "month", "year")
_TIME_UNITS = {"s": "s", "ms": "ms", "us": "us", "ns": "ns", "text": None}
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_ ]*(?:\(\s*\d+\s*(?:,\s*\d+\s*)?\))?")
_COUNTS = ("frames", "counted", "late", "malformed", "future", "tombstones", "replayed", "bytes")
_MORE = ("held", "held_before", "results", "early", "windows", "commits")
# what a column is read as when its type is not said
_TYPES = {"count": "text", "distinct": "text", "distinct_hll": "text"}

# "count", ("distinct", "uid:bigint") or ("distinct_hll", "uid:bigint", 12)
TopicAggregate = str | tuple[str, str] | tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class WindowLane:
    """One partition's part of a run: offsets [offset_from, offset_to) and what became of the frames there.
    lost: frames that the topic had not any more, accepted under lost_offsets="earliest"; lost_why: None when
    none were, else why, and lost_from and lost_to say which offsets (of a topic that was made anew: from the
    old place to the new one, and nobody knows how many they were).
    """

    topic: str
    partition: int
    offset_from: int
    offset_to: int
    frames: int = 0
    counted: int = 0
    late: int = 0
    malformed: int = 0
    future: int = 0
    tombstones: int = 0
    replayed: int = 0
    bytes: int = 0
    held: int = 0
    lost: int = 0
    lost_from: int = 0
    lost_to: int = 0
    lost_why: str | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WindowLane:
        """From the JSON form, where the offsets are called "from" and "to"."""
        lost = data.get("lost") or {}
        return cls(
            lost=int(lost.get("count") or 0),
            lost_from=int(lost.get("from") or 0),
            lost_to=int(lost.get("to") or 0),
            lost_why=lost.get("why"),
            topic=str(data["topic"]),
            partition=int(data["partition"]),
            offset_from=int(data["from"]),
            offset_to=int(data["to"]),
            **{name: int(data.get(name) or 0) for name in (*_COUNTS, "held")},
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        counts = {name: getattr(self, name) for name in (*_COUNTS, "held")}
        return {
            "topic": self.topic,
            "partition": self.partition,
            "from": self.offset_from,
            "to": self.offset_to,
            **counts,
            "lost": self._lost(),
        }

    def _lost(self) -> dict[str, Any] | None:
        if self.lost_why is None:
            return None
        return {"count": self.lost, "from": self.lost_from, "to": self.lost_to, "why": self.lost_why}


@dataclass(frozen=True, slots=True)
class WindowReceipt:
    """What a run of a window job did.

    frames = counted + late + malformed + future + tombstones + (held - held_before), or the run has failed.
    late: frames that missed at least one kind of window; held: frames whose fate is not known yet; replayed:
    read again after a restart, and in none of the others; results: rows of closed windows, early: of open
    ones; windows: closed ones. error: None, or a dict with code and message.
    """

    job: str
    run_id: str
    state: str
    source: str
    to: str
    frames: int = 0
    counted: int = 0
    late: int = 0
    malformed: int = 0
    future: int = 0
    tombstones: int = 0
    replayed: int = 0
    bytes: int = 0
    held: int = 0
    held_before: int = 0
    results: int = 0
    early: int = 0
    windows: int = 0
    commits: int = 0
    seconds: float = 0.0
    late_topic: str | None = None
    table: str | None = None
    keyed: bool = False
    workers: int = 1
    started_at: str | None = None
    partitions: tuple[WindowLane, ...] = ()
    error: Mapping[str, Any] | None = field(default=None)

    @classmethod
    def from_json(cls, text: str) -> WindowReceipt:
        """From the JSON text of run_window, or of to_json()."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WindowReceipt:
        """From the JSON object; members that are not known are ignored."""
        words: dict[str, Any] = {name: str(data[name]) for name in ("job", "run_id", "state", "source", "to")}
        counts: dict[str, Any] = {name: int(data.get(name) or 0) for name in (*_COUNTS, *_MORE)}
        return cls(
            **words,
            **counts,
            seconds=float(data.get("seconds") or 0.0),
            late_topic=data.get("late_topic"),
            table=data.get("table"),
            keyed=bool(data.get("keyed")),
            workers=int(data.get("workers") or 1),
            started_at=data.get("started_at"),
            partitions=tuple(WindowLane.from_dict(lane) for lane in data.get("partitions") or ()),
            error=data.get("error"),
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, with nothing but JSON's own types in it."""
        names = ("job", "run_id", "state", "source", "to", *_COUNTS, *_MORE, "seconds", "late_topic", "table")
        return {
            **{name: getattr(self, name) for name in (*names, "keyed", "workers", "started_at")},
            "rate": self.rate,
            "error_rate": self.error_rate,
            "partitions": [lane.to_dict() for lane in self.partitions],
            "error": dict(self.error) if self.error is not None else None,
        }

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @property
    def rejected(self) -> int:
        """Frames that count nowhere, or not everywhere."""
        return self.late + self.malformed + self.future

    @property
    def error_rate(self) -> float:
        """The share of late, malformed and future frames."""
        return self.rejected / self.frames if self.frames else 0.0

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    def balances(self) -> bool:
        """Whether every frame is accounted for."""
        held = self.held - self.held_before
        return self.frames == self.counted + self.rejected + self.tombstones + held

    def __str__(self) -> str:
        parts = [
            f"{self.job}: {self.state}. {self.frames:,} frames = {self.counted:,} counted + "
            f"{self.late:,} late + {self.malformed:,} malformed + {self.future:,} future"
            + (f" + {self.tombstones:,} without a value" if self.tombstones else "")
            + (f" + {self.held - self.held_before:,} held" if self.held != self.held_before else "")
            + f", {self.seconds:.1f} s ({self.rate:,.0f} frames/s); {self.windows:,} windows, "
            f"{self.results:,} results into {self.to}"
        ]
        if self.replayed:
            parts.append(f"{self.replayed:,} frames were read again after a restart")
        parts.extend(
            f"{lane.topic}/{lane.partition}: lost {lane.lost:,} frames, from offset {lane.lost_from:,} to "
            f"{lane.lost_to:,}: {lane.lost_why}"
            for lane in self.partitions
            if lane.lost_why is not None
        )
        if self.error is not None:
            parts.append(f"error: {self.error.get('message', self.error)}")
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        names = ("job", "state", "frames", "counted", "late", "malformed", "future", "windows", "results")
        return html_table([*names, "seconds"], [[*[getattr(self, n) for n in names], f"{self.seconds:.2f}"]])


@dataclass(frozen=True, slots=True)
class WindowProgress:
    """How a window job stands: what it has committed, and what its workers hold now. watermark: ISO 8601,
    None when unknown; lag: frames that are there and not read yet; memory: bytes of open windows.
    """

    frames: int = 0
    counted: int = 0
    late: int = 0
    malformed: int = 0
    future: int = 0
    replayed: int = 0
    results: int = 0
    windows: int = 0
    commits: int = 0
    held: int = 0
    bytes: int = 0
    lag: int = 0
    open_windows: int = 0
    groups: int = 0
    memory: int = 0
    replaying: int = 0
    shares: int = 0
    seconds: float = 0.0
    watermark: str | None = None

    @classmethod
    def from_json(cls, text: str) -> WindowProgress:
        """From the C module's JSON."""
        data = json.loads(text)
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        return cls(**known)

    @property
    def error_rate(self) -> float:
        """The share of late, malformed and future frames."""
        return (self.late + self.malformed + self.future) / self.frames if self.frames else 0.0


def window_topic(
    topic: str,
    to: str,
    *,
    job: str,
    time: str,
    windows: str | Sequence[str] = "minute",
    brokers: str | None = None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    time_unit: Literal["s", "ms", "us", "ns", "text"] = "s",
    zone: str = "UTC",
    by: str | Sequence[str] = (),
    distinct: str | Sequence[str] | Mapping[str, str] = (),
    aggregates: Mapping[str, TopicAggregate] | None = None,
    lateness: Any = "1h",
    jump: Any = "1h",
    early: Any = None,
    late_topic: str | None = None,
    table: str | None = None,
    dsn: str | None = None,
    create_table: bool = False,
    keyed: bool = False,
    close_all: bool = False,
    start: Literal["earliest", "latest"] | datetime = "earliest",
    until: Literal["end", "forever"] = "end",
    lost_offsets: Literal["fail", "earliest"] = "fail",
    max_records: int | None = None,
    max_seconds: float | None = None,
    workers: int = 1,
    instance: str | None = None,
    progress: Callable[[WindowProgress], object] | None = None,
    **tuning: Any,
) -> WindowReceipt:
    """Count a topic's frames (JSON objects) in event-time windows, and write each window's result to the
    topic `to`, exactly once: a run that was killed and is started again loses nothing and repeats nothing.

        headrace.window_topic("frames", "users", job="visitors", time="ts", distinct="uid:bigint",
                              brokers="localhost:9092")

    job: its name; the topics <job>-state and <job>-partials belong to it, and are made when not there.
    time: the field with the event time; time_unit: of numbers, or "text" for ISO 8601.
    windows: kinds that are computed in one pass: "minute", "hour", "day", "week", "month", "year" of `zone`;
      "5m": side by side; "10m/1m": sliding; "session 30m": sessions.
    by: fields that make the key: "column", "column:type" or "name=column:type" (text unless said).
    distinct: fields whose different values are counted; "uid:bigint" alone is called users;
      {"users": "uid:bigint"} or "users=uid:bigint" names it.
    aggregates: {"revenue": ("sum", "amount:numeric(12,2)"), "rows": "count",
      "about": ("distinct_hll", "uid", 12)}. A field in an object is written with dots: "user.id:bigint".
    lateness: how much a frame may be behind the latest of its partition; jump: how much ahead (None: any).
    early: every so often a row with final = false for each open window that changed; one partition only.
    late_topic: where frames go that count nowhere or not everywhere, as they came, with headers that say why.
    table, dsn: a PostgreSQL table that gets the same rows; create_table makes it when it is not there.
    keyed: what is counted as distinct never lies in two partitions (the producer's key is the user, say):
      partitions then send each other numbers instead of sets.
    close_all: the input is over for good: output every window.
    until: "end" (of the topic, as it is at the start) or "forever".
    lost_offsets: when the topic has not any more what comes next, or what open windows have to be read again
      from, or was made anew: "fail", or "earliest": go on with what is there, and tell it in the receipt.
    workers: threads; workers of several processes share the partitions. instance: names this process, so that
      it takes its partitions up at once after a crash; processes of one job need different ones.
    snapshot: open windows are saved at least so often (1h), so that a restart need not read again what the
      topic keeps no longer: well below its retention.
    kafka: librdkafka's settings. progress: called with a WindowProgress up to five times a second.

    Raises UsageError, FencedError, SchemaError, BalanceError (all FatalError) or RetriableError; `receipt` of
    the exception is the failed run's. Ctrl-C ends it within a second; what was not committed is done by the
    next run.
    """
    settings = build(
        topic, to, job=job, time=time, windows=windows, brokers=brokers, kafka=kafka, time_unit=time_unit,
        zone=zone, by=by, distinct=distinct, aggregates=aggregates, lateness=lateness, jump=jump, early=early,
        late_topic=late_topic, table=table, dsn=dsn, create_table=create_table, keyed=keyed,
        close_all=close_all, start=start, until=until, lost_offsets=lost_offsets, max_records=max_records,
        max_seconds=max_seconds, workers=workers, instance=instance, **tuning,
    )  # fmt: skip
    return run(settings, progress=progress)


def run(
    settings: Mapping[str, Any], *, progress: Callable[[WindowProgress], object] | None = None
) -> WindowReceipt:
    """Run a job whose settings have been built."""
    from headrace import _headrace

    def tell(text: str) -> None:
        assert progress is not None
        progress(WindowProgress.from_json(text))

    try:
        done = _headrace.run_window(json.dumps(settings), tell if progress is not None else None)
        return WindowReceipt.from_json(done)
    except HeadraceError as error:
        if isinstance(error.receipt, str):
            error.receipt = WindowReceipt.from_json(error.receipt)
        raise


class _Columns:
    """The fields that are decoded: one for each place and type."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def add(self, path: str, kind: str, name: str | None = None, **more: Any) -> str:
        """The column's name. UsageError when `name` is another column's."""
        for column in self.found:
            if (column["path"], column["type"]) == (path, kind) and name in (None, column["name"]):
                return str(column["name"])
        taken = {column["name"] for column in self.found}
        chosen = name or path
        if name is not None and name in taken:
            raise UsageError(f'two columns of the key are called "{name}"')
        while chosen in taken:
            chosen += "'"
        self.found.append({"name": chosen, "type": kind, "path": path, **more})
        return chosen


def _field(text: str, kind: str) -> tuple[str | None, str, str]:
    """(name or None, path, type) of [name=]path[:type]. UsageError for what is none."""
    name, equals, rest = text.partition("=")
    if not equals:
        name, rest = "", text
    path, colon, said = rest.rpartition(":")
    if not colon:
        path, said = rest, kind
    if not path or (equals and not name) or not _TYPE.fullmatch(said):
        raise UsageError(f"{text!r} is no field: write column, column:type or name=column:type")
    return name or None, path, said


def _spec(text: str) -> dict[str, Any]:
    """One kind of window. UsageError for what is none."""
    words = text.strip()
    if words in UNITS:
        return {"name": words, "kind": "tumbling", "unit": words, "size": 1}
    if words.startswith("session"):
        gap = words.removeprefix("session").strip()
        return {"name": f"session {gap}", "kind": "session", "gap": _micros(gap, "session")}
    size, slash, every = words.partition("/")
    if slash:
        length, step = _micros(size, "window"), _micros(every, "window")
        return {"name": words, "kind": "sliding", "size": length, "every": step}
    if not any(c.isdigit() for c in words):
        raise UsageError(f"windows={text!r}: write {', '.join(UNITS)}, 5m, 10m/1m or session 30m")
    return {"name": words, "kind": "tumbling", "size": _micros(words, "windows")}


def _distinct(distinct: str | Sequence[str] | Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Aggregates of what is to be counted; the first one without a name is called users."""
    found: dict[str, tuple[str, str]] = {}
    if isinstance(distinct, Mapping):
        return {name: ("distinct", place) for name, place in distinct.items()}
    for text in (distinct,) if isinstance(distinct, str) else distinct:
        name, equals, place = text.partition("=")
        if not equals:
            name, place = "users", text
        if not name or not place:
            raise UsageError(f"distinct {text!r} is no field: write column, column:type or name=column:type")
        if name in found:
            raise UsageError(f'two results are called "{name}": write distinct as name=column')
        found[name] = ("distinct", place)
    return found


def _aggregates(wanted: Mapping[str, TopicAggregate], columns: _Columns) -> list[dict[str, Any]]:
    """Aggregates as the C module reads them; their columns are added."""
    found = []
    for name, aggregate in wanted.items():
        words: tuple[Any, ...] = (aggregate,) if isinstance(aggregate, str) else tuple(aggregate)
        if not 1 <= len(words) <= 3:
            raise UsageError(f"aggregate {name}: give a function, or (function, column)")
        each: dict[str, Any] = {"name": name, "function": words[0]}
        if len(words) > 1 and words[1]:
            _, path, kind = _field(words[1], _TYPES.get(words[0], "numeric"))
            each["column"] = columns.add(path, kind)
        if len(words) > 2:
            each["precision"] = int(words[2])
        found.append(each)
    return found


def build(
    topic: str,
    to: str,
    *,
    job: str,
    time: str,
    windows: str | Sequence[str] = "minute",
    brokers: str | None = None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    time_unit: str = "s",
    zone: str = "UTC",
    by: str | Sequence[str] = (),
    distinct: str | Sequence[str] | Mapping[str, str] = (),
    aggregates: Mapping[str, TopicAggregate] | None = None,
    lateness: Any = "1h",
    jump: Any = "1h",
    early: Any = None,
    late_topic: str | None = None,
    table: str | None = None,
    dsn: str | None = None,
    create_table: bool = False,
    keyed: bool = False,
    close_all: bool = False,
    start: Literal["earliest", "latest"] | datetime = "earliest",
    until: Literal["end", "forever"] = "end",
    lost_offsets: Literal["fail", "earliest"] = "fail",
    max_records: int | None = None,
    max_seconds: float | None = None,
    workers: int = 1,
    instance: str | None = None,
    group: str | None = None,
    run_id: str | None = None,
    idle: Any = "10s",
    commit_ms: int | None = None,
    snapshot: Any = "1h",
    snapshot_bytes: int | None = None,
    transaction_bytes: int | None = None,
    table_bytes: int | None = None,
) -> dict[str, Any]:
    """The settings as one object; window_topic explains each. UsageError for what cannot be."""
    if time_unit not in _TIME_UNITS:
        raise UsageError(f"time_unit={time_unit!r}: write s, ms, us, ns or text")
    config = _source.kafka_settings(kafka)
    if brokers:
        config["bootstrap.servers"] = brokers
    if not config.get("bootstrap.servers") and not config.get("metadata.broker.list"):
        raise UsageError("no broker is known: give brokers (--bootstrap HOST:PORT), or bootstrap.servers")
    columns = _Columns()
    _, path, _ = _field(time, "timestamptz")
    at = columns.add(path, "timestamptz", not_null=True, unit=_TIME_UNITS[time_unit])
    keys = []
    for text in (by,) if isinstance(by, str) else by:
        name, path, kind = _field(text, "text")
        keys.append(columns.add(path, kind, name or path.rpartition(".")[2].lstrip("$")))
    wanted: dict[str, TopicAggregate] = {**_distinct(distinct), **(aggregates or {})}
    source: dict[str, Any] = {
        "kind": "kafka",
        "topic": topic,
        "config": config,
        "start": _source._start(start),
        "until": until,
    }
    settings: dict[str, Any] = {
        "job": job,
        "run_id": run_id or str(uuid.uuid4()),
        "source": source,
        "to": to,
        "late": late_topic,
        "group": group,
        "instance": instance,
        "time": at,
        "by": keys,
        "aggregates": _aggregates(wanted or {"count": "count"}, columns),
        "columns": [{k: v for k, v in column.items() if v is not None} for column in columns.found],
        "windows": [_spec(each) for each in ([windows] if isinstance(windows, str) else windows)],
        "zone": zone,
        "zoneinfo": _settings.zoneinfo_directory(),
        "lateness_us": _micros(lateness, "lateness"),
        "jump_us": -1 if jump is None else max(_micros(jump, "jump"), 0),
        "early_us": 0 if early is None else _micros(early, "early"),
        "keyed": keyed,
        "close_all": close_all,
        "lost_offsets": lost_offsets,
        "idle_ms": _micros(idle, "idle") // 1000,
        "commit_ms": commit_ms,
        "snapshot_ms": max(_micros(snapshot, "snapshot") // 1000, 1),
        "snapshot_bytes": snapshot_bytes,
        "transaction_bytes": transaction_bytes,
        "workers": workers,
        "max_records": max_records,
        "max_seconds": float(max_seconds) if max_seconds is not None else None,
    }
    if table is not None:
        settings["table"] = {"name": table, "dsn": dsn or "", "create": create_table}
        if table_bytes is not None:
            settings["table"]["bytes"] = table_bytes
    return {name: value for name, value in settings.items() if value is not None}
