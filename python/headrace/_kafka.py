"""Questions to a Kafka cluster, through the C module (csrc/io/kafka/kafka_admin.h)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """The offsets that a broker has of one partition: [begin, end). at: the first one at or after the time
    asked for.
    """

    partition: int
    begin: int
    end: int
    at: int | None = None


def offsets(
    settings: Mapping[str, str],
    topic: str,
    partitions: Sequence[int] | None = None,
    timestamp_ms: int | None = None,
) -> list[PartitionOffsets]:
    """The offsets of a topic's partitions. UsageError for a topic that does not exist, RetriableError without
    a broker.
    """
    from headrace import _headrace

    question = {
        "config": dict(settings),
        "topic": topic,
        "partitions": list(partitions) if partitions is not None else None,
        "timestamp_ms": timestamp_ms,
    }
    answer = json.loads(_headrace.kafka_offsets(json.dumps(question)))
    return [
        PartitionOffsets(int(p["partition"]), int(p["begin"]), int(p["end"]), p.get("at"))
        for p in sorted(answer, key=lambda p: int(p["partition"]))
    ]
