"""What the tests of window jobs share: frames with a known truth, workers that can be killed, results to hold
against it.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import headrace
from confluent_kafka import Consumer, Producer, TopicPartition
from headrace.errors import HeadraceError

# forked from a process that knows nothing but headrace: a worker starts within milliseconds
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["headrace._window_topic", "headrace._headrace"])

RATE = 20
LATENESS = 60
START = 1767225600
INTERRUPTED = 130


@dataclass
class Frames:
    """Frames in a topic, and what windows of a minute must hold after them."""

    topic: str
    count: int
    truth: dict[str, int]
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def bad(self) -> int:
        """Frames that count nowhere."""
        return sum(count for kind, count in self.kinds.items() if kind not in ("plain", "disordered"))


@dataclass
class Place:
    """Where a test works: a broker, a job's name (its result topic has the same), a folder, more topics."""

    bootstrap: str
    job: str
    folder: Path
    new_topic: Callable[..., str]

    def frames(self, partitions: int, count: int = 20_000, **more: int) -> Frames:
        """Frames in a new topic."""
        return make(self.folder, self.bootstrap, self.new_topic(partitions), partitions, count, **more)

    def settings(self, frames: Frames | str, **more: Any) -> dict[str, Any]:
        """Keyword arguments of window_topic that fit the frames made here."""
        return {
            "topic": frames if isinstance(frames, str) else frames.topic,
            "to": self.job,
            "job": self.job,
            "time": "ts",
            "distinct": "uid:bigint",
            "brokers": self.bootstrap,
            "lateness": f"{LATENESS}s",
            "late_topic": f"{self.job}-late",
            "commit_ms": 100,
            **more,
        }

    def frame(self, second: float, uid: int = 1, **more: Any) -> bytes:
        """A frame so many seconds after the start."""
        return json.dumps({"ts": START + second, "uid": uid, **more}).encode()

    def send(self, topic: str, partition: int, frames: list[bytes]) -> None:
        """Frames to one partition, in their order."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "queue.buffering.max.messages": 1_000_000})
        for each in frames:
            producer.produce(topic, each, partition=partition)
        assert producer.flush(60) == 0

    def minutes(self) -> list[tuple[str, int]]:
        """(HH:MM, users) of the final results, in order of time."""
        return sorted((row["window_start"][11:16], row["users"]) for row in self.results() if row["final"])

    def results(self) -> list[dict[str, Any]]:
        """The values of all results, in their order."""
        return [json.loads(message.value()) for message in read(self.bootstrap, self.job)]

    def reasons(self) -> Counter[str]:
        """How many dead letters there are of each reason."""
        letters = read(self.bootstrap, f"{self.job}-late")
        return Counter(dict(m.headers())["headrace.reason"].decode() for m in letters)

    def assert_exact(self, frames: Frames) -> None:
        """Each window of the truth once, final, with its users, and nothing else; each bad frame one
        letter.
        """
        found = [row for row in self.results() if row["final"]]
        twice = [start for start, n in Counter(row["window_start"] for row in found).items() if n > 1]
        assert not twice, f"more than once: {twice}"
        assert {row["window_start"]: row["users"] for row in found} == frames.truth
        assert self.reasons().total() == frames.bad


def stamp(text: str) -> str:
    """A time as results have it."""
    return text.replace(" ", "T").replace("+00:00", "Z").replace("+00", "Z")


def make(
    folder: Path, bootstrap: str, topic: str, partitions: int, count: int, **more: int
) -> Frames:  # fmt: skip
    """Frames of `count / 20` seconds, spread over the partitions: by user with keyed=1, else one after the
    other.
    """
    keyed = more.pop("keyed", 0)
    path, truth = folder / f"{topic}.jsonl", folder / f"{topic}.truth"
    shares = {"late": 3000, "malformed": 3000, "future": 1000, "seed": 7, "users": 500}
    shape = {"size": 600, "fields": 20, "rate": RATE, "lateness": LATENESS, "disorder_seconds": 30}
    settings = {"start": START, **shares, **shape, **more}
    made = headrace.generate("frames", count, path, truth=truth, settings=settings)
    rows = [json.loads(line) for line in truth.read_text().splitlines()]
    produce(bootstrap, topic, path.read_bytes().splitlines(), partitions, keyed=bool(keyed))
    users = {stamp(row["window_start"]): row["users"] for row in rows if row["users"]}
    return Frames(topic, count, users, Counter(made.kinds))


def user_of(frame: bytes) -> int:
    """The user of a frame; of a damaged one something."""
    try:
        return int(json.loads(frame)["uid"])
    except (ValueError, KeyError, TypeError):
        return len(frame)


def produce(
    bootstrap: str, topic: str, frames: list[bytes], partitions: int, *, keyed: bool = False
) -> None:  # fmt: skip
    """Send frames in their order."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
    )
    for number, frame in enumerate(frames):
        where = user_of(frame) if keyed else number
        producer.produce(topic, frame, partition=where % partitions)
        if number % 1000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0


def read(bootstrap: str, topic: str, patience: float = 20) -> list[Any]:
    """All messages of a topic that are committed."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "nobody",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    left = set(consumer.list_topics(topic, patience).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in left])
    found = []
    while left:
        message = consumer.poll(patience)
        assert message is not None, f"{topic}: partitions {left} do not come to their end"
        if message.error():
            left.discard(message.partition())
        else:
            found.append(message)
    consumer.close()
    return found


def run(**arguments: Any) -> headrace.WindowReceipt:
    """A run in this process; its receipt balances."""
    receipt = headrace.window_topic(**arguments)
    assert receipt.state == "succeeded"
    assert receipt.balances()
    return receipt


def _work(arguments: dict[str, Any], outcome: Any) -> None:
    """In the worker's process."""
    try:
        headrace.window_topic(**arguments)
        outcome.value = 0
    except HeadraceError as error:
        outcome.value = error.exit_code
        os.write(2, f"worker: {error}\n".encode())
    except KeyboardInterrupt:
        outcome.value = INTERRUPTED


class Worker:
    """A process with a window job."""

    def __init__(self, **arguments: Any) -> None:
        self.outcome = FORK.Value("i", -1)
        self.process = FORK.Process(target=_work, args=(arguments, self.outcome), daemon=True)
        self.process.start()

    @property
    def pid(self) -> int:
        """Its number."""
        assert self.process.pid is not None
        return self.process.pid

    def wait(self, patience: float) -> int | None:
        """What it ended with: 0 or an exit code; -1: it was killed; None: it goes on."""
        self.process.join(patience)
        return None if self.process.is_alive() else int(self.outcome.value)

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.join(10)
