"""The main job on a real broker and a real PostgreSQL: append, rejects, replay, offsets, fencing, kills."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import headrace
import pytest

from stack import kafka
from tests.real.load_kit import PURCHASES, assert_agree, execute, one, produce, purchase, rows

pytestmark = pytest.mark.real

TARGET = "shop.purchases"


@pytest.fixture
def target(dsn: str) -> str:
    execute(dsn, PURCHASES)
    return dsn


def load(broker: kafka.Broker, topic: str, dsn: str, **settings: object) -> headrace.Receipt:
    return headrace.load(f"kafka://{broker.bootstrap}/{topic}", TARGET, dsn=dsn, job="purchases", **settings)


def test_append_makes_weekly_partitions_and_balances(broker: kafka.Broker, topic: str, target: str) -> None:
    produce(broker.bootstrap, topic, (purchase(i) for i in range(5000)))
    receipt = load(broker, topic, target)
    assert (receipt.read, receipt.loaded, receipt.rejected, receipt.skipped) == (5000, 5000, 0, 0)
    assert receipt.balances()
    assert receipt.tables == {
        f"shop.purchases_2026w{week}": count
        for week, count in ((36, 2000), (37, 1000), (38, 1000), (39, 1000))
    }
    assert sum(lane.read for lane in receipt.offsets) == 5000
    assert one(target, f"SELECT sum(purchase_id) FROM {TARGET}") == sum(range(5000))
    assert_agree(target, "purchases")


def test_a_second_run_reads_only_what_is_new(broker: kafka.Broker, topic: str, target: str) -> None:
    produce(broker.bootstrap, topic, (purchase(i) for i in range(300)))
    assert load(broker, topic, target).loaded == 300
    assert load(broker, topic, target).read == 0
    produce(broker.bootstrap, topic, (purchase(i) for i in range(300, 350)))
    assert load(broker, topic, target).loaded == 50
    assert_agree(target, "purchases")


def test_bad_records_are_kept_with_reason_and_place(
    broker: kafka.Broker, new_topic: Callable[..., str], target: str
) -> None:
    topic = new_topic(partitions=1)
    bad = [
        (b'{"purchase_id": 1, "amount"', "malformed", None),
        (json.dumps(purchase(2, purchase_id="two")).encode(), "type", "purchase_id"),
        (json.dumps(purchase(3, customer_id=3_000_000_000)).encode(), "range", "customer_id"),
        (json.dumps(purchase(4, purchased_at=None)).encode(), "null", "purchased_at"),
        (b'{"purchase_id": 5, "channel": "\xff", "purchased_at": "2026-09-01T00:00:00Z"}', "encoding", None),
        (json.dumps(purchase(6, amount=-1)).encode(), "constraint", None),
        (b"", "malformed", None),
        (json.dumps(purchase(7, amount="12345678901.00")).encode(), "range", "amount"),
    ]
    values: list[object] = []
    for number, (raw, _, _) in enumerate(bad):
        values += [purchase(100 + number), raw]
    produce(broker.bootstrap, topic, [*values, None])
    receipt = load(broker, topic, target)
    assert (receipt.read, receipt.loaded, receipt.rejected, receipt.skipped) == (17, 8, 8, 1)
    letters = rows(
        target,
        'SELECT "offset", partition, topic, reason, column_name, raw, message FROM headrace.dead_letters ORDER BY 1',
    )
    expected = [(2 * i + 1, 0, topic, reason, column, raw) for i, (raw, reason, column) in enumerate(bad)]
    assert [(*letter[:5], bytes(letter[5])) for letter in letters] == expected
    assert all(letter[6] for letter in letters)
    assert receipt.rejects == {
        "malformed": 2,
        "type": 1,
        "range": 2,
        "null": 1,
        "encoding": 1,
        "constraint": 1,
    }
    assert_agree(target, "purchases")


def test_a_whole_batch_that_the_server_refuses_does_not_stop_the_load(
    broker: kafka.Broker, topic: str, target: str
) -> None:
    produce(broker.bootstrap, topic, (purchase(i, amount=-5) for i in range(400)))
    produce(broker.bootstrap, topic, (purchase(i) for i in range(400, 500)))
    receipt = load(broker, topic, target)
    assert (receipt.loaded, receipt.rejects) == (100, {"constraint": 400})
    assert_agree(target, "purchases")


def test_replay_loads_what_has_been_mended(broker: kafka.Broker, topic: str, target: str) -> None:
    produce(broker.bootstrap, topic, [purchase(1, amount=-1), purchase(2), {"purchase_id": "x"}])
    assert load(broker, topic, target).rejected == 2
    execute(target, f"ALTER TABLE {TARGET} DROP CONSTRAINT purchases_amount_check")
    receipt = headrace.dead_letters.replay("purchases", dsn=target)
    assert (receipt.loaded, receipt.rejected) == (1, 1)
    assert one(target, f"SELECT count(*) FROM {TARGET}") == 2
    state = rows(
        target, "SELECT reason, attempts, replayed_at IS NOT NULL FROM headrace.dead_letters ORDER BY id"
    )
    assert sorted(state) == [("constraint", 1, True), ("type", 2, False)]
    again = headrace.dead_letters.replay("purchases", dsn=target)
    assert (again.loaded, again.rejected) == (0, 1)
    assert one(target, f"SELECT count(*) FROM {TARGET}") == 2


def test_offsets_can_be_rewound(broker: kafka.Broker, new_topic: Callable[..., str], target: str) -> None:
    topic = new_topic(partitions=1)
    produce(broker.bootstrap, topic, (purchase(i) for i in range(10)))
    between = datetime.now(UTC)
    time.sleep(0.05)
    produce(broker.bootstrap, topic, (purchase(i) for i in range(10, 14)))
    assert load(broker, topic, target).loaded == 14
    where = {"kafka": {"bootstrap.servers": broker.bootstrap}, "dsn": target}
    for place, expected in ((4, 10), ("earliest", 14), ("latest", 0), (between, 4)):
        headrace.offsets.reset("purchases", to=place, topic=topic, **where)
        assert load(broker, topic, target).loaded == expected, place


def test_partitions_can_be_shared_among_runs(broker: kafka.Broker, topic: str, target: str) -> None:
    for partition in range(4):
        produce(
            broker.bootstrap, topic, (purchase(partition * 100 + i) for i in range(100)), partition=partition
        )
    first = load(broker, topic, target, partitions=[0, 2])
    second = load(broker, topic, target, partitions=[1, 3])
    assert (first.loaded, second.loaded) == (200, 200)
    assert sorted(lane.partition for lane in first.offsets) == [0, 2]
    assert_agree(target, "purchases")


def test_limits_end_a_run_early_and_the_next_goes_on(broker: kafka.Broker, topic: str, target: str) -> None:
    produce(broker.bootstrap, topic, (purchase(i) for i in range(1000)))
    assert load(broker, topic, target, max_records=300).read == 300
    assert load(broker, topic, target).read == 700
    assert_agree(target, "purchases")


WORKER = """
import json, sys, headrace
settings = json.loads(sys.argv[1])
print("started", flush=True)
try:
    print(headrace.load(**settings).to_json(), flush=True)
except headrace.HeadraceError as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error)}), flush=True)
"""


def start_worker(**settings: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, json.dumps(settings)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ.copy(),
    )


def test_killed_workers_lose_nothing_and_double_nothing(
    broker: kafka.Broker, topic: str, target: str
) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    total = 60_000
    produce(broker.bootstrap, topic, (purchase(i, amount=-1 if i % 5000 == 7 else 1) for i in range(total)))
    settings = {
        "source": f"kafka://{broker.bootstrap}/{topic}",
        "target": TARGET,
        "dsn": target,
        "job": "purchases",
        "batch_records": 200,
        "workers": 2,
    }
    kills = 0
    for _ in range(30):
        worker = start_worker(**settings)
        assert worker.stdout is not None
        worker.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        if worker.poll() is None:
            worker.send_signal(signal.SIGKILL)
            kills += 1
        worker.wait()
        worker.stdout.close()
    headrace.load(**settings)
    assert kills > 5
    assert one(target, f"SELECT count(*) FROM {TARGET}") == total - 12
    assert one(target, f"SELECT count(DISTINCT purchase_id) FROM {TARGET}") == total - 12
    assert_agree(target, "purchases")
    states = {state for (state,) in rows(target, "SELECT DISTINCT state FROM headrace.receipts")}
    assert states <= {"succeeded", "interrupted"}


def test_two_workers_on_one_job_fence_each_other(broker: kafka.Broker, topic: str, target: str) -> None:
    total = 80_000
    produce(broker.bootstrap, topic, (purchase(i) for i in range(total)))
    settings = {
        "source": f"kafka://{broker.bootstrap}/{topic}",
        "target": TARGET,
        "dsn": target,
        "job": "purchases",
        "batch_records": 500,
        "workers": 1,
    }
    first = start_worker(**settings)
    deadline = time.monotonic() + 30
    while one(target, "SELECT to_regclass('headrace.offsets') IS NOT NULL") is False or (
        one(target, "SELECT coalesce(sum(next_offset), 0) FROM headrace.offsets") == 0
    ):
        assert time.monotonic() < deadline, "the first worker has not begun"
        time.sleep(0.01)
    second = headrace.load(**settings)
    out, _ = first.communicate(timeout=60)
    told = json.loads(out.splitlines()[-1])
    assert told["error"] == "FencedError", told
    assert "took job" in told["message"]
    assert second.state == "succeeded"
    assert one(target, f"SELECT count(*) FROM {TARGET}") == total
    assert_agree(target, "purchases")


def test_ctrl_c_rolls_back_soon(broker: kafka.Broker, topic: str, target: str) -> None:
    produce(broker.bootstrap, topic, (purchase(i) for i in range(20_000)))

    def stop(progress: headrace.Progress) -> None:
        raise KeyboardInterrupt

    # The table is locked, so the batch is under way and cannot end by itself.
    import psycopg

    with psycopg.connect(target) as locker:
        headrace.migrations.apply(target)
        locker.execute(f"LOCK TABLE {TARGET} IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(KeyboardInterrupt):
            load(broker, topic, target, progress=stop)
    assert one(target, f"SELECT count(*) FROM {TARGET}") == 0
    assert load(broker, topic, target).loaded == 20_000
    assert_agree(target, "purchases")


def test_a_table_altered_between_batches_is_read_again(broker: kafka.Broker, topic: str, target: str) -> None:
    execute(target, f"ALTER TABLE {TARGET} DROP CONSTRAINT purchases_amount_check")
    produce(broker.bootstrap, topic, (purchase(i, note=f"n{i}", amount=1.239) for i in range(30_000)))
    altered = False

    def alter(progress: headrace.Progress) -> None:
        nonlocal altered
        if progress.loaded > 0 and not altered:
            altered = True
            execute(target, f"ALTER TABLE {TARGET} ADD note text, ALTER amount TYPE numeric(12,3)")

    receipt = load(broker, topic, target, batch_records=20, workers=1, progress=alter)
    assert altered
    assert receipt.loaded == 30_000
    before, after = rows(
        target,
        f"SELECT count(*) FILTER (WHERE note IS NULL AND amount = 1.24),"
        f" count(*) FILTER (WHERE note = 'n' || purchase_id AND amount = 1.239) FROM {TARGET}",
    )[0]
    assert before + after == 30_000
    assert before > 0
    assert after > 0
    assert_agree(target, "purchases")


def test_server_connection_lost_in_the_middle_is_taken_up_again(
    broker: kafka.Broker, topic: str, target: str
) -> None:
    total = 40_000
    produce(broker.bootstrap, topic, (purchase(i) for i in range(total)))
    ended = 0

    def terminate(progress: headrace.Progress) -> None:
        nonlocal ended
        if progress.loaded > 0 and ended < 3:
            ended += one(
                target,
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'headrace'"
                " AND datname = current_database()",
            )

    receipt = load(broker, topic, target, batch_records=500, workers=1, progress=terminate)
    assert ended > 0
    assert receipt.loaded == total
    assert one(target, f"SELECT count(DISTINCT purchase_id) FROM {TARGET}") == total
    assert_agree(target, "purchases")


def test_a_missing_topic_is_fatal_and_named(broker: kafka.Broker, target: str) -> None:
    with pytest.raises(headrace.FatalError, match="no-such-topic"):
        load(broker, "no-such-topic", target)


def test_a_missing_table_is_fatal_and_named(broker: kafka.Broker, topic: str, dsn: str) -> None:
    with pytest.raises(headrace.SchemaError, match=r"shop\.purchases"):
        load(broker, topic, dsn)
