"""Whole loads without Python under ASan + UBSan and under TSan: nothing read that is not ours, nothing leaks, no two threads at the
same memory; and a cancel, in whatever phase it comes, leaves books that balance and no session behind.
"""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stack import kafka, postgres
from tests.real.kafka_kit import Refused
from tests.real.load_kit import PURCHASES, assert_agree, execute, one, produce, purchase, rows
from tests.real.sanitizer_kit import (
    LoadDriver,
    Sanitizer,
    await_no_sessions,
    await_true,
    blocked,
    migrate,
    settings,
)

pytestmark = pytest.mark.real

TARGET = "shop.purchases"
# more random cancels and kills of sessions: HEADRACE_SANITIZER_ROUNDS=500
ROUNDS = int(os.environ.get("HEADRACE_SANITIZER_ROUNDS", "6"))


@pytest.fixture(params=["asan", "tsan"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LoadDriver]:
    """A driver of either kind; what its sanitizer has to say fails the test at its end."""
    sanitizer: Sanitizer = request.param
    with LoadDriver(sanitizer, tmp_path / "driver.log") as running:
        yield running


@pytest.fixture
def target(dsn: str) -> str:
    """A database with the table shop.purchases and the schema headrace."""
    execute(dsn, PURCHASES)
    migrate(dsn)
    return dsn


@pytest.fixture
def seed() -> int:
    """Printed when a test fails; HEADRACE_SEED runs it again."""
    value = int(os.environ.get("HEADRACE_SEED", random.SystemRandom().randrange(2**32)))
    print(f"HEADRACE_SEED={value}")
    return value


def mixed(count: int) -> list[Any]:
    """Purchases of four weeks, with broken records, tombstones and rows that a check refuses among them."""
    made: list[Any] = []
    for i in range(count):
        if i % 50 == 7:
            made.append(b"{broken")
        elif i % 333 == 3:
            made.append(None)
        elif i % 997 == 5:
            made.append(purchase(i, amount=-1))
        else:
            made.append(purchase(i))
    return made


def purchases_file(path: Path, count: int, **changes: Any) -> Path:
    """A file of purchases."""
    path.write_text("".join(json.dumps(purchase(i, **changes)) + "\n" for i in range(count)))
    return path


@contextmanager
def holding(dsn: str, *statements: str) -> Iterator[psycopg.Connection[Any]]:
    """A session that has run these statements and not committed; what it locked is free again at the end."""
    with psycopg.connect(dsn) as connection:
        for statement in statements:
            connection.execute(statement)
        yield connection
        connection.rollback()


def ended(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer of a load that has been cancelled, or was ready before it heard of it."""
    try:
        return run()
    except Refused as refused:
        if refused.code != "cancelled":
            raise
        return dict(refused.answer)


def cancelled(driver: LoadDriver) -> dict[str, Any]:
    """Finish a load that has been cancelled; its answer."""
    with pytest.raises(Refused) as caught:
        driver.finish()
    assert caught.value.code == "cancelled", caught.value
    return dict(caught.value.answer)


# ---- loads that come to their end ----


def test_kafka_with_everything(driver: LoadDriver, broker: kafka.Broker, new_topic: Any, target: str) -> None:
    """Four workers make partitions at the same time, reject, and tell a group how far they are."""
    topic = new_topic(8)
    produce(broker.bootstrap, topic, mixed(12_000))
    source = f"kafka://{broker.bootstrap}/{topic}"
    order = settings(source, TARGET, target, "purchases", workers=4, batch_records=700, group="watchers")
    receipt = driver.run(config=order)["receipt"]
    refused = sum(isinstance(value, dict) and value["amount"] < 0 for value in mixed(12_000))
    assert (receipt["state"], receipt["read"], receipt["skipped"]) == (
        "succeeded",
        12_000,
        mixed(12_000).count(None),
    )
    assert receipt["rejects"] == {"malformed": 240, "constraint": refused}
    assert len(receipt["tables"]) == 4
    assert_agree(target, "purchases")
    assert (
        driver.run(config=order | {"run_id": "00000000-0000-4000-8000-000000000001"})["receipt"]["read"] == 0
    )
    assert driver.run(config=order, verb="plan")["receipt"]["lanes"]


@pytest.mark.parametrize("mode", ["upsert", "replace"])
def test_keys_that_come_again(driver: LoadDriver, target: str, tmp_path: Path, mode: str) -> None:
    execute(target, f"ALTER TABLE {TARGET} ADD PRIMARY KEY (purchase_id, purchased_at)")
    path = purchases_file(tmp_path / "p.jsonl", 3000)
    with path.open("a") as file:
        file.write("".join(json.dumps(purchase(i, amount=i - 5)) + "\n" for i in range(0, 3000, 3)))
    order = settings(str(path), TARGET, target, "p", mode=mode, batch_records=500)
    receipt = driver.run(config=order)["receipt"]
    assert (receipt["read"], receipt["loaded"], receipt["rejects"]) == (4000, 3998, {"constraint": 2})
    assert one(target, f"SELECT count(*) FROM {TARGET}") == 3000


def test_one_transaction_for_a_query(driver: LoadDriver, target: str) -> None:
    sql = (
        "SELECT g AS purchase_id, '2026-09-01'::timestamptz + g * interval '1 hour' AS purchased_at"
        " FROM generate_series(1, 2500) g"
    )
    source = {"kind": "postgres", "dsn": target, "query": sql}
    receipt = driver.run(config=settings(source, TARGET, target, "q", batch_records=400))["receipt"]
    assert (receipt["loaded"], receipt["state"]) == (2500, "succeeded")


def test_the_table_changes_under_the_load(
    driver: LoadDriver, broker: kafka.Broker, new_topic: Any, target: str
) -> None:
    """Columns come and go while four workers write."""
    topic = new_topic(4)
    produce(broker.bootstrap, topic, (purchase(i) for i in range(8000)))
    order = settings(
        f"kafka://{broker.bootstrap}/{topic}", TARGET, target, "purchases", workers=4, batch_records=100
    )
    driver.start(config=order)
    for change in (
        "ADD extra text",
        "ALTER channel TYPE varchar(20)",
        "DROP extra",
        "ADD other int DEFAULT 3",
    ):
        before = one(target, f"SELECT count(*) FROM {TARGET}")
        await_true(
            lambda before=before: (
                one(target, f"SELECT count(*) FROM {TARGET}") > before or driver.wait(ms=0)["ended"]
            ),
            "another batch",
        )
        execute(target, f"ALTER TABLE {TARGET} {change}")
    receipt = driver.finish()["receipt"]
    assert (receipt["state"], receipt["loaded"]) == ("succeeded", 8000)
    assert_agree(target, "purchases")


def test_sessions_are_lost_under_the_load(
    driver: LoadDriver, broker: kafka.Broker, new_topic: Any, target: str, seed: int
) -> None:
    """The server ends sessions at random moments; each batch lands once."""
    topic, chance = new_topic(4), random.Random(seed)
    produce(broker.bootstrap, topic, (purchase(i) for i in range(8000)))
    order = settings(
        f"kafka://{broker.bootstrap}/{topic}", TARGET, target, "purchases", workers=4, batch_records=100
    )
    driver.start(config=order)
    for _ in range(3):
        driver.wait(ms=chance.randrange(20, 150))
        rows(
            target,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'headrace' ORDER BY random() LIMIT 2",
        )
    try:
        driver.finish()
    except Refused as refused:  # it was the coordinator's, or there were too many
        if not refused.retriable:
            raise
        driver.run(config=order | {"run_id": "00000000-0000-4000-8000-000000000002"})
    assert_agree(target, "purchases")
    assert one(target, f"SELECT count(*) FROM {TARGET}") == 8000


# ---- cancelled in every phase ----


def test_cancelled_before_it_connects(driver: LoadDriver, target: str, tmp_path: Path) -> None:
    driver.start(config=settings(str(purchases_file(tmp_path / "p.jsonl", 10)), TARGET, target, "p"))
    driver.cancel()
    ended(driver.finish)
    await_no_sessions(target)


@contextmanager
def deaf_server() -> Iterator[tuple[int, list[socket.socket]]]:
    """A port that takes connections and never says a word; yields its number, and the connections so far."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def take() -> None:
            try:
                while True:
                    kept.append(server.accept()[0])
            except OSError:
                return

        threading.Thread(target=take, daemon=True).start()
        yield server.getsockname()[1], kept
        server.shutdown(socket.SHUT_RDWR)
        for connection in kept:
            connection.close()


def test_cancelled_while_connecting(driver: LoadDriver, tmp_path: Path) -> None:
    """The server takes the connection and says nothing: the cancel does not wait for it."""
    with deaf_server() as (port, callers):
        dsn = f"host=127.0.0.1 port={port} dbname=x user=x"
        driver.start(config=settings(str(purchases_file(tmp_path / "p.jsonl", 10)), TARGET, dsn, "p"))
        await_true(lambda: bool(callers), "a load that waits for the server")
        driver.cancel()
        cancelled(driver)


def test_cancelled_while_the_broker_is_silent(driver: LoadDriver, target: str) -> None:
    with deaf_server() as (port, callers):
        driver.start(config=settings(f"kafka://127.0.0.1:{port}/topic", TARGET, target, "p"))
        await_true(lambda: bool(callers), "a load that waits for the broker")
        driver.cancel()
        cancelled(driver)
    await_no_sessions(target)


def test_cancelled_while_the_table_is_locked(driver: LoadDriver, target: str, tmp_path: Path) -> None:
    with holding(target, f"LOCK TABLE {TARGET} IN SHARE MODE"):
        driver.start(
            config=settings(
                str(purchases_file(tmp_path / "p.jsonl", 100)), TARGET, target, "p", create_partitions=False
            )
        )
        await_true(lambda: blocked(target), "a load that waits for the table")
        driver.cancel()
        answer = cancelled(driver)
        await_no_sessions(target)  # while the lock is still held
    assert answer["receipt"]["loaded"] == 0
    assert_agree(target, "p")


def test_cancelled_while_offsets_are_locked(driver: LoadDriver, target: str, tmp_path: Path) -> None:
    with holding(target, "LOCK TABLE headrace.offsets IN SHARE MODE"):
        driver.start(config=settings(str(purchases_file(tmp_path / "p.jsonl", 100)), TARGET, target, "p"))
        await_true(lambda: blocked(target), "a load that waits for its offsets")
        driver.cancel()
        cancelled(driver)
        await_no_sessions(target)
    assert one(target, "SELECT count(*) FROM headrace.offsets") == 0


@pytest.mark.parametrize("count", [200, 200_000], ids=["all is sent", "more is to be sent"])
def test_cancelled_in_the_middle_of_copy(driver: LoadDriver, target: str, tmp_path: Path, count: int) -> None:
    """A row of the COPY waits for another session's: the server must give up, or it would keep its locks until that one ends."""
    execute(target, "CREATE TABLE t (id bigint PRIMARY KEY, filler text)")
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"id":{i},"filler":"{"x" * 50}"}}\n' for i in range(count)))
    with holding(target, "INSERT INTO t VALUES (100)"):
        driver.start(
            config=settings(str(path), "t", target, "t", workers=1, batch_records=count, batch_bytes=10**8)
        )
        await_true(lambda: blocked(target, "COPY%"), "a COPY that waits")
        driver.cancel()
        answer = cancelled(driver)
        await_no_sessions(target)
        assert answer["receipt"]["loaded"] == 0
    assert one(target, "SELECT count(*) FROM t") == 0
    assert_agree(target, "t", "t")


COMMIT_WAITS = """
    CREATE TABLE t (id bigint);
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(17); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON headrace.receipt_lanes DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION wait();
"""


def test_cancelled_while_commit_waits(driver: LoadDriver, target: str, tmp_path: Path) -> None:
    execute(target, COMMIT_WAITS)
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"id":{i}}}\n' for i in range(200)))
    with holding(target, "SELECT pg_advisory_xact_lock(17)"):
        driver.start(config=settings(str(path), "t", target, "t"))
        await_true(lambda: blocked(target, "COMMIT"), "a COMMIT that waits")
        driver.cancel()
        answer = cancelled(driver)
        await_no_sessions(target)
        assert answer["receipt"]["loaded"] == 0
    assert one(target, "SELECT count(*) FROM t") == 0
    assert_agree(target, "t", "t")


@pytest.mark.parametrize("commit", ["batch", "end"])
def test_a_commit_that_has_landed_is_counted_though_cancelled(
    driver: LoadDriver, pg: postgres.Server, target: str, tmp_path: Path, commit: str
) -> None:
    """The server has committed and only waits for a replica when the cancel comes: the receipt says what happened."""
    execute(target, "CREATE TABLE t (id bigint)")
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"id":{i}}}\n' for i in range(200)))
    execute(target, f"ALTER DATABASE {one(target, 'SELECT current_database()')} SET synchronous_commit = on")
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep' AND query = 'COMMIT'"
    try:
        with holding(target, "LOCK TABLE headrace.receipt_lanes IN SHARE MODE"):
            driver.start(config=settings(str(path), "t", target, "t", commit=commit, durable="batch"))
            await_true(lambda: blocked(target, "%receipt_lanes%"), "a batch before its COMMIT")
            replica(pg, "'nobody'")
        await_true(lambda: one(target, waits) == 1, "a COMMIT that waits for the replica")
        driver.cancel()
        await_true(lambda: one(target, waits) == 0, "the end of the wait")
    finally:
        replica(pg, "''")
    receipt = ended(driver.finish)["receipt"]
    await_no_sessions(target)
    assert one(target, "SELECT count(*) FROM t") == 200
    assert receipt["loaded"] == 200
    assert rows(target, "SELECT state, loaded FROM headrace.receipts") == [(receipt["state"], 200)]
    assert one(target, "SELECT sum(loaded) FROM headrace.receipt_lanes") == 200


def replica(pg: postgres.Server, name: str) -> None:
    """Say for which replica the server's commits wait; only those of sessions with synchronous_commit do."""
    with pg.connect("postgres") as admin:
        admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = {name}")
        admin.execute("SELECT pg_reload_conf()")
    if name != "''":
        await_true(lambda: commits_wait(pg), "commits that wait for the replica")


def commits_wait(pg: postgres.Server) -> bool:
    """Whether a commit waits for a replica: the checkpointer says so to the sessions, some time after the reload."""
    event = "SELECT wait_event FROM pg_stat_activity WHERE pid = %s"
    with pg.connect("postgres") as probe, pg.connect("postgres") as admin, ThreadPoolExecutor(1) as pool:
        probe.execute("SET synchronous_commit = on")
        commit = pool.submit(probe.execute, "SELECT pg_logical_emit_message(true, 'probe', '')")
        while not commit.done():
            if admin.execute(event, [probe.info.backend_pid]).fetchone() == ("SyncRep",):
                probe.cancel()  # it has committed, and stops waiting
                commit.result(60)
                return True
            time.sleep(0.01)
    return False


def test_cancelled_while_nothing_comes(
    driver: LoadDriver, broker: kafka.Broker, topic: str, target: str
) -> None:
    produce(broker.bootstrap, topic, (purchase(i) for i in range(100)))
    order = settings(
        f"kafka://{broker.bootstrap}/{topic}", TARGET, target, "p", until="forever", workers=4, linger_ms=50
    )
    driver.start(config=order)
    await_true(lambda: one(target, f"SELECT count(*) FROM {TARGET}") == 100, "the first records")
    driver.cancel()
    assert cancelled(driver)["receipt"]["loaded"] == 100
    assert_agree(target, "p")
    await_no_sessions(target)


def test_cancelled_while_the_receipt_is_locked(driver: LoadDriver, target: str, tmp_path: Path) -> None:
    """All is loaded, but the receipt cannot be closed: a cancel does not wait for it for ever."""
    path = purchases_file(tmp_path / "p.jsonl", 100)
    with holding(target, "LOCK TABLE headrace.receipt_lanes IN SHARE MODE"):
        driver.start(config=settings(str(path), TARGET, target, "p"))
        await_true(lambda: blocked(target, "%receipt_lanes%"), "a batch that waits")
        with holding(target, "LOCK TABLE headrace.receipts IN SHARE MODE"):
            driver.cancel()
            assert cancelled(driver)["receipt"]["loaded"] == 0
            await_no_sessions(target)
    assert_agree(target, "p")


def test_cancelled_at_random_moments(
    driver: LoadDriver, broker: kafka.Broker, new_topic: Callable[..., str], target: str, seed: int
) -> None:
    """What a cancelled run has not loaded the next one does; every receipt tells the truth."""
    topic, chance = new_topic(4), random.Random(seed)
    produce(broker.bootstrap, topic, mixed(6000))
    order = settings(
        f"kafka://{broker.bootstrap}/{topic}", TARGET, target, "purchases", workers=4, batch_records=50
    )
    for number in range(ROUNDS):
        run_id = f"00000000-0000-4000-8000-{number:012}"
        moment = chance.randrange(400)
        answer = ended(partial(driver.run, config=order | {"run_id": run_id}, cancel_ms=moment))
        if answer["receipt"] is not None:
            lanes = "SELECT coalesce(sum(loaded), 0) FROM headrace.receipt_lanes WHERE run_id = %s"
            assert answer["receipt"]["loaded"] == one(target, lanes, run_id)
        assert_agree(target, "purchases")
    receipt = driver.run(config=order | {"run_id": "00000000-0000-4000-9000-000000000000"})["receipt"]
    assert receipt["state"] == "succeeded"
    assert_agree(target, "purchases")
    assert one(target, "SELECT sum(next_offset)::int FROM headrace.offsets") == 6000
    await_no_sessions(target)
