"""headrace.produce: the lines of a file, as messages into a Kafka topic."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from headrace import _source
from headrace.display import html_table
from headrace.errors import UsageError
from headrace.progress import Progress, make_callback


@dataclass(frozen=True, slots=True)
class Produced:
    """What was sent: every one of these messages is at the brokers.

    bytes: of the messages' values; keyless: messages without a key although one was asked for; blank: lines
    that were left out as there is nothing on them; rounds: how often the file was read to its end, or begun.
    """

    source: str
    topic: str
    messages: int
    bytes: int
    keyless: int
    blank: int
    rounds: int
    seconds: float

    @classmethod
    def from_json(cls, text: str) -> Produced:
        """From the C module's JSON. Unknown members are ignored."""
        data = json.loads(text)
        return cls(**{name: data[name] for name in cls.__slots__})

    def to_dict(self) -> dict[str, Any]:
        """For JSON and XCom."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds if self.seconds > 0 else 0.0

    def __str__(self) -> str:
        more = "".join(
            f", {count:,} {what}"
            for count, what in ((self.keyless, "without a key"), (self.blank, "blank lines left out"))
            if count
        )
        return (
            f"{self.messages:,} messages from {self.source} to {self.topic} in {self.seconds:.1f} s "
            f"({self.rate:,.0f}/s, {self.bytes / 1e6:,.1f} MB){more}"
        )

    def _repr_html_(self) -> str:
        return html_table(["", "number"], [(k, v) for k, v in self.to_dict().items() if v], str(self))


def produce(
    source: str | os.PathLike[str],
    to: str,
    *,
    key: str | None = None,
    rate: float | None = None,
    loop: bool | int = False,
    max_records: int | None = None,
    max_seconds: float | None = None,
    partitions: int | None = None,
    replication: int = -1,
    topic_config: Mapping[str, str] | None = None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    progress: bool | Callable[[Progress], object] | Any = None,
) -> Produced:
    """Send each line of a file to a topic, as it stands. Blank lines are left out; broken ones are sent.

    source: a file of JSON lines, also gzip or zstd, or "-" for standard input. to: "kafka://host:port/topic".
    key: the field, or path of fields (user.id), whose text becomes the message's key: messages of one key go
      to one partition, the same that Java's clients choose. A line without it has no key and goes anywhere.
    rate: messages a second at most. loop: True for again and again until stopped, or how often.
    max_records, max_seconds: stop after so much.
    partitions, replication, topic_config: of the topic, when it is not there yet.
    Within a run every line is sent once; a second run sends the file again. Raises UsageError for what cannot
    be, RetriableError without a broker; messages of a run that fails may have arrived.
    """
    from headrace import _headrace

    topic, settings = _source.parse_kafka(to, kafka)
    if partitions is not None and partitions < 1:
        raise UsageError(f"a topic has at least one partition, not {partitions}")
    path = os.fspath(source)
    config = {
        "path": path if path == "-" else _source.expand_paths([path])[0],
        "topic": topic,
        "config": settings,
        "partitions": partitions,
        "replication": replication,
        "topic_config": dict(topic_config or {}),
        "key": key,
        "rate": rate,
        "rounds": (0 if loop else 1) if isinstance(loop, bool) else loop,
        "max_records": max_records,
        "max_seconds": max_seconds,
    }
    callback, finish = make_callback(progress, f"{topic}: ")
    try:
        return Produced.from_json(_headrace.produce(json.dumps(config), callback))
    finally:
        finish()
