"""Frames of a web site's visitors for the window cases: about 1.5 KB each, 40 fields, nested; a tenth come
after later ones. 1,000 a second of their own time, 100,000 users. Files are kept in build/bench/data.
"""

from __future__ import annotations

import json
import re
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Producer

from bench.build import CORE, program
from bench.data import generator_mark
from stack import kafka
from stack.paths import BUILD

SETTINGS = ("seed=1", "users=100000", "rate=1000", "size=1500", "fields=40")
_USER = re.compile(rb'"uid":(\d+)')
Minutes = dict[int, int]
"""The start of a minute, in seconds since 1970, to the number of its users."""


def as_given(minutes: Minutes) -> dict[str, int]:
    """As a program of this package is told what is true: JSON has texts for keys."""
    return {str(minute): users for minute, users in sorted(minutes.items())}


def check(found: Minutes, asked: dict[str, int]) -> None:
    """RuntimeError unless these are the users of each minute."""
    if as_given(found) != asked:
        raise RuntimeError(f"the users a minute are wrong: {found}, not {asked}")


@dataclass(frozen=True)
class Frames:
    """So many frames."""

    records: int
    folder: Path = BUILD / "bench" / "data"

    def _write(self, form: str, ending: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"frames-{self.records}-{generator_mark()}.{ending}"
        if not path.exists():
            writer = program("write_frames", extra=CORE, libraries=["jansson"])
            draft = path.with_suffix(".draft")
            with draft.open("wb") as out:
                subprocess.run([str(writer), form, str(self.records), *SETTINGS], stdout=out, check=True)
            draft.rename(path)
        return path

    def lines(self) -> Path:
        """The file of JSON lines."""
        return self._write("frames", "jsonl")

    def truth(self) -> dict[str, int]:
        """The users of each minute."""
        return dict(json.loads(self._write("truth", "truth").read_text()))

    def produce(self, broker: kafka.Broker, topic: str, partitions: int) -> None:
        """Make the topic and fill it; all frames of a user go to one partition."""
        broker.create_topic(topic, partitions)
        producer = Producer(
            {
                "bootstrap.servers": broker.bootstrap,
                "compression.type": "lz4",
                "linger.ms": 50,
                "batch.size": 1000000,
                "queue.buffering.max.kbytes": 262144,
                "enable.idempotence": True,
            }
        )
        with self.lines().open("rb") as lines:
            for number, line in enumerate(lines):
                user = _USER.search(line)
                assert user is not None
                while True:
                    try:
                        producer.produce(
                            topic, line[:-1], key=user[1], partition=zlib.crc32(user[1]) % partitions
                        )
                        break
                    except BufferError:
                        producer.poll(0.1)
                if number % 10000 == 0:
                    producer.poll(0)
        if producer.flush(120) != 0:
            raise RuntimeError(f"the broker did not take all frames of topic {topic}")
