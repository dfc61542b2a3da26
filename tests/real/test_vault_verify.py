"""Where verify must not report differences that are none, and that it can be stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import headrace
import psycopg
import pytest
from confluent_kafka import Producer
from headrace.errors import RetriableError, SchemaError
from headrace.vault import VaultMapping, vault_verify

from stack import kafka, postgres
from stack.airports import Pair
from tests.real.load_kit import execute, one, rows
from tests.real.sanitizer_kit import await_true
from tests.real.vault_kit import Shop, load, make_vault, send, verify, write_mapping

pytestmark = pytest.mark.real


def order(shop: Shop, number: int) -> None:
    shop.insert("orders", order_id=number, customer_id=1, amount="1.00", status="a", changed_at=None)


def test_rows_that_a_later_incremental_snapshot_read_are_left_out(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    """They hold what transactions left that the snapshot of verify does not see."""
    order(shop, 1)
    later = shop.row("orders", {"order_id": 1})
    assert later is not None
    shop.lsn = 1 << 40
    shop.emit("orders", "r", {"order_id": 1}, later | {"status": "b"}, txid=0)
    send(broker.bootstrap, shop.events)
    load(mapping, dsn, broker.bootstrap)
    assert rows(dsn, "SELECT status FROM dv.row_orders") == [("b",)]
    assert verify(mapping, shop, dsn).equal


def test_an_empty_source_that_has_no_topics_yet_equals_its_vault_that_is_loaded_first(
    dsn: str, pg: postgres.Server, broker: kafka.Broker
) -> None:
    """Debezium makes a topic with the first event: until then there is nothing to load."""
    early = Shop(dsn, f"early-{pg.port}-{os.getpid()}")
    try:
        make_vault(dsn, early.mapping())
        found = verify(early.mapping(), early, dsn, brokers=broker.bootstrap, load=True)
        assert (found.equal, found.rows) == (True, 0)
        order(early, 1)
        assert verify(early.mapping(), early, dsn, brokers=broker.bootstrap, load=True).differences == 1
    finally:
        early.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Pair(tmp_path_factory.mktemp("verify"), durable=False, keep=False) as started:
        yield started


def test_a_standby_is_a_source_when_nothing_is_under_way(
    pair: Pair, dsn: str, broker: kafka.Broker, new_topic: object
) -> None:
    """Its snapshots do not name the transactions that are open: what they do later would be taken for seen."""
    shop = Shop(pair.primary.dsn("airports"), "standby")
    try:
        for topic in shop.topics:
            broker.create_topic(topic, 1)
        mapping = shop.mapping(source=("source:\n", "source:\n  slot: airports_replica\n"))
        make_vault(dsn, mapping)
        for number in (1, 2):
            order(shop, number)
        with psycopg.connect(shop.dsn) as other:
            other.execute("UPDATE shop.orders SET status = 'b' WHERE order_id = 1")
            txid = other.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
            shop.update("orders", {"order_id": 2}, status="c")
            row = shop.row("orders", {"order_id": 1})
            assert txid is not None
            assert row is not None
            shop.emit("orders", "u", {"order_id": 1}, row | {"status": "b"}, txid=txid[0])
            send(broker.bootstrap, shop.events)
            load(mapping, dsn, broker.bootstrap)
            pair.wait_replayed()
            replica = pair.replica.dsn("airports")
            with pytest.raises(RetriableError, match="the source is a standby"):
                vault_verify(mapping, replica, dsn=dsn, patience=0.5)
            assert verify(mapping, shop, dsn).equal  # the primary knows
        pair.wait_replayed()
        assert vault_verify(mapping, replica, dsn=dsn).equal
        with pytest.raises(SchemaError, match="name the primary of a standby"):
            vault_verify(mapping, replica, dsn=dsn, brokers=broker.bootstrap)
        with pytest.raises(RetriableError, match="has not confirmed"):  # asked where the slot is
            vault_verify(mapping, replica, dsn=dsn, brokers=broker.bootstrap, primary=shop.dsn, patience=0.5)
    finally:
        shop.close()
        for topic in shop.topics:
            broker.delete_topic(topic)


def test_threads_end_with_an_interrupt(shop: Shop, mapping: VaultMapping, dsn: str, tmp_path: Path) -> None:
    path = write_mapping(tmp_path / "vault.yaml", shop.prefix)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with psycopg.connect(dsn) as holder:
        holder.execute("LOCK dv.trk_customers, dv.trk_orders")
        command = [sys.executable, "-m", "headrace", "vault", "verify", str(path), "--threads", "2"]
        command += ["--dsn", dsn, "--source", shop.dsn]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
        try:
            await_true(lambda: one(dsn, waiting) == 2, "two comparisons wait")
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
        finally:
            process.kill()
            process.communicate()
        await_true(lambda: one(dsn, waiting) == 0, "none waits any more")


def test_a_server_that_ends_idle_transactions_does_not_end_ours(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker, topic: str
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(shop.dsn)["dbname"]
    execute(shop.dsn, f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '200ms'")
    assert verify(mapping, shop, dsn, progress=lambda _: time.sleep(0.6)).equal
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    execute(dsn, f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '200ms'")
    execute(dsn, "CREATE TABLE slow (n integer)")
    producer = Producer({"bootstrap.servers": broker.bootstrap})

    def produce(number: int) -> None:
        producer.produce(topic, json.dumps({"n": number}))
        producer.flush()

    produce(1)

    def more(_: object) -> None:
        time.sleep(0.3)
        produce(2)

    receipt = headrace.load(
        f"kafka://{broker.bootstrap}/{topic}",
        "slow",
        dsn=dsn,
        until="forever",
        commit="end",
        linger_ms=50,
        max_records=8,
        progress=more,
    )
    assert receipt.loaded == one(dsn, "SELECT count(*) FROM slow") == 8
