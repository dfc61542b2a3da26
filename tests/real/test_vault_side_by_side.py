"""Events of one key in two transactions at once: whichever comes first, the satellites are right afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import headrace
import psycopg
import pytest
from headrace.vault import VaultMapping

from stack import kafka
from tests.real.load_kit import execute, one
from tests.real.vault_kit import Shop, assert_equal, dead, load, send

GATE = 4711
"""The advisory lock that transactions wait for when they bring the event of the gate."""


def wait_for(what: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


@contextmanager
def gate(dsn: str, lsn: int) -> Iterator[Callable[[], None]]:
    """Transactions with this event of an order stop when they bring it, until the function is called."""
    execute(
        dsn,
        f"""CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.dv_lsn = {lsn} THEN PERFORM pg_advisory_xact_lock({GATE}); END IF;
            RETURN NEW;
        END $$""",
    )
    execute(
        dsn, "CREATE TRIGGER stop BEFORE INSERT ON dv.trk_orders FOR EACH ROW EXECUTE FUNCTION stop_here()"
    )
    with psycopg.connect(dsn, autocommit=True) as keeper:
        keeper.execute("SELECT pg_advisory_lock(%s)", [GATE])
        yield lambda: keeper.execute("SELECT pg_advisory_unlock(%s)", [GATE]) and None
        keeper.execute("SELECT pg_advisory_unlock_all()")


def stopped(dsn: str, kind: str) -> bool:
    """Whether somebody waits for such a lock in this database."""
    return bool(
        one(
            dsn,
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = %s "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            kind,
        )
    )


@contextmanager
def beside(run: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Run it in a thread; its failure is raised at the end."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run)
        yield future
        future.result(60)


def order(shop: Shop, number: int, status: str) -> None:
    shop.insert("orders", order_id=number, customer_id=1, amount="1.00", status=status, changed_at=None)


def test_a_replay_beside_a_load_waits_for_it(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    """The load has b's predecessor before it and leaves out what repeats it; b must not come in between."""
    order(shop, 1, "a")
    shop.update("orders", {"order_id": 1}, status="b")
    execute(dsn, "ALTER TABLE dv.sat_order ADD CONSTRAINT no_b CHECK (status <> 'b')")
    send(broker.bootstrap, shop.events)
    assert load(mapping, dsn, broker.bootstrap).rejected == 1, dead(dsn)
    execute(dsn, "ALTER TABLE dv.sat_order DROP CONSTRAINT no_b")
    sent = len(shop.events)
    shop.update("orders", {"order_id": 1}, status="a")
    send(broker.bootstrap, shop.events[sent:])
    with gate(dsn, shop.lsn) as open_gate, beside(lambda: load(mapping, dsn, broker.bootstrap)):
        assert wait_for(lambda: stopped(dsn, "advisory"))
        with beside(lambda: headrace.dead_letters.replay("dv.orders", dsn=dsn)) as replay:
            assert wait_for(lambda: replay.done() or stopped(dsn, "relation"))
            open_gate()
    assert one(dsn, "SELECT count(*) FROM headrace.dead_letters WHERE replayed_at IS NULL") == 0
    assert_equal(mapping, shop, dsn)
    assert one(dsn, "SELECT count(*) FROM dv.sat_order") == 3


@pytest.mark.parametrize("hidden", [(), ("status",)], ids=["whole", "filled in"])
def test_a_key_thatmoved_to_another_partition_has_one_worker_at_a_time(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker, hidden: tuple[str, ...]
) -> None:
    order(shop, 1, "a")
    send(broker.bootstrap, shop.events, partition=0)
    load(mapping, dsn, broker.bootstrap)
    shop.update("orders", {"order_id": 1}, *hidden, amount="2.00")
    send(broker.bootstrap, shop.events[1:], partition=1)
    shop.update("orders", {"order_id": 1}, *hidden, amount="1.00")
    send(broker.bootstrap, shop.events[2:], partition=2)
    with (
        gate(dsn, shop.lsn) as open_gate,
        beside(lambda: load(mapping, dsn, broker.bootstrap, workers=3, tables=["orders"])) as loading,
    ):
        assert wait_for(lambda: stopped(dsn, "advisory") or loading.done())
        wait_for(lambda: moved(dsn, 1), 1)  # the other worker has time to go past, if nothing keeps it
        open_gate()
    assert moved(dsn, 1)
    assert moved(dsn, 2)
    assert_equal(mapping, shop, dsn)
    assert one(dsn, "SELECT count(*) FROM dv.sat_order") == 3


def test_a_worker_that_tries_again_lets_its_keys_go(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    """It begins anew behind somebody who wants the table, who waits for a worker that waits for the keys."""
    order(shop, 1, "a")
    send(broker.bootstrap, shop.events, partition=0)
    load(mapping, dsn, broker.bootstrap)
    for partition in (1, 2):
        shop.update("orders", {"order_id": 1}, amount=f"{partition}.50")
        send(broker.bootstrap, shop.events[partition:], partition=partition)
    execute(dsn, "CREATE SEQUENCE tries")
    with psycopg.connect(dsn, autocommit=True) as keeper, psycopg.connect(dsn) as other:
        execute(
            dsn,
            f"""CREATE FUNCTION refuse_once() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('tries') = 1 THEN
                    PERFORM pg_advisory_xact_lock({GATE});
                    RAISE EXCEPTION 'not yet' USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
            END $$""",
        )
        execute(
            dsn,
            "CREATE TRIGGER refuse BEFORE INSERT ON dv.trk_orders FOR EACH ROW EXECUTE FUNCTION refuse_once()",
        )
        keeper.execute("SELECT pg_advisory_lock(%s)", [GATE])
        other.execute("SET lock_timeout = '20s'")
        with beside(lambda: load(mapping, dsn, broker.bootstrap, workers=3, tables=["orders"])):
            try:
                assert wait_for(lambda: stopped(dsn, "advisory") and holders(dsn) == 2)
                with beside(lambda: other.execute("LOCK TABLE dv.stg_orders IN SHARE ROW EXCLUSIVE MODE")):
                    assert wait_for(lambda: stopped(dsn, "relation"))
                    keeper.execute("SELECT pg_advisory_unlock(%s)", [GATE])
            finally:
                keeper.execute("SELECT pg_advisory_unlock_all()")
                other.rollback()
    assert_equal(mapping, shop, dsn)
    assert one(dsn, "SELECT count(*) FROM dv.sat_order") == 3


def holders(dsn: str) -> Any:
    """How many transactions have begun a batch of orders."""
    return one(
        dsn,
        "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'RowExclusiveLock' "
        "AND relation = 'dv.stg_orders'::regclass",
    )


def test_workers_with_other_keys_go_on(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    order(shop, 1, "a")
    send(broker.bootstrap, shop.events, partition=0)
    first = shop.lsn
    order(shop, 2, "a")
    send(broker.bootstrap, shop.events[1:], partition=1)
    with (
        gate(dsn, first) as open_gate,
        beside(lambda: load(mapping, dsn, broker.bootstrap, workers=3, tables=["orders"])),
    ):
        assert wait_for(lambda: stopped(dsn, "advisory"))
        assert wait_for(lambda: moved(dsn, 1))
        assert not moved(dsn, 0)
        open_gate()
    assert_equal(mapping, shop, dsn)


def moved(dsn: str, partition: int) -> bool:
    """Whether the load of the orders has committed anything of this partition."""
    return bool(
        one(
            dsn,
            "SELECT count(*) FROM headrace.offsets WHERE job = 'dv.orders' AND partition = %s AND next_offset > 0",
            partition,
        )
    )
