"""The DAGs on a running Airflow: scheduler, DAG processor, triggerer and API server as separate processes.

What `dag.test()` cannot show: mails of DAG-level callbacks, killed tasks, deferring, metrics, lineage.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from stack.jobs import JobFailed
from tests.real.conftest import SHOP, Running, wait_for

pytestmark = [pytest.mark.airflow, pytest.mark.real, pytest.mark.slow]

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)


def purchases(first: int, count: int) -> list[bytes]:
    return [
        json.dumps(
            {
                "purchase_id": number,
                "customer_id": 1,
                "product_id": 1,
                "quantity": 1,
                "amount": "9.90",
                "currency": "EUR",
                "channel": "web",
                "purchased_at": (MONDAY + timedelta(hours=number % 500)).isoformat(),
            }
        ).encode()
        for number in range(first, first + count)
    ]


def html(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def about(dag_id: str, run_id: str) -> Callable[[EmailMessage], bool]:
    """Whether a mail is about this run."""
    return lambda message: dag_id in str(message["subject"]) and run_id in html(message)


def ids(running: Running, first: int, count: int) -> int:
    """How many different rows of the shop have one of these ids; each must be there once."""
    with running.pg.connect(SHOP) as conn:
        row = conn.execute(
            "SELECT count(*), count(DISTINCT purchase_id) FROM shop.purchases "
            "WHERE purchase_id BETWEEN %s AND %s",
            (first, first + count - 1),
        ).fetchone()
    assert row is not None
    assert row[0] == row[1]
    return int(row[0])


@pytest.fixture
def jobs(running: Running) -> Any:
    jobs = running.jobs
    for dag_id in ("purchases", "waiting"):
        jobs.known(dag_id)
        jobs.unpause(dag_id)
    jobs.settle("purchases")
    return jobs


def test_a_run_succeeds_and_tells_by_mail_metrics_lineage_and_asset(
    running: Running, jobs: Any, topic: str
) -> None:
    before = dict(running.statsd.counts)
    running.send(topic, [*purchases(1, 1000), b"{broken", b"[]"])
    run_id = jobs.run("purchases", {"topic": topic, "shares": 2})
    total = jobs.xcom("purchases", run_id, "summary")
    assert (total["read"], total["loaded"], total["rejected"]) == (1002, 1000, 2)
    assert ids(running, 1, 1000) == 1000

    message = running.mail(about("purchases", run_id))
    assert message["subject"] == "[2 rejected] purchases: 1,000 records loaded"
    assert message["to"] == "data-team@example.com"
    assert "read 1,002 = 1,000 loaded + 2 rejected + 0 skipped" in html(message)
    assert "headrace dead-letters replay purchases" in html(message)

    def counted() -> bool:
        new = {name: n - before.get(name, 0) for name, n in running.statsd.counts.items()}
        return (
            new.get("airflow.headrace.purchases.read") == 1002
            and new.get("airflow.headrace.purchases.rejected") == 2
        )

    assert wait_for(counted, 20), running.statsd.counts

    def lineage() -> int:
        """Rows that OpenLineage has been told were written, by tasks of this run."""
        if not running.lineage.exists():
            return 0
        events = [json.loads(line) for line in running.lineage.read_text().splitlines()]
        return sum(
            output["outputFacets"]["outputStatistics"]["rowCount"]
            for event in events
            for output in event.get("outputs", [])
            if run_id in json.dumps(event) and "outputStatistics" in output.get("outputFacets", {})
        )

    assert wait_for(lambda: lineage() == 1000, 60), lineage()

    events = running.airflow.client().request("GET", "/api/v2/assets/events?limit=100&order_by=-timestamp")
    extras = [e["extra"] for e in events["asset_events"] if e["source_run_id"] == run_id]
    assert [(extra["read"], extra["loaded"]) for extra in extras] == [(1002, 1000)]


def test_a_run_that_fails_tells_by_mail_which_task(running: Running, jobs: Any, topic: str) -> None:
    run_id = jobs.trigger("purchases", {"topic": topic, "target": "shop.no_such_table"})
    with pytest.raises(JobFailed, match=r"shop\.no_such_table"):
        jobs.wait("purchases", run_id)
    message = running.mail(about("purchases", run_id))
    assert str(message["subject"]).startswith("[FAILED] purchases: ")
    assert "plan" in str(message["subject"])


def test_a_killed_task_ends_at_once_and_loses_and_doubles_nothing(
    running: Running, jobs: Any, topic: str
) -> None:
    """The table is locked, so the load waits in the server; then the run is marked as failed in the UI."""
    running.send(topic, purchases(10_001, 500))
    client = running.airflow.client()

    def ours(state: str) -> str:
        return (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            f"AND application_name LIKE 'headrace %' AND {state}"
        )

    with running.pg.connect(SHOP) as conn, running.pg.connect(SHOP, autocommit=False) as locker:
        jobs.run("purchases", {"topic": topic, "shares": 1, "max_records": 1})
        loaded = ids(running, 10_001, 500)
        locker.execute("LOCK TABLE shop.purchases IN SHARE MODE")
        run_id = jobs.trigger("purchases", {"topic": topic, "shares": 1, "count_rows": False})
        waiting = "wait_event_type = 'Lock'"
        assert wait_for(lambda: conn.execute(ours(waiting)).fetchone() != (0,), 120)
        path = f"/api/v2/dags/purchases/dagRuns/{run_id}"
        client.request("PATCH", path, {"state": "failed"})
        assert wait_for(lambda: conn.execute(ours("true")).fetchone() == (0,), 60)
        locker.rollback()
    assert ids(running, 10_001, 500) == loaded
    jobs.settle("purchases")
    again = jobs.run("purchases", {"topic": topic, "shares": 1})
    assert jobs.xcom("purchases", again, "summary")["read"] == 500 - loaded
    assert ids(running, 10_001, 500) == 500


def test_a_sensor_waits_in_the_triggerer_until_records_come(running: Running, jobs: Any, topic: str) -> None:
    run_id = jobs.trigger("waiting", {"topic": topic, "records": 100})
    deferred = wait_for(
        lambda: [
            t for t in jobs.tasks("waiting", run_id) if t["task_id"] == "wait" and t["state"] == "deferred"
        ],
        120,
    )
    assert deferred
    running.send(topic, purchases(20_001, 100))
    jobs.wait("waiting", run_id, 180)
    assert jobs.xcom("waiting", run_id, "wait")["records"] == 100
    assert ids(running, 20_001, 100) == 100


def test_a_crash_in_c_ends_the_task(running: Running, jobs: Any) -> None:
    """Without the guard the task would run for ever: see headrace/airflow/guard.py."""
    jobs.known("crash")
    jobs.unpause("crash")
    run_id = jobs.trigger("crash")
    state = wait_for(lambda: jobs.state("crash", run_id) in ("success", "failed"), 150)
    assert state, "the task has not ended"
    assert jobs.state("crash", run_id) == "failed"


def test_no_password_is_in_any_log(running: Running, jobs: Any, topic: str) -> None:
    running.send(topic, purchases(30_001, 10))
    jobs.run("purchases", {"topic": topic})
    logs = [path for path in running.airflow.folder.rglob("*.log") if path.is_file()]
    assert len(logs) > 5
    assert [path for path in logs if running.pg.password in path.read_text(errors="replace")] == []
