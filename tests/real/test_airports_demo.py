"""The airline as a whole, in small: `make demo-airports`, and the DAG against its servers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from stack.airports import demo
from stack.airports.__main__ import traffic
from stack.airports.changes import Changes
from stack.airports.generate import Size
from stack.airports.system import System
from stack.services import VAULT, Stack

# isort: off
from tests import airflow_env  # before anything of airflow: it chooses AIRFLOW_HOME

# isort: on
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from headrace.airflow.notifications import smtp
from headrace.vault import read_mapping, vault_load

pytestmark = [pytest.mark.airflow, pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(Stack(tmp_path_factory.mktemp("airline") / "stack"))
    try:
        system.stack.mail.start()
        demo.prepare(system, Size(flights=100, bookings=300), 1)
        yield system
    finally:
        system.stack.wipe()


@pytest.fixture(scope="module")
def described() -> DAG:
    """The DAG as its file has it."""
    airflow_env.migrate()
    bag = DagBag(str(airflow_env.DAGS / "airports_vault.py"))
    assert not bag.import_errors
    return bag.dags["airports_vault"]


@pytest.fixture
def dag(system: System, described: DAG, monkeypatch: pytest.MonkeyPatch) -> DAG:
    """The DAG with the connections that `make demo` gives it."""
    for name, connection in system.stack.connections().items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))
    return described


def run(dag: DAG) -> Any:
    """Run the DAG in this process; the run."""
    with airflow_env.own_signals():
        return dag.test(run_conf={name: dag.params.get_param(name).value for name in dag.params})


def returned(run: Any, task: str) -> Any:
    """What a task of the run returned."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = XComModel.get_many(run_id=run.run_id, dag_ids=run.dag_id, task_ids=task, key="return_value")
        (row,) = session.scalars(query)
        return XComModel.deserialize_value(row)


def states(run: Any) -> dict[str, str]:
    return {each.task_id: str(each.state) for each in run.get_task_instances()}


def test_the_demo_changes_loads_and_verifies(system: System) -> None:
    found = demo.run(system, seconds=4, rate=100, seed=3)
    assert found["differences"] == 0
    assert found["rejected"] == 0
    assert found["during"].rows > 1000
    assert found["after"].rows > 1000
    assert found["transactions"] >= 100
    assert found["events"] > found["rows"], "tombstones and changes beside the snapshot"
    with system.stack.postgres.connect(VAULT) as vault:
        for name, kind in (("hubs", "hub"), ("links", "link"), ("satellites", "sat")):
            tables = vault.execute(
                "select tablename from pg_tables where schemaname = 'vault' and tablename like %s",
                (f"{kind}\\_%",),
            ).fetchall()
            rows = [vault.execute(f"select count(*) from vault.{table}").fetchone() for (table,) in tables]
            assert found[name] == sum(row[0] for row in rows if row), name
    system.pair.wait_replayed()
    assert len(traffic(system.pair, 5).splitlines()) == 6


def test_the_dag_loads_and_verifies_what_has_changed(system: System, dag: DAG) -> None:
    with system.pair.connect() as connection:
        Changes(connection, 4).run(100)
    done = run(dag)
    assert str(done.state) == "success", states(done)
    assert returned(done, "verify")["differences"] == 0
    assert returned(done, "equal") == returned(done, "verify")["rows compared"]
    assert returned(done, "load")["rejected"] == 0


def test_a_difference_fails_the_run_and_is_told_in_the_mail(system: System, dag: DAG) -> None:
    vault_load(demo.MAPPING, dsn=system.stack.postgres.dsn(VAULT), brokers=system.broker.bootstrap)
    lie = "update vault.sat_airport set city = %s where city = %s"
    with system.stack.postgres.connect(VAULT) as vault:
        assert vault.execute(lie, ("Nowhere <at all>", "Zürich")).rowcount == 1
        try:
            done = run(dag)
        finally:
            vault.execute(lie, ("Zürich", "Nowhere <at all>"))
    assert str(done.state) == "failed"
    assert states(done)["verify"] == "success"
    assert states(done)["equal"] == "failed"
    found = returned(done, "verify")
    assert found["differences"] == 1
    assert "Nowhere <at all>" in found["difference 1"]
    notifier = dag.on_failure_callback
    assert isinstance(notifier, smtp.ReceiptNotifier)
    assert notifier.more_task_id == "verify"


def test_the_trigger_watches_the_jobs_and_topics_of_the_mapping(described: DAG) -> None:
    mapping = read_mapping(demo.MAPPING)
    known = {(mapping.job_of(table), table.topic) for table in mapping.tables.values()}
    (asset,) = described.timetable.asset_condition.objects
    watched = {(watcher.trigger.job, watcher.trigger.topic) for watcher in asset.watchers}
    assert watched <= known
    assert len(watched) == 4


def test_the_command_says_what_it_lacks(tmp_path: Path) -> None:
    """Nothing runs: each verb says so in a line, not in a traceback."""
    code = (
        "import sys; from pathlib import Path; from stack.airports import __main__ as m;"
        "from stack.airports.system import System; from stack.services import Stack;"
        "m.System = lambda: System(Stack(Path(sys.argv[1]))); sys.exit(m.main(sys.argv[2:]))"
    )
    for verb, exit_code in (("status", 3), ("traffic", 1), ("change", 1), ("down", 0)):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "none"), verb],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == exit_code, (verb, done.stderr)
        assert "Traceback" not in done.stderr


def test_the_owner_of_the_source_is_not_needed_to_verify(system: System) -> None:
    """The DAG's connection is that of the role for reports."""
    assert system.connection()["login"] == "airports_reader"
    with psycopg.connect(system.pair.primary.role_dsn("airports_reader")) as reader:
        assert reader.execute("select count(*) from pg_replication_slots").fetchone() != (0,)
