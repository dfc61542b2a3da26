"""Hands in the books, the table and the topic while a batch is being written."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import headrace
import psycopg
import pytest
from confluent_kafka import Producer

from stack import kafka
from tests.faults import balance
from tests.faults.scenes import RECORDS, SCENES, TARGET, Stage
from tests.faults.wire import Fault
from tests.real.load_kit import PURCHASES, execute, one, purchase

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    "change", ["next_offset = next_offset + 1", "generation = generation + 1", "run_id = NULL"]
)
def test_an_offset_that_somebody_else_changed_is_not_moved(stage: Stage, change: str) -> None:
    scene = SCENES["append"]
    stage.prepare(scene)
    held = Fault("advance", "before", "hold", seconds=120)
    stage.wire.arm(held)
    worker = stage.start(scene, stage.wired)
    assert held.fired.wait(120), stage.wire.log
    execute(stage.dsn, f"UPDATE headrace.offsets SET {change} WHERE job = '{stage.job}'")
    stage.wire.release(held)
    outcome = worker.wait()
    assert outcome.error == "FencedError", outcome
    assert one(stage.dsn, f"SELECT count(*) FROM {TARGET}") == 0
    if not change.startswith("next_offset"):
        assert stage.start(scene, stage.dsn).wait().receipt is not None
        stage.check(scene)


def test_the_definition_is_kept_while_a_batch_is_written(stage: Stage) -> None:
    scene = SCENES["upsert"]  # the stage is a table of its own: nothing but our LOCK holds the target yet
    stage.prepare(scene)
    held = Fault("copy", "before", "hold", seconds=120)
    stage.wire.arm(held)
    worker = stage.start(scene, stage.wired)
    assert held.fired.wait(120), stage.wire.log
    with psycopg.connect(stage.dsn, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute(f"ALTER TABLE {TARGET} ALTER customer_id TYPE bigint")
    stage.wire.release(held)
    assert worker.wait().receipt is not None
    stage.check(scene)


def test_two_loads_make_the_same_partition_once(stage: Stage) -> None:
    scene = SCENES["append"]
    stage.prepare(scene)
    held = Fault("partition", "before", "hold", seconds=120)
    stage.wire.arm(held)
    first = stage.start(scene, stage.wired)
    assert held.fired.wait(120), stage.wire.log
    second = stage.start(scene, stage.dsn, job=f"{stage.job} too")
    with psycopg.connect(stage.dsn, autocommit=True) as connection:  # it waits for the first, or has gone on
        asleep = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        end = time.monotonic() + 5
        while (
            connection.execute(asleep).fetchone() is None
            and not second.ended(0.02)
            and time.monotonic() < end
        ):
            pass
    stage.wire.release(held)
    outcomes = first.wait(), second.wait()
    for outcome in outcomes:
        assert outcome.receipt is not None, outcome
        assert outcome.receipt["loaded"] == RECORDS - 2, outcome
        assert sorted(outcome.receipt["tables"]) == [f"{TARGET}_2026w{week}" for week in (36, 37, 38)]
    assert one(stage.dsn, f"SELECT count(*) FROM {TARGET}") == 2 * (RECORDS - 2)


def test_messages_of_aborted_transactions_are_not_loaded(
    broker: kafka.Broker, new_topic: Callable[..., str], dsn: str
) -> None:
    topic = new_topic(partitions=1)
    execute(dsn, PURCHASES)
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": str(uuid4())})
    producer.init_transactions(30)
    kept = set()
    for first in range(0, 100, 10):
        producer.begin_transaction()
        for number in range(first, first + 10):
            producer.produce(topic, json.dumps(purchase(number)).encode())
        producer.flush(30)
        if first % 20:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
            kept |= set(range(first, first + 10))
    receipt = headrace.load(
        f"kafka://{broker.bootstrap}/{topic}", TARGET, dsn=dsn, job="aborted", batch_records=7
    )
    assert receipt.loaded == len(kept)
    balance.check(dsn, "aborted", expected=kept, dense=False)


def timer(local: int, remote: int) -> tuple[str, float]:
    """The kernel's timer of this connection ("02" is keepalive), and in how many seconds it goes off."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if [int(words[place].partition(":")[2], 16) for place in (1, 2)] == [local, remote]:
            kind, _, when = words[5].partition(":")
            return kind, int(when, 16) / os.sysconf("SC_CLK_TCK")
    raise AssertionError(f"no connection from {local} to {remote}")


def keepalive(local: int, remote: int) -> float:
    """In how many seconds the kernel asks the other end of this connection whether it is there."""
    end = time.monotonic() + 60
    while (found := timer(local, remote))[0] != "02":  # what was sent last is not acknowledged yet
        assert time.monotonic() < end, f"no keepalive on the connection from {local} to {remote}: {found}"
        time.sleep(0.05)
    return found[1]


def test_a_wire_that_is_silently_gone_is_noticed_at_both_ends(stage: Stage) -> None:
    """No reset comes when a cable is pulled: both kernels ask after half a minute, not after two hours."""
    scene = SCENES["append"]
    stage.prepare(scene)
    held = Fault("copy", "before", "hold", seconds=120)
    stage.wire.arm(held)
    worker = stage.start(scene, stage.wired)
    assert held.fired.wait(120), stage.wire.log
    pairs = stage.wire.ports()
    assert pairs
    for client, ours in pairs:
        assert keepalive(client, stage.wire.port) <= 31
        assert keepalive(stage.pg.port, ours) <= 31
    stage.wire.release(held)
    assert worker.wait().receipt is not None
    stage.check(scene)
