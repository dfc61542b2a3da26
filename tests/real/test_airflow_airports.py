"""The DAG airports_vault on a running Airflow: changes wake it, and a difference is mailed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from stack import ports, postgres
from stack.airports import READER, Pair
from stack.airports.pair import DATABASE
from tests.real.conftest import Running, wait_for

pytestmark = [pytest.mark.airflow, pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(1500)]
"""The schedule's own runs are waited out, each of them up to five minutes."""

DAG_ID = "airports_vault"
VAULT = "airflow_airports"
TOPIC = "airports.bookings.bookings"
SLOT = "headrace_airports"


class Airline:
    """The source, and its change capture by hand: an event for each new booking, and a slot that keeps up."""

    def __init__(self, running: Running, pair: Pair) -> None:
        self.running = running
        self.source = pair.connect()
        self.source.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])

    def close(self) -> None:
        self.source.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])
        self.source.close()

    def book(self, reference: str, amount: str) -> None:
        """A booking and its event, when no run of the schedule is there or near that would load it before the trigger looks."""
        assert wait_for(self.undisturbed, 300), "the schedule's own runs did not end"
        with self.source.transaction():
            row = self.source.execute(
                "INSERT INTO bookings.bookings VALUES (%s, '2026-11-21 10:00:00+00', %s) "
                "RETURNING pg_current_xact_id()::text::bigint, pg_current_wal_insert_lsn() - '0/0'::pg_lsn",
                [reference, amount],
            ).fetchone()
        assert row is not None
        source = {"lsn": int(row[1]), "txId": row[0], "ts_ms": 1_795_000_000_000, "table": "bookings"}
        after = {"book_ref": reference, "book_date": "2026-11-21T10:00:00Z", "total_amount": amount}
        event = {"before": None, "after": after, "source": source, "op": "c"}
        self.running.send(TOPIC, [json.dumps(event).encode()])

    def undisturbed(self) -> bool:
        """Whether no run is under way and the schedule starts none within two minutes."""
        self.confirm()
        client = self.running.airflow.client()
        # asked first: a run that is made between the two questions is then among the active ones
        planned = client.request("GET", f"/api/v2/dags/{DAG_ID}")["next_dagrun_run_after"]
        active = client.request("GET", f"/api/v2/dags/{DAG_ID}/dagRuns?state=queued&state=running")
        soon = datetime.now(UTC) + timedelta(minutes=2)
        return not active["dag_runs"] and datetime.fromisoformat(planned) > soon

    def confirm(self) -> None:
        """What Debezium does: tell the slot how far it has come."""
        self.source.execute("SELECT pg_logical_emit_message(true, 'heartbeat', '')")
        self.source.execute("SELECT pg_replication_slot_advance(%s, pg_current_wal_lsn())", [SLOT])


@pytest.fixture(scope="module")
def airline(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airline]:
    client = running.airflow.client()
    running.pg.create_database(VAULT)
    with Pair(tmp_path_factory.mktemp("airline"), durable=False, keep=False) as pair:
        server = {"conn_type": "postgres", "host": ports.LOOPBACK}
        vault = {"port": running.pg.port, "login": postgres.USER, "password": running.pg.password}
        source = {"port": pair.primary.port, "login": READER, "password": pair.primary.role_password(READER)}
        for name, where in (
            ("headrace_vault", {**vault, "schema": VAULT}),
            ("headrace_airports", {**source, "schema": DATABASE}),
        ):
            client.request("POST", "/api/v2/connections", {"connection_id": name, **server, **where})
        running.broker.create_topic(TOPIC, 1)
        airline = Airline(running, pair)
        running.jobs.known(DAG_ID)
        running.jobs.unpause(DAG_ID)
        try:
            yield airline
        finally:
            client.request("PATCH", f"/api/v2/dags/{DAG_ID}", {"is_paused": True})
            airline.close()
            running.broker.delete_topic(TOPIC)


def woken(running: Running) -> list[str]:
    """The runs that an asset has started, the first one first."""
    path = f"/api/v2/dags/{DAG_ID}/dagRuns?run_type=asset_triggered&order_by=run_after"
    return [run["dag_run_id"] for run in running.airflow.client().request("GET", path)["dag_runs"]]


def ended(running: Running, airline: Airline, number: int) -> tuple[str, str]:
    """The number-th run that changes have started, and its state, when it has ended."""
    assert wait_for(lambda: len(woken(running)) > number, 100), "the trigger did not wake the DAG"
    run_id = woken(running)[number]

    def state() -> str | None:
        airline.confirm()
        found = running.jobs.state(DAG_ID, run_id)
        return found if found in ("success", "failed") else None

    return run_id, wait_for(state, 180)


def cell(running: Running, sql: str) -> Any:
    with running.pg.connect(VAULT) as vault:
        row = vault.execute(sql.encode()).fetchone()
    assert row is not None
    return row[0]


def test_changes_wake_the_dag_and_a_difference_is_mailed(running: Running, airline: Airline) -> None:
    """The topics come with the first event of a table: those of other tables are never there."""
    airline.book("ABC123", "10.00")
    run_id, state = ended(running, airline, 0)
    assert state == "success", running.jobs.why_failed(DAG_ID, run_id)
    assert running.jobs.xcom(DAG_ID, run_id, "load")["read"] >= 1
    assert running.jobs.xcom(DAG_ID, run_id, "equal") == 1
    assert cell(running, "SELECT total_amount FROM vault.row_bookings") == Decimal("10.00")

    airline.source.execute("UPDATE bookings.bookings SET total_amount = 99.00")  # of which no event tells
    airline.book("DEF456", "20.00")
    run_id, state = ended(running, airline, 1)
    assert state == "failed"
    assert running.jobs.xcom(DAG_ID, run_id, "load")["read"] >= 1
    assert running.jobs.xcom(DAG_ID, run_id, "verify")["differences"] == 1
    message = running.mail(about(run_id))
    assert str(message["subject"]).startswith(f"[FAILED] {DAG_ID}: ")
    body = message.get_body(("html",))
    assert body is not None
    assert "ABC123" in body.get_content()
    assert "99.00" in body.get_content()
    assert len(woken(running)) == 2
    ended_triggers = "Trigger exited without sending an event"
    assert ended_triggers not in running.airflow.log("airflow-triggerer").read_text(encoding="utf-8")


def about(run_id: str) -> Callable[[Any], bool]:
    """Whether a mail is about this run."""
    return lambda message: run_id in message.get_body(("html",)).get_content()
