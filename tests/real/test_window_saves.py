"""What a window job keeps in its state topic, and how its transactions are cut: long windows with little volume,
topics that forget, commits that take too long.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import headrace
import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from headrace.errors import RetriableError

from stack import kafka
from tests.real import window_kit as kit


@pytest.fixture
def place(broker: kafka.Broker, new_topic: Callable[..., str], tmp_path: Path) -> kit.Place:
    """A job that no other test has."""
    return kit.Place(broker.bootstrap, new_topic(1), tmp_path, new_topic)


def frame(second: int, uid: int = 1) -> bytes:
    """A frame so many seconds after the start."""
    return json.dumps({"ts": kit.START + second, "uid": uid}).encode()


def kept(place: kit.Place) -> dict[tuple[int, bytes], int]:
    """What compaction leaves of the job's state: (partition, key) and how many bytes each has."""
    found: dict[tuple[int, bytes], int] = {}
    for message in kit.read(place.bootstrap, f"{place.job}-state"):
        found[message.partition(), message.key()] = len(message.value() or b"")
    return {key: size for key, size in found.items() if size}


def forget(broker: kafka.Broker, topic: str, partitions: int) -> None:
    """Delete all frames, as retention does."""
    asked = [TopicPartition(topic, partition, -1) for partition in range(partitions)]
    admin = broker.admin()  # kept until the answer has come
    for future in admin.delete_records(asked).values():
        future.result(20)


@pytest.mark.parametrize("partitions", [1, 2])
def test_a_long_window_outlives_its_frames(place: kit.Place, broker: kafka.Broker, partitions: int) -> None:
    """Little volume, a window of a year: it is saved by time, so that the topic may forget the frames. A run
    that finds nothing new saves it too.
    """
    topic = place.new_topic(partitions)
    arguments = place.settings(topic, windows=["minute", "year"], snapshot="1s")
    kit.produce(place.bootstrap, topic, [frame(n, uid=n % 7) for n in range(60)], partitions)
    assert kit.run(**arguments).frames == 60
    time.sleep(1.1)
    assert kit.run(**arguments).frames == 0
    forget(broker, topic, partitions)
    kit.produce(place.bootstrap, topic, [frame(200 + n, uid=n % 9) for n in range(60)], partitions)
    assert kit.run(**arguments, close_all=True).counted + place.reasons().total() >= 60
    years = [row["users"] for row in place.results() if row["window"] == "year"]
    assert years == [9]
    names = {key.split(b"/")[0] for _, key in kept(place)}
    assert names <= {b"state", b"snapshot", b"snapshot2"}


def test_snapshots_replace_each_other(place: kit.Place) -> None:
    """One snapshot a share is kept, and none when marks do: the pieces of older ones get tombstones."""
    topic = place.new_topic(1)
    arguments = place.settings(
        topic, windows="day", snapshot="1ms", distinct="uid", transaction_bytes=1_000_000
    )
    sizes = []
    for day, users in ((0, 90_000), (0, 30_000), (5, 10)):
        frames = [
            json.dumps({"ts": kit.START + 86400 * day + n // 100, "uid": f"{n:040}"}).encode()
            for n in range(users)
        ]
        kit.produce(place.bootstrap, topic, frames, 1)
        kit.run(**arguments | {"lateness": "1d", "jump": None})
        found = kept(place)
        assert len({key.split(b"/")[0] for _, key in found} - {b"state"}) <= 1
        sizes.append(sum(size for (_, key), size in found.items() if key.startswith(b"snapshot")))
    assert sizes[0] > 3_000_000
    assert sizes[2] < 100_000
    kit.run(**arguments | {"lateness": "1d", "jump": None}, close_all=True)
    assert [row["users"] for row in place.results()] == [90_000, 10]


@pytest.mark.parametrize("partitions", [1, 3])
def test_results_come_in_several_transactions(place: kit.Place, partitions: int) -> None:
    """What is too much for one transaction goes out in several: the same results."""
    frames = place.frames(partitions, 9000)
    receipt = kit.run(**place.settings(frames, close_all=True, transaction_bytes=600, commit_ms=60_000))
    place.assert_exact(frames)
    assert receipt.commits > len(frames.truth) // 3


class Enough(Exception):
    """Ends a run."""


def test_transactions_that_take_too_long_are_taken_up_again(place: kit.Place, broker: kafka.Broker) -> None:
    """The brokers stand still for longer than transaction.timeout.ms, which is the user's: what was in a
    transaction then is published after all, once.
    """
    topic = place.new_topic(1)
    arguments = place.settings(topic, kafka={"transaction.timeout.ms": 1000}, commit_ms=20)
    frames = kit.make(place.folder, place.bootstrap, topic, 1, 3000)
    lines = (place.folder / f"{topic}.jsonl").read_bytes().splitlines()
    again = next(
        line for line in reversed(lines) if b'"ts":%d' % (kit.START + 149) in line.replace(b" ", b"")
    )
    replayed, over = threading.Event(), threading.Event()

    def look(now: headrace.WindowProgress) -> None:
        if now.replayed > 0:
            replayed.set()
        if over.is_set():
            raise Enough

    def work() -> None:
        with pytest.raises(Enough):
            kit.run(**arguments, until="forever", progress=look)

    def feed() -> None:
        while not over.is_set():
            kit.produce(place.bootstrap, topic, [again], 1)

    threads = [threading.Thread(target=work), threading.Thread(target=feed)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 90
    try:
        while not replayed.wait(1):
            assert time.monotonic() < end, "no transaction was lost"
            standing_still(broker, 2.5)
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    kit.run(**arguments, close_all=True)
    place.assert_exact(frames)


def standing_still(broker: kafka.Broker, seconds: float) -> None:
    """Stop the brokers' processes for so long."""
    pids = [node.process.pid for node in broker.nodes if node.process is not None]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def rival(place: kit.Place) -> Iterator[None]:
    """Somebody who takes the job's transactions over, again and again."""
    over = threading.Event()

    def take() -> None:
        while not over.is_set():
            producer = Producer(
                {
                    "bootstrap.servers": place.bootstrap,
                    "transactional.id": f"headrace.window.{place.job}.0",
                }
            )
            try:
                producer.init_transactions(10)
            except KafkaException:
                continue  # it was overtaken itself
            over.wait(0.2)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_job_that_is_fenced_for_ever_ends(place: kit.Place) -> None:
    """It does not take its share up again for ever: it says what happens, and a retry may go better."""
    topic = place.new_topic(1)
    arguments: dict[str, Any] = place.settings(topic)
    kit.run(**arguments)
    kit.produce(place.bootstrap, topic, [frame(n) for n in range(20)], 1)
    forever = arguments | {"until": "forever", "commit_ms": 700, "max_seconds": 60}
    with rival(place), pytest.raises(RetriableError, match="5 times in a row"):
        kit.run(**forever)
    assert kit.run(**arguments, close_all=True).frames == 20
