"""Values that events leave out because they have not changed (TOAST): filled in from what is known, or refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import headrace
import pytest
from headrace.vault import VaultMapping

from stack import kafka
from stack.paths import ROOT
from tests.real.load_kit import one, rows
from tests.real.vault_kit import MARKER, Shop, assert_equal, dead, load, make_vault, send, write_mapping

LONG = "long " * 700


def customer(shop: Shop, number: int, notes: str | None = LONG) -> None:
    shop.insert("customers", customer_id=number, name="a", score=None, born=None, notes=notes, tags=None)


@pytest.fixture
def texts(shop: Shop, dsn: str) -> VaultMapping:
    """Customers whose business key is a text, so long that orders that refer to them leave it out."""
    shop.connection.execute("ALTER TABLE shop.customers ALTER customer_id TYPE text")
    shop.connection.execute("ALTER TABLE shop.orders ALTER customer_id TYPE text")
    mapping = shop.mapping(
        hub=("customer: {customer_id: bigint}", "customer: {customer_id: text}"),
        column=("{customer_id: bigint, name", "{customer_id: text, name"),
        reference=("      customer_id: bigint", "      customer_id: text"),
    )
    make_vault(dsn, mapping)
    return mapping


@pytest.fixture
def written(shop: Shop, mapping: VaultMapping, tmp_path: Path) -> Path:
    """The file of the mapping whose vault is there."""
    assert mapping.tables
    return write_mapping(tmp_path / "vault.yaml", shop.prefix)


def test_a_foreign_key_that_was_left_out_is_filled_in(
    shop: Shop, texts: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    for number in (1, 2):
        shop.insert(
            "orders",
            order_id=number,
            customer_id=LONG + str(number),
            amount="1.00",
            status="a",
            changed_at=None,
        )
    shop.update("orders", {"order_id": 1}, "customer_id", status="in the batch")
    send(broker.bootstrap, shop.events)
    assert load(texts, dsn, broker.bootstrap).rejected == 0, dead(dsn)
    sent = len(shop.events)
    shop.update("orders", {"order_id": 2}, "customer_id", status="from the vault")
    send(broker.bootstrap, shop.events[sent:])
    assert load(texts, dsn, broker.bootstrap).rejected == 0, dead(dsn)
    assert_equal(texts, shop, dsn)
    assert one(dsn, "SELECT count(*) FROM dv.link_order_customer") == 2
    assert one(dsn, "SELECT count(*) FROM dv.link_order_customer WHERE customer_hk IS NULL") == 0


def test_a_foreign_key_that_was_left_out_and_is_nowhere_is_refused(
    shop: Shop, texts: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    shop.insert("orders", order_id=1, customer_id=LONG, amount="1.00", status="a", changed_at=None)
    shop.update("orders", {"order_id": 1}, "customer_id", status="b")
    create, update = shop.events
    send(broker.bootstrap, [update])
    assert load(texts, dsn, broker.bootstrap).rejected == 1
    assert dead(dsn)[0][:2] == ("null", "customer_id")
    assert one(dsn, "SELECT count(*) FROM dv.link_order_customer") == 0
    send(broker.bootstrap, [create])
    load(texts, dsn, broker.bootstrap)
    assert headrace.dead_letters.replay("dv.orders", dsn=dsn).rejected == 0
    assert_equal(texts, shop, dsn)


@pytest.mark.parametrize("batch_records", [1, 100])
def test_a_changed_key_takes_along_what_was_left_out(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker, batch_records: int
) -> None:
    for number in (1, 2, 3):
        customer(shop, number, LONG + str(number))
    shop.update("customers", {"customer_id": 1}, "notes", name="before")
    shop.move("customers", {"customer_id": 1}, {"customer_id": 11}, "notes")
    shop.move("customers", {"customer_id": 11}, {"customer_id": 21}, "notes")
    shop.update("customers", {"customer_id": 21}, "notes", name="after")
    shop.delete("customers", customer_id=2)
    shop.move("customers", {"customer_id": 3}, {"customer_id": 2}, "notes")  # where another row was
    shop.move("customers", {"customer_id": 2}, {"customer_id": 3}, "notes")  # and back
    send(broker.bootstrap, shop.events, partition=0)
    receipt = load(mapping, dsn, broker.bootstrap, batch_records=batch_records)
    assert receipt.rejected == 0, dead(dsn)
    assert_equal(mapping, shop, dsn)


def test_a_changed_key_whose_old_one_comes_later_is_replayed(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    customer(shop, 1)
    shop.move("customers", {"customer_id": 1}, {"customer_id": 2}, "notes")
    *before, create = shop.events
    send(broker.bootstrap, [create], partition=1)
    assert load(mapping, dsn, broker.bootstrap).rejected == 1
    assert dead(dsn)[0][:2] == ("null", "notes")
    send(broker.bootstrap, before, partition=0)
    load(mapping, dsn, broker.bootstrap)
    replayed = headrace.dead_letters.replay("dv.customers", dsn=dsn)
    assert (replayed.loaded, replayed.rejected) == (1, 0)
    assert_equal(mapping, shop, dsn)


def test_a_satellite_added_later_does_not_stop_the_events_of_old_rows(
    shop: Shop, dsn: str, broker: kafka.Broker
) -> None:
    narrow = shop.mapping(
        satellites=("      customer_notes: [notes, tags]", "      customer_notes: notes\n    ignore: tags")
    )
    make_vault(dsn, narrow)
    customer(shop, 1)
    customer(shop, 2)
    send(broker.bootstrap, shop.events)
    load(narrow, dsn, broker.bootstrap)
    wide = shop.mapping(
        satellites=(
            "      customer_notes: [notes, tags]",
            "      customer_notes: notes\n      customer_tags: tags",
        )
    )
    make_vault(dsn, wide)
    sent = len(shop.events)
    shop.update("customers", {"customer_id": 1}, "notes", name="b")
    shop.connection.execute("UPDATE shop.customers SET tags = '[1]' WHERE customer_id = 2")
    shop.update("customers", {"customer_id": 2}, "notes", "tags", name="b")  # nobody knows these tags
    send(broker.bootstrap, shop.events[sent:])
    assert load(wide, dsn, broker.bootstrap).rejected == 1
    assert [row[:2] for row in dead(dsn)] == [("null", "tags")]
    assert rows(dsn, "SELECT customer_id, name, notes FROM dv.row_customers ORDER BY 1") == [
        (1, "b", LONG),
        (2, "a", LONG),
    ]


def test_a_column_added_later_is_not_taken_for_null(shop: Shop, dsn: str, broker: kafka.Broker) -> None:
    """What was left out is large: a null in the vault's row is a value that it never saw."""
    narrow = shop.mapping(
        satellites=("      customer_notes: [notes, tags]", "      customer_notes: notes\n    ignore: tags")
    )
    make_vault(dsn, narrow)
    customer(shop, 1)
    shop.connection.execute("UPDATE shop.customers SET tags = '[1]'")
    send(broker.bootstrap, shop.events)
    load(narrow, dsn, broker.bootstrap)
    wide = shop.mapping()
    make_vault(dsn, wide)
    sent = len(shop.events)
    shop.update("customers", {"customer_id": 1}, "tags", name="b")
    send(broker.bootstrap, shop.events[sent:])
    assert load(wide, dsn, broker.bootstrap).rejected == 1
    assert dead(dsn)[0][:2] == ("null", "tags")


@pytest.mark.parametrize("large", ["notes", "tags"])
def test_many_large_values_are_filled_in_piece_by_piece(
    shop: Shop, written: Path, dsn: str, broker: kafka.Broker, large: str
) -> None:
    """Small events that stand for 750 MB: they must not all be in memory at once. The large value comes from the
    vault, be it that a small one beside it (of notes, which are asked for first) comes from the batch.
    """
    mapping, tags = shop.mapping(), json.dumps("t" * 250_000)
    if large == "notes":
        customer(shop, 1, "n" * 250_000)
    else:
        shop.insert("customers", customer_id=1, name="a", score=None, born=None, notes="old", tags=tags)
    send(broker.bootstrap, shop.events)
    load(mapping, dsn, broker.bootstrap)
    sent = len(shop.events)
    row = {"customer_id": 1, "score": None, "born": None, "notes": MARKER}
    row["tags"] = None if large == "notes" else MARKER
    for number in range(3000):
        changed = {"notes": "new"} if large == "tags" and number == 0 else {}
        shop.emit("customers", "u", {"customer_id": 1}, {**row, "name": f"name {number}", **changed}, txid=3)
    shop.connection.execute("UPDATE shop.customers SET name = 'name 2999'")
    if large == "tags":
        shop.connection.execute("UPDATE shop.customers SET notes = 'new'")
    send(broker.bootstrap, shop.events[sent:])
    program = (
        "import re, sys; from headrace.vault import vault_load; "
        "r = vault_load(sys.argv[1], dsn=sys.argv[2], brokers=sys.argv[3], tables=['customers'], workers=1); "
        # the peak of this program: ru_maxrss would begin with that of the tests, which it was forked from
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1]; "
        "print(r.loaded, r.satellites, r.rejected, int(peak) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(written), dsn, broker.bootstrap],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "python")},
    )
    assert done.returncode == 0, done.stderr
    *counts, mebibytes = map(int, done.stdout.split())
    assert counts == [3000, 3000 + (large == "tags"), 0]
    assert mebibytes < 400
    assert_equal(mapping, shop, dsn)
