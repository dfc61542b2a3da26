"""Loads under a clock of their own: the wall clock may be set, and limits of hours are met in seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import headrace
import psycopg
import pytest

from stack import kafka
from tests.faults import balance
from tests.real.load_kit import PURCHASES, execute, one, produce, purchase

pytestmark = pytest.mark.real

LOAD = """
import json, sys, headrace
settings = json.loads(sys.argv[1])
def watch(progress):
    print("progress", flush=True)
print(headrace.load(progress=watch, **settings).to_json(), flush=True)
"""


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """clock.c as a library for LD_PRELOAD."""
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    source = Path(__file__).with_name("clock.c")
    command = ["cc", "-std=c11", "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o", library, source]
    subprocess.run(command, check=True)
    return library


def start(clock: Path, environment: dict[str, str], **settings: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LOAD, json.dumps(settings)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LD_PRELOAD": str(clock), **environment},
    )


def finish(worker: subprocess.Popen[str]) -> tuple[list[str], dict[str, Any]]:
    """Its lines, and its receipt; when it does not end, it is killed and the test fails."""
    try:
        out, _ = worker.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        worker.kill()
        out, _ = worker.communicate()
        pytest.fail(f"the load did not end; it said: {out}")
    lines = out.splitlines()
    return lines[:-1], json.loads(lines[-1])


def test_a_wall_clock_that_is_set_back_does_not_hold_up_a_load(clock: Path, dsn: str, tmp_path: Path) -> None:
    execute(dsn, PURCHASES)
    headrace.migrations.apply(dsn)
    file = tmp_path / "purchases.jsonl"
    file.write_text("".join(json.dumps(purchase(number)) + "\n" for number in range(3000)))
    settings = {
        "source": str(file),
        "target": "shop.purchases",
        "dsn": dsn,
        "job": "back",
        "batch_records": 100,
    }
    with psycopg.connect(dsn) as locker:  # so that the load lasts until it has told of its progress
        locker.execute("LOCK TABLE shop.purchases IN ACCESS EXCLUSIVE MODE")
        worker = start(clock, {"HEADRACE_CLOCK_AHEAD": "3600"}, **settings)
        assert worker.stdout is not None
        os.set_blocking(worker.stdout.fileno(), True)
        import select

        ready, _, _ = select.select([worker.stdout], [], [], 100)
        told = worker.stdout.readline() if ready else "nothing"
        locker.rollback()
    _, receipt = finish(worker)
    assert told == "progress\n"
    assert receipt["loaded"] == 3000
    balance.check(dsn, "back", expected=range(3000), dense=False)


def test_hours_of_waiting_by_a_quick_clock(
    clock: Path, broker: kafka.Broker, new_topic: Callable[..., str], dsn: str
) -> None:
    """A batch that is not full is committed after linger_ms, and a run without an end ends after max_seconds."""
    execute(dsn, PURCHASES)
    headrace.migrations.apply(dsn)
    topic = new_topic(partitions=1)
    produce(broker.bootstrap, topic, (purchase(number) for number in range(10)))
    hour = 3600
    worker = start(
        clock,
        {"HEADRACE_CLOCK_TIMES": "1000"},
        source=f"kafka://{broker.bootstrap}/{topic}",
        target="shop.purchases",
        dsn=dsn,
        job="forever",
        until="forever",
        linger_ms=hour * 1000 // 2,
        max_seconds=hour,
        kafka={"socket.timeout.ms": 300_000},
    )
    _, receipt = finish(worker)
    assert receipt["loaded"] == 10
    assert receipt["seconds"] >= hour
    assert one(dsn, "SELECT count(*) FROM headrace.receipts WHERE state = 'succeeded'") == 1
    balance.check(dsn, "forever", expected=range(10))
