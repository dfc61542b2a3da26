"""The Airflow provider without servers: what it says about itself, hands to Headrace, and makes
of the answers and errors.

Loads are real in tests/real/test_dags.py; here `headrace.load` is replaced to see exactly what reaches it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import headrace

# isort: off
from tests import airflow_env  # noqa: F401 - before anything of airflow: it chooses AIRFLOW_HOME

# isort: on
import jsonschema
import pytest
from airflow.sdk import DAG, Asset, Connection
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred
from headrace import errors
from headrace.airflow import lag as lag_module
from headrace.airflow import receipts
from headrace.airflow.get_provider_info import get_provider_info
from headrace.airflow.hooks.headrace import HeadraceHook, conninfo, librdkafka_settings
from headrace.airflow.notifications import smtp
from headrace.airflow.operators.base import FAILED_RECEIPT, LASTING_ERROR, count_in_statsd
from headrace.airflow.operators.load import HeadraceLoadOperator
from headrace.airflow.operators.refresh import HeadraceRefreshOperator
from headrace.airflow.operators.replay import HeadraceReplayOperator
from headrace.airflow.sensors.lag import HeadraceLagSensor
from headrace.airflow.triggers.lag import HeadraceLagTrigger
from headrace.progress import Progress

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).resolve().parents[2]

RECEIPT: dict[str, Any] = {
    "run_id": "0190f0f0-0000-7000-8000-000000000001",
    "job": "purchases",
    "target": "shop.purchases",
    "mode": "append",
    "source": "kafka://purchases",
    "state": "succeeded",
    "read": 1000,
    "loaded": 990,
    "rejected": 8,
    "skipped": 2,
    "bytes": 162000,
    "seconds": 2.0,
    "offsets": [
        {"topic": "purchases", "partition": 0, "from": 5, "to": 505, "read": 500, "loaded": 490,
         "rejected": 8, "skipped": 2, "bytes": 81000},
        {"topic": "purchases", "partition": 1, "from": 0, "to": 500, "read": 500, "loaded": 500,
         "rejected": 0, "skipped": 0, "bytes": 81000},
    ],
    "tables": {"shop.purchases_2026w47": 600, "shop.purchases_2026w48": 390},
    "rejects": {"type": 5, "malformed": 3},
    "error": None,
}  # fmt: skip


class FakeReceipt:
    """What headrace.load returns, as far as the provider looks at it."""

    def __init__(self, **changes: Any) -> None:
        self.plain = {**RECEIPT, **changes}

    def to_json(self) -> str:
        return json.dumps(self.plain)


class FakeTask:
    """A task instance: takes XComs, gives those it was told to have."""

    def __init__(self, xcoms: dict[str, Any] | None = None, states: dict[str, Any] | None = None) -> None:
        self.pushed: dict[str, Any] = {}
        self.xcoms = xcoms or {}
        self.states = states or {}
        self.dag_id, self.task_id = "purchases", "summary"

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def xcom_pull(self, task_ids: str, map_indexes: Any = None) -> Any:
        if isinstance(self.xcoms.get(task_ids), Exception):
            raise self.xcoms[task_ids]
        return self.xcoms.get(task_ids)

    def get_task_states(self, dag_id: str, run_ids: list[str]) -> dict[str, Any]:
        return {run_ids[0]: self.states}


class Outlets(dict[Any, Any]):
    """outlet_events: an accessor for each asset that is asked for."""

    def __missing__(self, key: Any) -> Any:
        self[key] = SimpleNamespace(extra={})
        return self[key]


def context(**more: Any) -> Any:
    return {"ti": FakeTask(), "outlet_events": Outlets(), **more}


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> None:
    def set_connection(name: str, **fields: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))

    set_connection(
        "headrace_postgres", conn_type="postgres", host="db.example.org", port=5433, login="loader",
        password="it's a \\ secret", schema="shop", extra={"sslmode": "require", "cursor": "dictcursor"},
    )  # fmt: skip
    set_connection(
        "headrace_kafka",
        conn_type="kafka",
        extra={
            "bootstrap.servers": "k1.example.org:9092,k2.example.org:9092",
            "sasl.password": "broker-secret",
            "enable.auto.commit": True,
            "auto.offset.reset": "latest",
            "group.id": "shared-with-the-consumer-operators",
            "socket.keepalive.enable": True,
            "fetch.wait.max.ms": 50,
        },
    )
    set_connection("other", conn_type="http", host="example.org")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any, dict[str, Any]]]:
    """The calls of headrace.load, which returns a receipt."""
    calls: list[tuple[Any, Any, dict[str, Any]]] = []

    def load(source: Any, target: Any, **arguments: Any) -> FakeReceipt:
        calls.append((source, target, arguments))
        return FakeReceipt()

    monkeypatch.setitem(vars(headrace), "load", load)
    return calls


def load_operator(**settings: Any) -> HeadraceLoadOperator:
    settings = {"topic": "purchases", "target": "shop.purchases", "task_id": "load", **settings}
    settings = {"postgres_conn_id": "headrace_postgres", "kafka_conn_id": "headrace_kafka", **settings}
    return HeadraceLoadOperator(dag=DAG("purchases", schedule=None), **settings)


# -- what the provider says about itself


def test_provider_info_fits_the_schema_and_names_modules_that_exist() -> None:
    import airflow

    info = get_provider_info()
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(info, schema)
    named = {
        module
        for kind in ("operators", "hooks", "sensors", "triggers")
        for module in info[kind][0]["python-modules"]
    }
    folder = ROOT / "python"
    assert all((folder / f"{module.replace('.', '/')}.py").is_file() for module in named)
    there = {
        ".".join(path.relative_to(folder).with_suffix("").parts)
        for kind in ("operators", "hooks", "sensors", "triggers")
        for path in (folder / "headrace/airflow" / kind).glob("*.py")
    }
    hidden = {"__init__", "base"}
    assert {module for module in there if module.rsplit(".", 1)[1] not in hidden} == named


def test_airflow_finds_the_provider() -> None:
    (found,) = [e for e in entry_points(group="apache_airflow_provider") if e.value.startswith("headrace.")]
    assert found.load()() == get_provider_info()


def test_importing_the_operators_leaves_the_c_module_and_clients_alone() -> None:
    program = (
        "import sys\n"
        "import headrace.airflow.operators.load, headrace.airflow.operators.refresh\n"
        "import headrace.airflow.operators.replay, headrace.airflow.operators.generate\n"
        "import headrace.airflow.operators.produce, headrace.airflow.operators.window\n"
        "import headrace.airflow.operators.results\n"
        "import headrace.airflow.sensors.lag, headrace.airflow.triggers.lag\n"
        "import headrace.airflow.hooks.headrace\n"
        "heavy = {'headrace._headrace', 'psycopg', 'confluent_kafka', 'pandas', 'pyarrow', 'polars'}\n"
        "print(','.join(sorted(heavy & set(sys.modules))))\n"
    )
    path = os.pathsep.join([str(ROOT / "python"), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.stdout.strip().splitlines()[-1:] in ([], [""])


# -- connections


def test_a_postgres_connection_becomes_a_libpq_string_that_libpq_reads_back() -> None:
    from psycopg.conninfo import conninfo_to_dict

    text = HeadraceHook("headrace_postgres", application_name="headrace a.b").dsn()
    assert conninfo_to_dict(text) == {
        "host": "db.example.org",
        "port": "5433",
        "user": "loader",
        "password": "it's a \\ secret",
        "dbname": "shop",
        "sslmode": "require",
        "application_name": "headrace a.b",
    }


def test_a_connection_without_parts_leaves_them_to_libpq() -> None:
    assert conninfo(Connection(conn_id="x", conn_type="postgres")) == ""


@pytest.mark.parametrize("name", ["iam", "redshift"])
def test_token_logins_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(AirflowFailException, match=f"'x' has '{name}' set"):
        conninfo(Connection(conn_id="x", conn_type="postgres", extra=json.dumps({name: True})))


def test_a_kafka_connection_becomes_librdkafka_settings_without_those_of_the_protocol() -> None:
    hook = HeadraceHook(kafka_conn_id="headrace_kafka", kafka_config={"fetch.wait.max.ms": 5})
    assert hook.kafka() == {
        "bootstrap.servers": "k1.example.org:9092,k2.example.org:9092",
        "sasl.password": "broker-secret",
        "socket.keepalive.enable": "true",
        "fetch.wait.max.ms": "5",
    }


@pytest.mark.parametrize(
    ("extra", "said"),
    [({}, "no 'bootstrap.servers'"), ({"bootstrap.servers": "b:1", "oauth_cb": "a.b"}, "sets oauth_cb")],
)
def test_kafka_connections_that_cannot_work_are_refused(extra: dict[str, Any], said: str) -> None:
    with pytest.raises(AirflowFailException, match=said):
        librdkafka_settings(Connection(conn_id="x", conn_type="kafka", extra=json.dumps(extra)))


def test_connections_of_other_types_are_refused() -> None:
    with pytest.raises(AirflowFailException, match="of type 'http'; Headrace needs one of type 'postgres'"):
        HeadraceHook("other").dsn()
    with pytest.raises(AirflowFailException, match="of type 'http'; Headrace needs one of type 'kafka'"):
        HeadraceHook(kafka_conn_id="other").kafka()


def test_a_triggerer_gets_the_same_from_its_event_loop() -> None:
    hook = HeadraceHook("headrace_postgres", "headrace_kafka")

    async def both() -> tuple[str, dict[str, str]]:
        return await hook.adsn(), await hook.akafka()

    assert asyncio.run(both()) == (hook.dsn(), hook.kafka())


# -- what an operator hands over


def test_load_hands_rendered_settings_over(loads: list[Any]) -> None:
    operator = load_operator(
        topic="{{ params.topic }}",
        max_records="{{ params.max_records }}",
        max_seconds="{{ params.max_seconds }}",
        workers="{{ params.workers }}",
        partitions=[0, 2],
        map={"city": "{{ params.path }}"},
        options={"tombstones": "reject"},
    )
    params = {"topic": "orders", "max_records": None, "max_seconds": 60, "workers": 3, "path": "address.city"}
    operator.render_template_fields(context(params=params))
    operator.execute(context())
    ((source, target, arguments),) = loads
    assert (source, target) == ("kafka://orders", "shop.purchases")
    assert arguments.pop("progress") == operator.progress
    assert "password" in arguments.pop("dsn")
    assert arguments.pop("kafka")["bootstrap.servers"].startswith("k1.example.org")
    assert arguments == {
        "job": "purchases",
        "mode": "append",
        "map": {"city": "address.city"},
        "max_seconds": 60,
        "workers": 3,
        "partitions": [0, 2],
        "start": "earliest",
        "unknown": "ignore",
        "partition": "week",
        "zone": "UTC",
        "tombstones": "reject",
    }


def test_load_of_files_asks_for_no_kafka(loads: list[Any]) -> None:
    load_operator(topic=None, files="/data/*.jsonl.gz", kafka_conn_id="missing").execute(context())
    ((source, _, arguments),) = loads
    assert source == "/data/*.jsonl.gz"
    assert "kafka" not in arguments
    assert "partitions" not in arguments


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"files": "a.jsonl"}, "either a topic or files"),
        ({"topic": None}, "either a topic or files"),
        ({"workers": "many"}, "workers must be a whole number, not 'many'"),
        ({"max_records": True}, "max_records must be a whole number"),
        ({"partitions": []}, "partitions is empty"),
    ],
)
def test_settings_that_cannot_be_fail_at_once(loads: list[Any], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(AirflowFailException, match=said):
        load_operator(**settings).execute(context())
    assert loads == []


def test_the_template_fields_of_every_operator_exist() -> None:
    operators = [
        load_operator(),
        HeadraceRefreshOperator(task_id="a", target="m.t", source_table="s.t"),
        HeadraceReplayOperator(task_id="b", job="purchases"),
        HeadraceLagSensor(task_id="c", job="purchases", topic="purchases"),
    ]
    for operator in operators:
        assert [name for name in operator.template_fields if not hasattr(operator, name)] == []


def test_refresh_reads_the_table_by_its_quoted_name(
    loads: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(headrace), "Query", lambda dsn, sql: (dsn, sql))
    operator = HeadraceRefreshOperator(
        task_id="customers",
        dag=DAG("dictionaries", schedule=None),
        source_table='shop.odd"name',
        target="mart.customers",
        postgres_conn_id="headrace_postgres",
    )
    operator.execute(context())
    (((_, sql), target, arguments),) = loads
    assert sql == 'SELECT * FROM "shop"."odd""name"'
    assert target == "mart.customers"
    assert (arguments["mode"], arguments["job"]) == ("upsert", "dictionaries.customers")


def test_replay_hands_its_choice_over(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def replay(**arguments: Any) -> FakeReceipt:
        calls.append(arguments)
        return FakeReceipt()

    monkeypatch.setitem(vars(headrace), "dead_letters", SimpleNamespace(replay=replay))
    operator = HeadraceReplayOperator(
        task_id="replay",
        job="purchases",
        reason="type",
        ids=["7", 8],
        limit="",
        postgres_conn_id="headrace_postgres",
        dag=DAG("mend", schedule=None),
    )
    operator.execute(context())
    (arguments,) = calls
    assert arguments.pop("dsn")
    assert arguments == {"job": "purchases", "reason": "type", "ids": [7, 8]}


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("12", [12]), ("0, 10", [0, 10]), ("[3, 14]", [3, 14]), (12, [12]), ((1, "2"), [1, 2])],
)
def test_a_list_that_a_template_rendered_is_not_taken_letter_by_letter(
    loads: list[Any], monkeypatch: pytest.MonkeyPatch, text: Any, numbers: list[int]
) -> None:
    """Partition "12" is not partitions 1 and 2, nor is dead letter "15" letters 1 and 5."""
    load_operator(partitions=text, key="id").execute(context())
    assert (loads[0][2]["partitions"], loads[0][2]["key"]) == (numbers, ["id"])
    calls: list[dict[str, Any]] = []

    def replay(**arguments: Any) -> FakeReceipt:
        calls.append(arguments)
        return FakeReceipt()

    monkeypatch.setitem(vars(headrace), "dead_letters", SimpleNamespace(replay=replay))
    letters = {"job": "purchases", "postgres_conn_id": "headrace_postgres", "reason": "None"}
    dag = DAG("mend", schedule=None)
    HeadraceReplayOperator(task_id="replay", ids=text, dag=dag, **letters).execute(context())
    assert calls[0]["ids"] == numbers
    assert "reason" not in calls[0]


@pytest.mark.parametrize("nothing", ["", "None", "null", None])
def test_a_list_that_was_not_given_is_all_of_them(loads: list[Any], nothing: str | None) -> None:
    load_operator(partitions=nothing).execute(context())
    assert "partitions" not in loads[0][2]


@pytest.mark.parametrize("wrong", ["1-3", "a", [1, None], "1,,2", True, 1.5, float("inf")])
def test_a_list_of_what_are_no_numbers_is_refused(loads: list[Any], wrong: Any) -> None:
    with pytest.raises(AirflowFailException, match="partitions"):
        load_operator(partitions=wrong).execute(context())
    assert loads == []


# -- what becomes of the answer


def test_the_receipt_is_xcom_asset_event_and_a_table_in_the_log(
    loads: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    asset = Asset("shop.purchases")
    operator = load_operator(outlets=[asset])
    run = context()
    assert operator.execute(run) == RECEIPT
    extra = run["outlet_events"][asset].extra
    assert extra == {
        "run_id": RECEIPT["run_id"], "job": "purchases", "target": "shop.purchases", "seconds": 2.0,
        "read": 1000, "loaded": 990, "rejected": 8, "skipped": 2, "bytes": 162000,
    }  # fmt: skip
    log = capfd.readouterr().out
    assert "read 1,000 = 990 loaded + 8 rejected + 2 skipped into shop.purchases in 2.0 s" in log
    assert "shop.purchases_2026w47   600" in log
    assert "secret" not in log


def test_a_receipt_that_does_not_balance_fails_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(headrace), "load", lambda *_, **__: FakeReceipt(loaded=989))
    with pytest.raises(AirflowFailException, match="does not balance"):
        load_operator().execute(context())


def failing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a load that raises; the exception that Airflow gets, and the context."""

    def load(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setitem(vars(headrace), "load", load)
    run = context()
    with pytest.raises(Exception) as caught:
        load_operator().execute(run)
    return caught.value, run["ti"].pushed


def test_a_retriable_error_lets_airflow_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    error, pushed = failing(errors.RetriableError("the server is starting"), monkeypatch)
    assert type(error) is AirflowException
    assert "the server is starting" in str(error)
    assert pushed == {}


@pytest.mark.parametrize(
    "error",
    [
        errors.FatalError("disk is gone"),
        errors.UsageError("no such mode"),
        errors.FencedError("another worker took over"),
        errors.SchemaError("no table shop.purchases"),
        errors.BalanceError("1 is not 2"),
        errors.DataError("not a number"),
        errors.HeadraceError("something else"),
    ],
)
def test_other_errors_fail_at_once_and_leave_their_reason(
    error: errors.HeadraceError, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised, pushed = failing(error, monkeypatch)
    assert type(raised) is AirflowFailException
    assert raised.__cause__ is error
    assert pushed == {LASTING_ERROR: str(error)}


def test_what_a_failed_run_had_committed_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    error = errors.RetriableError("connection lost", receipt=FakeReceipt(state="failed").to_json())
    _, pushed = failing(error, monkeypatch)
    assert pushed[FAILED_RECEIPT]["loaded"] == 990


def test_a_crash_handler_of_python_is_removed_before_the_load(loads: list[Any]) -> None:
    before = signal.signal(signal.SIGSEGV, lambda *_: None)
    try:
        load_operator().execute(context())
        assert signal.getsignal(signal.SIGSEGV) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGSEGV, before)


def test_on_kill_raises_out_of_a_running_load_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = load_operator()
    operator.on_kill()
    before = signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())

    def load(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal's handler did not raise")

    monkeypatch.setitem(vars(headrace), "load", load)
    try:
        with pytest.raises(AirflowException, match="Cancelled"):
            operator.execute(context())
    finally:
        signal.signal(signal.SIGTERM, before)
    operator.on_kill()


def test_progress_is_logged_now_and_then(capfd: pytest.CaptureFixture[str]) -> None:
    operator = load_operator()
    operator.progress(Progress(read=12_345, rejected=1, seconds=2, total_records=24_690))
    operator.progress(Progress(read=20_000, seconds=2.2))
    log = capfd.readouterr().out
    assert "Progress: 50%, 12,345 records, 1 rejected, 6,172 records/s" in log
    assert "20,000" not in log


def test_counts_reach_statsd(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.observability import stats

    sent: dict[str, float] = {}
    monkeypatch.setattr(stats, "incr", lambda name, number, tags: sent.update({name: number}))
    monkeypatch.setattr(stats, "timing", lambda name, number, tags: sent.update({name: number}))
    monkeypatch.setattr(stats, "gauge", lambda name, number, tags: sent.update({name: number}))
    count_in_statsd({**RECEIPT, "job": "pur chases"})
    assert sent == {
        "headrace.pur_chases.read": 1000,
        "headrace.pur_chases.loaded": 990,
        "headrace.pur_chases.rejected": 8,
        "headrace.pur_chases.skipped": 2,
        "headrace.pur_chases.bytes": 162000,
        "headrace.pur_chases.duration": 2000.0,
        "headrace.pur_chases.records_per_second": 500.0,
        "headrace.pur_chases.rejected_per_million": 8000.0,
    }


def test_openlineage_gets_datasets_with_row_counts(loads: list[Any]) -> None:
    operator = load_operator()
    assert operator.get_openlineage_facets_on_complete(None) is None
    operator.execute(context())
    told = operator.get_openlineage_facets_on_complete(None)
    ((source,), (target,)) = told.inputs, told.outputs
    assert (source.namespace, source.name) == ("kafka://k1.example.org:9092", "purchases")
    assert source.inputFacets["inputStatistics"].rowCount == 1000
    assert (target.namespace, target.name) == ("postgres://db.example.org:5433", "shop.shop.purchases")
    assert target.outputFacets["outputStatistics"].rowCount == 990


# -- receipts


def test_receipts_add_up() -> None:
    other = {**RECEIPT, "read": 10, "loaded": 10, "rejected": 0, "skipped": 0, "seconds": 3.5, "bytes": 1,
             "tables": {"shop.purchases_2026w48": 10}, "rejects": {}, "offsets": []}  # fmt: skip
    total = receipts.combine([RECEIPT, other])
    assert (total["read"], total["loaded"], total["rejected"], total["skipped"]) == (1010, 1000, 8, 2)
    assert total["tables"] == {"shop.purchases_2026w47": 600, "shop.purchases_2026w48": 400}
    assert total["rejects"] == {"type": 5, "malformed": 3}
    assert total["seconds"] == 3.5
    assert (total["job"], total["target"]) == ("purchases", "shop.purchases")
    assert receipts.balances(total)


def test_no_receipts_add_up_to_nothing() -> None:
    total = receipts.combine([])
    assert (total["read"], total["seconds"], total["tables"]) == (0, 0.0, {})
    assert receipts.balances(total)


def test_a_grid_lines_numbers_up_to_the_right() -> None:
    assert receipts.grid(("name", "rows"), [("a", 1), ("bcd", 12345), ("e", None)]) == (
        "name    rows\n----  ------\na          1\nbcd   12,345\ne"
    )


# -- mails


def test_the_mail_of_a_success_says_so_in_the_subject_and_has_the_receipt() -> None:
    notifier = smtp.ReceiptNotifier(to="a@example.org", failed=False, receipt_task_ids=["summary"])
    task = FakeTask({"summary": RECEIPT})
    story = notifier.story(
        context(ti=task, dag=SimpleNamespace(dag_id="purchases"), run_id="manual__1+00:00")
    )
    assert smtp.subject(story) == "[8 rejected] purchases: 990 records loaded"
    text = smtp.body(story)
    assert "read 1,000 = 990 loaded" in text
    assert "shop.purchases_2026w47" in text
    assert "http://airflow.example.org/dags/purchases/runs/manual__1%2B00%3A00" in text


def test_the_mail_of_a_failure_names_the_tasks_and_comes_without_results_too() -> None:
    notifier = smtp.ReceiptNotifier(to="a@example.org", failed=True, receipt_task_ids=["summary"])
    task = FakeTask({"summary": RuntimeError("no server")}, {"load_0": "failed", "plan": "success"})
    story = notifier.story(
        context(ti=task, dag=SimpleNamespace(dag_id="purchases"), run_id="r", reason="task_failure")
    )
    assert smtp.subject(story) == "[FAILED] purchases: load_0"
    assert "Nothing is half-loaded" in smtp.body(story)


def test_a_mail_tells_what_else_a_task_found_escaped() -> None:
    notifier = smtp.ReceiptNotifier(to="a@example.org", failed=True, more_task_id="verify")
    task = FakeTask({"verify": {"differences": 2, "difference 1": "city is '<b>' in the source"}})
    story = notifier.story(context(ti=task, dag=SimpleNamespace(dag_id="airports_vault"), run_id="r"))
    text = smtp.body(story)
    assert "differences" in text
    assert "city is &#x27;&lt;b&gt;&#x27; in the source" in text
    without = notifier.story(
        context(ti=FakeTask({}), dag=SimpleNamespace(dag_id="airports_vault"), run_id="r")
    )
    assert without.more == {}


def test_a_mail_is_made_without_a_task_instance() -> None:
    notifier = smtp.ReceiptNotifier(to="a@example.org", failed=True)
    story = notifier.story({"dag": SimpleNamespace(dag_id="purchases"), "run_id": "r", "reason": "timed out"})  # type: ignore[typeddict-item]
    assert smtp.subject(story) == "[FAILED] purchases: run failed"
    assert "timed out" in smtp.body(story)


def test_values_from_the_data_cannot_become_markup() -> None:
    letters = {
        "examples": [{"reason": "type", "value": "<script>alert(1)</script>", "message": "{{ 7 * 7 }}"}],
        "replay": "headrace dead-letters replay 'a&b'",
    }
    story = smtp.Story("purchases", "r", False, receipt=RECEIPT, dead_letters=letters)
    text = smtp.body(story)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "{{ 7 * 7 }}" in text


def test_a_mail_is_sent_through_the_smtp_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    sent: list[tuple[Any, Any, Any]] = []
    monkeypatch.setattr(
        SmtpNotifier, "notify", lambda self, _: sent.append((self.to, self.subject, self.html_content))
    )
    notifier = smtp.ReceiptNotifier(to="{{ params.mail_to }}", failed=False, receipt_task_ids=["summary"])
    run = context(
        ti=FakeTask({"summary": {**RECEIPT, "rejects": {"{{ 1 }}": 8}}}),
        dag=DAG("purchases", schedule=None),
        run_id="r",
        params={"mail_to": "team@example.org"},
    )
    notifier(run)
    ((to, subject, body),) = sent
    assert to == "team@example.org"
    assert subject == "[8 rejected] purchases: 990 records loaded"
    assert "{{ 1 }}" in body


@pytest.mark.parametrize(
    ("choice", "failed", "read", "rejected", "sent"),
    [
        (smtp.EVERY_RUN, False, 0, 0, True),
        (None, False, 0, 0, True),
        (smtp.RUNS_WITH_RECORDS, False, 0, 0, False),
        (smtp.RUNS_WITH_RECORDS, False, 5, 0, True),
        (smtp.TROUBLE, False, 5, 0, False),
        (smtp.TROUBLE, False, 5, 1, True),
        (smtp.TROUBLE, True, 0, 0, True),
    ],
)
def test_the_param_mail_decides(
    choice: str | None, failed: bool, read: int, rejected: int, sent: bool
) -> None:
    receipt = {**RECEIPT, "read": read, "rejected": rejected}
    assert smtp.worth_a_mail(smtp.Story("d", "r", failed, receipt=receipt), choice) is sent


# -- lag


def lag_of(*waiting: int) -> Any:
    """A headrace.Lag with so many records waiting in each partition."""
    parts = tuple(SimpleNamespace(partition=i, lag=lag, end=100 + lag) for i, lag in enumerate(waiting))
    return SimpleNamespace(job="purchases", topic="purchases", partitions=parts, total=sum(waiting))


@pytest.mark.parametrize(
    ("waiting", "count", "dealt"),
    [
        ((5, 5, 5, 5), 2, [[0, 2], [1, 3]]),
        ((100, 1, 1, 1), 2, [[0], [1, 2, 3]]),
        ((0, 0, 0), 2, [[0, 2], [1]]),
        ((7, 8), 5, [[0], [1]]),
        ((7, 8), 1, [[0, 1]]),
    ],
)
def test_partitions_are_dealt_out_by_what_waits_in_them(
    waiting: tuple[int, ...], count: int, dealt: list[list[int]]
) -> None:
    assert lag_module.shares(lag_of(*waiting), count) == dealt


def lags(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> list[Any]:
    """Let `measure` give these answers in turn, the last one for ever; the calls."""
    left, calls = list(answers), []

    def measure(*arguments: Any) -> Any:
        calls.append(arguments)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return lag_of(answer)

    monkeypatch.setattr("headrace.airflow.sensors.lag.measure", measure)
    monkeypatch.setattr("headrace.airflow.triggers.lag.measure", measure)
    return calls


def lag_trigger(**more: Any) -> HeadraceLagTrigger:
    return HeadraceLagTrigger(
        job="purchases", topic="purchases", poll_interval=0, postgres_conn_id="headrace_postgres",
        kafka_conn_id="headrace_kafka", **more,
    )  # fmt: skip


def first_events(trigger: HeadraceLagTrigger, number: int) -> list[Any]:
    async def collect() -> list[Any]:
        events = []
        async for event in trigger.run():
            events.append(event.payload)
            if len(events) == number:
                break
        return events

    return asyncio.run(asyncio.wait_for(collect(), 30))


def test_the_trigger_waits_for_enough_and_outlives_errors_that_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = lags(monkeypatch, 0, errors.RetriableError("broker restarts"), 4, 5)
    (event,) = first_events(lag_trigger(min_records=5), 1)
    assert event == {"job": "purchases", "topic": "purchases", "records": 5, "partitions": {"0": 5}}
    assert len(calls) == 4


def test_the_trigger_fires_again_only_after_new_records(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = lags(monkeypatch, 3, 3, 3, 8)
    assert [event["records"] for event in first_events(lag_trigger(), 2)] == [3, 8]
    assert len(calls) == 4


def test_the_trigger_ends_with_errors_that_last(monkeypatch: pytest.MonkeyPatch) -> None:
    lags(monkeypatch, errors.UsageError("no topic purchases"))
    with pytest.raises(errors.UsageError):
        first_events(lag_trigger(), 1)


def test_the_trigger_waits_for_a_topic_that_will_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    there = iter([False, False, True])
    monkeypatch.setattr("headrace.airflow.triggers.lag.topic_exists", lambda *_: next(there))
    missing = errors.UsageError("no topic purchases")
    calls = lags(monkeypatch, missing, missing, 3, missing)
    (event,) = first_events(lag_trigger(wait_for_topic=True), 1)
    assert event["records"] == 3
    assert len(calls) == 3
    with pytest.raises(errors.UsageError):  # it is there: something else is wrong
        first_events(lag_trigger(wait_for_topic=True), 1)


def test_the_trigger_is_stored_without_secrets_and_comes_back() -> None:
    path, arguments = lag_trigger(min_records=9).serialize()
    assert path == f"{HeadraceLagTrigger.__module__}.HeadraceLagTrigger"
    assert "secret" not in json.dumps(arguments)
    assert HeadraceLagTrigger(**arguments).serialize() == (path, arguments)


def sensor(**more: Any) -> HeadraceLagSensor:
    return HeadraceLagSensor(
        task_id="lag", job="purchases", topic="purchases", postgres_conn_id="headrace_postgres",
        kafka_conn_id="headrace_kafka", **more,
    )  # fmt: skip


def test_the_sensor_goes_on_at_once_or_defers(monkeypatch: pytest.MonkeyPatch) -> None:
    lags(monkeypatch, 7)
    assert sensor(min_records="7").execute(context())["records"] == 7
    with pytest.raises(TaskDeferred) as deferred:
        sensor(min_records=8, poke_interval=5).execute(context())
    trigger = deferred.value.trigger
    assert (trigger.min_records, trigger.poll_interval, trigger.job) == (8, 5.0, "purchases")
    assert sensor().execute_complete(context(), {"records": 8}) == {"records": 8}


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (errors.RetriableError("away"), AirflowException),
        (errors.UsageError("no topic"), AirflowFailException),
    ],
)
def test_errors_of_the_sensor(error: Exception, becomes: type, monkeypatch: pytest.MonkeyPatch) -> None:
    lags(monkeypatch, error)
    with pytest.raises(AirflowException) as caught:
        sensor().execute(context())
    assert type(caught.value) is becomes
