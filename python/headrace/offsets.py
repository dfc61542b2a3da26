"""The offsets of jobs: how far each is, and how to send it back or forward."""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headrace import _kafka, _source
from headrace._headrace import Connection
from headrace.display import html_table
from headrace.errors import UsageError


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a job is in one partition: next_offset is the first that has not been loaded."""

    job: str
    topic: str
    partition: int
    next_offset: int
    generation: int
    run_id: str | None
    updated_at: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class Offsets(builtins.list[Offset]):
    """A list that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        rows = [[o.job, o.topic, o.partition, o.next_offset, o.generation, o.updated_at] for o in self]
        return html_table(["job", "topic", "partition", "next offset", "generation", "updated"], rows)


_FILE = "file:"
"""So begin the names of files among the topics. No topic of Kafka has a colon."""

_SELECT = "SELECT job, topic, partition, next_offset, generation, run_id, updated_at FROM headrace.offsets"


def list(job: str | None = None, *, topic: str | None = None, dsn: str | None = None) -> Offsets:
    """The stored offsets, of one job or of all, sorted by job, topic and partition."""
    with Connection(dsn or "") as connection:
        return _read(connection, job, topic)


def _read(connection: Connection, job: str | None, topic: str | None) -> Offsets:
    rows = connection.query(
        f"{_SELECT} WHERE ($1::text IS NULL OR job = $1) AND ($2::text IS NULL OR topic = $2)"
        " ORDER BY job, topic, partition",
        [job, topic],
    )
    return Offsets(
        Offset(str(j), str(t), int(p or 0), int(n or 0), int(g or 0), r, str(u))
        for j, t, p, n, g, r, u in rows
    )


def reset(
    job: str,
    to: str | int | datetime,
    *,
    topic: str | None = None,
    partitions: Sequence[int] | None = None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    dsn: str | None = None,
) -> Offsets:
    """Send a job to another place: its next run starts there. Returns the offsets as they are now.

    to: "earliest", "latest", an offset, or a time (timezone-aware: the first message at or after it). Of a
    file only 0 or "earliest": it is loaded again.
    Everything but an offset is asked of the brokers, so it needs `kafka` (or $HEADRACE_KAFKA_CONFIG).
    topic: needed when the job has no stored offsets yet, or those of several topics.
    A run that holds the job now is fenced: it stops with FencedError and its open batch is rolled back.
    Raises UsageError when the place cannot be told.
    """
    with Connection(dsn or "") as connection:
        stored = _read(connection, job, topic)
        topic = _only_topic(job, topic, stored)
        places = _places(topic, to, partitions, stored, kafka)
        connection.script("BEGIN")
        for partition, offset in sorted(places.items()):
            connection.query(
                "INSERT INTO headrace.offsets AS o (job, topic, partition, next_offset) VALUES ($1, $2, "
                "$3, $4)"
                " ON CONFLICT (job, topic, partition) DO UPDATE SET next_offset = excluded.next_offset,"
                " generation = o.generation + 1, run_id = NULL, updated_at = now()",
                [job, topic, partition, offset],
            )
        connection.script("COMMIT")
        return _read(connection, job, topic)


def forget(
    job: str,
    *,
    results: str | None = None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
) -> builtins.list[str]:
    """Let a window job begin anew: delete its topics <job>-state and <job>-partials and its consumer group.

    Its next run starts where its `start` says, and puts every window out again. So the topic `results`, when
    it is named, is deleted as well: otherwise readers would see windows twice, with equal values.
    Returns what was there and is deleted. UsageError when the job is running, when the topic `results` is
    there and nothing of the job is (a name that is misspelled must not cost a topic), or when no broker is
    named.
    """
    from headrace import _headrace, topics

    settings = topics._settings(kafka)
    group = f"headrace.window.{job}"
    answer = _headrace.kafka_delete_group(json.dumps({"config": settings, "group": group}))
    found = [f"consumer group {group}"] if json.loads(answer)["deleted"] else []
    there = {topic.name for topic in topics.list(settings)}
    if results in there and not found and not {f"{job}-state", f"{job}-partials"} & there:
        raise UsageError(
            f'there is no window job "{job}" at these brokers, so topic "{results}" is left alone: check the '
            f"job's name, or delete the topic by itself: headrace topics delete {results}"
        )
    # the job's own go last: as long as they are there, what broke off in the middle can be called again
    for name in (results, f"{job}-partials", f"{job}-state"):
        if name is not None and name in there:
            topics.delete(name, missing_ok=True, kafka=settings)
            found.append(f"topic {name}")
    return found


def _only_topic(job: str, topic: str | None, stored: Offsets) -> str:
    topics = sorted({offset.topic for offset in stored})
    if topic is not None:
        return topic
    if not topics:
        raise UsageError(f'job "{job}" has no stored offsets: name its topic to set some')
    if len(topics) > 1:
        raise UsageError(f'job "{job}" has offsets of several topics ({", ".join(topics)}): name one')
    return topics[0]


def _places(
    topic: str,
    to: str | int | datetime,
    partitions: Sequence[int] | None,
    stored: Offsets,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None,
) -> dict[int, int]:
    """Partition -> the offset to go to."""
    if topic.startswith(_FILE):
        if to not in (0, "earliest") or isinstance(to, bool) or not stored:
            raise UsageError(
                f"{topic} is a file, whose offsets are bytes: from the middle of it half a record would be "
                "read. Write 0, or earliest, and it is loaded again from its beginning"
            )
        return {offset.partition: 0 for offset in stored}
    if isinstance(to, int) and not isinstance(to, bool):
        if to < 0:
            raise UsageError(f"{to} is not an offset: they start at 0")
        wanted = (
            builtins.list(partitions) if partitions is not None else [offset.partition for offset in stored]
        )
        if not wanted:
            raise UsageError("name the partitions: nothing is stored for this job and topic")
        return {int(partition): to for partition in wanted}
    timestamp = _source.milliseconds(to) if isinstance(to, datetime) else None
    if timestamp is None and to not in ("earliest", "latest"):
        raise UsageError(f'"{to}" is no place: use earliest, latest, an offset or a time')
    settings = _source.kafka_settings(kafka)
    if not settings.get("bootstrap.servers"):
        raise UsageError(f"to find that place in topic {topic} its brokers are needed: set bootstrap.servers")
    known = _kafka.offsets(settings, topic, partitions, timestamp)
    if to == "earliest":
        return {p.partition: p.begin for p in known}
    if to == "latest":
        return {p.partition: p.end for p in known}
    return {p.partition: p.at if p.at is not None and p.at >= 0 else p.end for p in known}
