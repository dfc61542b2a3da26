"""librdkafka reading a topic and throwing the messages away: bench/c/consume.c."""

from __future__ import annotations

from bench.build import program


def command(brokers: str, topic: str, partitions: int, messages: int) -> list[str]:
    """What to run; it prints seconds and records as JSON."""
    return [
        str(program("consume", libraries=["rdkafka"])),
        brokers,
        topic,
        str(partitions),
        str(messages),
    ]
