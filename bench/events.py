"""Change events of one table, as Debezium writes them, and what a vault of them must hold.

tickets: 60 of 100 events are new rows, 32 updates (a quarter of them change nothing), 8 deletes. JSON without
schemas, about 560 bytes an event, keyed by the primary key; the same key always in the same partition.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from confluent_kafka import Producer

from stack import kafka

TOPIC = "bench.bookings.tickets"
COLUMNS = ("ticket_no", "book_ref", "passenger_id", "passenger_name", "phone")

MAPPING = """
vault: {schema: dv}
source: {topics: "%s"}
hubs: {ticket: {ticket_no: char(13)}, booking: {book_ref: char(6)}}
links: {ticket_booking: [ticket, booking]}
tables:
  bookings.tickets:
    columns:
      {ticket_no: char(13), book_ref: char(6), passenger_id: varchar(20), passenger_name: text, phone: text}
    key: ticket_no
    references: {ticket: ticket_no, booking: book_ref}
    parent: ticket
    links: ticket_booking
    satellites: {ticket: [passenger_id, passenger_name, phone]}
"""

_SOURCE = (
    ("version", "string"),
    ("connector", "string"),
    ("name", "string"),
    ("ts_ms", "int64"),
    ("snapshot", "string"),
    ("db", "string"),
    ("sequence", "string"),
    ("ts_us", "int64"),
    ("ts_ns", "int64"),
    ("schema", "string"),
    ("table", "string"),
    ("txId", "int64"),
    ("lsn", "int64"),
    ("xmin", "int64"),
)


@dataclass(frozen=True)
class Expected:
    """What must be there in the end."""

    events: int
    hubs: int
    satellites: int
    alive: int


def events(count: int, seed: int = 1) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Keys and values, in the order of their LSNs."""
    rng = random.Random(seed)  # noqa: S311 -- the same each time, on purpose
    alive: list[dict[str, str]] = []
    made = 0
    for number in range(count):
        kind = rng.random()
        before: dict[str, str] | None = None
        after: dict[str, str] | None
        if kind < 0.60 or not alive:
            made += 1
            after = _row(made, rng)
            alive.append(after)
            op, key = "c", after["ticket_no"]
        elif kind < 0.92:
            place = rng.randrange(len(alive))
            after = dict(alive[place])
            if rng.random() < 0.75:
                after["phone"] = f"+48{rng.randrange(10**9):09}"
            alive[place] = after
            op, key = "u", after["ticket_no"]
        else:
            place = rng.randrange(len(alive))
            alive[place], alive[-1] = alive[-1], alive[place]
            gone = alive.pop()
            before = dict.fromkeys(COLUMNS, "") | {"ticket_no": gone["ticket_no"]}
            op, key, after = "d", gone["ticket_no"], None
        moment = 1_790_000_000_000 + number
        source: dict[str, Any] = {
            "version": "3.7.0.Final",
            "connector": "postgresql",
            "name": "bench",
            "ts_ms": moment,
        }
        source |= {"snapshot": "false", "db": "airports", "sequence": f'["{number}","{number + 1}"]'}
        source |= {"ts_us": moment * 1000, "ts_ns": moment * 1_000_000, "schema": "bookings"}
        source |= {
            "table": "tickets",
            "txId": 1000 + number // 3,
            "lsn": 50_000_000 + number * 56,
            "xmin": None,
        }
        value: dict[str, Any] = {
            "before": before,
            "after": after,
            "source": source,
            "transaction": None,
            "op": op,
        }
        value |= {
            "ts_ms": moment + 400,
            "ts_us": moment * 1000 + 400_000,
            "ts_ns": moment * 1_000_000 + 400_000_000,
        }
        yield {"ticket_no": key}, value


def _row(number: int, rng: random.Random) -> dict[str, str]:
    return {
        "ticket_no": f"{number:013}",
        "book_ref": f"{number * 7 // 10:06X}",
        "passenger_id": f"{rng.randrange(10000):04} {rng.randrange(10**6):06}",
        "passenger_name": rng.choice(["ADA NOWAK", "JOSÉ GARCÍA", "ZOË WĄSIK", "LI WEI"]),
        "phone": f"+48{rng.randrange(10**9):09}",
    }


def fill(broker: kafka.Broker, topic: str, partitions: int, count: int) -> None:
    """Make the topic and fill it."""
    broker.create_topic(topic, partitions)
    producer = Producer(
        {
            "bootstrap.servers": broker.bootstrap,
            "compression.type": "lz4",
            "linger.ms": 50,
            "batch.size": 1000000,
            "queue.buffering.max.messages": 500000,
            "enable.idempotence": True,
        }
    )
    for number, (key, value) in enumerate(events(count)):
        name = key["ticket_no"]
        partition = zlib.crc32(name.encode()) % partitions
        while True:
            try:
                producer.produce(topic, _compact(value), _compact(key), partition=partition)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 10000 == 0:
            producer.poll(0)
    if producer.flush(120) != 0:
        raise RuntimeError(f"the broker did not take all events of topic {topic}")


def expected(count: int) -> Expected:
    """What the events come to: every change of a row is a row of its satellite."""
    rows: dict[str, Mapping[str, Any]] = {}
    satellites = 0
    keys = set()
    for key, value in events(count):
        name = key["ticket_no"]
        keys.add(name)
        if value["op"] == "d":
            del rows[name]
            continue
        satellites += rows.get(name) != value["after"]
        rows[name] = value["after"]
    return Expected(count, len(keys), satellites, len(rows))


def check_vault(dsn: str, wanted: Expected) -> None:
    """RuntimeError unless hub, link and satellite hold what they must."""
    sql = (
        "SELECT (SELECT count(*) FROM dv.hub_ticket), (SELECT count(*) FROM dv.link_ticket_booking),"
        " (SELECT count(*) FROM dv.sat_ticket)"
    )
    with psycopg.connect(dsn) as connection:
        found = connection.execute(sql).fetchone()
    if found != (wanted.hubs, wanted.hubs, wanted.satellites):
        raise RuntimeError(f"the vault has {found} rows, not {wanted}")


def _compact(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def connect_schemas() -> tuple[str, str]:
    """The schemas of key and value as Connect's JsonConverter wants them beside messages without any."""
    key_fields = [{"field": "ticket_no", "type": "string", "optional": False}]
    row_fields = [{"field": name, "type": "string", "optional": name != "ticket_no"} for name in COLUMNS]

    def struct(name: str, fields: list[dict[str, Any]], field: str | None = None) -> dict[str, Any]:
        made: dict[str, Any] = {
            "type": "struct",
            "name": name,
            "optional": field is not None,
            "fields": fields,
        }
        return made | ({"field": field} if field is not None else {})

    source = [{"field": name, "type": kind, "optional": True} for name, kind in _SOURCE]
    value = [
        struct("bench.bookings.tickets.Value", row_fields, "before"),
        struct("bench.bookings.tickets.Value", row_fields, "after"),
        {**struct("io.debezium.connector.postgresql.Source", source, "source"), "optional": False},
        struct("event.block", [{"field": "id", "type": "string", "optional": True}], "transaction"),
        {"field": "op", "type": "string", "optional": False},
        *({"field": name, "type": "int64", "optional": True} for name in ("ts_ms", "ts_us", "ts_ns")),
    ]
    return (
        json.dumps(struct("bench.bookings.tickets.Key", key_fields), separators=(",", ":")),
        json.dumps(struct("bench.bookings.tickets.Envelope", value), separators=(",", ":")),
    )
