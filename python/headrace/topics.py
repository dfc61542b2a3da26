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
    replication: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


Settings = Mapping[str, Any] | str | os.PathLike[str] | None


def _settings(kafka: Settings) -> dict[str, str]:
    settings = _source.kafka_settings(kafka)
    if not settings.get("bootstrap.servers"):
        raise UsageError(
            f"no broker is named: set bootstrap.servers (kafka=..., a properties file, or ${_source.CONFIG_VARIABLE})"
        )
    return settings


def list(kafka: Settings = None) -> builtins.list[Topic]:
    """All topics that these credentials may see, by name; internal ones (__consumer_offsets) are left out."""
    from headrace import _headrace

    answer = json.loads(_headrace.kafka_topics(json.dumps({"config": _settings(kafka)})))
    found = [Topic(str(t["topic"]), int(t["partitions"]), int(t["replication"])) for t in answer]
    return sorted((t for t in found if not t.name.startswith("__")), key=lambda t: t.name)


def create(
    topic: str,
    *,
    partitions: int = 1,
    replication: int = -1,
    settings: Mapping[str, str] | None = None,
    kafka: Settings = None,
) -> bool:
    """Make a topic. True when it was made, False when it was there already.

    replication -1: the brokers' default. settings: the topic's own, such as {"retention.ms": "604800000"}.
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
