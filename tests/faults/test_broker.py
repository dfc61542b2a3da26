"""Brokers that stop, die, lose records and topics: the load waits, goes on, or says what happened and loses nothing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import headrace
import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions
from headrace import _load, _settings

from stack import kafka, ports
from tests.faults import balance
from tests.real.kafka_kit import fill
from tests.real.load_kit import execute, one, rows

pytestmark = pytest.mark.real

TABLE = (
    "CREATE TABLE t (id integer NOT NULL, note text);"
    "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END';"
    "CREATE TRIGGER doze BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id % 200 = 0) EXECUTE FUNCTION doze()"
)
"""Every batch takes a little, so that there is a middle."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka.Broker]:
    """A broker to stop and kill, that compacts eagerly."""
    settings = {"log.cleaner.backoff.ms": "200"}
    folder = tmp_path_factory.mktemp("kafka")
    with kafka.Broker(folder, keep=False, settings=settings, java_options=[kafka.QUICK]) as server:
        yield server


@pytest.fixture
def target(dsn: str) -> str:
    execute(dsn, TABLE)
    return dsn


def message(number: int) -> bytes:
    return b'{"id": %d, "note": "%0100d"}' % (number, number)


def load(broker: kafka.Broker, topic: str, dsn: str, **settings: Any) -> headrace.Receipt:
    """Load a topic in small batches, without reading far ahead; source settings by source={...}."""
    own = settings.pop("source", {})
    built = _settings.build(
        f"kafka://{broker.bootstrap}/{topic}",
        "t",
        dsn=dsn,
        job="broker",
        kafka={"queued.min.messages": 500, "fetch.max.bytes": 65536, "message.max.bytes": 65536}
        | settings.pop("kafka", {}),
        **{"batch_records": 200, "workers": 1} | {k: v for k, v in settings.items() if k != "progress"},
    )
    built["source"] |= own
    return _load.run(built, progress=settings.get("progress"))


def once(act: Callable[[], object]) -> Callable[[headrace.Progress], None]:
    """A progress callback that acts when the first rows are committed."""
    done = False

    def look(progress: headrace.Progress) -> None:
        nonlocal done
        if progress.loaded > 0 and not done:
            done = True
            act()

    return look


# -- brokers that are away -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_that_comes_back_in_the_middle(end: str, own: kafka.Broker, target: str) -> None:
    topic = f"back-{end}"
    own.create_topic(topic, 2)
    fill(own.bootstrap, topic, ((i % 2, message(i)) for i in range(20_000)))
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, own, topic, target, progress=once(begun.set))
        assert begun.wait(60)
        getattr(own, end)()
        seen = one(target, "SELECT count(*) FROM t")
        own.start()  # not in the other thread: the broker would end with it
        receipt = loading.result(90)
    assert seen < 20_000
    assert receipt.loaded == 20_000
    balance.check(target, "broker", "t", key="id", expected=range(20_000))


def test_a_broker_that_stays_away_is_retriable_and_the_next_run_goes_on(
    own: kafka.Broker, target: str
) -> None:
    own.create_topic("away", 1)
    fill(own.bootstrap, "away", ((0, message(i)) for i in range(20_000)))
    with pytest.raises(headrace.RetriableError, match=r'"away": no broker has answered for \d+ s') as caught:
        load(own, "away", target, progress=once(own.kill), source={"down_timeout_ms": 2000})
    assert caught.value.receipt is not None
    try:
        before = balance.check(target, "broker", "t", key="id")
        assert 0 < before.rows < 20_000
        assert caught.value.receipt.loaded == before.rows
        # and not there at the start of a run either
        started = time.monotonic()
        with pytest.raises(headrace.RetriableError, match="no Kafka broker answers") as caught:
            load(own, "away", target, source={"timeout_ms": 2000})
        assert time.monotonic() - started < 60
        assert "Connection refused" in str(caught.value)
        assert own.bootstrap in str(caught.value)
    finally:
        own.start()
    load(own, "away", target)
    balance.check(target, "broker", "t", key="id", expected=range(20_000))


def test_nobody_there_at_the_start_ends_by_itself(target: str) -> None:
    """With the time-outs as they are: half a minute, not for ever."""
    place = f"127.0.0.1:{ports.pick(None, 'nobody')}"
    with pytest.raises(headrace.RetriableError, match="no Kafka broker answers") as caught:
        headrace.load(f"kafka://{place}/t", "t", dsn=target)
    assert place in str(caught.value)
    assert one(target, "SELECT count(*) FROM headrace.receipts") == 0


# -- records and topics that are gone ----------------------------------------------------------------------------------


def delete_before(broker: kafka.Broker, topic: str, offset: int) -> None:
    admin = broker.admin()  # its answers end with it
    for deleted in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        deleted.result(30)


def test_retention_that_was_faster_fails_with_the_gap_named_and_moves_nothing(
    broker: kafka.Broker, new_topic: Callable[..., str], target: str
) -> None:
    topic = new_topic(partitions=1)
    fill(broker.bootstrap, topic, ((0, message(i)) for i in range(100)))
    assert load(broker, topic, target).loaded == 100
    fill(broker.bootstrap, topic, ((0, message(i)) for i in range(100, 300)))
    delete_before(broker, topic, 160)
    for _ in range(2):
        with pytest.raises(headrace.FatalError) as caught:
            load(broker, topic, target)
        said = str(caught.value)
        assert (
            f'"{topic}" partition 0: the job is at offset 100, but the records there are from 160 up to 300'
            in said
        )
        assert "deleted by the topic's retention" in said
        assert "headrace offsets reset" in said
    balance.check(target, "broker", "t", key="id", expected=range(100))
    receipt = load(broker, topic, target, lost_offsets="earliest")
    assert [(lane.offset_from, lane.offset_to, lane.read, lane.lost) for lane in receipt.offsets] == [
        (100, 300, 140, 60)
    ]
    assert f"{topic}/0: 60 records were deleted before they could be read" in str(receipt)
    assert receipt.balances()
    balance.check(target, "broker", "t", key="id", dense=False, expected=[*range(100), *range(160, 300)])
    kept = headrace.receipts.list(job="broker", dsn=target)
    assert [lane.lost for lane in kept[0].offsets] == [60]
    assert load(broker, topic, target, lost_offsets="earliest").read == 0


def test_all_records_lost_is_told_too(
    broker: kafka.Broker, new_topic: Callable[..., str], target: str
) -> None:
    topic = new_topic(partitions=1)
    fill(broker.bootstrap, topic, ((0, message(i)) for i in range(10)))
    assert load(broker, topic, target).loaded == 10
    fill(broker.bootstrap, topic, ((0, message(i)) for i in range(10, 50)))
    delete_before(broker, topic, 50)
    receipt = load(broker, topic, target, lost_offsets="earliest")
    assert [(lane.offset_from, lane.offset_to, lane.read, lane.lost) for lane in receipt.offsets] == [
        (10, 50, 0, 40)
    ]
    fill(broker.bootstrap, topic, ((0, message(i)) for i in range(50, 60)))
    assert load(broker, topic, target).loaded == 10


def test_a_new_job_starts_behind_what_retention_took_without_a_word(
    broker: kafka.Broker, new_topic: Callable[..., str], target: str
) -> None:
    topic = new_topic(partitions=1)
    fill(broker.bootstrap, topic, ((0, message(i)) for i in range(100)))
    delete_before(broker, topic, 40)
    receipt = load(broker, topic, target)
    assert [(lane.offset_from, lane.offset_to, lane.read, lane.lost) for lane in receipt.offsets] == [
        (40, 100, 60, 0)
    ]
    balance.check(target, "broker", "t", key="id", expected=range(40, 100))


def test_a_topic_made_again_is_noticed_between_runs(
    broker: kafka.Broker, new_topic: Callable[..., str], target: str
) -> None:
    topic = new_topic(partitions=1)
    fill(broker.bootstrap, topic, ((0, message(i)) for i in range(100)))
    assert load(broker, topic, target).loaded == 100
    broker.delete_topic(topic)
    with pytest.raises(headrace.FatalError, match=f'no Kafka topic "{topic}"'):
        load(broker, topic, target)
    make_again(broker, topic)
    fill(broker.bootstrap, topic, ((0, message(i)) for i in range(100, 130)))
    with pytest.raises(headrace.FatalError, match=r"at offset 100.*from 0 up to 30.*deleted and made again"):
        load(broker, topic, target)
    assert one(target, "SELECT next_offset FROM headrace.offsets") == 100
    receipt = load(broker, topic, target, lost_offsets="earliest")
    assert receipt.loaded == 30
    assert one(target, "SELECT next_offset FROM headrace.offsets") == 30
    assert [number for (number,) in rows(target, "SELECT id FROM t ORDER BY id")] == list(range(130))


def make_again(broker: kafka.Broker, topic: str) -> None:
    """Make a topic whose deletion may still be under way."""
    for _ in range(100):
        try:
            return broker.create_topic(topic, 1)
        except KafkaException:
            time.sleep(0.1)
    raise AssertionError(f"{topic} cannot be made again")


def test_a_topic_deleted_in_the_middle_is_retriable(
    broker: kafka.Broker, new_topic: Callable[..., str], target: str
) -> None:
    topic = new_topic(partitions=1)
    fill(broker.bootstrap, topic, ((0, message(i)) for i in range(500)))
    quick = {"topic.metadata.propagation.max.ms": 1000, "topic.metadata.refresh.interval.ms": 1000}
    with pytest.raises(headrace.RetriableError, match=f'"{topic}" was deleted while it was read'):
        load(
            broker, topic, target, until="forever", linger_ms=50, kafka=quick, progress=once(lambda: broker.delete_topic(topic))
        )  # fmt: skip
    make_again(broker, topic)  # for the fixture to delete
    balance.check(target, "broker", "t", key="id", expected=range(500))


def test_partitions_added_in_the_middle_belong_to_the_next_run(
    broker: kafka.Broker, new_topic: Callable[..., str], target: str
) -> None:
    topic = new_topic(partitions=1)
    fill(broker.bootstrap, topic, ((0, message(i)) for i in range(2000)))

    def add() -> None:
        admin = broker.admin()
        admin.create_partitions([NewPartitions(topic, 3)])[topic].result(30)
        for _ in range(100):
            if len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 3:
                break
            time.sleep(0.1)
        fill(broker.bootstrap, topic, ((i % 3, message(i)) for i in range(2000, 2300)))

    assert load(broker, topic, target, progress=once(add)).read == 2000
    second = load(broker, topic, target)
    assert sorted(lane.partition for lane in second.offsets) == [0, 1, 2]
    balance.check(target, "broker", "t", key="id", expected=range(2300))


# -- offsets without a record --------------------------------------------------------------------------------------------


def test_aborted_transactions_are_never_loaded_and_open_ones_wait(
    broker: kafka.Broker, new_topic: Callable[..., str], target: str
) -> None:
    topic = new_topic(partitions=1)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)

    def transaction(numbers: range, end: str) -> None:
        producer.begin_transaction()
        for number in numbers:
            producer.produce(topic, message(number), partition=0)
        producer.flush(30)
        if end == "commit":
            producer.commit_transaction(30)
        elif end == "abort":
            producer.abort_transaction(30)

    transaction(range(100), "commit")
    transaction(range(1000, 1100), "abort")
    transaction(range(100, 150), "commit")
    for number in range(2000, 2005):
        transaction(range(number, number), "commit")  # nothing but a control record, if that
    transaction(range(3000, 3100), "abort")
    first = load(broker, topic, target)
    assert first.read == 150
    assert first.offsets[0].lost == 0
    end = first.offsets[0].offset_to
    assert end >= 353
    transaction(range(150, 200), "leave open")
    fill(broker.bootstrap, topic, ((0, message(i)) for i in range(200, 210)))
    assert load(broker, topic, target).read == 0
    producer.commit_transaction(30)
    assert load(broker, topic, target).read == 60
    balance.check(target, "broker", "t", key="id", dense=False, expected=range(210))


def test_holes_of_compaction_are_not_missed(own: kafka.Broker, target: str) -> None:
    config = {
        "cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0",
        "max.compaction.lag.ms": "100",
    }  # fmt: skip
    own.create_topic("holes", 1, **config)
    for turn in range(4):  # a segment each; of every key only the last stays
        fill(own.bootstrap, "holes", ((0, message(turn * 100 + k), b"%d" % k) for k in range(100)))
        time.sleep(0.2)
    fill(own.bootstrap, "holes", [(0, message(900), b"end")])
    attempt, receipt = 0, None
    deadline = time.monotonic() + 90
    while receipt is None or receipt.read > 250:  # until the broker has compacted
        assert time.monotonic() < deadline
        attempt += 1
        execute(target, "TRUNCATE t, headrace.offsets" if attempt > 1 else "TRUNCATE t")
        receipt = load(own, "holes", target)
        time.sleep(0.3)
    assert [(lane.offset_from, lane.offset_to, lane.lost) for lane in receipt.offsets] == [(0, 401, 0)]
    assert receipt.loaded == receipt.read == one(target, "SELECT count(*) FROM t")
    assert one(target, "SELECT count(*) FROM t WHERE id >= 300") == 101
    assert json.loads(receipt.to_json())["read"] < 401
