"""`make demo-visitors` in small, on the servers of the tests: what it counts is what was made, and mistakes show."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import headrace
import pytest

from stack import demo_visitors, kafka, postgres
from stack.services import SHOP

pytestmark = pytest.mark.real


class Services:
    """As much of stack.services.Stack as the demo needs."""

    def __init__(self, pg: postgres.Server, broker: kafka.Broker) -> None:
        self.postgres, self.kafka = pg, broker


def test_the_demo_counts_what_was_made(
    pg: postgres.Server, broker: kafka.Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stack: Any = Services(pg, broker)
    told = argparse.Namespace(frames=20_000, users=300, hours=3, size=500, partitions=3, workers=2, seed=5)
    pg.create_database(SHOP)
    try:
        with caplog.at_level("INFO", logger="stack.demo_visitors"):
            total = demo_visitors.run(stack, told, tmp_path / "visitors")
        with pg.connect(SHOP) as conn:
            assert conn.execute("SELECT count(*) FROM visitors").fetchone() == (total["results"],)
    finally:
        headrace.offsets.forget(
            demo_visitors.JOB, results=demo_visitors.RESULTS, kafka={"bootstrap.servers": broker.bootstrap}
        )
        pg.drop_database(SHOP)
    assert (total["frames"], total["wrong"]) == (20_000, 0)
    assert demo_visitors.mistakes(total) == []
    assert total["late"] > 10
    assert total["malformed"] > 10
    assert json.loads(json.dumps(total)) == total
    assert "headrace window frames --to visitors" in caplog.text
    assert (tmp_path / "visitors" / "users.png").stat().st_size > 1000
    report = demo_visitors.report(stack, total)
    assert "minutes that are wrong" in report
    assert "docs/visitors.md" in report


def test_a_wrong_count_is_told() -> None:
    expected = [{"window_start": f"m{n}", "users": n} for n in range(5)]
    found = headrace.Results()
    for n in (0, 1, 3, 4, 7):
        start = f"2026-11-21T10:0{n}:00Z"
        value = {"window": "minute", "window_start": start, "window_end": start, "users": n + (n == 3)}
        found.add({"key": start, "value": json.dumps(value)})
    for window in expected:
        window["window_start"] = f"2026-11-21T10:0{str(window['window_start'])[1:]}:00Z"
    kinds = dict.fromkeys((*demo_visitors.DAMAGED, "plain", "late", "future"), 1)
    counted = SimpleNamespace(frames=9, late=1, malformed=5, future=1)
    total = demo_visitors.compare(found, expected, kinds, counted)
    assert total["wrong"] == 3  # one differs, one is missing, one is too many
    assert demo_visitors.mistakes(total) == [
        "malformed is 5, not 6",
        "3 windows differ from the truth",
    ]
