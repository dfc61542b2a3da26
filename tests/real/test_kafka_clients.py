"""Topics, offsets, the producer and the generator in C, on a real broker, in a driver with sanitizers."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from headrace import UsageError, _headrace

from stack import kafka
from tests.real.kafka_kit import OUT, Driver, Refused, build, fill

pytestmark = pytest.mark.real


@pytest.fixture
def driver() -> Iterator[Driver]:
    with Driver("drive_kafka") as running:
        yield running


def read_back(broker: kafka.Broker, topic: str, partitions: int) -> list[Message]:
    """All messages, by another client."""
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap, "group.id": "none", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    found, ended = [], 0
    while ended < partitions:
        message = consumer.poll(30)
        assert message is not None
        if message.error():
            ended += 1
        else:
            found.append(message)
    consumer.close()
    return found


# -- topics and offsets --------------------------------------------------------------------------------------------


def test_topics_are_made_once_listed_and_deleted(broker: kafka.Broker, driver: Driver) -> None:
    config = {"bootstrap.servers": broker.bootstrap}
    wanted: dict[str, Any] = {
        "topic": "clients-1",
        "partitions": 3,
        "settings": {"retention.ms": 60_000, "cleanup.policy": "delete"},
    }
    assert driver.create(config=config, **wanted) == {"made": True}
    assert driver.create(config=config, **wanted) == {"made": False}
    with pytest.raises(Refused, match="3 partitions, not 4") as caught:
        driver.create(config=config, topic="clients-1", partitions=4)
    assert caught.value.code == "usage"
    assert {"name": "clients-1", "partitions": [0, 1, 2]} in driver.topics(config=config)["topics"]
    assert driver.topic(config=config, topic="clients-1")["topic"]["partitions"] == [0, 1, 2]
    names = [topic["name"] for topic in driver.topics(config=config)["topics"]]
    assert names == sorted(names)
    assert not [name for name in names if name.startswith("__")]
    driver.delete(config=config, topic="clients-1")
    with pytest.raises(Refused, match="no such topic"):
        driver.delete(config=config, topic="clients-1")
    driver.delete(config=config, topic="clients-1", missing_ok=True)
    with pytest.raises(Refused, match='no Kafka topic "clients-1"'):
        driver.topic(config=config, topic="clients-1")


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ({"settings": {"cleanup.policy": "sometimes"}}, "sometimes"),
        ({"settings": {"cleanup.policy": ["delete"]}}, "cleanup.policy"),
        ({"replication": 7}, "replication factor"),
        ({"partitions": 0}, "Invalid number of partitions"),
        ({"topic": "no spaces"}, "no spaces"),
        ({"topic": ""}, "cannot be made"),
        ({"partitions": 100_001}, "cannot be made: num_partitions out of expected range"),
        ({"replication": 20_000}, "cannot be made: replication_factor out of expected range"),
    ],
)
def test_topics_that_cannot_be(
    broker: kafka.Broker, driver: Driver, order: dict[str, Any], words: str
) -> None:
    with pytest.raises(Refused, match=words) as caught:
        driver.create(
            **{
                "config": {"bootstrap.servers": broker.bootstrap},
                "topic": "clients-2",
                "partitions": 1,
                **order,
            }
        )
    assert caught.value.fatal


@pytest.mark.parametrize("name", ["x" * 600, "a b"])
def test_a_name_that_no_topic_can_have(broker: kafka.Broker, driver: Driver, name: str) -> None:
    """The first is refused by librdkafka, the second by the broker."""
    with pytest.raises(Refused, match=f'"{name}" cannot be the name of a Kafka topic') as caught:
        driver.topic(config={"bootstrap.servers": broker.bootstrap}, topic=name)
    assert caught.value.code == "usage"
    assert caught.value.fatal


def test_a_request_that_nobody_answers(driver: Driver) -> None:
    """It is worth another try, and librdkafka's words are kept."""
    with pytest.raises(Refused, match=r'"clients-3" cannot be made: .*127\.0\.0\.1:1') as caught:
        driver.create(
            config={"bootstrap.servers": "127.0.0.1:1"}, topic="clients-3", partitions=1, timeout_ms=300
        )
    assert caught.value.retriable


def test_offsets(broker: kafka.Broker, new_topic: Callable[..., str], driver: Driver) -> None:
    topic = new_topic(3)
    config = {"bootstrap.servers": broker.bootstrap}
    producer = Producer(config)
    for i in range(30):
        producer.produce(topic, b"x", partition=i % 2, timestamp=1_700_000_000_000 + 1000 * i)
    assert producer.flush(30) == 0

    def at(when: int) -> list[int]:
        return driver.offsets(config=config, topic=topic, partitions=[2, 0, 1], when=when)["offsets"]  # type: ignore[no-any-return]

    assert at(-2) == [0, 0, 0]
    assert at(-1) == [0, 15, 15]
    assert at(1_700_000_010_000) == [-1, 5, 5]
    assert at(1_700_000_011_000) == [-1, 6, 5]
    assert at(1_800_000_000_000) == [-1, -1, -1]
    with pytest.raises(Refused, match="no partition 3") as caught:
        driver.offsets(config=config, topic=topic, partitions=[0, 3])
    assert caught.value.code == "usage"
    assert driver.offsets(config=config, topic=topic, partitions=[0], group="nobody-yet")["offsets"] == [-1]
    with pytest.raises(Refused, match=r"partition 0 of 1 asked for\) cannot be had: Broker"):
        driver.offsets(
            config=config, topic=topic, partitions=[0], when=-7
        )  # no time, nor the name of a place
    with pytest.raises(Refused, match='the offsets of consumer group "" cannot be had'):
        driver.offsets(config=config, topic=topic, partitions=[0], group="")


def test_the_groups_topic_is_not_there_yet(tmp_path: Path, driver: Driver) -> None:
    """librdkafka 2.0 crashes when the admin interface asks a fresh cluster for a group's offsets."""
    with kafka.Broker(tmp_path / "kafka", keep=False) as fresh:
        config = {"bootstrap.servers": fresh.bootstrap}
        driver.create(config=config, topic="t", partitions=1)
        assert driver.offsets(config=config, topic="t", partitions=[0], group="first", timeout_ms=60_000)[
            "offsets"
        ] == [-1]


# -- the producer --------------------------------------------------------------------------------------------------


def test_what_is_sent_arrives_as_it_was(broker: kafka.Broker, topic: str, driver: Driver) -> None:
    config = {"bootstrap.servers": broker.bootstrap, "group.id": "of a consumer: no business of a producer"}
    headers = {"reason": "type", "note": "größer", "empty": "", "none": None}
    answer = driver.produce(
        config=config, topic=topic, key="42", value="péché", headers=headers, timestamp_ms=1_700_000_000_123
    )
    assert answer == {"delivered": 1, "failed": 0}
    driver.produce(config=config, topic=topic, key="42", value=None)
    driver.produce(config=config, topic=topic, key="42", value="", headers={"only": "header"})
    first, tombstone, empty = read_back(broker, topic, 4)
    assert (first.key(), first.value(), first.timestamp()[1]) == (b"42", "péché".encode(), 1_700_000_000_123)
    assert first.headers() == [
        (name, text if text is None else text.encode()) for name, text in headers.items()
    ]
    assert (tombstone.key(), tombstone.value()) == (b"42", None)
    assert (empty.value(), empty.headers()) == (b"", [("only", b"header")])
    # Java's murmur2: the partition that every other producer would have chosen, of 4
    assert {m.partition() for m in (first, tombstone, empty)} == {murmur2(b"42") % 4}


def murmur2(data: bytes) -> int:
    """Kafka's own hash of keys, by its published definition; the sign bit cleared."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return (h ^ (h >> 15)) & 0x7FFFFFFF


def test_messages_the_broker_refuses_are_counted(
    broker: kafka.Broker, new_topic: Callable[..., str], driver: Driver
) -> None:
    topic = new_topic(1, **{"max.message.bytes": "1000"})
    config = {"bootstrap.servers": broker.bootstrap, "compression.type": "none"}
    with pytest.raises(Refused, match="1 of 1 messages") as caught:
        driver.produce(config=config, topic=topic, size=5000)
    assert caught.value.fatal
    assert caught.value.answer["failed"] == 1
    assert caught.value.answer["delivered"] == 0
    assert topic in caught.value.message


def test_messages_librdkafka_refuses(broker: kafka.Broker, topic: str, driver: Driver) -> None:
    with pytest.raises(Refused, match=r"1000001 bytes.*message.max.bytes is 1000000") as caught:
        driver.produce(config={"bootstrap.servers": broker.bootstrap}, topic=topic, size=1_000_001)
    assert caught.value.fatal


def test_a_full_queue_holds_the_sender_until_a_cancel(
    broker: kafka.Broker, topic: str, driver: Driver
) -> None:
    config = {"bootstrap.servers": broker.bootstrap, "queue.buffering.max.messages": 10, "linger.ms": 100_000}
    with pytest.raises(Refused) as caught:
        driver.produce(config=config, topic=topic, value="x", key="k", count=100, cancel_ms=300)
    assert caught.value.code == "cancelled"
    config["linger.ms"] = 5
    assert driver.produce(config=config, topic=topic, value="x", key="k", count=1000)["delivered"] == 1000
    config["queue.buffering.max.messages"] = 1
    made = driver.produce(config=config, topic=topic, value="x", key="k", headers={"a": "b"}, count=50)
    assert made["delivered"] == 50
    sent = [message.headers() for message in read_back(broker, topic, 4) if message.headers()]
    assert sent == [[("a", b"b")]] * 50


def test_an_unknown_topic_is_refused_at_once(broker: kafka.Broker, driver: Driver) -> None:
    with pytest.raises(Refused, match='no Kafka topic "nowhere"') as caught:
        driver.produce(config={"bootstrap.servers": broker.bootstrap}, topic="nowhere", value="x")
    assert caught.value.code == "usage"


# -- the generator -------------------------------------------------------------------------------------------------

PURCHASES: dict[str, Any] = {
    "data": "purchases",
    "count": 30_000,
    "settings": {
        "until": 1_790_000_000,
        "malformed": 20_000,
        "duplicate": 10_000,
        "late": 10_000,
        "customers": 500,
    },
}


def lines(driver: Driver, path: Path, **changes: Any) -> tuple[dict[str, Any], list[bytes]]:
    answer = driver.generate(generate={**PURCHASES, **changes, "to": {"kind": "file", "path": str(path)}})
    data = path.read_bytes()
    return answer["result"], (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()


def test_generated_into_a_topic(
    broker: kafka.Broker,
    new_topic: Callable[..., str],
    driver: Driver,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = {"bootstrap.servers": broker.bootstrap}
    topic = new_topic(1)
    driver.delete(config=config, topic=topic)
    where = {"kind": "kafka", "topic": topic, "config": config, "partitions": 4}
    answer = driver.generate(generate={**PURCHASES, "to": where})
    made, written = answer["result"], lines(driver, tmp_path / "p.jsonl")[1]
    messages = read_back(broker, topic, 4)
    assert Counter(m.value() for m in messages) == Counter(written)
    assert made["bytes"] == sum(map(len, written))
    assert made["records"] == len(written) == sum(made["kinds"].values()) == 30_000
    assert made["expected"]["loaded"] + made["expected"]["rejected"] == 30_000
    assert sum(made["expected"]["reasons"].values()) == made["expected"]["rejected"]
    places: dict[bytes, set[int]] = {}
    for message in messages:
        places.setdefault(message.key(), set()).add(message.partition())
    assert all(len(partitions) == 1 for partitions in places.values())
    assert len({m.partition() for m in messages}) == 4
    # repeated purchases keep their order behind the original
    assert answer["seen"] == 30_000
    assert answer["progress"] >= 1
    with pytest.raises(Refused, match='no Kafka topic "nowhere"'):
        driver.generate(generate={**PURCHASES, "to": {"kind": "kafka", "topic": "nowhere", "config": config}})
    with capsys.disabled():
        print(f" [{made['records'] / made['seconds']:,.0f} records/s with sanitizers]", end="")


def test_generated_into_files(driver: Driver, tmp_path: Path) -> None:
    whole, written = lines(driver, tmp_path / "whole.jsonl")
    packed, unpacked = lines(driver, tmp_path / "packed.jsonl.gz")
    assert unpacked == written
    assert packed["kinds"] == whole["kinds"]
    parts = [lines(driver, tmp_path / f"{n}.jsonl", first=10_000 * n, count=10_000) for n in range(3)]
    assert [line for _, part in parts for line in part] == written
    assert sum((Counter(part["kinds"]) for part, _ in parts), Counter()) == Counter(whole["kinds"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0.jsonl", "1.jsonl", "2.jsonl", "packed.jsonl.gz", "whole.jsonl"
    ]  # fmt: skip
    _, customers = lines(
        driver, tmp_path / "c.csv", data="customers", format="csv", count=3, settings={"seed": 9}
    )
    assert customers[0].decode().split(",")[:2] == ["customer_id", "name"]
    assert [line.split(b",")[0] for line in customers[1:]] == [b"1", b"2", b"3"]
    assert lines(driver, tmp_path / "none.jsonl", count=0)[1] == []


def test_generated_onto_the_standard_output() -> None:
    build()
    order = {
        "do": "generate",
        "generate": {"data": "products", "count": 1000, "settings": {"seed": 3}, "to": {"kind": "stdout"}},
    }
    done = subprocess.run(
        [OUT / "drive_kafka"], input=json.dumps(order) + "\n", capture_output=True, text=True, check=True
    )
    *products, answer = done.stdout.splitlines()
    assert [json.loads(product)["product_id"] for product in products] == list(range(1, 1001))
    assert json.loads(answer)["result"]["records"] == 1000
    closed = subprocess.run(
        ["sh", "-c", f"(trap '' PIPE; {OUT / 'drive_kafka'} 2>&1 >&3 | cat) 3>&1 | head -c 100"],
        input=json.dumps(order) + "\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert len(closed.stdout) == 100


def test_a_stop_leaves_no_file(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "slow.jsonl"
    with pytest.raises(Refused) as caught:
        driver.generate(
            generate={**PURCHASES, "rate": 10, "to": {"kind": "file", "path": str(path)}}, cancel_ms=400
        )
    assert caught.value.code == "cancelled"
    assert list(tmp_path.iterdir()) == []
    # at its rate meanwhile: it had made something, and far from all
    assert 0 < caught.value.answer["seen"] < 1000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": "visits"}, "purchases"),
        ({"data": None}, "data"),
        ({"count": None}, "count"),
        ({"count": -1}, "count"),
        ({"first": "a"}, "first"),
        ({"format": "xml"}, "xml"),
        ({"format": "csv"}, "JSON"),
        ({"settings": {"colour": 1}}, "colour"),
        ({"settings": {"late": 0.5}}, "late"),
        ({"settings": [1]}, "settings"),
        ({"rate": 0}, "rate"),
        ({"to": {"kind": "cloud"}}, "kafka, file or stdout"),
        ({"to": {"kind": "file"}}, "path"),
        ({"to": {"kind": "kafka", "config": {}}}, "topic"),
        ({"to": {"kind": "kafka", "topic": "t", "config": {}}}, "bootstrap.servers"),
        ({"to": {"kind": "kafka", "topic": "t", "config": {"bootstrap.servers": "x", "acks": 1}}}, "acks"),
    ],
)
def test_generating_what_cannot_be(
    driver: Driver, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    to = {"kind": "file", "path": str(tmp_path / "p")}
    with pytest.raises(Refused, match=words) as caught:
        driver.generate(generate={**PURCHASES, "to": to, **changes})
    assert (caught.value.code, caught.value.fatal) == ("usage", True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written(driver: Driver, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not there") as caught:
        driver.generate(
            generate={**PURCHASES, "to": {"kind": "file", "path": str(tmp_path / "not there" / "p.jsonl")}}
        )
    assert caught.value.code == "usage"  # no use in trying again
    full = {**PURCHASES, "to": {"kind": "file", "path": "/dev/full"}}
    with pytest.raises(Refused, match="/dev/full") as caught:
        driver.generate(generate=full)
    assert caught.value.code == "io"
    assert Path("/dev/full").is_char_device()  # not replaced by a file


def test_nothing_is_lost_when_sent_twice(broker: kafka.Broker, topic: str, driver: Driver) -> None:
    """Two runs, one behind the other, make what one run makes."""
    config = {"bootstrap.servers": broker.bootstrap}
    fill(broker.bootstrap, topic, [])
    for first in (0, 500):
        order = {
            **PURCHASES,
            "first": first,
            "count": 500,
            "to": {"kind": "kafka", "topic": topic, "config": config},
        }
        assert driver.generate(generate=order)["result"]["records"] == 500
    ids = [
        json.loads(m.value())["purchase_id"]
        for m in read_back(broker, topic, 4)
        if m.value().startswith(b"{") and is_json(m.value())
    ]
    assert len(ids) > 900
    assert max(ids) == 1000


def is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_questions_from_python(broker: kafka.Broker, new_topic: Callable[..., str]) -> None:
    """Some partitions of a topic, in their order; settings of all kinds; a group that never was."""
    topic = new_topic(4)
    fill(broker.bootstrap, topic, [(2, b"a"), (2, b"b")])
    config = {"config": {"bootstrap.servers": broker.bootstrap}}

    def ask(question: Callable[[str], str], **more: Any) -> Any:
        return json.loads(question(json.dumps(config | more)))

    found = ask(_headrace.kafka_offsets, topic=topic, partitions=[3, 2, 2])
    assert [(each["partition"], each["begin"], each["end"]) for each in found] == [(2, 0, 2), (3, 0, 0)]
    with pytest.raises(UsageError, match="has no partition 4"):
        ask(_headrace.kafka_offsets, topic=topic, partitions=[4])
    settings = {"preallocate": False, "retention.ms": 60000, "cleanup.policy": "delete"}
    name = f"{topic}-more"
    made = ask(_headrace.kafka_create_topic, topic=name, partitions=1, replication=-1, settings=settings)
    assert made == {"created": True}
    with pytest.raises(UsageError, match="must be a string, a whole number, true or false"):
        ask(_headrace.kafka_create_topic, topic="x", partitions=1, replication=1, settings={"a": [1]})
    assert ask(_headrace.kafka_delete_topic, topic=name) == {}
    assert ask(_headrace.kafka_delete_group, group="nobody.ever") == {"deleted": False}
