"""Change events into a vault, against a real broker and PostgreSQL: what is there afterwards equals the source."""

from __future__ import annotations

import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import headrace
import psycopg
import pytest
from headrace import _load
from headrace.cli import main
from headrace.vault import VaultMapping
from headrace.vault.load import kafka_settings, load_settings

from stack import kafka
from tests.real.load_kit import one, rows
from tests.real.vault_kit import (
    Event,
    Shop,
    assert_equal,
    contents,
    dead,
    load,
    make_vault,
    send,
    verify,
    write_mapping,
)

SEED = int(os.environ.get("HEADRACE_SEED", "20261121"))
CHANGES = int(os.environ.get("HEADRACE_VAULT_CHANGES", "600"))


def live(shop: Shop, name: str, changes: int = CHANGES) -> None:
    shop.live(random.Random(f"{SEED}-{name}"), changes)


def test_one_record_walks_from_insert_to_delete(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    shop.insert("customers", customer_id=1, name="Ada", score=1.5, born="1999-12-31", notes="n", tags="{}")
    send(broker.bootstrap, shop.events)
    first = load(mapping, dsn, broker.bootstrap)
    assert (first.events, first.hubs, first.satellites, first.tracked) == (1, 1, 2, 1)
    assert_equal(mapping, shop, dsn)
    key = "customer_hk = decode(md5('1'), 'hex')"
    assert one(dsn, f"SELECT count(*) FROM dv.hub_customer WHERE {key}") == 1
    diff = "decode(md5('1999-12-31'::bytea || '\\xff' || 'Ada'::bytea || '\\xff' || '1.5'::bytea), 'hex')"
    assert one(dsn, f"SELECT dv_hash_diff = {diff} FROM dv.sat_customer WHERE {key}")

    sent = len(shop.events)
    shop.update("customers", {"customer_id": 1}, name="Ada L.")
    shop.update("customers", {"customer_id": 1}, name="Ada L.")
    send(broker.bootstrap, shop.events[sent:])
    second = load(mapping, dsn, broker.bootstrap)
    assert (second.events, second.hubs, second.satellites, second.tracked) == (2, 0, 1, 2)
    assert_equal(mapping, shop, dsn)
    assert rows(dsn, "SELECT name FROM dv.current_customer") == [("Ada L.",)]

    sent = len(shop.events)
    shop.delete("customers", customer_id=1)
    send(broker.bootstrap, shop.events[sent:])
    third = load(mapping, dsn, broker.bootstrap)
    assert (third.events, third.skipped, third.satellites, third.tracked) == (2, 1, 0, 1)
    assert_equal(mapping, shop, dsn)
    assert rows(dsn, "SELECT * FROM dv.row_customers") == []
    assert one(dsn, "SELECT count(*) FROM dv.sat_customer") == 2  # history stays

    sent = len(shop.events)
    shop.insert("customers", customer_id=1, name="Ada L.", score=1.5, born="1999-12-31", notes="n", tags="{}")
    send(broker.bootstrap, shop.events[sent:])
    assert load(mapping, dsn, broker.bootstrap).satellites == 2  # opens again
    assert_equal(mapping, shop, dsn)


def test_random_changes_and_a_replay_from_the_start(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    live(shop, "replay")
    send(broker.bootstrap, shop.events)
    receipt = load(mapping, dsn, broker.bootstrap, batch_records=37)
    assert receipt.rejected == 0, dead(dsn)
    assert_equal(mapping, shop, dsn)
    before = contents(dsn, mapping)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE headrace.offsets SET next_offset = 0")
    again = load(mapping, dsn, broker.bootstrap, batch_records=101)
    assert again.events == receipt.events
    assert (again.hubs, again.links, again.satellites, again.tracked) == (0, 0, 0, 0)
    assert contents(dsn, mapping) == before


def test_two_jobs_that_load_the_same_events_at_once_come_to_the_same_rows(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    """What one of them takes for new, the other brings a moment before it: no event is lost, twice or refused."""
    live(shop, "twins", 300)
    send(broker.bootstrap, shop.events)
    twins = [replace(mapping, job=f"twin-{number}") for number in range(2)]
    with ThreadPoolExecutor(2) as pool:
        both = list(
            pool.map(lambda twin: load(twin, dsn, broker.bootstrap, batch_records=50, workers=1), twins)
        )
    assert [receipt.rejected for receipt in both] == [0, 0], dead(dsn)
    assert_equal(mapping, shop, dsn)
    tracked = one(
        dsn,
        "SELECT sum(n) FROM (SELECT count(*) n FROM dv.trk_orders UNION ALL "
        "SELECT count(*) FROM dv.trk_customers UNION ALL SELECT count(*) FROM dv.trk_lines) t",
    )
    assert sum(receipt.tracked for receipt in both) == tracked


def test_a_hub_that_another_table_has_filled_before_takes_its_own_rows(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    """A row that is new in its table may be known in the hub, for lines of it came first."""
    for number in range(1, 41):
        shop.insert("orders", order_id=number, customer_id=1, amount="1.00", status="a", changed_at=None)
        if number % 3 == 0:
            shop.insert("lines", order_id=number, product="a", quantity=number)
    send(broker.bootstrap, shop.events)
    assert load(mapping, dsn, broker.bootstrap, tables=["lines"]).hubs == 13 + 1
    receipt = load(mapping, dsn, broker.bootstrap, batch_records=5, workers=1)
    assert (receipt.rejected, receipt.hubs, receipt.links) == (0, 27 + 1, 40), dead(dsn)
    assert_equal(mapping, shop, dsn)


def test_only_the_last_receipt_of_a_job_keeps_the_sql_of_the_vault(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    """The last one's is what a replay of dead letters goes by, be there receipts of replays after it or not."""
    shop.insert("orders", order_id=1, customer_id=1, amount="1.00", status="a", changed_at=None)
    shop.update("orders", {"order_id": 1}, "status", amount="2.00")
    create, update = shop.events
    send(broker.bootstrap, [update])
    for _ in range(3):
        load(mapping, dsn, broker.bootstrap, tables=["orders"])
    send(broker.bootstrap, [create])
    for _ in range(2):
        assert headrace.dead_letters.replay("dv.orders", dsn=dsn).rejected == 1
    load(mapping, dsn, broker.bootstrap, tables=["orders"])
    assert headrace.dead_letters.replay("dv.orders", dsn=dsn).loaded == 1
    kept = (
        "SELECT source LIKE 'dead letters of %%' FROM headrace.receipts WHERE settings ? 'vault' ORDER BY 1"
    )
    assert rows(dsn, kept) == [(False,), (True,)]
    assert one(dsn, "SELECT count(*) FROM headrace.receipts") == 7
    assert_equal(mapping, shop, dsn)


def test_a_satellite_with_policies_is_loaded_by_a_role_they_hold_for(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    """PostgreSQL lets nobody COPY into such a table."""
    role = f"poor_{shop.prefix.replace('-', '_')}"
    shop.insert("lines", order_id=1, product="a", quantity=5)
    send(broker.bootstrap, shop.events)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'poor'")
        try:
            headrace.migrations.apply(dsn)
            for schema in ("dv", "headrace"):
                connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
                connection.execute(
                    f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
                )
            connection.execute("ALTER TABLE dv.sat_line ENABLE ROW LEVEL SECURITY")
            connection.execute("CREATE POLICY all_of_it ON dv.sat_line USING (true) WITH CHECK (true)")
            poor = f"{dsn} user={role} password=poor"
            receipt = load(mapping, poor, broker.bootstrap, tables=["lines"])
            assert (receipt.satellites, receipt.rejected) == (1, 0), dead(dsn)
        finally:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_hubs_and_links_need_not_be_readable(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    role = f"blind_{shop.prefix.replace('-', '_')}"
    shop.insert("lines", order_id=1, product="a", quantity=5)
    send(broker.bootstrap, shop.events)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'blind'")
        try:
            headrace.migrations.apply(dsn)
            for schema in ("dv", "headrace"):
                connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
            connection.execute(
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA headrace TO {role}"
            )
            connection.execute(f"GRANT INSERT ON ALL TABLES IN SCHEMA dv TO {role}")
            connection.execute(
                f"GRANT SELECT ON dv.dv_settings, dv.stg_lines, dv.trk_lines, dv.sat_line TO {role}"
            )
            blind = f"{dsn} user={role} password=blind"
            receipt = load(mapping, blind, broker.bootstrap, tables=["lines"])
            assert (receipt.hubs, receipt.links, receipt.satellites) == (2, 1, 1), dead(dsn)
        finally:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_satellite_of_another_type_gets_values_and_no_bits(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    """A COPY of integers into a column of reals would be read without a word: same size, other numbers."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP VIEW dv.row_lines, dv.current_line CASCADE")
        connection.execute("ALTER TABLE dv.sat_line ALTER quantity TYPE real")
    shop.insert("lines", order_id=1, product="a", quantity=1078530011)
    send(broker.bootstrap, shop.events)
    known = kafka_settings(broker.bootstrap, None)
    receipt = _load.run(load_settings(mapping, mapping.tables["shop.lines"], dsn=dsn, kafka=known))
    assert (receipt.loaded, receipt.rejected) == (1, 0)
    assert one(dsn, "SELECT quantity FROM dv.sat_line") == pytest.approx(1078530011, rel=1e-6)


def test_events_in_any_order_give_the_same_rows(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    """Every event knows its place by its LSN. No gaps here: what was left out needs the event before."""
    rng = random.Random(f"{SEED}-order")
    shop.insert("orders", order_id=1, customer_id=1, amount="1.00", status="a", changed_at=None)
    for status in "bbabacca":  # what comes back must not be taken for what never went
        shop.update("orders", {"order_id": 1}, status=status)
    for number in range(60):
        shop.insert("lines", order_id=number % 7, product=f"P{number:03}", quantity=number % 3)
        shop.update("lines", {"order_id": number % 7, "product": f"P{number:03}"}, quantity=number % 4)
        if number % 5 == 0:
            shop.delete("lines", order_id=number % 7, product=f"P{number:03}")
        if number == 30:
            shop.truncate("lines")
    for round_number in range(4):
        rng.shuffle(shop.events)
        if round_number:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("DROP SCHEMA dv CASCADE")
            make_vault(dsn, mapping)
        send(broker.bootstrap, shop.events, partition=round_number % 3)
        receipt = load(mapping, dsn, broker.bootstrap, batch_records=rng.choice([1, 7, 50]))
        assert receipt.rejected == 0, dead(dsn)
        assert_equal(mapping, shop, dsn)
        history = rows(
            dsn,
            "SELECT s.status FROM dv.sat_order s JOIN dv.hub_order h USING (order_hk) ORDER BY s.dv_lsn",
        )
        kept = [status for (status,) in history]
        assert [s for i, s in enumerate(kept) if i == 0 or kept[i - 1] != s] == list("ababaca")


def test_the_state_as_of_an_lsn_is_that_of_the_time(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    states: list[tuple[int, list[tuple[Any, ...]]]] = []
    rng = random.Random(f"{SEED}-as-of")
    for _ in range(6):
        shop.live(rng, 30)
        now = shop.connection.execute("SELECT * FROM shop.orders ORDER BY order_id").fetchall()
        states.append((shop.lsn, now))
    send(broker.bootstrap, shop.events)
    load(mapping, dsn, broker.bootstrap)
    for lsn, state in states:
        assert rows(dsn, "SELECT * FROM dv.row_orders_as_of(lsn => %s) ORDER BY order_id", lsn) == state
        at = f"to_timestamp({(1_790_000_000_000 + lsn) / 1000})"
        assert rows(dsn, f"SELECT * FROM dv.row_orders_as_of(at => {at}) ORDER BY order_id") == state
        pit = one(dsn, f"SELECT count(*) FROM dv.pit_orders({at})")
        assert pit == len(state)
    assert verify(mapping, shop, dsn, lsn=shop.lsn).equal


def test_a_case_change_of_a_key_ends_and_opens_under_one_hash(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    shop.insert("lines", order_id=1, product="abc", quantity=1)
    shop.move("lines", {"order_id": 1, "product": "abc  "}, {"order_id": 1, "product": "ABC"})
    send(broker.bootstrap, shop.events, partition=0)
    load(mapping, dsn, broker.bootstrap)
    assert one(dsn, "SELECT count(*) FROM dv.row_lines") == 1
    found = verify(mapping, shop, dsn)
    assert found.differences == 2, str(found)  # the hub keeps the first spelling; verify does not hide it


def test_unchanged_values_come_from_the_batch_or_the_vault(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    notes = "long " * 500
    for number in (1, 2):
        shop.insert("customers", customer_id=number, name="a", score=None, born=None, notes=notes, tags=None)
    shop.update("customers", {"customer_id": 1}, "notes", name="in the batch")
    shop.update("customers", {"customer_id": 1}, "notes", name="twice")
    send(broker.bootstrap, shop.events)
    load(mapping, dsn, broker.bootstrap)
    assert_equal(mapping, shop, dsn)
    sent = len(shop.events)
    shop.update("customers", {"customer_id": 2}, "notes", name="from the vault")
    shop.update("customers", {"customer_id": 2}, "notes", "tags", name="both")
    send(broker.bootstrap, shop.events[sent:])
    receipt = load(mapping, dsn, broker.bootstrap)
    assert receipt.rejected == 0, dead(dsn)
    assert_equal(mapping, shop, dsn)
    assert one(dsn, "SELECT count(*) FROM dv.sat_customer_notes") == 2  # the diff is that of the whole row


def test_what_was_left_out_and_is_nowhere_becomes_a_dead_letter_to_replay(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    shop.insert("customers", customer_id=1, name="a", score=None, born=None, notes="kept", tags=None)
    shop.update("customers", {"customer_id": 1}, "notes", name="b")
    create, update = shop.events
    send(broker.bootstrap, [update])
    assert load(mapping, dsn, broker.bootstrap).rejected == 1
    reason, column, message = dead(dsn)[0]
    assert (reason, column) == ("null", "notes")
    assert "no earlier event of this row is in the vault" in message
    send(broker.bootstrap, [create])
    load(mapping, dsn, broker.bootstrap)
    assert not verify(mapping, shop, dsn).equal
    replayed = headrace.dead_letters.replay("dv.customers", dsn=dsn)
    assert (replayed.loaded, replayed.rejected) == (1, 0)
    assert_equal(mapping, shop, dsn)


def test_broken_messages_become_dead_letters_and_the_rest_is_loaded(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    shop.insert("orders", order_id=1, customer_id=1, amount="1.00", status="a", changed_at=None)
    good = shop.events[0]
    assert good.value is not None
    value = json.loads(good.value)

    def broken(**changes: Any) -> Event:
        return Event(good.topic, good.key, json.dumps(value | changes).encode(), good.lsn)

    bad = [
        Event(good.topic, good.key, b'{"op": "c", "after": {', 0),
        broken(op="x"),
        broken(after={**value["after"], "order_id": None}),
        broken(after={**value["after"], "amount": "many"}),
        broken(source={**value["source"], "lsn": None}),
    ]
    send(broker.bootstrap, [*bad, good])
    receipt = load(mapping, dsn, broker.bootstrap)
    assert (receipt.events, receipt.loaded, receipt.rejected) == (6, 1, 5), dead(dsn)
    assert_equal(mapping, shop, dsn)


def test_an_event_whose_key_has_no_hash_is_refused_and_ends_no_other_row(
    shop: Shop, dsn: str, broker: kafka.Broker
) -> None:
    """A key of nothing but spaces hashes to null, as a truncation's does: it must not be taken for one."""
    mapping = shop.mapping(
        hub=("customer: {customer_id: bigint}", "customer: {customer_id: text}"),
        column=("{customer_id: bigint, name", "{customer_id: text, name"),
        reference=("      customer_id: bigint", "      customer_id: text"),
    )
    make_vault(dsn, mapping)
    row = {"customer_id": "a", "name": "A", "score": None, "born": None, "notes": None, "tags": None}
    shop.emit("customers", "c", {"customer_id": "a"}, row, txid=1)
    shop.emit("customers", "c", {"customer_id": " "}, row | {"customer_id": " "}, txid=2)
    shop.emit("customers", "d", {"customer_id": " "}, None, txid=3)
    send(broker.bootstrap, shop.events)
    assert load(mapping, dsn, broker.bootstrap).rejected == 2
    assert {reason for reason, *_ in dead(dsn)} == {"null"}
    assert rows(dsn, "SELECT customer_id, name FROM dv.row_customers") == [("a", "A")]


def test_a_new_and_a_dropped_column_are_told_and_nothing_breaks(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    shop.insert("orders", order_id=1, customer_id=1, amount="1.00", status="a", changed_at=None)
    event = shop.events[0]
    assert event.value is not None
    value = json.loads(event.value)
    del value["after"]["status"]
    value["after"]["colour"] = "red"
    shop.connection.execute("ALTER TABLE shop.orders DROP COLUMN status, ADD COLUMN colour text")
    send(broker.bootstrap, [Event(event.topic, event.key, json.dumps(value).encode(), event.lsn)])
    assert load(mapping, dsn, broker.bootstrap).rejected == 0
    found = verify(mapping, shop, dsn)
    assert found.equal
    notes = [note for table in found.tables for note in table.notes]
    assert notes == [
        "column status is no longer in the source: not compared",
        "column colour of the source is not in the mapping",
    ]


def test_a_column_added_to_the_mapping_is_added_to_the_tables(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    shop.insert("orders", order_id=1, customer_id=1, amount="1.00", status="a", changed_at=None)
    send(broker.bootstrap, shop.events)
    load(mapping, dsn, broker.bootstrap)
    shop.connection.execute("ALTER TABLE shop.orders ADD COLUMN colour text")
    wider = shop.mapping(
        columns=("      changed_at: timestamptz\n", "      changed_at: timestamptz\n      colour: text\n"),
        kept=("order: [amount, status, changed_at]", "order: [amount, status, changed_at, colour]"),
    )
    problems = headrace.vault_plan(wider, dsn=dsn, brokers=broker.bootstrap).problems
    assert [p.partition(":")[0] for p in problems if "colour: " in p] == [
        "table dv.stg_orders has no column colour",
        "table dv.sat_order has no column colour",
    ]
    make_vault(dsn, wider)
    assert headrace.vault_plan(wider, dsn=dsn, brokers=broker.bootstrap).problems == []
    event = shop.events[0]
    assert event.value is not None
    value = json.loads(event.value)
    value["after"]["colour"] = "red"
    value["source"]["lsn"] += 1000
    shop.connection.execute("UPDATE shop.orders SET colour = 'red'")
    send(broker.bootstrap, [Event(event.topic, event.key, json.dumps(value).encode(), 0)])
    assert load(wider, dsn, broker.bootstrap).satellites == 1
    assert_equal(wider, shop, dsn)


def test_verify_finds_planted_differences_of_each_kind(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    for number in range(20):
        shop.insert("orders", order_id=number, customer_id=1, amount="1.00", status="a", changed_at=None)
    send(broker.bootstrap, shop.events)
    load(mapping, dsn, broker.bootstrap)
    assert_equal(mapping, shop, dsn)
    shop.connection.execute("DELETE FROM shop.orders WHERE order_id = 3")
    shop.connection.execute("INSERT INTO shop.orders VALUES (77, NULL, 2, 'new', NULL)")
    shop.connection.execute("UPDATE shop.orders SET amount = NULL, status = E'tab\\there' WHERE order_id = 5")
    found = verify(mapping, shop, dsn)
    orders = next(t for t in found.tables if t.table == "shop.orders")
    assert (orders.missing, orders.extra, orders.different) == (1, 1, 1)
    assert {e["kind"]: e["key"] for e in orders.examples} == {
        "missing": {"order_id": "77"},
        "extra": {"order_id": "3"},
        "different": {"order_id": "5"},
    }
    changed = next(e for e in orders.examples if e["kind"] == "different")
    assert changed["columns"] == {
        "amount": {"source": None, "vault": "1.00"},
        "status": {"source": "tab\there", "vault": "a"},
    }
    assert "differs from the source in 3 rows" in str(found)


def test_verify_sees_the_state_of_a_snapshot_while_the_source_changes(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    """Events of transactions that the snapshot does not see are in the vault already, and left out."""
    live(shop, "snapshot", 100)
    send(broker.bootstrap, shop.events)
    load(mapping, dsn, broker.bootstrap)
    other = psycopg.connect(shop.dsn)
    other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    snapshot = other.execute("SELECT pg_current_snapshot()::text").fetchone()[0]
    before = other.execute("SELECT * FROM shop.orders ORDER BY order_id").fetchall()
    sent = len(shop.events)
    shop.live(random.Random(f"{SEED}-later"), 60)
    send(broker.bootstrap, shop.events[sent:])
    load(mapping, dsn, broker.bootstrap)
    other.close()
    sql = "SELECT * FROM dv.row_orders_as_of(snapshot => %s::pg_snapshot) ORDER BY order_id"
    assert rows(dsn, sql, snapshot) == before
    assert_equal(mapping, shop, dsn)


def test_verify_with_little_memory_reads_several_times(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    for number in range(12_000):
        shop.lsn += 40
        row = {"order_id": number, "customer_id": 1, "amount": "1.00", "status": "a", "changed_at": None}
        shop.emit("orders", "r", {"order_id": number}, row, txid=3)
    sql = "INSERT INTO shop.orders SELECT n, 1, 1, 'a', NULL FROM generate_series(0, 11999) n"
    shop.connection.execute(sql + " ORDER BY md5(n::text)")
    send(broker.bootstrap, shop.events)
    load(mapping, dsn, broker.bootstrap)
    shop.connection.execute("UPDATE shop.orders SET status = 'b' WHERE order_id % 1000 = 7")
    found = verify(mapping, shop, dsn, memory=1, tables=["orders"], keep=3)
    assert (found.rows, found.differences) == (12_000, 12)
    assert len(found.tables[0].examples) >= 3


def test_verify_waits_for_the_topics_to_be_loaded(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    live(shop, "waits", 50)
    send(broker.bootstrap, shop.events)
    with pytest.raises(headrace.RetriableError, match="messages behind topic"):
        verify(mapping, shop, dsn, brokers=broker.bootstrap, patience=0.5)
    assert verify(mapping, shop, dsn, brokers=broker.bootstrap, load=True).equal


def test_plan_says_what_is_missing_and_writes_nothing(shop: Shop, dsn: str, broker: kafka.Broker) -> None:
    mapping = shop.mapping()
    empty = headrace.vault_plan(mapping, dsn=dsn, brokers=broker.bootstrap)
    assert "table dv.hub_customer is missing" in empty.problems[0]
    assert one(dsn, "SELECT count(*) FROM pg_namespace WHERE nspname IN ('headrace', 'dv')") == 0
    make_vault(dsn, mapping)
    live(shop, "plan", 30)
    send(broker.bootstrap, shop.events)
    plan = headrace.vault_plan(mapping, dsn=dsn, brokers=broker.bootstrap)
    assert plan.problems == []
    assert plan.lag == len(shop.events)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE dv.stg_lines ALTER quantity TYPE bigint")
    assert headrace.vault_plan(mapping, dsn=dsn, brokers=broker.bootstrap).problems == [
        "table dv.stg_lines: quantity is bigint, but integer in the mapping"
    ]


def test_the_command_line_walks_the_whole_way(
    shop: Shop, dsn: str, broker: kafka.Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write_mapping(tmp_path / "vault.yaml", shop.prefix))
    assert main(["vault", "ddl", path]) == 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(capsys.readouterr().out)
    live(shop, "cli", 80)
    send(broker.bootstrap, shop.events)
    where = ["--dsn", dsn, "--brokers", broker.bootstrap, "--json"]
    assert main(["vault", "plan", path, *where]) == 0
    assert json.loads(capsys.readouterr().out)["lag"] == len(shop.events)
    assert main(["vault", "load", path, *where]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["events"] == len(shop.events)
    assert main(["vault", "verify", path, "--source", shop.dsn, *where]) == 0
    assert json.loads(capsys.readouterr().out)["differences"] == 0
    shop.connection.execute("INSERT INTO shop.lines VALUES (1, 'new', 1)")
    assert main(["vault", "verify", path, "--source", shop.dsn, *where]) == 1
    assert json.loads(capsys.readouterr().out)["differences"] == 1
    bad = tmp_path / "bad.yaml"
    bad.write_text("vault: {schema: dv, shema: x}\nsource: {topics: a}\nhubs: {}\ntables: {}\n")
    assert main(["vault", "ddl", str(bad)]) == 2
    assert "bad.yaml:1: vault has no setting shema" in capsys.readouterr().err
