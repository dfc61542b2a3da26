"""What the tests of loads share: a target, messages, and one look at everything that must agree afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import psycopg
from confluent_kafka import Producer

PURCHASES = """
    CREATE SCHEMA IF NOT EXISTS shop;
    CREATE TABLE shop.purchases (
        purchase_id bigint NOT NULL,
        customer_id integer,
        amount numeric(12,2) CHECK (amount >= 0),
        channel text,
        purchased_at timestamptz NOT NULL
    ) PARTITION BY RANGE (purchased_at)
"""


def purchase(number: int, **changes: Any) -> dict[str, Any]:
    """Purchase `number`, a good one unless changed; a week later every 1000."""
    day, second = 1 + number // 1000 * 7 % 28, number % 60
    row = {
        "purchase_id": number,
        "customer_id": number % 97,
        "amount": number % 1000 + 0.25,
        "channel": "web",
        "purchased_at": f"2026-09-{day:02}T10:00:{second:02}Z",
    }
    return row | changes


def produce(bootstrap: str, topic: str, values: Iterable[Any], *, partition: int | None = None) -> int:
    """Send values (dicts as JSON, bytes as they are, None as a tombstone). Returns how many."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 1000000}
    )
    count = 0
    for value in values:
        body = json.dumps(value).encode() if isinstance(value, dict) else value
        where = {} if partition is None else {"partition": partition}
        producer.produce(topic, body, **where)
        count += 1
        if count % 1000 == 0:
            producer.poll(0)
    left = producer.flush(60)
    assert left == 0
    return count


def execute(dsn: str, sql: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql)


def rows(dsn: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(sql, values).fetchall()


def one(dsn: str, sql: str, *values: Any) -> Any:
    return rows(dsn, sql, *values)[0][0]


def assert_agree(dsn: str, job: str, table: str = "shop.purchases") -> None:
    """Rows = offsets = receipts: what the target, the dead letters, the offsets and the receipts say is one story."""
    loaded, rejected, skipped, read = rows(
        dsn,
        "SELECT coalesce(sum(l.loaded), 0), coalesce(sum(l.rejected), 0), coalesce(sum(l.skipped), 0),"
        " coalesce(sum(l.read), 0) FROM headrace.receipt_lanes l JOIN headrace.receipts r USING (run_id)"
        " WHERE r.job = %s",
        job,
    )[0]
    assert read == loaded + rejected + skipped
    assert one(dsn, f"SELECT count(*) FROM {table}") == loaded
    assert one(dsn, "SELECT count(*) FROM headrace.dead_letters WHERE job = %s", job) == rejected
    assert one(dsn, "SELECT coalesce(sum(next_offset), 0) FROM headrace.offsets WHERE job = %s", job) == read
    tables = one(
        dsn,
        "SELECT coalesce(sum(t.row_count), 0) FROM headrace.receipt_tables t JOIN headrace.receipts r USING (run_id)"
        " WHERE r.job = %s",
        job,
    )
    assert tables == loaded
