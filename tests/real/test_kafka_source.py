"""The C Kafka source on a real broker, in a driver with sanitizers: tests/io/drive_source.c checks each record too."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from stack import kafka, ports
from tests.real.kafka_kit import Driver, Refused, fill, offsets, source

pytestmark = pytest.mark.real

NewTopicFixture = Callable[..., str]


@pytest.fixture
def driver() -> Iterator[Driver]:
    with Driver("drive_source") as running:
        yield running


@pytest.fixture
def asker() -> Iterator[Driver]:
    with Driver("drive_kafka") as running:
        yield running


def create(broker: kafka.Broker, topic: str, partitions: int, config: dict[str, str] | None = None) -> None:
    admin = broker.admin()
    admin.create_topics([NewTopic(topic, partitions, config=config or {})])[topic].result(30)


def read_all(
    driver: Driver, settings: dict[str, Any], lanes: list[dict[str, Any]] | None = None, **order: Any
) -> Any:
    """Plan (unless lanes are given), open, read to the end, close."""
    driver.open(source=settings, lanes=lanes if lanes is not None else driver.plan(source=settings)["lanes"])
    try:
        return driver.read(**order)
    finally:
        driver.close()


def values(answer: dict[str, Any]) -> list[tuple[int, str | None]]:
    return sorted((r["partition"], r["value"]) for r in answer["list"])


# -- reading -------------------------------------------------------------------------------------------------------


def test_all_partitions_with_keys_times_and_tombstones(
    broker: kafka.Broker, topic: str, driver: Driver
) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    sent = []
    for i in range(2000):
        value = None if i % 50 == 7 else b"" if i % 50 == 8 else f'{{"n":{i}}}'.encode()
        key = None if i % 3 == 0 else f"k{i}".encode()
        producer.produce(topic, value, key=key, partition=i % 3, timestamp=1_700_000_000_000 + i)
        sent.append((i % 3, value and value.decode(), key and key.decode(), (1_700_000_000_000 + i) * 1000))
        sent[-1] = (sent[-1][0], None if value is None else value.decode(), *sent[-1][2:])
    assert producer.flush(30) == 0
    lanes = driver.plan(source=source(broker.bootstrap, topic))["lanes"]
    assert offsets(lanes) == {0: (0, 667), 1: (0, 667), 2: (0, 666), 3: (0, 0)}
    answer = read_all(driver, source(broker.bootstrap, topic), list=True, fetch=100)
    got = [(r["partition"], r["value"], r["key"], r["timestamp"]) for r in answer["list"]]
    assert sorted(got, key=lambda r: r[3]) == sent
    assert answer["finished"]
    assert answer["positions"] == {"0": 667, "1": 667, "2": 666, "3": 0}
    assert answer["tombstones"] == 40


def test_resumes_in_the_middle_and_leaves_what_came_later(
    broker: kafka.Broker, topic: str, driver: Driver
) -> None:
    fill(broker.bootstrap, topic, ((i % 2, b"%d" % i) for i in range(1000)))
    settings = source(broker.bootstrap, topic, partitions=[1, 0])
    lanes = driver.plan(source=settings)["lanes"]
    assert [lane["partition"] for lane in lanes] == [1, 0]
    fill(broker.bootstrap, topic, ((i % 2, b"later") for i in range(100)))
    driver.open(source=settings, lanes=[{**lanes[0], "next": 200}, {**lanes[1], "next": 500}])
    half = driver.read(records=70, list=True)
    assert half["records"] == 70
    assert half["positions"] == {"1": 270, "0": 500}
    driver.close()
    driver.open(
        source=settings, lanes=[{**lanes[0], "next": half["positions"]["1"]}, {**lanes[1], "next": 499}]
    )
    rest = driver.read(list=True)
    driver.close()
    assert rest["finished"]
    assert values(rest) == sorted([(1, str(2 * i + 1)) for i in range(270, 500)] + [(0, str(998))])
    assert values(half) == sorted((1, str(2 * i + 1)) for i in range(200, 270))


def test_reads_on_while_records_come(broker: kafka.Broker, topic: str, driver: Driver) -> None:
    settings = source(broker.bootstrap, topic, until="forever", start="latest")
    fill(broker.bootstrap, topic, [(0, b"before")])
    lanes = driver.plan(source=settings)["lanes"]
    assert lanes[0]["begin"] == 1
    assert lanes[0]["end"] == 2**63 - 1
    driver.open(source=settings, lanes=lanes)
    assert driver.read(wait_ms=300, once=True)["records"] == 0
    for turn in range(3):
        fill(broker.bootstrap, topic, [(turn, b"after %d" % turn)])
        answer = driver.read(records=1, list=True)
        assert values(answer) == [(turn, f"after {turn}")]
        assert not answer["finished"]
    driver.close()


def test_end_in_control_records_and_aborted_transactions(
    broker: kafka.Broker, new_topic: NewTopicFixture, driver: Driver
) -> None:
    topic = new_topic(1)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    for turn in ("kept", "aborted", "kept", "aborted"):
        producer.begin_transaction()
        for i in range(100):
            producer.produce(topic, f"{turn} {i}", partition=0)
        producer.flush(30)
        producer.commit_transaction(30) if turn == "kept" else producer.abort_transaction(30)
    settings = source(broker.bootstrap, topic)
    assert offsets(driver.plan(source=settings)["lanes"]) == {0: (0, 404)}
    answer = read_all(driver, settings, list=True)
    assert answer["records"] == 200
    assert all(r["value"].startswith("kept") for r in answer["list"])
    assert answer["positions"] == {"0": 404}
    # an open transaction: its records, and all after it, belong to a later run
    producer.begin_transaction()
    producer.produce(topic, "open", partition=0)
    producer.flush(30)
    fill(broker.bootstrap, topic, [(0, b"after")])
    assert offsets(driver.plan(source=settings)["lanes"]) == {0: (0, 404)}
    all_of_it = source(broker.bootstrap, topic, {"isolation.level": "read_uncommitted"})
    assert offsets(driver.plan(source=all_of_it)["lanes"]) == {0: (0, 406)}
    assert read_all(driver, all_of_it)["records"] == 402
    # a job that has read uncommitted records before, and does not any more, waits for the transaction's end
    beyond = [{**driver.plan(source=settings)["lanes"][0], "next": 406}]
    answer = read_all(driver, settings, lanes=beyond)
    assert (answer["records"], answer["finished"], answer["positions"]) == (0, True, {"0": 406})
    producer.commit_transaction(30)
    answer = read_all(
        driver, settings, lanes=[{**driver.plan(source=settings)["lanes"][0], "next": 404}], list=True
    )
    assert values(answer) == [(0, "after"), (0, "open")]
    assert answer["positions"] == {"0": 407}


def test_big_messages(broker: kafka.Broker, new_topic: NewTopicFixture, driver: Driver) -> None:
    topic = new_topic(1, **{"max.message.bytes": "100000000"})
    big = [bytes([i]) * (5_000_000 * i + 1) for i in (1, 6)]
    fill(broker.bootstrap, topic, [(0, b"small"), (0, big[0]), (0, b"small"), (0, big[1]), (0, b"small")])
    answer = read_all(driver, source(broker.bootstrap, topic))
    assert answer["records"] == 5
    assert answer["bytes"] == 15 + sum(map(len, big))


def test_many_partitions_share_one_queue(
    broker: kafka.Broker, new_topic: NewTopicFixture, driver: Driver, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = new_topic(50)
    fill(
        broker.bootstrap,
        topic,
        ((i % 50, b"%0160d" % i) for i in range(200_000)),
        **{"compression.type": "lz4"},
    )
    answer = read_all(driver, source(broker.bootstrap, topic))
    assert answer["records"] == 200_000
    assert answer["positions"] == {str(p): 4000 for p in range(50)}
    with capsys.disabled():
        print(
            f" [{answer['records'] / answer['seconds']:,.0f} records/s with sanitizers, {answer['chunks']} chunks]",
            end="",
        )


def test_a_slow_reader_is_not_starved(broker: kafka.Broker, topic: str, driver: Driver) -> None:
    """More records than the queue holds, in small fetches: each time the queue was full, fetching must go on."""
    fill(broker.bootstrap, topic, ((i % 4, b"%0100d" % i) for i in range(100_000)))
    settings = source(
        broker.bootstrap,
        topic,
        {"queued.min.messages": 100, "queued.max.messages.kbytes": 16, "fetch.max.bytes": 1_000_000},
    )
    answer = read_all(driver, settings, fetch=50, seconds=200)
    assert answer["records"] == 100_000


# -- what is gone --------------------------------------------------------------------------------------------------


def delete_before(broker: kafka.Broker, topic: str, offset: int) -> None:
    admin = broker.admin()
    for deleted in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        deleted.result(30)


def test_lost_offsets_fail_with_where_and_what(
    broker: kafka.Broker, new_topic: NewTopicFixture, driver: Driver
) -> None:
    topic = new_topic(1)
    fill(broker.bootstrap, topic, ((0, b"%d" % i) for i in range(100)))
    settings = source(broker.bootstrap, topic)
    lanes = driver.plan(source=settings)["lanes"]
    delete_before(broker, topic, 60)
    with pytest.raises(Refused) as caught:
        read_all(driver, settings, lanes=[{**lanes[0], "next": 40}])
    message = caught.value.message
    assert (caught.value.code, caught.value.fatal, caught.value.retriable) == ("kafka", True, False)
    assert all(
        part in message
        for part in (topic, "partition 0", "offset 40", "from 60 up to 100", "headrace offsets reset")
    )
    # a run that had already begun
    driver.open(source=settings, lanes=[{**lanes[0], "next": 60}])
    assert driver.read(records=10)["positions"] == {"0": 70}
    driver.close()


def test_lost_offsets_earliest_goes_on_behind_the_gap(
    broker: kafka.Broker, new_topic: NewTopicFixture, driver: Driver
) -> None:
    topic = new_topic(1)
    fill(broker.bootstrap, topic, ((0, b"%d" % i) for i in range(100)))
    settings = source(broker.bootstrap, topic, lost_offsets="earliest")
    lanes = driver.plan(source=settings)["lanes"]
    delete_before(broker, topic, 60)
    answer = read_all(driver, settings, lanes=[{**lanes[0], "next": 40}], list=True)
    assert [r["offset"] for r in answer["list"]] == list(range(60, 100))
    assert answer["positions"] == {"0": 100}
    # all gone: the position is the end, nothing is waited for
    delete_before(broker, topic, 100)
    answer = read_all(driver, settings, lanes=[{**lanes[0], "next": 40}])
    assert (answer["records"], answer["positions"], answer["finished"]) == (0, {"0": 100}, True)
    # the beginning moves beyond the end of a run that was planned before
    fill(broker.bootstrap, topic, ((0, b"x") for i in range(50)))
    delete_before(broker, topic, 130)
    answer = read_all(driver, settings, lanes=[{**lanes[0], "next": 40}])
    assert (answer["records"], answer["positions"], answer["finished"]) == (0, {"0": 100}, True)


@pytest.mark.parametrize("until", ["end", "forever"])
def test_a_topic_made_again_is_noticed(
    broker: kafka.Broker, new_topic: NewTopicFixture, driver: Driver, until: str
) -> None:
    topic = new_topic(1)
    fill(broker.bootstrap, topic, ((0, b"new %d" % i) for i in range(10)))  # as if it had held 1000 before
    settings = source(broker.bootstrap, topic, until=until)
    lanes = [{**driver.plan(source=settings)["lanes"][0], "next": 1000}]
    with pytest.raises(Refused, match="deleted and made again") as caught:
        read_all(driver, settings, lanes=lanes)
    assert caught.value.fatal
    assert "from 0 up to 10" in caught.value.message
    again = source(broker.bootstrap, topic, lost_offsets="earliest", until=until)
    answer = read_all(driver, again, lanes=lanes, list=True, records=10)
    assert [r["value"] for r in answer["list"]] == [f"new {i}" for i in range(10)]
    assert answer["positions"] == {"0": 10}


def test_a_topic_deleted_under_way(broker: kafka.Broker, driver: Driver) -> None:
    create(broker, "vanishing", 1)
    fill(broker.bootstrap, "vanishing", [(0, b"x")])
    settings = source(
        broker.bootstrap,
        "vanishing",
        {"topic.metadata.propagation.max.ms": 1000, "topic.metadata.refresh.interval.ms": 1000},
        until="forever",
    )
    driver.open(source=settings, lanes=driver.plan(source=settings)["lanes"])
    assert driver.read(records=1)["records"] == 1
    admin = broker.admin()
    admin.delete_topics(["vanishing"])["vanishing"].result(30)
    with pytest.raises(Refused, match='"vanishing"') as caught:
        driver.read(seconds=200)
    driver.close()
    assert (caught.value.code, caught.value.retriable) == ("kafka", True)
    assert "deleted while it was read" in caught.value.message


# -- settings ------------------------------------------------------------------------------------------------------


def test_where_a_new_job_starts(broker: kafka.Broker, new_topic: NewTopicFixture, driver: Driver) -> None:
    topic = new_topic(2)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for i in range(100):
        producer.produce(topic, b"x", partition=0, timestamp=1_700_000_000_000 + 1000 * i)
    assert producer.flush(30) == 0
    delete_before(broker, topic, 10)

    def begins(**settings: Any) -> dict[int, tuple[int, int]]:
        return offsets(driver.plan(source=source(broker.bootstrap, topic, **settings))["lanes"])

    assert begins() == begins(start="earliest") == {0: (10, 100), 1: (0, 0)}
    assert begins(start="latest") == {0: (100, 100), 1: (0, 0)}
    assert begins(start={"timestamp_ms": 1_700_000_050_500}) == {0: (51, 100), 1: (0, 0)}
    assert begins(start={"timestamp_ms": 0}) == {0: (10, 100), 1: (0, 0)}
    assert begins(start={"timestamp_ms": 1_800_000_000_000}) == {0: (100, 100), 1: (0, 0)}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"topic": ""}, ["topic"]),
        ({"partitions": [0, 9]}, ["no partition 9", "has 4"]),
        ({"partitions": [1, 1]}, ["partition 1 twice"]),
        ({"partitions": []}, ["partitions"]),
        ({"partitions": ["0"]}, ["partitions"]),
        ({"partitions": [4294967296]}, ["no partition 4294967296"]),
        ({"start": "now"}, ["start", "timestamp_ms"]),
        ({"start": {"timestamp_ms": "x"}}, ["start", "timestamp_ms"]),
        ({"lost_offsets": "skip"}, ["lost_offsets", "earliest"]),
        ({"until": 7}, ["until", "forever"]),
        ({"group": ""}, ["group"]),
        ({"timeout_ms": 1}, ["timeout_ms", "100"]),
        (
            {"config": {"bootstrap.servers": "127.0.0.1:1", "enable.auto.commit": True}},
            ["enable.auto.commit", "false"],
        ),
        ({"config": {"bootstrap.servers": "127.0.0.1:1", "group.id": "g"}}, ["group.id", '"group"']),
    ],
)
def test_settings_that_cannot_be(
    broker: kafka.Broker, topic: str, driver: Driver, settings: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(Refused) as caught:
        driver.plan(source={**source(broker.bootstrap, topic), **settings})
    assert (caught.value.code, caught.value.fatal) == ("usage", True)
    assert all(word in caught.value.message for word in words), caught.value.message


def test_a_courtesy_group_is_told_the_positions(
    broker: kafka.Broker, topic: str, driver: Driver, asker: Driver
) -> None:
    fill(broker.bootstrap, topic, ((i % 2, b"x") for i in range(20)))
    config = {"bootstrap.servers": broker.bootstrap}
    before = asker.offsets(config=config, topic=topic, group=f"headrace.{topic}", partitions=[0, 1])
    assert before["offsets"] == [-1, -1]
    settings = source(broker.bootstrap, topic, group=f"headrace.{topic}", partitions=[0, 1])
    driver.open(source=settings, lanes=driver.plan(source=settings)["lanes"])
    driver.read(records=10)
    driver.committed()
    end = (
        time.monotonic() + 60
    )  # until the group's coordinator is known: that takes its time, and the farewell is short
    while asker.offsets(config=config, topic=topic, group=f"headrace.{topic}", partitions=[0, 1])[
        "offsets"
    ] == [-1, -1]:
        assert time.monotonic() < end
    driver.read()
    driver.committed()
    driver.close()  # the last commit must not be lost with the connection
    got = asker.offsets(config=config, topic=topic, group=f"headrace.{topic}", partitions=[0, 1])["offsets"]
    assert got == [10, 10]


# -- brokers that do not answer ------------------------------------------------------------------------------------


def test_nobody_there(driver: Driver) -> None:
    nowhere = f"127.0.0.1:{ports.pick(None, 'nobody')}"
    with pytest.raises(Refused) as caught:
        driver.plan(source=source(nowhere, "purchases", timeout_ms=1500))
    assert (caught.value.code, caught.value.retriable) == ("kafka", True)
    assert "Connection refused" in caught.value.message
    assert nowhere in caught.value.message
    with pytest.raises(Refused) as caught:  # the test's own time-out would come first
        driver.plan(source=source(nowhere, "purchases", timeout_ms=86_400_000), cancel_ms=500)
    assert caught.value.code == "cancelled"


def test_a_cancel_ends_a_wait(broker: kafka.Broker, topic: str, driver: Driver) -> None:
    settings = source(broker.bootstrap, topic, until="forever")
    driver.open(source=settings, lanes=driver.plan(source=settings)["lanes"])
    answer = driver.read(wait_ms=10_000_000, seconds=10_000_000, cancel_ms=500)  # the same
    assert (answer["records"], answer["finished"]) == (0, False)
    fill(broker.bootstrap, topic, [(0, b"x")])
    assert driver.read(records=1)["records"] == 1
    driver.close()


class Secured(kafka.Broker):
    """A broker that wants a password."""

    CREDENTIALS: ClassVar[dict[str, str]] = {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanisms": "PLAIN",
        "sasl.username": "reader",
        "sasl.password": "open sesame",
    }

    def __init__(self, folder: Path) -> None:
        login = "org.apache.kafka.common.security.plain.PlainLoginModule"
        super().__init__(
            folder,
            keep=False,
            settings={
                "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_PLAINTEXT",
                "sasl.enabled.mechanisms": "PLAIN",
                "sasl.mechanism.inter.broker.protocol": "PLAIN",
                "listener.name.plaintext.plain.sasl.jaas.config": f'{login} required username="admin" password="a" '
                'user_admin="a" user_reader="open sesame";',
            },
        )

    def admin(self, **settings: str) -> AdminClient:
        return super().admin(**self.CREDENTIALS, **settings)


def test_credentials(tmp_path: Path, driver: Driver) -> None:
    with Secured(tmp_path / "kafka") as secured:
        create(secured, "t", 1)
        fill(secured.bootstrap, "t", ((0, b"%0100d" % i) for i in range(30_000)), **Secured.CREDENTIALS)
        small = {**Secured.CREDENTIALS, "queued.min.messages": 100, "fetch.max.bytes": 1_000_000}
        assert (
            read_all(driver, source(secured.bootstrap, "t", small), fetch=50, seconds=200)["records"]
            == 30_000
        )
        # connected anew, after the credentials were set again and again to wake librdkafka 2.0
        settings = source(secured.bootstrap, "t", small)
        driver.open(source=settings, lanes=driver.plan(source=settings)["lanes"])
        first = driver.read(fetch=50, records=5000)
        secured.stop()
        secured.start()
        assert first["records"] + driver.read(fetch=50, seconds=200)["records"] == 30_000
        driver.close()
        wrong = {**Secured.CREDENTIALS, "sasl.password": "close sesame"}
        with pytest.raises(Refused) as caught:
            driver.plan(source=source(secured.bootstrap, "t", wrong, timeout_ms=30_000))
        assert (caught.value.code, caught.value.fatal, caught.value.retriable) == ("kafka", True, False)
        assert "credentials" in caught.value.message
        assert "sesame" not in caught.value.message


# -- a broker of our own: stopped, started, and cleaning its logs eagerly ---------------------------------------------


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka.Broker]:
    settings = {"log.cleaner.backoff.ms": "200", "auto.create.topics.enable": "true"}
    with kafka.Broker(tmp_path_factory.mktemp("kafka"), keep=False, settings=settings) as server:
        yield server


def test_asking_does_not_make_a_topic(own: kafka.Broker, driver: Driver, asker: Driver) -> None:
    with pytest.raises(Refused, match='no Kafka topic "mistyped"') as caught:
        driver.plan(source=source(own.bootstrap, "mistyped"))
    assert (caught.value.code, caught.value.fatal) == ("usage", True)
    with pytest.raises(Refused, match='no Kafka topic "mistyped"'):
        asker.produce(config={"bootstrap.servers": own.bootstrap}, topic="mistyped", value="x")
    assert "mistyped" not in own.admin().list_topics(timeout=10).topics


def survivors(bootstrap: str, topic: str, end: int) -> list[int]:
    """The offsets there are before `end`, seen by another client."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    seen: list[int] = []
    while not (message := consumer.poll(30)).error() and message.offset() < end:  # type: ignore[union-attr]
        seen.append(message.offset())
    consumer.close()
    return seen


def test_gaps_of_compaction(own: kafka.Broker, driver: Driver) -> None:
    topic = "compacted"
    config = {
        "cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": "0", "max.compaction.lag.ms": "100",
    }  # fmt: skip
    create(own, topic, 1, config)
    for turn in range(5):  # a segment each; of key k only the last value stays
        fill(own.bootstrap, topic, ((0, b"%d" % turn, b"k%d" % k) for k in range(100)))
        time.sleep(0.3)
    fill(own.bootstrap, topic, [(0, None, b"k%d" % k) for k in range(50, 100)])
    time.sleep(0.3)
    fill(own.bootstrap, topic, [(0, b"last", b"z")])
    deadline = time.monotonic() + 120
    while (left := survivors(own.bootstrap, topic, 551)) and left[0] < 100 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert left[0] >= 100, "the broker has not compacted"
    settings = source(own.bootstrap, topic)
    lanes = driver.plan(source=settings)["lanes"]
    assert offsets(lanes) == {0: (0, 551)}
    answer = read_all(driver, settings, list=True)
    assert [r["offset"] for r in answer["list"]] == survivors(own.bootstrap, topic, 551)
    assert answer["positions"] == {"0": 551}
    # an end, and a start, in the middle of a gap
    for begin, end in ((0, 50), (10, 90), (0, left[0]), (left[0], left[0] + 1)):
        answer = read_all(driver, settings, lanes=[{**lanes[0], "next": begin, "end": end}], list=True)
        assert [r["offset"] for r in answer["list"]] == [o for o in left if begin <= o < end]
        assert answer["positions"] == {"0": end}


def test_a_broker_that_comes_back(own: kafka.Broker, driver: Driver) -> None:
    topic = "interrupted"
    create(own, topic, 2)
    fill(
        own.bootstrap, topic, ((i % 2, hashlib.sha256(b"%d" % i).hexdigest().encode()) for i in range(60_000))
    )
    settings = source(own.bootstrap, topic, {"queued.min.messages": 1000})
    lanes = driver.plan(source=settings)["lanes"]
    driver.open(source=settings, lanes=lanes)
    first = driver.read(records=5000)
    own.stop()
    driver.send("read", seconds=200)
    time.sleep(3)
    own.start()
    second = driver.answer()
    driver.close()
    assert second["finished"]
    assert first["records"] + second["records"] == 60_000
    assert second["positions"] == {"0": 30_000, "1": 30_000}


def test_a_broker_that_stays_away(own: kafka.Broker, driver: Driver) -> None:
    topic = "abandoned"
    create(own, topic, 1)
    fill(own.bootstrap, topic, ((0, b"%0200d" % i) for i in range(50_000)))
    for until in ("end", "forever"):
        settings = source(
            own.bootstrap, topic, {"queued.min.messages": 1000}, until=until, down_timeout_ms=3000
        )
        driver.open(source=settings, lanes=driver.plan(source=settings)["lanes"])
        assert driver.read(records=1000)["records"] == 1000
        own.kill()
        with pytest.raises(Refused) as caught:
            driver.read(seconds=200)
        driver.close()
        own.start()
        assert (caught.value.code, caught.value.retriable, caught.value.fatal) == ("kafka", True, False)
        assert "no broker has answered for" in caught.value.message
        assert "Connection refused" in caught.value.message, caught.value.message


def test_an_idle_reader_outlives_a_restart(own: kafka.Broker, driver: Driver) -> None:
    """All brokers were down for longer than down_timeout_ms lasts from the first moment, but not without an answer."""
    topic = "idle"
    create(own, topic, 1)
    settings = source(own.bootstrap, topic, until="forever", down_timeout_ms=20_000)
    driver.open(source=settings, lanes=driver.plan(source=settings)["lanes"])
    assert driver.read(once=True, wait_ms=500)["records"] == 0
    own.stop()
    driver.send("read", records=1, seconds=200)
    time.sleep(2)
    own.start()
    time.sleep(24)  # longer than the patience, which must have started anew
    fill(own.bootstrap, topic, [(0, b"x")])
    assert driver.answer()["records"] == 1
    driver.close()
