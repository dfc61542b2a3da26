"""Where a bounded run of a window job ends: over several processes of one group, after all of them have done their part."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from headrace.errors import FatalError

from stack import kafka
from tests.real import window_kit as kit
from tests.real.conftest import wait_for
from tests.real.load_kit import execute


@pytest.fixture
def place(broker: kafka.Broker, new_topic: Callable[..., str], tmp_path: Path) -> kit.Place:
    """A job that no other test has."""
    return kit.Place(broker.bootstrap, new_topic(1), tmp_path, new_topic)


def test_processes_with_silent_partitions_come_to_an_end(place: kit.Place) -> None:
    """Each of two processes has a partition without news; both end, and so does the next run, without any news."""
    topic = place.new_topic(5)
    place.send(topic, 0, [place.frame(second, uid=second % 7) for second in range(300)])
    arguments = place.settings(topic)
    for _ in range(2):
        workers = [kit.Worker(**arguments), kit.Worker(**arguments)]
        assert [worker.wait(45) for worker in workers] == [0, 0]
        assert place.minutes() == [("00:00", 7), ("00:01", 7), ("00:02", 7)]


def test_nobody_leaves_before_the_second_stage_has_published(place: kit.Place, dsn: str) -> None:
    """The second stage waits for its table; no process of the run takes its part for done."""
    topic = place.new_topic(4)
    for partition in range(4):
        place.send(topic, partition, [place.frame(second, uid=second % 7) for second in range(300)])
    execute(dsn, "CREATE SCHEMA shop")
    arguments = place.settings(topic, table="shop.users", dsn=dsn, workers=3)
    kit.run(**arguments | {"topic": place.new_topic(1), "job": f"{place.job}-table", "create_table": True})
    with psycopg.connect(dsn) as holder:
        holder.execute(  # who writes this row waits for us
            'INSERT INTO shop.users ("window", window_start, window_end, users, final)'
            " SELECT 'minute', s, s + interval '1 minute', 0, true"
            " FROM (SELECT timestamptz '2026-01-01 00:00:00+00' s) at"
        )
        workers = [kit.Worker(**arguments)]
        assert wait_for(lambda: all(offset >= 300 for offset in _offsets(place, topic, 4)), 30)
        workers.append(kit.Worker(**arguments))
        time.sleep(9)
        assert [worker.wait(0) for worker in workers] == [None, None]
        holder.rollback()
    assert [worker.wait(45) for worker in workers] == [0, 0]
    assert place.minutes() == [("00:00", 7), ("00:01", 7), ("00:02", 7)]


def _offsets(place: kit.Place, topic: str, partitions: int) -> list[int]:
    """What the job's group has committed."""
    consumer = Consumer({"bootstrap.servers": place.bootstrap, "group.id": f"headrace.window.{place.job}"})
    try:
        wanted = [TopicPartition(topic, partition) for partition in range(partitions)]
        return [each.offset for each in consumer.committed(wanted, 20)]
    finally:
        consumer.close()


def _shares(place: kit.Place, topic: str) -> dict[str, list[int]]:
    """The partitions of the topic that each instance of the job's group has."""
    admin = AdminClient({"bootstrap.servers": place.bootstrap})
    group = f"headrace.window.{place.job}"
    members = admin.describe_consumer_groups([group])[group].result().members
    return {
        str(member.group_instance_id)[0]: sorted(
            each.partition for each in member.assignment.topic_partitions if each.topic == topic
        )
        for member in members
    }


def test_words_of_an_earlier_run_are_not_believed(place: kit.Place) -> None:
    """A partition was idle in the last run, and is still assigned to a process that is gone: what it brings in this
    run is waited for before others are hurried.
    """
    topic = place.new_topic(6)
    arguments = place.settings(topic)
    first: dict[str, Any] = {"until": "forever", "idle": "1s", "max_seconds": 9}
    workers = [kit.Worker(**arguments | first, instance=name) for name in "ab"]
    assert [worker.wait(30) for worker in workers] == [0, 0]
    shares = _shares(place, topic)
    here, there = sorted(shares, key=lambda name: -len(shares[name]))
    (news, silent, *_), (slow, *_) = shares[here], shares[there]
    place.send(topic, news, [place.frame(second) for second in range(900)])
    place.send(topic, slow, [place.frame(second) for second in range(400)])
    kit.run(**arguments, instance=here)
    place.send(topic, silent, [place.frame(second, uid=-second) for second in range(341, 420)])
    receipt = kit.run(**arguments, instance=here)
    assert (receipt.frames, receipt.late) == (79, 0)


def test_a_group_of_others_is_not_waited_for(place: kit.Place) -> None:
    """Members that share out partitions in another way keep the job from joining: it says so."""
    topic = place.new_topic(2)
    other = Consumer(
        {
            "bootstrap.servers": place.bootstrap,
            "group.id": f"headrace.window.{place.job}",
            "partition.assignment.strategy": "range",
        }
    )
    other.subscribe([topic])
    try:
        wait_for(lambda: other.poll(0.2) is not None or other.assignment())
        with pytest.raises(FatalError, match="members that are no window workers"):
            kit.run(**place.settings(topic, max_seconds=20))
    finally:
        other.close()


def test_an_open_transaction_is_no_silence(place: kit.Place) -> None:
    """In a job that goes on for ever, a partition whose next frames are not committed yet is waited for."""
    topic = place.new_topic(2)
    writer = Producer({"bootstrap.servers": place.bootstrap, "transactional.id": place.job})
    writer.init_transactions(30)
    writer.begin_transaction()
    for second in range(200):
        writer.produce(topic, place.frame(second, uid=2), partition=1)
    writer.flush(30)
    place.send(topic, 0, [place.frame(second) for second in range(200)])
    worker = kit.Worker(**place.settings(topic, until="forever", idle="1s"))
    try:
        wait_for(lambda: _offsets(place, topic, 1) == [200])
        time.sleep(4)
        writer.commit_transaction(30)
        wait_for(lambda: place.minutes()[1:])
        assert place.minutes() == [("00:00", 2), ("00:01", 2)]
    finally:
        worker.kill()


def test_keys_of_results_are_told_apart(place: kit.Place) -> None:
    """Whatever is in the values that make them."""
    topic = place.new_topic(1)
    pairs = [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), ("null", "c"), (None, "c")]
    place.send(topic, 0, [place.frame(n, a=a, b=b) for n in range(2) for a, b in pairs])
    kit.run(**place.settings(topic, by=["a", "b"], close_all=True))
    keys = [message.key().decode() for message in kit.read(place.bootstrap, place.job)]
    ends = ["a%252Fb/c", "a%2Fb/c", "a/b%2Fc", "%6Eull/c", "null/c"]
    assert sorted(keys) == sorted(f"2026-01-01T00:00:00Z/{end}" for end in ends)


@pytest.mark.parametrize("partitions", [1, 2])
def test_the_last_votes_are_closed(place: kit.Place, partitions: int) -> None:
    """The input is over for good while frames are held: those of a short topic count, one that jumps does not."""
    topic = place.new_topic(partitions)
    place.send(topic, 0, [place.frame(second, uid=second) for second in range(3)])
    receipt = kit.run(**place.settings(topic), close_all=True)
    assert (receipt.frames, receipt.counted, receipt.held) == (3, 3, 0)
    assert place.minutes() == [("00:00", 3)]
    other, job = place.new_topic(partitions), f"{place.job}-jump"
    arguments = place.settings(other, to=place.new_topic(1), job=job)
    place.send(other, 0, [place.frame(second) for second in (*range(20), 100_000, 20, 21)])
    assert kit.run(**arguments).held == 1
    receipt = kit.run(**arguments, close_all=True)
    assert (receipt.frames, receipt.future, receipt.held) == (0, 1, 0)
    assert place.reasons() == {"future": 1}
    assert kit.run(**arguments, close_all=True).future == 0
