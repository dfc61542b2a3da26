"""What a window job builds on is gone: frames, the topic, its state. It says so, and does not publish twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import headrace
import pytest
from confluent_kafka import OFFSET_END, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)
from headrace.errors import FatalError, UsageError

from stack import kafka
from tests.real import window_kit as kit


@pytest.fixture
def place(broker: kafka.Broker, new_topic: Callable[..., str], tmp_path: Path) -> kit.Place:
    """A job that no other test has."""
    return kit.Place(broker.bootstrap, new_topic(1), tmp_path, new_topic)


@pytest.fixture
def admin(broker: kafka.Broker) -> AdminClient:
    """Kept while answers are waited for: they are lost with it."""
    return AdminClient({"bootstrap.servers": broker.bootstrap})


def _remake(place: kit.Place, topic: str, partitions: int) -> None:
    """Delete a topic and make it again."""
    settings = {"bootstrap.servers": place.bootstrap}
    headrace.topics.delete(topic, kafka=settings)
    headrace.topics.create(topic, partitions=partitions, kafka=settings)


def _seconds(place: kit.Place, first: int, last: int) -> list[bytes]:
    return [place.frame(second, uid=second % 7) for second in range(first, last)]


def _fails(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(FatalError, match=words):
        kit.run(**arguments)


@pytest.mark.parametrize(("partitions", "again"), [(1, 100), (1, 300), (2, 500)])
def test_a_topic_that_was_made_anew(place: kit.Place, partitions: int, again: int) -> None:
    """With fewer frames, as many, or more: the job fails, or begins with the first one; no window comes twice."""
    topic = place.new_topic(partitions)
    arguments = place.settings(topic)
    for partition in range(partitions):
        place.send(topic, partition, _seconds(place, 0, 300))
    kit.run(**arguments)
    before = place.minutes()
    assert [start for start, _ in before] == ["00:00", "00:01", "00:02"]
    _remake(place, topic, partitions)
    for partition in range(partitions):
        place.send(topic, partition, _seconds(place, 600, 600 + again))
    _fails(arguments, r"partition [01]: frames are lost, from offset 0 to 300: .*made again")
    _fails(arguments, "made again")
    assert place.minutes() == before
    receipt = kit.run(**arguments, lost_offsets="earliest", close_all=True)
    assert receipt.counted == again * partitions
    assert {lane.lost_why is not None for lane in receipt.partitions} == {True}
    assert "made again" in str(receipt)
    whole = [(f"00:{minute}", 7) for minute in range(10, 10 + again // 60)]
    assert place.minutes() == [*before, *whole, *[(f"00:{10 + again // 60}", 7)] * (again % 60 > 0)]
    assert kit.run(**arguments).frames == 0
    if partitions > 1:  # the input was over for good: there is nothing to say any more, and the run ends
        _remake(place, topic, partitions)
        receipt = kit.run(**arguments, lost_offsets="earliest")
        assert (receipt.frames, receipt.commits < 20) == (0, True)


def test_frames_that_were_deleted(place: kit.Place, admin: AdminClient) -> None:
    """Those that come next, and those that open windows have to be read again from."""
    topic = place.new_topic(2)
    arguments = place.settings(topic)
    for partition in (0, 1):
        place.send(topic, partition, _seconds(place, 0, 300))
    kit.run(**arguments)
    for partition in (0, 1):
        place.send(topic, partition, _seconds(place, 300, 600))
    admin.delete_records([TopicPartition(topic, 1, 400)])[TopicPartition(topic, 1)].result()
    _fails(arguments, r"partition 1: frames are lost, from offset \d+ to 400: they were deleted")
    receipt = kit.run(**arguments, lost_offsets="earliest", close_all=True)
    lost = {lane.partition: lane for lane in receipt.partitions}[1]
    assert lost.lost_to == 400
    assert lost.lost == 400 - lost.lost_from >= 100
    assert receipt.counted == 300 + 200
    starts = [start for start, _ in place.minutes()]
    assert starts == [f"00:0{minute}" for minute in range(10)]
    assert kit.run(**arguments).frames == 0


@pytest.mark.parametrize(("jumped", "low"), [(3, 100), (3, 203), (5, 203)])
def test_frames_that_were_held(place: kit.Place, admin: AdminClient, jumped: int, low: int) -> None:
    """They are lost with those that open windows have to be read again from: what is not known is held no more."""
    topic = place.new_topic(1)
    arguments = place.settings(topic)
    ahead = [place.frame(100_000 + second) for second in range(jumped)]
    place.send(topic, 0, _seconds(place, 0, 200) + ahead)
    assert kit.run(**arguments).held == jumped
    admin.delete_records([TopicPartition(topic, 0, low)])[TopicPartition(topic, 0)].result()
    held = min(jumped, 200 + jumped - low)
    assert kit.run(**arguments, lost_offsets="earliest").held == held
    place.send(topic, 0, _seconds(place, 200, 300))
    receipt = kit.run(**arguments)
    assert (receipt.frames, receipt.counted, receipt.future, receipt.held) == (100, 100, held, 0)
    assert place.reasons() == ({"future": held} if held > 0 else {})
    assert kit.run(**arguments, close_all=True).frames == 0


@pytest.mark.parametrize("partitions", [1, 2])
def test_a_state_that_is_gone(place: kit.Place, partitions: int) -> None:
    """Its topic was deleted: the job does not begin anew by itself; forgotten altogether, it does."""
    topic = place.new_topic(partitions)
    arguments = place.settings(topic)
    place.send(topic, 0, _seconds(place, 0, 300))
    kit.run(**arguments)
    before = place.minutes()
    headrace.topics.delete(f"{place.job}-state", kafka={"bootstrap.servers": place.bootstrap})
    _fails(arguments, re.escape(f'{place.job}-state" has no state of it'))
    _fails(arguments, "begin anew: headrace offsets forget")
    assert place.minutes() == before
    headrace.offsets.forget(place.job, kafka={"bootstrap.servers": place.bootstrap})
    kit.run(**arguments)
    assert place.minutes() == sorted(before * 2)


def test_partials_that_were_made_anew(place: kit.Place) -> None:
    """The second stage's input begins again: no run adds to it, or it would be gone on with from where it was."""
    topic = place.new_topic(2)
    arguments = place.settings(topic)
    for partition in (0, 1):
        place.send(topic, partition, _seconds(place, 0, 300))
    kit.run(**arguments)
    before = place.minutes()
    _remake(place, f"{place.job}-partials", 1)
    for partition in (0, 1):
        place.send(topic, partition, _seconds(place, 300, 600))
    for _ in range(5):
        _fails(
            arguments,
            rf'"{place.job}-partials".* up to offset \d+ before, .* ends at 0 .* forget {place.job}$',
        )
    assert place.minutes() == before
    headrace.offsets.forget(place.job, kafka={"bootstrap.servers": place.bootstrap})
    kit.run(**arguments, close_all=True)
    assert Counter(start for start, _ in place.minutes()) == {
        f"00:0{minute}": 1 + (minute < 3) for minute in range(10)
    }


def test_partials_that_were_deleted(place: kit.Place, admin: AdminClient) -> None:
    """Before the second stage has read them: no offset in a database, as other jobs have, helps there."""
    topic, partials = place.new_topic(2), f"{place.job}-partials"
    arguments = place.settings(topic)
    place.send(topic, 0, _seconds(place, 0, 300))
    kit.run(**arguments)
    producer = Producer({"bootstrap.servers": place.bootstrap})
    for _ in range(10):
        producer.produce(partials, b"gone before it is read", partition=0)
    assert producer.flush(60) == 0
    admin.delete_records([TopicPartition(partials, 0, OFFSET_END)])[TopicPartition(partials, 0)].result()
    with pytest.raises(FatalError, match=re.escape(f'"{partials}" partition 0')) as caught:
        kit.run(**arguments)
    assert "offsets reset" not in str(caught.value)
    assert str(caught.value).endswith(f": headrace offsets forget {place.job}")


def test_offsets_that_somebody_has_changed(place: kit.Place, admin: AdminClient) -> None:
    """By Kafka's own tools: that does not move the job, and is not passed over in silence."""
    topic = place.new_topic(1)
    arguments = place.settings(topic)
    place.send(topic, 0, _seconds(place, 0, 300))
    kit.run(**arguments)
    before = place.minutes()
    group = f"headrace.window.{place.job}"
    for offset in (100, 300):
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, offset)])
        admin.alter_consumer_group_offsets([wanted])[group].result()
        if offset == 100:
            _fails(arguments, "somebody has changed the group's offsets|the state is older")
    assert kit.run(**arguments).frames == 0
    assert place.minutes() == before


def test_a_state_topic_that_forgets(place: kit.Place, admin: AdminClient) -> None:
    """cleanup.policy=delete would lose the state some day; with one that keeps the newest, the job goes on."""
    topic = place.new_topic(1)
    place.send(topic, 0, _seconds(place, 0, 100))
    arguments = place.settings(topic)
    kit.run(**arguments)
    for policy, refused in (("delete", True), ("compact,delete", True), ("compact", False)):
        entry = ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, f"{place.job}-state", incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result()
        if refused:
            _fails(arguments, re.escape(f'cleanup.policy is "{policy}"'))
        else:
            kit.run(**arguments)


def test_partitions_that_were_added(place: kit.Place, admin: AdminClient) -> None:
    """Are noticed, in the next run and while it goes on for ever."""
    topic = place.new_topic(2)
    arguments = place.settings(topic)
    place.send(topic, 0, _seconds(place, 0, 100))
    kit.run(**arguments)
    worker = kit.Worker(**arguments, until="forever")
    assert worker.wait(4) is None
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result()
    assert worker.wait(30) == UsageError.exit_code
    with pytest.raises(UsageError, match=r"had 2 partitions when .* and has 3 now"):
        kit.run(**arguments)
