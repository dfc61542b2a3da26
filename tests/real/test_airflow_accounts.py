"""The books of a DAG run, on a real database: what adds up is left in peace, and what does not is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import headrace
import psycopg
import pytest
from confluent_kafka import Producer
from headrace.airflow import accounts

from stack import kafka

pytestmark = pytest.mark.real

GOOD = [b'{"id": %d}' % number for number in range(100)]


@pytest.fixture
def conn(dsn: str) -> Any:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.t (id int NOT NULL)")
        headrace.migrations.apply(dsn)
        yield connection


@pytest.fixture
def load(broker: kafka.Broker, dsn: str, topic: str) -> Callable[..., dict[str, Any]]:
    """Sends values to the topic and loads them; the receipt."""

    def run(values: list[bytes]) -> dict[str, Any]:
        producer = Producer({"bootstrap.servers": broker.bootstrap})
        for value in values:
            producer.produce(topic, value, partition=0)
        assert producer.flush(60) == 0
        source = f"kafka://{broker.bootstrap}/{topic}"
        return json.loads(headrace.load(source, "public.t", dsn=dsn, job="j").to_json())

    return run


def test_books_that_balance_have_no_faults(conn: Any, topic: str, load: Callable[..., Any]) -> None:
    load(GOOD)
    account = accounts.open_account(conn, "j", topic, "public.t")
    seen = [load([*GOOD, b"{"]), load(GOOD[:7])]
    total = accounts.close_account(conn, account, seen)
    assert total["faults"] == []
    assert (total["read"], total["loaded"], total["rejected"], total["tries"]) == (108, 107, 1, 2)
    assert (total["rows_before"], total["rows_after"]) == (100, 207)
    assert total["rejects"] == {"malformed": 1}
    report = accounts.dead_letter_report(conn, "j", total["runs"])
    assert report["reasons"] == {"malformed": 1}
    assert (report["examples"][0]["raw"], report["examples"][0]["offset"]) == ("{", 200)


def test_a_replay_at_the_same_time_is_no_fault(
    conn: Any, topic: str, dsn: str, load: Callable[..., Any]
) -> None:
    account = accounts.open_account(conn, "j", topic, "public.t")
    seen = [load([*GOOD, b'{"id": "not a number"}'])]
    conn.execute("ALTER TABLE public.t ADD COLUMN note text, ALTER COLUMN id TYPE text")
    replayed = headrace.dead_letters.replay("j", dsn=dsn)
    assert replayed.loaded == 1
    total = accounts.close_account(conn, account, seen)
    assert total["faults"] == []
    assert (total["read"], total["loaded"], total["rejected"]) == (101, 100, 1)
    assert total["rows_after"] == 101


def test_without_counting_the_table_is_not_looked_at(conn: Any, topic: str, load: Callable[..., Any]) -> None:
    account = accounts.open_account(conn, "j", topic, "public.t", count_rows=False)
    seen = [load(GOOD)]
    conn.execute("DELETE FROM public.t")
    total = accounts.close_account(conn, account, seen)
    assert (total["faults"], total["rows_after"]) == ([], None)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        ("DELETE FROM public.t WHERE id = 5", "public.t has 99 rows more, but 100 were loaded"),
        ("UPDATE headrace.offsets SET next_offset = 50", "loaded to 100, but the job's offset is 50"),
        ("DELETE FROM headrace.receipts", "is not in headrace.receipts"),
        (
            "UPDATE headrace.receipt_lanes SET read = read + 1, skipped = skipped + 1",
            "read is 100 for the task, but 101 in the database",
        ),
    ],
)
def test_what_does_not_add_up_is_named(
    spoil: str, fault: str, conn: Any, topic: str, load: Callable[..., Any]
) -> None:
    account = accounts.open_account(conn, "j", topic, "public.t")
    seen = [load(GOOD)]
    conn.execute(spoil)
    assert fault in "; ".join(accounts.close_account(conn, account, seen)["faults"])


def test_gaps_and_overlaps_between_runs_are_named(conn: Any, topic: str, load: Callable[..., Any]) -> None:
    account = accounts.open_account(conn, "j", topic, "public.t")
    seen = [load(GOOD), load(GOOD)]
    conn.execute("UPDATE headrace.receipt_lanes SET offset_to = 90 WHERE offset_from = 0")
    assert "leave a gap" in "; ".join(accounts.close_account(conn, account, seen)["faults"])
    conn.execute("UPDATE headrace.receipt_lanes SET offset_to = 110 WHERE offset_from = 0")
    assert "overlap" in "; ".join(accounts.close_account(conn, account, seen)["faults"])


def test_names_of_tables_are_quoted() -> None:
    assert accounts.quote_name('shop.odd"name') == '"shop"."odd""name"'
    assert accounts.quote_name("t") == '"t"'
    for name in ("", "a.b.c", "a.", ".b"):
        with pytest.raises(ValueError, match="no name of a table"):
            accounts.quote_name(name)


def test_partitions_are_counted(conn: Any) -> None:
    shop = Path(__file__).resolve().parents[2] / "sql/purchases/01_shop.sql"
    conn.execute(shop.read_text())
    assert accounts.partitions(conn, "shop.purchases") == {}
    conn.execute(
        "CREATE TABLE shop.purchases_2026w47 PARTITION OF shop.purchases "
        "FOR VALUES FROM ('2026-11-16 00:00Z') TO ('2026-11-23 00:00Z')"
    )
    assert accounts.partitions(conn, "shop.purchases") == {"shop.purchases_2026w47": 0}
