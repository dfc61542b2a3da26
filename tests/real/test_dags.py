"""The DAGs with `dag.test()`, against a real broker and a real PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import headrace
import psycopg
import pytest
from confluent_kafka import Producer

from stack import kafka, postgres

# isort: off
from tests import airflow_env  # before anything of airflow: it chooses AIRFLOW_HOME

# isort: on
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

pytestmark = [pytest.mark.airflow, pytest.mark.real, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS: dict[str, dict[str, Any]] = {}
FIRST_DAY = datetime(2026, 11, 2, tzinfo=UTC)  # a Monday: week 45


@pytest.fixture(scope="module")
def bag() -> DagBag:
    airflow_env.migrate()
    return DagBag(str(airflow_env.DAGS))


@pytest.fixture
def connect(
    pg: postgres.Server, database: str, broker: kafka.Broker, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Makes the connections that the DAGs use; with other logins where a test gives them."""

    def make(login: str = postgres.USER, password: str | None = None) -> None:
        connections = {
            "headrace_postgres": {
                "conn_type": "postgres", "host": "127.0.0.1", "port": pg.port, "login": login,
                "password": password or pg.password, "schema": database,
            },
            "headrace_kafka": {"conn_type": "kafka", "extra": {"bootstrap.servers": broker.bootstrap}},
            "headrace_smtp": {"conn_type": "smtp", "host": "127.0.0.1", "port": 1},
        }  # fmt: skip
        for name, connection in connections.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))

    make()
    return make


@pytest.fixture
def shop(pg: postgres.Server, database: str, connect: Callable[..., None]) -> Iterator[psycopg.Connection]:
    """An open connection to a database with the tables of the example."""
    with pg.connect(database) as conn:
        for name in ("01_shop.sql", "02_mart.sql"):
            conn.execute((ROOT / "sql/purchases" / name).read_text())
        yield conn


@pytest.fixture
def send(broker: kafka.Broker) -> Callable[..., None]:
    """Sends values to a topic, dealt over its 4 partitions."""

    def produce(topic: str, values: list[bytes]) -> None:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 20})
        for number, value in enumerate(values):
            producer.produce(topic, value, partition=number % 4)
        assert producer.flush(60) == 0

    return produce


def purchases(first: int, count: int) -> list[bytes]:
    """Good purchases over three weeks."""
    return [
        json.dumps(
            {
                "purchase_id": number,
                "customer_id": number % 50,
                "product_id": number % 20,
                "quantity": 1 + number % 3,
                "amount": f"{number}.25",
                "currency": "EUR",
                "channel": "web",
                "purchased_at": (FIRST_DAY + timedelta(hours=number % 500)).isoformat(),
            }
        ).encode()
        for number in range(first, first + count)
    ]


def ids(conn: psycopg.Connection) -> list[int]:
    return [row[0] for row in conn.execute("SELECT purchase_id FROM shop.purchases ORDER BY 1")]


def run(dag: DAG, **params: Any) -> Any:
    """Run a DAG with these params; the run.

    A run in this process writes its params into the DAG, so the others are set to their defaults each time.
    """
    defaults = DEFAULTS.setdefault(
        dag.dag_id, {name: dag.params.get_param(name).value for name in dag.params}
    )
    with airflow_env.own_signals():
        return dag.test(run_conf={**defaults, **params})


def states(dag_run: Any) -> dict[str, list[str]]:
    """The states of a run's tasks, by task."""
    found: dict[str, list[str]] = {}
    for ti in dag_run.get_task_instances():
        found.setdefault(ti.task_id, []).append(str(ti.state))
    return found


def xcom(dag_run: Any, task_id: str, key: str = "return_value") -> Any:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        query = XComModel.get_many(run_id=dag_run.run_id, dag_ids=dag_run.dag_id, task_ids=task_id, key=key)
        values = [XComModel.deserialize_value(row) for row in session.scalars(query)]
    return values[0] if len(values) == 1 else values


@pytest.fixture
def quick(bag: DagBag) -> Iterator[DAG]:
    """The DAG purchases with short pauses between tries."""
    dag = bag.dags["purchases"]
    tasks = [dag.get_task(name) for name in ("load", "careful_load")]
    before = [dict(task.partial_kwargs) for task in tasks]
    for task in tasks:
        task.partial_kwargs.update(retry_delay=timedelta(milliseconds=10), retries=1)
    yield dag
    for task, kwargs in zip(tasks, before, strict=True):
        task.partial_kwargs.clear()
        task.partial_kwargs.update(kwargs)


# -- the files


def test_the_dags_load_without_errors_and_are_described(bag: DagBag) -> None:
    assert bag.import_errors == {}
    ours = [dag for dag in bag.dags.values() if Path(dag.fileloc).resolve().parent == ROOT / "dags"]
    wanted = {"purchases", "dictionaries", "purchases_data", "visitors", "airports_vault"}
    assert {dag.dag_id for dag in ours} == wanted
    for dag in ours:
        assert dag.doc_md
        assert dag.description
        assert "headrace" in dag.tags
        assert dag.owner_links == {"data-team": "mailto:data-team@example.com"}
        assert not dag.catchup
        for name in dag.params:
            schema = dag.params.get_param(name).schema
            assert schema.get("title"), f"{dag.dag_id}.{name} has no title"
            assert schema.get("type"), f"{dag.dag_id}.{name} has no type"


def test_reading_the_dags_imports_nothing_heavy() -> None:
    program = (
        "import sys, airflow.sdk\n"
        "from airflow.dag_processing.dagbag import DagBag\n"
        "before = set(sys.modules)\n"
        f"bag = DagBag({str(ROOT / 'dags')!r})\n"
        "assert not bag.import_errors, bag.import_errors\n"
        "heavy = {'headrace._headrace', 'psycopg', 'confluent_kafka', 'pandas', 'pyarrow', 'polars'}\n"
        "print('heavy:', sorted(heavy & (set(sys.modules) - before)))\n"
    )
    airflow_env.migrate()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shares", 0),
        ("topic", "no spaces please"),
        ("mode", "replace"),
        ("max_records", -1),
        ("target", "purchases"),
    ],
)
def test_the_form_refuses_what_cannot_be(bag: DagBag, name: str, value: Any) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    param = bag.dags["purchases"].params.get_param(name)
    with pytest.raises(ParamValidationError):
        param.resolve(value)


# -- purchases


def test_purchases_go_into_their_weeks_and_the_books_balance(
    quick: DAG, shop: psycopg.Connection, topic: str, send: Callable[..., None]
) -> None:
    send(topic, purchases(1, 3000))
    first = run(quick, topic=topic, shares=2)
    assert first.state == "success"
    assert states(first) == {
        "plan": ["success"], "load": ["success", "success"], "unfinished": ["success"],
        "careful_load": ["skipped"], "summary": ["success"], "rejects": ["success"], "clean": ["success"],
        "dead_letter_report": ["skipped"],
    }  # fmt: skip
    assert ids(shop) == list(range(1, 3001))
    total = xcom(first, "summary")
    assert (total["read"], total["loaded"], total["rejected"], total["skipped"]) == (3000, 3000, 0, 0)
    assert (total["rows_before"], total["rows_after"]) == (0, 3000)
    weeks = shop.execute(
        "SELECT tableoid::regclass::text, count(*) FROM shop.purchases GROUP BY 1"
    ).fetchall()
    assert total["tables"] == dict(weeks)
    assert set(total["tables"]) == {f"shop.purchases_2026w{week}" for week in (45, 46, 47)}
    shares = xcom(first, "plan")
    assert sorted(partition for share in shares for partition in share) == [0, 1, 2, 3]
    assert sorted(sorted(lane["partition"] for lane in r["offsets"]) for r in xcom(first, "load")) == shares

    second = run(quick, topic=topic, shares=2)
    assert second.state == "success"
    assert xcom(second, "summary")["read"] == 0
    assert ids(shop) == list(range(1, 3001))


def test_rejected_records_are_reported_and_replayed_when_the_table_is_mended(
    bag: DagBag, quick: DAG, shop: psycopg.Connection, topic: str, send: Callable[..., None]
) -> None:
    long = json.loads(purchases(5001, 1)[0]) | {"currency": "EURO"}
    bad = [b"{not json", json.dumps(long).encode(), b'{"purchase_id": 1}']
    send(topic, purchases(1, 1000) + bad)
    done = run(quick, topic=topic, shares=3)
    assert done.state == "success"
    assert states(done)["dead_letter_report"] == ["success"]
    assert states(done)["clean"] == ["skipped"]
    total, letters = xcom(done, "summary"), xcom(done, "dead_letter_report")
    assert (total["read"], total["loaded"], total["rejected"]) == (1003, 1000, 3)
    assert sum(letters["reasons"].values()) == 3
    assert len(letters["examples"]) == 3
    assert letters["replay"] == "headrace dead-letters replay purchases"
    stored = shop.execute("SELECT reason, count(*) FROM headrace.dead_letters GROUP BY 1").fetchall()
    assert letters["reasons"] == total["rejects"] == dict(stored)

    shop.execute("DROP VIEW mart.purchases; ALTER TABLE shop.purchases ALTER currency TYPE text")
    replayed = run(bag.dags["mend"])
    assert replayed.state == "success"
    receipt = xcom(replayed, "replay")
    assert (receipt["read"], receipt["loaded"], receipt["rejected"]) == (3, 1, 2)
    assert ids(shop)[-1] == 5001


def test_a_run_stops_at_its_limit_and_the_next_goes_on(
    quick: DAG, shop: psycopg.Connection, topic: str, send: Callable[..., None]
) -> None:
    send(topic, purchases(1, 2000))
    first = run(quick, topic=topic, shares=1, max_records=500, batch_records=100)
    assert first.state == "success"
    read = xcom(first, "summary")["read"]
    assert 500 <= read < 2000
    second = run(quick, topic=topic, shares=1)
    assert xcom(second, "summary")["read"] == 2000 - read
    assert ids(shop) == list(range(1, 2001))


def test_upsert_keeps_one_row_for_each_purchase(
    quick: DAG, shop: psycopg.Connection, topic: str, send: Callable[..., None]
) -> None:
    shop.execute((ROOT / "sql/purchases/upsert.sql").read_text())
    again = [json.loads(value) | {"quantity": 9} for value in purchases(1, 100)]
    send(topic, purchases(1, 1000))
    send(topic, [json.dumps(value).encode() for value in again])
    done = run(quick, topic=topic, target="shop.purchases_latest", mode="upsert", shares=2)
    assert done.state == "success"
    assert xcom(done, "summary")["read"] == 1100
    rows = "SELECT purchase_id, quantity = 9 FROM shop.purchases_latest ORDER BY 1"
    assert shop.execute(rows).fetchall() == [(number, number <= 100) for number in range(1, 1001)]


def test_where_connections_are_short_the_careful_load_gets_through(  # noqa: PLR0917
    quick: DAG,
    shop: psycopg.Connection,
    database: str,
    topic: str,
    send: Callable[..., None],
    connect: Callable[..., None],
) -> None:
    """A role with few connections: four threads cannot all connect, one after the other can."""
    send(topic, purchases(1, 2000))
    shop.execute(
        "DROP ROLE IF EXISTS narrow; CREATE ROLE narrow LOGIN PASSWORD 'narrow' CONNECTION LIMIT 2; "
        "GRANT ALL ON SCHEMA shop TO narrow; ALTER TABLE shop.purchases OWNER TO narrow"
    )
    shop.execute(f"GRANT CREATE ON DATABASE {database} TO narrow")
    connect("narrow", "narrow")
    quick.get_task("load").partial_kwargs["retries"] = 0
    try:
        done = run(quick, topic=topic, shares=1, workers=4)
        assert states(done)["load"] == ["failed"]
        assert states(done)["careful_load"] == ["success"]
        assert done.state == "success"
        assert xcom(done, "summary")["loaded"] == 2000
        assert ids(shop) == list(range(1, 2001))
    finally:
        shop.execute("DROP OWNED BY narrow CASCADE; DROP ROLE narrow")


def test_a_missing_table_fails_at_once(quick: DAG, connect: Callable[..., None], topic: str) -> None:
    done = run(quick, topic=topic)
    assert done.state == "failed"
    assert states(done)["plan"] == ["failed"]
    assert [ti.try_number for ti in done.get_task_instances() if ti.task_id == "plan"] == [1]


def test_a_missing_topic_fails_at_once(quick: DAG, shop: psycopg.Connection) -> None:
    done = run(quick, topic="there-is-no-such-topic")
    assert done.state == "failed"
    assert [ti.try_number for ti in done.get_task_instances() if ti.task_id == "plan"] == [1]


def test_rows_that_are_missing_from_the_table_are_noticed(
    quick: DAG, shop: psycopg.Connection, topic: str, send: Callable[..., None]
) -> None:
    """The books are checked against the table itself: here a trigger takes a row away again."""
    send(topic, purchases(1, 100))
    shop.execute(
        "CREATE FUNCTION shop.vanish() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN DELETE FROM shop.purchases WHERE purchase_id = NEW.purchase_id; RETURN NULL; END'"
    )
    shop.execute(
        "CREATE TRIGGER vanish AFTER INSERT ON shop.purchases FOR EACH ROW WHEN (NEW.purchase_id = 7) "
        "EXECUTE FUNCTION shop.vanish()"
    )
    done = run(quick, topic=topic)
    assert done.state == "failed"
    assert states(done)["summary"] == ["failed"]
    assert len(ids(shop)) == 99


def test_a_lasting_error_of_a_share_is_not_tried_with_more_care(
    quick: DAG, shop: psycopg.Connection, topic: str, send: Callable[..., None]
) -> None:
    """A trigger that swallows rows: the load itself sees that the server kept fewer than it sent."""
    send(topic, purchases(1, 100))
    shop.execute(
        "CREATE FUNCTION shop.swallow() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN IF NEW.purchase_id = 7 THEN RETURN NULL; END IF; RETURN NEW; END'"
    )
    shop.execute(
        "CREATE TRIGGER swallow BEFORE INSERT ON shop.purchases FOR EACH ROW EXECUTE FUNCTION shop.swallow()"
    )
    done = run(quick, topic=topic, shares=1)
    assert done.state == "failed"
    assert states(done)["load"] == ["failed"]
    assert states(done)["unfinished"] == ["failed"]
    assert states(done)["careful_load"] == ["upstream_failed"]
    assert [ti.try_number for ti in done.get_task_instances() if ti.task_id == "load"] == [1]


# -- dictionaries


def test_dictionaries_are_brought_up_to_date_by_key(bag: DagBag, shop: psycopg.Connection) -> None:
    now = FIRST_DAY.isoformat()
    shop.execute(
        "INSERT INTO shop.customers (customer_id, name, email, country, created_at) "
        "SELECT n, 'Customer ' || n, n || '@example.org', 'DE', %(now)s "
        "FROM generate_series(1, 500) n",
        {"now": now},
    )
    shop.execute(
        "INSERT INTO shop.products (product_id, name, category, price) "
        "SELECT n, 'Product ' || n, 'things', n + 0.99 FROM generate_series(1, 40) n"
    )
    dag = bag.dags["dictionaries"]
    first = run(dag)
    assert first.state == "success"
    assert (xcom(first, "customers")["loaded"], xcom(first, "products")["loaded"]) == (500, 40)

    shop.execute("UPDATE shop.customers SET name = 'Renamed' WHERE customer_id = 7")
    shop.execute("DELETE FROM shop.customers WHERE customer_id = 8")
    second = run(dag)
    assert second.state == "success"
    names = dict(shop.execute("SELECT customer_id, name FROM mart.customers").fetchall())
    assert len(names) == 500
    assert (names[7], names[8]) == ("Renamed", "Customer 8")
    same = "SELECT count(*) FROM (TABLE shop.products EXCEPT TABLE mart.products) AS missing"
    assert shop.execute(same).fetchone() == (0,)


# -- data


def test_data_is_made_and_a_second_run_makes_more(  # noqa: PLR0917
    bag: DagBag, quick: DAG, pg: postgres.Server, database: str, connect: Callable[..., None],
    new_topic: Callable[..., str], broker: kafka.Broker,
) -> None:  # fmt: skip
    topic = new_topic()
    broker.delete_topic(topic)
    params = {"topic": topic, "purchases": 5000, "bad_per_million": 10_000, "customers": 100, "products": 20}
    first = run(bag.dags["purchases_data"], **params)
    assert first.state == "success"
    second = run(bag.dags["purchases_data"], **params)
    assert second.state == "success"
    loaded = run(quick, topic=topic)
    assert loaded.state == "success"
    total = xcom(loaded, "summary")
    assert total["read"] == 10_000
    assert 0 < total["rejected"] < 1000
    with pg.connect(database) as conn:
        found = Counter(row[0] for row in conn.execute("SELECT purchase_id FROM shop.purchases"))
        assert max(found) > 5000
        assert conn.execute("SELECT count(*) FROM shop.customers").fetchone() == (100,)
        assert conn.execute("SELECT count(*) FROM shop.products").fetchone() == (20,)
        assert conn.execute(
            "SELECT count(*) FROM shop.purchases LEFT JOIN shop.products d USING (product_id) "
            "WHERE d.name IS NULL"
        ).fetchone() == (0,)


# -- visitors


def frames(path: Path, first: int, count: int) -> dict[str, int]:
    """Send-able frames of half a day, with late and damaged ones; the true users of their minutes."""
    settings = {"rate": 1, "users": 500, "late": 5_000, "malformed": 10_000, "size": 500, "fields": 20}
    truth = path.with_suffix(".truth")
    made = headrace.generate("frames", count, path, first=first, truth=truth, settings=settings)
    assert made.kinds["late"]
    told = [json.loads(line) for line in truth.read_text().splitlines()]
    return {window["window_start"]: window["users"] for window in told}


def test_visitors_are_counted_once_over_several_runs(  # noqa: PLR0917
    bag: DagBag, pg: postgres.Server, database: str, connect: Callable[..., None], broker: kafka.Broker,
    new_topic: Callable[..., str], tmp_path: Path,
) -> None:  # fmt: skip
    """A file in two halves, each sent and counted by a run; a third run finds that the input is over."""
    dag, name = bag.dags["visitors"], new_topic(2)
    # a job's own topics: made by the run, so named after one that is deleted in the end
    params = {"topic": name, "job": f"{name}-job", "results": f"{name}-results", "lateness": "30m",
              "windows": "minute,hour", "table": "public.visitors", "workers": 1}  # fmt: skip
    whole, half = tmp_path / "whole.jsonl", tmp_path / "half.jsonl.gz"
    true = frames(whole, 0, 30_000)
    frames(half, 0, 15_000)
    first = run(dag, file=str(half), **params)
    assert first.state == "success"
    assert states(first) == {"produce": ["success"], "window": ["success"], "report": ["success"]}
    assert xcom(first, "produce")["messages"] == 15_000
    receipt = xcom(first, "window")
    assert receipt["frames"] == 15_000
    early = xcom(first, "report")
    assert 100 < early["windows"]["minute"] < 250
    assert early["last"] < "2026-01-01T04:00:00Z", "the last half an hour stays open"

    rest = tmp_path / "rest.jsonl"
    rest.write_bytes(b"\n".join(whole.read_bytes().split(b"\n")[15_000:]))
    second = run(dag, file=str(rest), **params)
    assert second.state == "success"
    plot = tmp_path / "users.png"
    third = run(dag, close_all=True, plot=str(plot), **{"from": "2026-01-01T02:00:00Z"}, **params)
    assert third.state == "success"
    assert states(third)["produce"] == ["skipped"]
    assert xcom(third, "window")["frames"] == 0
    assert xcom(third, "report")["first"] == "2026-01-01T02:00:00Z"
    assert plot.read_bytes()[:4] == b"\x89PNG"

    receipts = [receipt, xcom(second, "window")]
    assert sum(r["frames"] for r in receipts) == 30_000
    assert sum(r["late"] for r in receipts) > 50
    found = headrace.results(params["results"], kafka={"bootstrap.servers": broker.bootstrap})
    assert found.repeated == 0
    assert {r["window_start"]: r["users"] for r in found if r["window"] == "minute"} == true
    with pg.connect(database) as conn:
        assert conn.execute("SELECT count(*) FROM visitors").fetchone() == (len(found),)
    headrace.offsets.forget(
        params["job"], results=params["results"], kafka={"bootstrap.servers": broker.bootstrap}
    )


def test_visitors_without_a_topic_fail_at_once(bag: DagBag, connect: Callable[..., None]) -> None:
    done = run(bag.dags["visitors"], topic="there-is-no-such-topic", job="nobody", results="nothing")
    assert done.state == "failed"
    assert states(done)["window"] == ["failed"]
    assert [ti.try_number for ti in done.get_task_instances() if ti.task_id == "window"] == [1]


@pytest.mark.parametrize(
    ("name", "value"),
    [("lateness", "soon"), ("from", "yesterday"), ("results", "a b"), ("plot", "x.gif"), ("windows", 7)],
)
def test_the_form_of_visitors_refuses_what_cannot_be(bag: DagBag, name: str, value: Any) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    param = bag.dags["visitors"].params.get_param(name)
    with pytest.raises(ParamValidationError):
        param.resolve(value)


# -- sensor, files


def test_the_sensor_waits_for_records_and_a_load_follows(
    bag: DagBag, shop: psycopg.Connection, topic: str, send: Callable[..., None]
) -> None:
    send(topic, purchases(1, 40))
    done = run(bag.dags["waiting"], topic=topic, records=40)
    assert done.state == "success"
    assert xcom(done, "wait") == {
        "job": "waiting", "topic": topic, "records": 40, "partitions": {str(p): 10 for p in range(4)},
    }  # fmt: skip
    assert xcom(done, "load")["loaded"] == 40


def test_files_are_loaded_once(bag: DagBag, shop: psycopg.Connection, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(purchases(1, 100)) + b"\n")
    assert xcom(run(bag.dags["files"], files=f"{tmp_path}/*.jsonl"), "load")["loaded"] == 100
    assert xcom(run(bag.dags["files"], files=f"{tmp_path}/*.jsonl"), "load")["loaded"] == 0
    assert ids(shop) == list(range(1, 101))
