"""How far a job is behind its topic, and how its partitions are best shared out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace import Lag


def measure(job: str, topic: str, dsn: str, kafka: Mapping[str, str]) -> Lag:
    """Ask broker and database for the lag; waits for both, so not for an event loop.

    :raises headrace.errors.HeadraceError: when one of them does not answer, or there is no such topic
    """
    import headrace

    return headrace.lag(job=job, source=f"kafka://{topic}", kafka=kafka, dsn=dsn)


def topic_exists(topic: str, kafka: Mapping[str, str]) -> bool:
    """Whether the brokers have a topic.

    :raises headrace.errors.HeadraceError: when they do not answer
    """
    import headrace

    return topic in {found.name for found in headrace.topics.list(kafka)}


def as_event(lag: Lag) -> dict[str, Any]:
    """A lag as JSON values, for an event or XCom."""
    return {
        "job": lag.job,
        "topic": lag.topic,
        "records": lag.total,
        "partitions": {str(part.partition): part.lag for part in lag.partitions},
    }


def shares(lag: Lag, count: int) -> list[list[int]]:
    """Deal a topic's partitions out to at most ``count`` tasks, so that each has about as much to do.

    The longest partitions are dealt first, each to the share with the least so far. There is no empty share.
    """
    parts = sorted(lag.partitions, key=lambda part: (-part.lag, part.partition))
    hands: list[list[int]] = [[] for _ in range(max(1, min(count, len(parts))))]
    loads = [0] * len(hands)
    for part in parts:
        least = min(range(len(hands)), key=lambda i: (loads[i], len(hands[i]), i))
        hands[least].append(part.partition)
        loads[least] += part.lag
    return sorted(sorted(hand) for hand in hands if hand)
