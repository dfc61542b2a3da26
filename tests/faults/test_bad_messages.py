"""Kafka messages that are no documents: empty ones, tombstones, keys and headers alone, times of all kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import headrace
import pytest
from confluent_kafka import Producer

from stack import kafka
from tests.faults import balance
from tests.real.load_kit import execute, one, rows

pytestmark = pytest.mark.real

TABLE = "CREATE TABLE t (id integer PRIMARY KEY, note text, key text, at timestamptz, place bigint)"
MAP = {"key": "$key", "at": "$timestamp", "place": "$offset"}


def send(broker: kafka.Broker, topic: str, messages: list[dict[str, Any]]) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for message in messages:
        producer.produce(topic, partition=0, **message)
    assert producer.flush(60) == 0


def load(broker: kafka.Broker, topic: str, dsn: str, job: str, **settings: Any) -> headrace.Receipt:
    return headrace.load(f"kafka://{broker.bootstrap}/{topic}", "t", dsn=dsn, job=job, map=MAP, **settings)


# the message, and what becomes of it: "row", a reason, or None for a tombstone
MESSAGES: list[tuple[dict[str, Any], str | None]] = [
    ({"value": b'{"id": 0}', "key": b"k"}, "row"),
    ({"value": b""}, "malformed"),
    ({"value": b"", "key": b"k"}, "malformed"),
    ({"value": b" "}, "malformed"),
    ({"value": b"\n"}, "malformed"),
    ({"value": b"\0"}, "malformed"),
    ({"value": None, "key": b"k"}, None),
    ({"value": None}, None),
    ({"value": None, "headers": {"h": b"v"}}, None),
    ({"value": b"", "headers": {"h": b"v"}}, "malformed"),
    ({"value": b'{"id": 10}', "headers": {"h": b"v", "": b"", "n": None}}, "row"),
    ({"value": b'{"id": 11}\n', "key": b""}, "row"),
    ({"value": b'{"id": 12}', "key": b"\xff"}, "encoding"),
    ({"value": b'{"id": 13}', "key": b"a\0b"}, "encoding"),
    ({"value": b'{"id": 14}\n{"id": 15}'}, "malformed"),
    ({"value": b'{"id": 15}', "timestamp": 1}, "row"),
    ({"value": b'{"id": 16}', "timestamp": 32_503_680_000_000}, "row"),
    ({"value": None, "key": b"\xff\x00"}, None),
    ({"value": b'{"id": 18}', "key": "ключ".encode()}, "row"),
]


@pytest.mark.parametrize("tombstones", ["skip", "reject"])
def test_messages_that_are_no_documents(
    tombstones: str, broker: kafka.Broker, new_topic: Callable[..., str], dsn: str
) -> None:
    execute(dsn, TABLE)
    topic = new_topic(partitions=1, **{"message.timestamp.after.max.ms": "9223372036854775807"})
    send(broker, topic, [message for message, _ in MESSAGES])
    receipt = load(broker, topic, dsn, "x", tombstones=tombstones)
    outcomes = [
        "tombstone" if outcome is None and tombstones == "reject" else outcome for _, outcome in MESSAGES
    ]
    assert receipt.skipped == outcomes.count(None)
    found = dict(rows(dsn, 'SELECT "offset", reason FROM headrace.dead_letters'))
    assert found == {place: what for place, what in enumerate(outcomes) if what not in ("row", None)}
    keys = [
        (place, m.get("key"))
        for place, ((m, _), what) in enumerate(zip(MESSAGES, outcomes, strict=True))
        if what == "row"
    ]
    assert rows(dsn, "SELECT place, key FROM t ORDER BY place") == [
        (place, key.decode() if key is not None else None) for place, key in keys
    ]
    raws = rows(dsn, 'SELECT "offset", raw, key FROM headrace.dead_letters')
    for place, raw, key in raws:
        message = MESSAGES[place][0]
        assert (None if raw is None else bytes(raw)) == message["value"]
        assert (None if key is None else bytes(key)) == message.get("key")
    assert rows(dsn, "SELECT at::text FROM t WHERE id IN (15, 16) ORDER BY id") == [
        ("1970-01-01 00:00:00.001+00",), ("3000-01-01 00:00:00+00",),
    ]  # fmt: skip
    balance.check(dsn, "x", "t", key="id")


@pytest.mark.parametrize("mode", ["upsert", "replace"])
def test_a_tombstone_deletes_nothing(
    mode: str, broker: kafka.Broker, new_topic: Callable[..., str], dsn: str
) -> None:
    """It is skipped and counted, or rejected: a load never deletes a row that no record replaces."""
    execute(dsn, TABLE)
    topic = new_topic(partitions=1)
    send(
        broker,
        topic,
        [{"value": b'{"id": %d, "note": "a"}' % i, "key": b"%d" % i} for i in range(5)]
        + [{"value": None, "key": b"%d" % i} for i in range(3)]
        + [{"value": b'{"id": 1, "note": "b"}', "key": b"1"}],
    )
    receipt = load(broker, topic, dsn, "x", mode=mode, key=["id"])
    assert (receipt.loaded, receipt.skipped) == (6, 3)
    assert rows(dsn, "SELECT id, note FROM t ORDER BY id") == [
        (0, "a"),
        (1, "b"),
        (2, "a"),
        (3, "a"),
        (4, "a"),
    ]
    again = load(broker, topic, dsn, "y", mode=mode, key=["id"], tombstones="reject")
    assert (again.loaded, again.rejects) == (6, {"tombstone": 3})
    letters = rows(dsn, "SELECT raw, convert_from(key, 'UTF8') FROM headrace.dead_letters ORDER BY 2")
    assert letters == [(None, "0"), (None, "1"), (None, "2")]
    assert one(dsn, "SELECT count(*) FROM t") == 5


def test_only_tombstones(broker: kafka.Broker, new_topic: Callable[..., str], dsn: str) -> None:
    """A batch without a single row moves the offsets."""
    execute(dsn, TABLE)
    topic = new_topic(partitions=1)
    send(broker, topic, [{"value": None, "key": b"k"}] * 500)
    receipt = load(broker, topic, dsn, "x", batch_records=100)
    assert (receipt.read, receipt.skipped, receipt.offsets[0].offset_to) == (500, 500, 500)
    assert load(broker, topic, dsn, "x").read == 0
    balance.check(dsn, "x", "t", key="id", skipped=500)
