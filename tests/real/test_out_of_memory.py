"""Every allocation of csrc/ failing in turn while whole loads, plans, generators and questions to Kafka run against real servers, under
ASan and UBSan: each ends with "out of memory" or as if nothing had been, the books balance after each, nothing leaks, nothing hangs.

Threads make the n-th allocation another one each time, so that in `make test` a sample is taken, with a seed; HEADRACE_EVERY_ALLOCATION=1
takes every one, several minutes.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stack import kafka
from tests.faults import seeds
from tests.python.test_faults import PREPARE, SERVER_WORKS, WALK
from tests.python.test_faults import faulty as faulty_module
from tests.real import kafka_kit
from tests.real.kafka_kit import Refused
from tests.real.load_kit import PURCHASES, execute, one, produce, purchase, rows
from tests.real.sanitizer_kit import LoadDriver, await_no_sessions, migrate, settings

pytestmark = pytest.mark.real
faulty = faulty_module  # the fixture that builds it

TARGET = "shop.purchases"
EVERY = os.environ.get("HEADRACE_EVERY_ALLOCATION") == "1"
SAMPLE = 8

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[LoadDriver]:
    """drive_load under ASan and UBSan."""
    with LoadDriver("asan", tmp_path / "driver.log") as running:
        yield running


@pytest.fixture
def target(dsn: str) -> str:
    """A database with the table shop.purchases and the schema headrace."""
    execute(dsn, PURCHASES)
    migrate(dsn)
    return dsn


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """This test's generator; HEADRACE_SEED, printed when it fails, makes the same choices again."""
    print(seeds.replay())
    return seeds.chance(request.node.name)


def ask(run: Run, **order: Any) -> tuple[str, dict[str, Any]]:
    """("ok" or the error's code, the answer)."""
    try:
        return "ok", run(**order)
    except Refused as refused:
        return refused.code, dict(refused.answer)


def walk(run: Run, chance: random.Random, check: Callable[[], None], **order: Any) -> int:
    """Let allocations fail in turn, alone and with all after them. How many times one failed.

    Run without a failure first, to learn how many there are.
    """
    code, answer = ask(run, **order, fail=0)
    assert code == "ok", answer
    total, failed = int(answer["allocations"]), 0
    numbers = range(1, total + 1)
    for forever in (False, True):
        for n in numbers if EVERY else sorted(chance.sample(numbers, min(SAMPLE, total))):
            code, answer = ask(run, **order, fail=n, forever=forever)
            assert code in {"ok", "out of memory"}, (n, forever, answer)
            assert answer["fired"] or code == "ok", (n, forever, answer)
            failed += bool(answer["fired"])
            check()
    assert ask(run, **order, fail=0)[0] == "ok"
    return failed


def a_job(driver: LoadDriver, source: Any, dsn: str, **more: Any) -> Run:
    """A run of driver.run in which each load is a job of its own, so that each has everything to do."""
    number = iter(range(1_000_000))

    def run(**order: Any) -> dict[str, Any]:
        return driver.run(config=settings(source, TARGET, dsn, f"job-{next(number)}", **more), **order)

    return run


def books(dsn: str) -> Callable[[], None]:
    """A check that rows = receipts = offsets, for all jobs so far."""

    def check() -> None:
        loaded, rejected, read = rows(
            dsn,
            "SELECT coalesce(sum(loaded), 0), coalesce(sum(rejected), 0), coalesce(sum(read), 0)"
            " FROM headrace.receipt_lanes",
        )[0]
        assert one(dsn, f"SELECT count(*) FROM {TARGET}") == loaded
        assert one(dsn, "SELECT count(*) FROM headrace.dead_letters") == rejected
        if one(dsn, "SELECT count(*) FROM headrace.offsets WHERE topic LIKE 'file:%%'") == 0:
            assert one(dsn, "SELECT coalesce(sum(next_offset), 0) FROM headrace.offsets") == read

    return check


def some(count: int) -> list[Any]:
    """Records of which some are broken, and one is refused by the server."""
    return [
        b"{broken" if i % 40 == 7 else purchase(i, amount=-1 if i == 123 else 1.5) if i % 60 else None
        for i in range(count)
    ]


def test_loads_from_kafka(
    driver: LoadDriver, broker: kafka.Broker, topic: str, target: str, chance: random.Random
) -> None:
    produce(broker.bootstrap, topic, some(600))
    source = f"kafka://{broker.bootstrap}/{topic}"
    run = a_job(driver, source, target, workers=2, batch_records=200, group="watchers")
    assert walk(run, chance, books(target)) > 0
    await_no_sessions(target)


@pytest.mark.parametrize("mode", ["append", "upsert", "replace"])
def test_loads_from_a_file(
    driver: LoadDriver, target: str, tmp_path: Path, chance: random.Random, mode: str
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        "purchase_id,amount,purchased_at\n"
        + "".join(f"{i},{'x' if i % 50 == 9 else i},2026-09-{1 + i % 28:02}\n" for i in range(400))
    )
    if mode != "append":
        execute(target, f"ALTER TABLE {TARGET} ADD PRIMARY KEY (purchase_id, purchased_at)")
    run = a_job(driver, str(path), target, mode=mode, batch_records=150)
    check = books(target) if mode == "append" else lambda: None
    assert walk(run, chance, check) > 0
    if mode != "append":
        assert one(target, f"SELECT count(*) FROM {TARGET}") == 392
    await_no_sessions(target)


def test_one_transaction_for_a_query(driver: LoadDriver, target: str, chance: random.Random) -> None:
    sql = "SELECT g AS purchase_id, '2026-09-01'::timestamptz AS purchased_at FROM generate_series(1, 300) g"
    source = {"kind": "postgres", "dsn": target, "query": sql}

    def check() -> None:
        assert one(target, f"SELECT count(*) FROM {TARGET}") % 300 == 0

    assert walk(a_job(driver, source, target, batch_records=100), chance, check) > 0
    await_no_sessions(target)


def test_plans(
    driver: LoadDriver, broker: kafka.Broker, topic: str, target: str, chance: random.Random
) -> None:
    source = f"kafka://{broker.bootstrap}/{topic}"

    def plan(**order: Any) -> dict[str, Any]:
        return driver.run(config=settings(source, TARGET, target, "p"), verb="plan", **order)

    assert walk(plan, chance, lambda: None) > 0
    assert one(target, "SELECT count(*) FROM headrace.receipts") == 0


@pytest.mark.parametrize("verb", ["run", "plan"])
def test_jansson_too(
    driver: LoadDriver, target: str, tmp_path: Path, chance: random.Random, verb: str
) -> None:
    """Settings, receipts and plans are JSON."""
    path = tmp_path / "p.jsonl"
    path.write_text('{"purchase_id":1,"purchased_at":"2026-09-01"}\n{broken\n' * 50)
    run = a_job(driver, str(path), target)
    total = run(verb=verb, jansson=True, fail=0)["allocations"]
    for n in range(1, total + 1) if EVERY else sorted(chance.sample(range(1, total + 1), 2 * SAMPLE)):
        code, answer = ask(run, verb=verb, jansson=True, fail=n)
        assert code in {"ok", "out of memory"}, (n, answer)
        books(target)()


def test_questions_to_kafka(
    broker: kafka.Broker, new_topic: Callable[..., str], chance: random.Random
) -> None:
    topic, config = new_topic(3), {"bootstrap.servers": broker.bootstrap}
    orders: list[dict[str, Any]] = [
        {"do": "topics"},
        {"do": "topic", "topic": topic},
        {"do": "offsets", "topic": topic, "partitions": [0, 1, 2]},
        {"do": "produce", "topic": topic, "key": "k", "value": "v", "count": 5},
        {"do": "create", "topic": topic, "partitions": 3},
        {
            "do": "generate",
            "generate": {
                "data": "purchases",
                "count": 20,
                "to": {"kind": "kafka", "topic": topic, "config": config},
            },
        },
    ]
    with kafka_kit.Driver("drive_kafka") as driver:
        for order in orders:
            do = getattr(driver, order.pop("do"))
            assert walk(do, chance, lambda: None, config=config, **order) > 0


def test_generating_a_file(tmp_path: Path, chance: random.Random) -> None:
    """The file is complete or not there."""
    path = tmp_path / "made.jsonl"

    def check() -> None:
        if path.exists():
            assert path.read_text().count("\n") == 300
            path.unlink()
        assert not list(tmp_path.iterdir())

    order = {"data": "purchases", "count": 300, "to": {"kind": "file", "path": str(path)}}
    with kafka_kit.Driver("drive_kafka") as driver:
        assert walk(driver.generate, chance, check, generate=order) > 0


@pytest.mark.parametrize("name", SERVER_WORKS)
def test_connections_of_python(name: str, faulty: Path, dsn: str) -> None:
    """The module's Connection, with each of its allocations failing in turn; nothing is lost of what it holds."""
    connect = (
        f"c = h.Connection({dsn!r})\n"
        "def with_connection(look):\n"
        f"    with h.Connection({dsn!r}) as c: return look(c)\n"
    )
    program = f"import sys; sys.path[:] = {sys.path!r}\n" + PREPARE + connect
    program += WALK.replace("WORK_OF_THE_TEST", SERVER_WORKS[name])
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program, str(faulty)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env=os.environ | {"MALLOC_ARENA_MAX": "1", "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("survived")
