"""Kafka topics: list them, make one."""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace import _source
from headrace.errors import UsageError


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the brokers describe it."""

    name: str
    partitions: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


Settings = Mapping[str, Any] | str | os.PathLike[str] | None


def _settings(kafka: Settings) -> dict[str, str]:
    settings = _source.kafka_settings(kafka)
    if not settings.get("bootstrap.servers"):
        raise UsageError(
            f"no broker is named: set bootstrap.servers (kafka=..., a properties file, or "
            f"${_source.CONFIG_VARIABLE})"
        )
    return settings


def list(kafka: Settings = None) -> builtins.list[Topic]:
    """All topics that these credentials may see, by name; internal ones (__consumer_offsets) are left out."""
    from headrace import _headrace

    answer = json.loads(_headrace.kafka_topics(json.dumps({"config": _settings(kafka)})))
    return sorted((Topic(str(t["topic"]), int(t["partitions"])) for t in answer), key=lambda t: t.name)


def create(
    topic: str,
    *,
    partitions: int = 1,
    replication: int = -1,
    settings: Mapping[str, str] | None = None,
    kafka: Settings = None,
) -> bool:
    """Make a topic. True when it was made, False when it was there already with as many partitions.

    replication -1: the brokers' default. settings: the topic's own, such as {"retention.ms": "604800000"}.
    UsageError when it is there with another number of partitions.
    """
    from headrace import _headrace

    if partitions < 1:
        raise UsageError(f"a topic has at least one partition, not {partitions}")
    question = {
        "config": _settings(kafka),
        "topic": topic,
        "partitions": partitions,
        "replication": replication,
        "settings": dict(settings or {}),
    }
    return bool(json.loads(_headrace.kafka_create_topic(json.dumps(question)))["created"])


def delete(topic: str, *, missing_ok: bool = False, kafka: Settings = None) -> None:
    """Delete a topic with all its records. UsageError when there is none, unless missing_ok."""
    from headrace import _headrace

    question = {"config": _settings(kafka), "topic": topic, "missing_ok": missing_ok}
    _headrace.kafka_delete_topic(json.dumps(question))
