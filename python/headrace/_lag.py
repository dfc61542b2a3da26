"""How much a job has still to load."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headrace import _kafka, _source, migrations
from headrace._headrace import Connection
from headrace.display import html_table


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition: the broker has [begin, end), the job goes on at next."""

    partition: int
    begin: int
    end: int
    next: int
    lag: int
    lost: int = 0

    def to_dict(self) -> dict[str, int]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Lag:
    """What a job has still to load of a topic. lost: offsets the broker deleted before they were loaded."""

    job: str
    topic: str
    partitions: tuple[PartitionLag, ...]

    def __iter__(self) -> Iterator[PartitionLag]:
        return iter(self.partitions)

    def __len__(self) -> int:
        return len(self.partitions)

    @property
    def total(self) -> int:
        """Over all partitions."""
        return sum(p.lag for p in self.partitions)

    @property
    def lost(self) -> int:
        """Over all partitions."""
        return sum(p.lost for p in self.partitions)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "job": self.job,
            "topic": self.topic,
            "lag": self.total,
            "lost": self.lost,
            "partitions": [p.to_dict() for p in self.partitions],
        }

    def _repr_html_(self) -> str:
        rows = [[p.partition, p.begin, p.end, p.next, p.lag, p.lost] for p in self.partitions]
        header = ["partition", "begin", "end", "next", "lag", "lost"]
        return html_table(header, rows, f"{self.job}: {self.total:,} to load from {self.topic}")


def lag(
    job: str,
    source: str,
    *,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    dsn: str | None = None,
) -> Lag:
    """Compare a job's stored offsets with the end of a topic.

    job: the load's name; source: "kafka://host:port/topic", or "kafka://topic" with the brokers in `kafka`. A
    job without stored offsets (or a database without the schema headrace) counts from the beginning. It is an
    upper bound: offsets of aborted transactions, and those that compaction removed, count as well.
    """
    topic, settings = _source.parse_kafka(source if "://" in source else f"kafka://{source}", kafka)
    known = _kafka.offsets(settings, topic)
    stored: dict[int, int] = {}
    with Connection(dsn or "") as connection:
        if migrations.current(connection):
            rows = connection.query(
                "SELECT partition, next_offset FROM headrace.offsets WHERE job = $1 AND topic = $2",
                [job, topic],
            )
            stored = {int(partition or 0): int(offset or 0) for partition, offset in rows}
    return Lag(job, topic, tuple(_partition(p, stored.get(p.partition)) for p in known))


def _partition(known: _kafka.PartitionOffsets, stored: int | None) -> PartitionLag:
    place = known.begin if stored is None else stored
    return PartitionLag(
        partition=known.partition,
        begin=known.begin,
        end=known.end,
        next=place,
        lag=max(0, known.end - max(place, known.begin)),
        lost=max(0, known.begin - place),
    )
