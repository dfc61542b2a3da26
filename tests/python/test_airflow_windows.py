"""The operators around windows without servers: what they hand to Headrace, and make of the answers.

Runs are real in tests/real/test_dag_visitors.py; here the functions of Headrace are replaced.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import headrace

# isort: off
from tests import airflow_env  # noqa: F401 - before anything of airflow: it chooses AIRFLOW_HOME

# isort: on
import pytest
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from headrace import errors
from headrace._produce import Produced
from headrace._results import Results
from headrace._window_topic import WindowProgress, WindowReceipt
from headrace.airflow.operators.base import LASTING_ERROR
from headrace.airflow.operators.produce import HeadraceProduceOperator
from headrace.airflow.operators.results import HeadraceResultsOperator
from headrace.airflow.operators.window import HeadraceWindowOperator

pytestmark = pytest.mark.airflow

CONNECTIONS = {"postgres_conn_id": "headrace_postgres", "kafka_conn_id": "headrace_kafka"}
VISITORS = Asset("visitors")


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = {"conn_type": "kafka", "extra": {"bootstrap.servers": "k1.example.org:9092"}}
    postgres = {"conn_type": "postgres", "host": "db.example.org", "port": 5433, "schema": "shop"}
    monkeypatch.setenv("AIRFLOW_CONN_HEADRACE_KAFKA", json.dumps(kafka))
    monkeypatch.setenv("AIRFLOW_CONN_HEADRACE_POSTGRES", json.dumps(postgres))


@pytest.fixture
def replace(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], list[Any]]:
    """Replaces a function of headrace with one that gives (or raises) this; the calls of it."""

    def put(name: str, answer: Any) -> list[Any]:
        calls: list[Any] = []

        def function(*arguments: Any, **named: Any) -> Any:
            calls.append((arguments, named))
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setitem(vars(headrace), name, function)
        return calls

    return put


class Task:
    """A task instance that takes XComs."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def context(**more: Any) -> Any:
    return {"ti": Task(), "outlet_events": {VISITORS: SimpleNamespace(extra={})}, **more}


def receipt(**changes: Any) -> WindowReceipt:
    counts = {
        "frames": 100,
        "counted": 90,
        "late": 6,
        "malformed": 3,
        "future": 1,
        "results": 12,
        "windows": 12,
    }
    names = {"job": "visitors", "run_id": "r", "state": "succeeded", "source": "frames", "to": "visitors"}
    return WindowReceipt.from_dict({**names, **counts, "seconds": 2.0, **changes})


def window(**settings: Any) -> HeadraceWindowOperator:
    settings = {"topic": "frames", "to": "visitors", "task_id": "window", **CONNECTIONS, **settings}
    return HeadraceWindowOperator(dag=DAG("visitors", schedule=None), outlets=[VISITORS], **settings)


def test_window_hands_rendered_settings_over_and_returns_the_receipt(
    replace: Callable[[str, Any], list[Any]],
) -> None:
    calls = replace("window_topic", receipt())
    operator = window(
        windows="{{ params.windows }}",
        lateness="{{ params.lateness }}",
        close_all="{{ params.close_all }}",
        keyed="{{ params.keyed }}",
        start="{{ params['from'] or 'earliest' }}",
        workers="{{ params.workers }}",
        max_records="{{ params.max_records }}",
        table="{{ params.table }}",
        late_topic="{{ params.late }}",
        distinct="uid:bigint",
        options={"idle": "1s"},
    )
    params = {"windows": "minute, hour", "lateness": "90s", "close_all": True, "keyed": False, "workers": 3}
    params |= {"from": "2026-11-21", "max_records": None, "table": None, "late": "visitors-late"}
    told = context(params=params)
    operator.render_template_fields(told)
    plain = operator.execute(told)
    (((topic, to), arguments),) = calls
    assert (topic, to) == ("frames", "visitors")
    assert arguments.pop("progress") == operator.tell
    assert arguments.pop("kafka") == {"bootstrap.servers": "k1.example.org:9092"}
    assert arguments == {
        "job": "visitors", "time": "ts", "time_unit": "s", "windows": ["minute", "hour"], "zone": "UTC",
        "distinct": "uid:bigint", "by": [], "lateness": "90s", "jump": "1h", "keyed": False, "close_all": True,
        "start": datetime(2026, 11, 21, tzinfo=UTC), "workers": 3, "late_topic": "visitors-late", "idle": "1s",
    }  # fmt: skip
    assert json.loads(json.dumps(plain))["frames"] == 100
    assert told["outlet_events"][VISITORS].extra == {
        "job": "visitors", "to": "visitors", "state": "succeeded", "seconds": 2.0, "frames": 100, "counted": 90,
        "late": 6, "malformed": 3, "future": 1, "results": 12, "windows": 12,
    }  # fmt: skip
    lines = operator.get_openlineage_facets_on_complete(None)
    assert [d.name for d in lines.inputs] == ["frames"]
    assert [d.name for d in lines.outputs] == ["visitors"]


def test_window_with_a_table_needs_the_database(replace: Callable[[str, Any], list[Any]]) -> None:
    calls = replace("window_topic", receipt())
    operator = window(table="shop.visitors")
    operator.execute(context())
    ((_, arguments),) = calls
    assert (arguments["table"], arguments["create_table"]) == ("shop.visitors", True)
    assert "db.example.org" in arguments["dsn"]
    assert [d.name for d in operator.lineage_outputs()] == ["visitors", "shop.shop.visitors"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"close_all": "perhaps"}, "close_all must be true or false"),
        ({"workers": "many"}, "workers must be a whole number"),
        ({"max_seconds": "long"}, "max_seconds must be a number"),
        ({"start": "yesterday"}, "start yesterday: write a time"),
    ],
)
def test_window_settings_that_cannot_be_fail_at_once(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(AirflowFailException, match=said):
        window(**settings).execute(context())


def test_a_retriable_error_retries_and_a_fatal_one_fails(replace: Callable[[str, Any], list[Any]]) -> None:
    replace("window_topic", errors.RetriableError("no broker answers"))
    with pytest.raises(AirflowException, match="no broker answers") as caught:
        window().execute(context())
    assert not isinstance(caught.value, AirflowFailException)
    replace("window_topic", errors.UsageError("another lateness"))
    told = context()
    with pytest.raises(AirflowFailException, match="another lateness"):
        window().execute(told)
    assert told["ti"].pushed[LASTING_ERROR] == "another lateness"


def test_a_receipt_that_does_not_balance_fails(replace: Callable[[str, Any], list[Any]]) -> None:
    replace("window_topic", receipt(counted=89))
    with pytest.raises(AirflowFailException, match="does not balance"):
        window().execute(context())


def test_progress_is_logged_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    operator = window()
    operator.tell(WindowProgress(frames=1000, late=10, lag=5))
    operator.tell(WindowProgress(frames=2000))
    told = capsys.readouterr().out
    assert told.count("Progress") == 1
    assert "1,000 frames, 0 results, 1.00% errors, watermark unknown, 5 frames to go" in told


def produce(**settings: Any) -> HeadraceProduceOperator:
    settings = {"source": "/data/f.jsonl", "topic": "frames", "task_id": "produce", **CONNECTIONS, **settings}
    return HeadraceProduceOperator(dag=DAG("visitors", schedule=None), **settings)


def test_produce_hands_over_and_returns_what_was_sent(replace: Callable[[str, Any], list[Any]]) -> None:
    sent = Produced("/data/f.jsonl", "frames", 10, 500, 1, 2, 1, 0.5)
    calls = replace("produce", sent)
    operator = produce(key="uid", rate="{{ params.rate }}", partitions="{{ params.partitions }}")
    told = context(params={"rate": None, "partitions": 4})
    operator.render_template_fields(told)
    assert operator.execute(told) == sent.to_dict()
    ((arguments, named),) = calls
    assert arguments == ("/data/f.jsonl", "kafka://frames")
    assert named.pop("progress") == operator.progress
    assert named.pop("kafka") == {"bootstrap.servers": "k1.example.org:9092"}
    assert named == {"key": "uid", "partitions": 4, "loop": 1}


@pytest.mark.parametrize("source", ["", "None"])
def test_produce_without_a_file_is_skipped(source: str) -> None:
    with pytest.raises(AirflowSkipException):
        produce(source=source).execute(context())


def results(**settings: Any) -> HeadraceResultsOperator:
    settings = {"topic": "visitors", "task_id": "report", **CONNECTIONS, **settings}
    return HeadraceResultsOperator(dag=DAG("visitors", schedule=None), **settings)


def found(twice: bool = False) -> Results:
    read = Results()
    for minute in (0, 1, 2, *([1] if twice else [])):
        start, end = f"2026-11-21T10:{minute:02}:00Z", f"2026-11-21T10:{minute + 1:02}:00Z"
        value = {"window": "minute", "window_start": start, "window_end": end, "users": minute, "final": True}
        read.add({"key": start, "value": json.dumps(value)})
    return read


def test_results_are_read_in_a_range_and_summed_up(replace: Callable[[str, Any], list[Any]]) -> None:
    calls = replace("results", found())
    operator = results(since="{{ params['from'] }}", until="{{ params.to }}", rows=2)
    told = context(params={"from": "2026-11-21T10:00:00+01:00", "to": None})
    operator.render_template_fields(told)
    plain = operator.execute(told)
    ((_, named),) = calls
    assert named["since"] == datetime.fromisoformat("2026-11-21T09:00:00Z")
    assert named["until"] is None
    assert named["window"] is None
    assert [row["users"] for row in plain.pop("rows")] == [1, 2]
    assert plain == {
        "topic": "visitors", "results": 3, "windows": {"minute": 3}, "early": 0, "foreign": 0,
        "first": "2026-11-21T10:00:00Z", "last": "2026-11-21T10:03:00Z", "plot": None,
    }  # fmt: skip


def test_a_window_that_came_twice_fails_the_report(replace: Callable[[str, Any], list[Any]]) -> None:
    replace("results", found(twice=True))
    with pytest.raises(AirflowFailException, match="came again after their final result"):
        results().execute(context())


def test_a_time_that_is_none_fails_at_once() -> None:
    with pytest.raises(AirflowFailException, match="since soon: write a time"):
        results(since="soon").execute(context())


def test_a_key_of_one_field_is_not_taken_letter_by_letter() -> None:
    assert window(by="uid").arguments()["by"] == ["uid"]
    assert window(by=["uid", "city"]).arguments()["by"] == ["uid", "city"]
