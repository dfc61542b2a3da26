"""The Python side against a real PostgreSQL: connections, migrations, offsets, receipts, dead letters, the command line."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import headrace
import psycopg
import pytest
from headrace import Connection, Progress, Query, dead_letters, doctor, migrations, offsets, receipts, topics

from stack import kafka, postgres
from tests.real.load_kit import execute, one, rows

pytestmark = pytest.mark.real

PYTHON = [
    sys.executable,
    "-c",
    f"import sys; sys.path[:] = {sys.path!r}; from headrace.cli import main; sys.exit(main())",
]
TABLE = "CREATE TABLE t (id bigint PRIMARY KEY, name text, at timestamptz)"


@pytest.fixture
def role(pg: postgres.Server, database: str) -> Iterator[str]:
    """A connection string of a role that may do nothing but connect, and use and fill table t."""
    name = f"poor_{database}"
    with pg.connect(database) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'poor'")
        admin.execute(TABLE)
        admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON t TO {name}")
        yield psycopg.conninfo.make_conninfo(
            "", host="127.0.0.1", port=str(pg.port), dbname=database, user=name, password="poor"
        )
        admin.execute(f"DROP OWNED BY {name}")
        admin.execute(f"DROP ROLE {name}")


@pytest.fixture
def table(dsn: str) -> str:
    """A database with table t, and its connection string."""
    execute(dsn, TABLE)
    return dsn


def lines(path: Path, count: int, first: int = 0, bad: int = 0) -> Path:
    """A file of good records and some bad ones."""
    with path.open("w") as file:
        for number in range(first, first + count):
            file.write(json.dumps({"id": number, "name": f"n{number}", "at": "2026-11-21T00:00:00Z"}) + "\n")
        for number in range(bad):
            file.write(json.dumps({"id": f"bad {number}"}) + "\n")
    return path


def command(dsn: str, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command with the database in PG* variables, as a task would have it."""
    parts = psycopg.conninfo.conninfo_to_dict(dsn)
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "dbname": "PGDATABASE",
        "passfile": "PGPASSFILE",
    }
    environment = os.environ | {names[key]: str(value) for key, value in parts.items() if key in names}
    return subprocess.run(
        [*PYTHON, *words],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=120,
    )


# -- connections -----------------------------------------------------------------------------------------


def test_values_go_and_come_as_text(dsn: str) -> None:
    with Connection(dsn) as connection:
        assert connection.server_version >= 130000
        found = connection.query("SELECT $1::int + 1, $2::text, $3::bool, $4::text", [41, "é'\\", None, 1.5])
        assert found == [("42", "é'\\", None, "1.5")]
        assert connection.query("SELECT 1 WHERE false") == []
        assert connection.script(
            "CREATE TABLE x (a int); INSERT INTO x VALUES (1), (2); SELECT * FROM x"
        ) == [
            ("1",),
            ("2",),
        ]
        assert connection.query("UPDATE x SET a = a + 1 RETURNING a", ()) == [("2",), ("3",)]


def test_wrong_arguments(dsn: str) -> None:
    with Connection(dsn) as connection:
        with pytest.raises(TypeError):
            connection.query("SELECT $1", [b"bytes"])
        with pytest.raises(TypeError):
            connection.query(None)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="NUL"):
            connection.query("SELECT $1", ["a\0b"])
        with pytest.raises(ValueError, match="null"):
            connection.query("SELECT 'a\0b'")
        assert connection.query("SELECT 1") == [("1",)]


def test_a_refused_statement_has_its_sqlstate_and_the_connection_goes_on(dsn: str) -> None:
    with Connection(dsn) as connection:
        with pytest.raises(headrace.FatalError, match="division by zero") as caught:
            connection.query("SELECT 1 / 0")
        assert (caught.value.sqlstate, caught.value.code, caught.value.retriable) == (
            "22012",
            "server",
            False,
        )
        with pytest.raises(headrace.RetriableError) as again:
            connection.script("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
        assert again.value.sqlstate == "40001"
        assert connection.query("SELECT 1") == [("1",)]


def test_a_closed_connection_says_so(dsn: str) -> None:
    connection = Connection(dsn)
    connection.close()
    connection.close()
    assert connection.server_version == 0
    with pytest.raises(headrace.UsageError, match="closed"):
        connection.query("SELECT 1")


def test_a_lost_connection_is_retriable(dsn: str) -> None:
    with Connection(dsn) as connection, Connection(dsn) as other:
        pid = connection.query("SELECT pg_backend_pid()")[0][0]
        other.query("SELECT pg_terminate_backend($1)", [pid])
        with pytest.raises(headrace.RetriableError):
            connection.query("SELECT 1")
        with pytest.raises(headrace.UsageError, match="closed"):
            connection.query("SELECT 1")


def test_a_refused_password_is_fatal_and_not_repeated(dsn: str) -> None:
    wrong = psycopg.conninfo.make_conninfo(dsn, password="s3cret-and-wrong", passfile="/nowhere")
    with pytest.raises(headrace.FatalError) as caught:
        Connection(wrong)
    assert "s3cret" not in str(caught.value)
    assert not caught.value.retriable


def ask_often(connection: Connection) -> None:
    """Ask again and again, for half a second."""
    for _ in range(100):
        connection.query("SELECT 1")
        time.sleep(0.005)


def test_one_thread_at_a_time(dsn: str) -> None:
    with Connection(dsn) as connection:
        started = threading.Event()

        def sleep() -> None:
            started.set()
            connection.query("SELECT pg_sleep(1)")

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(sleep)
            started.wait()
            with pytest.raises(headrace.UsageError, match="another thread"):
                ask_often(connection)
            running.result()
        assert connection.query("SELECT 1") == [("1",)]


def test_ctrl_c_ends_a_query_on_the_server_too(dsn: str) -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with Connection(dsn) as connection, pytest.raises(KeyboardInterrupt):
            connection.query("SELECT pg_sleep(100)")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for _ in range(100):
        if one(dsn, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%'") == 0:
            return
        time.sleep(0.1)
    pytest.fail("the server still sleeps")


# -- migrations ------------------------------------------------------------------------------------------


def test_migrations_are_applied_once(dsn: str) -> None:
    wanted = migrations.available()
    assert [m.version for m in wanted] == list(range(1, len(wanted) + 1))
    assert migrations.apply(dsn) == wanted
    assert migrations.apply(dsn) == []
    found = rows(dsn, "SELECT version, name, checksum FROM headrace.migrations ORDER BY version")
    assert found == [(m.version, m.name, m.checksum) for m in wanted]


def test_every_table_and_column_says_what_it_is_for(dsn: str) -> None:
    migrations.apply(dsn)
    found = rows(
        dsn,
        "SELECT relname FROM pg_class WHERE relnamespace = 'headrace'::regnamespace AND relkind = 'r'"
        " AND obj_description(oid) IS NULL",
    )
    assert found == []


def test_the_printed_script_makes_the_same_schema(pg: postgres.Server, dsn: str) -> None:
    look = (
        "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_schema = 'headrace' ORDER BY 1, 2"
    )
    migrations.apply(dsn)
    expected = rows(dsn, look)
    execute(dsn, "DROP SCHEMA headrace CASCADE")
    execute(dsn, migrations.script())
    assert rows(dsn, look) == expected
    assert migrations.apply(dsn) == []


def test_many_workers_may_apply_at_once(dsn: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(migrations.apply, dsn) for _ in range(8)]
        applied = [m for future in done for m in future.result()]
    assert sorted(m.version for m in applied) == [m.version for m in migrations.available()]


def test_a_failing_migration_leaves_nothing(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = migrations.Migration(1, "broken", "CREATE TABLE headrace.half (a int); SELECT 1 / 0")
    monkeypatch.setattr(migrations, "available", lambda: [broken])
    with pytest.raises(headrace.FatalError, match="division"):
        migrations.apply(dsn)
    assert one(dsn, "SELECT count(*) FROM pg_namespace WHERE nspname = 'headrace'") == 0


def test_a_newer_schema_is_refused(dsn: str) -> None:
    migrations.apply(dsn)
    execute(dsn, "INSERT INTO headrace.migrations VALUES (999, 'future', '')")
    with pytest.raises(headrace.SchemaError, match="upgrade Headrace"):
        migrations.apply(dsn)


def test_a_role_without_rights_is_told_what_a_dba_should_run(dsn: str, role: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", 3)
    with pytest.raises(headrace.SchemaError) as caught:
        headrace.load(str(path), "t", dsn=role)
    statement = next(line.strip() for line in str(caught.value).splitlines() if "CREATE SCHEMA" in line)
    execute(dsn, statement)
    assert headrace.load(str(path), "t", dsn=role).loaded == 3


def test_a_role_that_may_not_look_is_told_what_to_grant(dsn: str, role: str) -> None:
    migrations.apply(dsn)
    with pytest.raises(headrace.SchemaError, match="GRANT USAGE") as caught:
        migrations.apply(role)
    for line in str(caught.value).splitlines():
        if "GRANT" in line:
            execute(dsn, line.strip())
    assert migrations.apply(role) == []


def test_granted_rights_are_enough_for_a_load(dsn: str, role: str, tmp_path: Path) -> None:
    migrations.apply(dsn)
    user = psycopg.conninfo.conninfo_to_dict(role)["user"]
    execute(dsn, f"GRANT USAGE ON SCHEMA headrace TO {user}")
    execute(dsn, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA headrace TO {user}")
    receipt = headrace.load(str(lines(tmp_path / "x.jsonl", 3, bad=1)), "t", dsn=role)
    assert (receipt.loaded, receipt.rejected) == (3, 1)


def test_the_books_cannot_be_cooked(dsn: str) -> None:
    migrations.apply(dsn)
    with pytest.raises(psycopg.errors.CheckViolation):
        execute(
            dsn,
            "INSERT INTO headrace.receipts (run_id, job, target, mode, source, settings, state, finished_at, read, loaded)"
            " VALUES (gen_random_uuid(), 'j', 't', 'append', 's', '{}', 'succeeded', now(), 3, 2)",
        )


# -- loads from Python -----------------------------------------------------------------------------------


def test_load_receipts_and_dead_letters(table: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", 100, bad=2)
    seen: list[Progress] = []
    receipt = headrace.load(path, "t", job="j", dsn=table, progress=seen.append)
    assert (receipt.state, receipt.read, receipt.loaded, receipt.rejected) == ("succeeded", 102, 100, 2)
    assert receipt.balances()
    assert dict(receipt.tables) == {"public.t": 100}
    assert dict(receipt.rejects) == {"type": 2}
    assert (seen[-1].read, seen[-1].loaded, seen[-1].rejected) == (102, 100, 2)
    stored = receipts.show(receipt.run_id, dsn=table)
    assert stored.balances()
    assert (stored.tables, stored.offsets, stored.rejects) == (
        receipt.tables,
        receipt.offsets,
        receipt.rejects,
    )
    assert [r.run_id for r in receipts.list("j", dsn=table)] == [receipt.run_id]
    assert receipts.list("other", dsn=table) == []
    with pytest.raises(headrace.UsageError):
        receipts.show("nonsense", dsn=table)
    letters = dead_letters.list("j", dsn=table)
    assert [letter.value for letter in letters] == ["bad 1", "bad 0"]
    assert letters[0].position == f"{path}, line 102"
    assert letters[0].raw == b'{"id": "bad 1"}'
    assert dead_letters.show(letters[0].id, dsn=table) == letters[0]
    assert json.loads(json.dumps(letters[0].to_dict()))["raw"] == '{"id": "bad 1"}'
    assert dead_letters.count("j", dsn=table) == {"type": 2}
    assert dead_letters.list("j", reason="range", dsn=table) == []
    with pytest.raises(headrace.UsageError):
        dead_letters.show(10**9, dsn=table)
    for shown in (letters, receipts.list(dsn=table), offsets.list(dsn=table), receipt):
        assert "<table>" in shown._repr_html_()


def test_letters_of_one_target_do_not_go_into_another(table: str, tmp_path: Path) -> None:
    execute(table, "CREATE TABLE u (id text)")
    execute(table, "CREATE TABLE v (id text)")
    headrace.load(lines(tmp_path / "a.jsonl", 0, bad=2), "t", job="j", dsn=table)
    execute(table, "ALTER TABLE u ADD CHECK (id <> 'bad 2')")
    path = tmp_path / "b.jsonl"
    path.write_text('{"id":"bad 2"}\n{"id":"fine"}\n')
    headrace.load(path, "u", job="j", dsn=table)
    with pytest.raises(headrace.UsageError, match=r"public\.t, public\.u"):
        dead_letters.replay("j", dsn=table)
    with pytest.raises(headrace.UsageError, match="several targets"):
        dead_letters.replay("j", target="v", dsn=table)
    execute(table, "ALTER TABLE u DROP CONSTRAINT u_id_check")
    receipt = dead_letters.replay("j", target="public.u", dsn=table)
    assert (receipt.read, receipt.loaded) == (1, 1)
    assert sorted(rows(table, "SELECT id FROM u")) == [("bad 2",), ("fine",)]
    assert dead_letters.count("j", dsn=table) == {"type": 2}
    receipt = dead_letters.replay("j", target="v", limit=1, dsn=table)
    assert rows(table, "SELECT id FROM v") == [("bad 0",)]
    with pytest.raises(headrace.UsageError, match="no open dead letters"):
        dead_letters.replay("nobody", dsn=table)


def test_an_exception_in_progress_rolls_back(table: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", 300_000)

    def stop(progress: Progress) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        headrace.load(path, "t", job="j", dsn=table, progress=stop, commit="end", batch_records=1000)
    assert one(table, "SELECT count(*) FROM t") == 0
    assert headrace.load(path, "t", job="j", dsn=table).loaded == 300_000


def test_a_failed_run_has_its_receipt_in_the_exception(table: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", 10)
    execute(table, "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                   " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$")  # fmt: skip
    execute(table, "CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()")
    with pytest.raises(headrace.HeadraceError) as caught:
        headrace.load(path, "t", job="j", dsn=table)
    assert isinstance(caught.value.receipt, headrace.Receipt)
    assert caught.value.receipt.state == "failed"
    assert caught.value.receipt.balances()
    assert caught.value.receipt.loaded == 0


def test_plan_says_what_would_happen_and_writes_nothing(table: str, tmp_path: Path) -> None:
    plan = headrace.plan(lines(tmp_path / "x.jsonl", 10), "t", dsn=table, map={"name": "a.b"})
    assert [(c["name"], c["from"]) for c in plan.columns] == [("id", "id"), ("name", "a.b"), ("at", "at")]
    assert plan.target["key"] == ["id"]
    assert plan.lag == (tmp_path / "x.jsonl").stat().st_size
    assert plan.warnings
    assert "bigint" in str(plan)
    assert "<table>" in plan._repr_html_()
    assert json.loads(plan.to_json()) == plan.to_dict()
    assert one(table, "SELECT count(*) FROM pg_namespace WHERE nspname = 'headrace'") == 0


def test_a_query_is_a_source_and_its_password_is_not_shown(pg: postgres.Server, table: str) -> None:
    execute(table, "CREATE TABLE origin AS SELECT g AS id, 'x' AS name FROM generate_series(1, 5) g")
    query = Query(psycopg.conninfo.make_conninfo(table, password=pg.password), "SELECT id, name FROM origin")
    assert pg.password not in repr(query) + str(query)
    receipt = headrace.load(query, "t", dsn=table, mode="upsert")
    assert receipt.loaded == 5
    assert pg.password not in receipt.to_json() + receipts.list(dsn=table)[0].to_json()
    assert pg.password not in str(rows(table, "SELECT r::text FROM headrace.receipts r"))


# -- offsets ---------------------------------------------------------------------------------------------


def test_offsets_are_reset(table: str) -> None:
    migrations.apply(table)
    execute(table, "INSERT INTO headrace.offsets VALUES ('j', 'topic', 0, 10, 3), ('j', 'topic', 1, 20, 5)")
    now = offsets.reset("j", 7, dsn=table)
    assert [(o.partition, o.next_offset, o.generation) for o in now] == [(0, 7, 4), (1, 7, 6)]
    now = offsets.reset("j", 1, partitions=[1], dsn=table)
    assert [(o.partition, o.next_offset) for o in now] == [(0, 7), (1, 1)]
    now = offsets.reset("new", 5, topic="topic", partitions=[0], dsn=table)
    assert [(o.job, o.next_offset, o.generation) for o in now] == [("new", 5, 1)]


@pytest.mark.parametrize(
    ("to", "settings", "said"),
    [
        ("yesterday", {}, "no place"),
        (-1, {}, "start at 0"),
        ("earliest", {}, "brokers"),
        (datetime(2026, 1, 1), {"kafka": {"bootstrap.servers": "127.0.0.1:1"}}, "time zone"),
        (3, {"topic": "unheard of"}, "name the partitions"),
    ],
)
def test_resets_that_cannot_be(table: str, to: object, settings: dict[str, object], said: str) -> None:
    migrations.apply(table)
    execute(table, "INSERT INTO headrace.offsets VALUES ('j', 'topic', 0, 10, 3)")
    with pytest.raises(headrace.UsageError, match=said):
        offsets.reset("j", to, dsn=table, **settings)  # type: ignore[arg-type]
    assert offsets.list("j", dsn=table)[0].next_offset == 10


def test_a_file_is_loaded_again_as_a_whole_only(table: str, tmp_path: Path) -> None:
    """Its offsets are bytes: number 23 would be read where 123 begins a byte earlier."""
    file = tmp_path / "numbers.csv"
    execute(table, "ALTER TABLE t DROP CONSTRAINT t_pkey")
    file.write_text("id,name\n123,x\n")
    assert headrace.load(file, "t", dsn=table, job="j").loaded == 1
    (before,) = offsets.list("j", dsn=table)
    for to in (9, 1_000_000, "latest", True):
        with pytest.raises(headrace.UsageError, match="is a file"):
            offsets.reset("j", to, dsn=table)  # type: ignore[arg-type]
    with pytest.raises(headrace.UsageError, match="is a file"):
        offsets.reset("other", 0, topic=before.topic, partitions=[7], dsn=table)
    assert [*offsets.list(dsn=table)] == [before]
    for to in (0, "earliest"):
        assert [o.next_offset for o in offsets.reset("j", to, dsn=table)] == [0]  # type: ignore[arg-type]
        assert headrace.load(file, "t", dsn=table, job="j").loaded == 1
    assert rows(table, "SELECT id, count(*) FROM t GROUP BY id") == [(123, 3)]


def test_a_reset_of_nothing_or_of_several_topics_asks(table: str) -> None:
    migrations.apply(table)
    with pytest.raises(headrace.UsageError, match="no stored offsets"):
        offsets.reset("j", 1, dsn=table)
    execute(table, "INSERT INTO headrace.offsets VALUES ('j', 'one', 0, 10, 3), ('j', 'two', 0, 10, 3)")
    with pytest.raises(headrace.UsageError, match="one, two"):
        offsets.reset("j", 1, dsn=table)


def test_lag_and_places_of_a_topic(table: str, broker: kafka.Broker, topic: str) -> None:
    from confluent_kafka import Producer

    settings = {"bootstrap.servers": broker.bootstrap}
    source = f"kafka://{broker.bootstrap}/{topic}"
    producer = Producer(settings)
    start = int(time.time()) - 3600
    for number in range(40):
        producer.produce(
            topic, json.dumps({"id": number}), partition=number % 4, timestamp=start * 1000 + number
        )
    assert producer.flush(30) == 0
    lag = headrace.lag("j", source, dsn=table)
    assert (lag.total, lag.lost, len(lag), [p.end for p in lag]) == (40, 0, 4, [10] * 4)
    headrace.load(source, "t", job="j", dsn=table, partitions=[0, 1])
    lag = headrace.lag("j", f"kafka://{topic}", kafka=settings, dsn=table)
    assert [p.lag for p in lag] == [0, 0, 10, 10]
    assert "<table>" in lag._repr_html_()
    assert json.loads(json.dumps(lag.to_dict()))["lag"] == 20
    at = datetime.fromtimestamp(start + 0.020, UTC)
    now = offsets.reset("j", at, kafka=settings, topic=topic, dsn=table)
    assert [(o.partition, o.next_offset) for o in now] == [(0, 5), (1, 5), (2, 5), (3, 5)]
    late = datetime.fromtimestamp(start + 3000, UTC)
    assert [o.next_offset for o in offsets.reset("j", late, kafka=settings, dsn=table)] == [10] * 4
    assert [o.next_offset for o in offsets.reset("j", "earliest", kafka=settings, dsn=table)] == [0] * 4
    assert [o.next_offset for o in offsets.reset("j", "latest", kafka=settings, dsn=table)] == [10] * 4
    with pytest.raises(headrace.UsageError, match="no partition 9"):
        offsets.reset("j", "latest", kafka=settings, partitions=[9], dsn=table)
    with pytest.raises(headrace.HeadraceError, match="no-such-topic"):
        headrace.lag("j", f"kafka://{broker.bootstrap}/no-such-topic", dsn=table)


def test_topics_are_made_and_listed(broker: kafka.Broker, new_topic: object) -> None:
    settings = {"bootstrap.servers": broker.bootstrap}
    name = "headrace-made-this"
    assert topics.create(name, partitions=3, settings={"retention.ms": "60000"}, kafka=settings) is True
    try:
        assert topics.create(name, partitions=3, kafka=settings) is False
        with pytest.raises(headrace.UsageError, match="3"):
            topics.create(name, partitions=4, kafka=settings)
        for wrong in ({"partitions": 2**32 + 3}, {"replication": 0}, {"replication": 2**32 - 1}):
            with pytest.raises(headrace.UsageError, match=f"{next(iter(wrong.values()))}"):
                topics.create(f"{name}-wrong", kafka=settings, **wrong)
        assert (name, 3) in [(topic.name, topic.partitions) for topic in topics.list(settings)]
    finally:
        topics.delete(name, kafka=settings)
    topics.delete(name, missing_ok=True, kafka=settings)
    with pytest.raises(headrace.UsageError):
        topics.delete(name, kafka=settings)


# -- the command -----------------------------------------------------------------------------------------


def test_command_loads_and_tells(table: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", 10, bad=1)
    done = command(table, "load", str(path), "t", "--job", "j", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    receipt = json.loads(done.stdout)
    assert (receipt["read"], receipt["loaded"], receipt["rejected"]) == (11, 10, 1)
    assert "11 read = 10 loaded + 1 rejected + 0 skipped" in done.stderr
    assert "\r" not in done.stderr
    assert command(table, "load", str(path), "t", "--job", "j").stdout == ""
    assert command(table, "load", str(path), "t", "--job", "k", "--strict").returncode == 1
    listed = json.loads(command(table, "receipts", "j", "--json").stdout)
    assert [r["loaded"] for r in listed] == [0, 10]
    letters = json.loads(command(table, "dead-letters", "list", "j", "--json").stdout)
    assert letters["counts"] == {"type": 1}
    shown = command(table, "dead-letters", "show", str(letters["dead_letters"][0]["id"]))
    assert '{"id": "bad 0"}' in shown.stdout
    again = command(table, "dead-letters", "replay", "j", "--json", "--strict")
    assert again.returncode == 1
    assert json.loads(again.stdout)["rejected"] == 1
    assert command(table, "dead-letters", "replay", "j", "--map", "id=$line").returncode == 2
    mended = command(table, "dead-letters", "replay", "j", "--map", "id=$offset", "--json", "--strict")
    assert mended.returncode == 0, mended.stderr
    assert command(table, "dead-letters", "list", "j").stdout.strip() == "(none)"
    assert len(json.loads(command(table, "offsets", "list", "j", "--json").stdout)) == 1


def test_command_reads_standard_input(table: str) -> None:
    done = command(table, "load", "-", "t", "--format", "csv", "--json", stdin="id,name\n1,a\n2,b\n")
    assert json.loads(done.stdout)["loaded"] == 2
    assert rows(table, "SELECT id, name FROM t ORDER BY id") == [(1, "a"), (2, "b")]


def test_command_plans(table: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", 10)
    done = command(table, "plan", str(path), "t")
    assert "bigint" in done.stdout
    assert (
        json.loads(command(table, "plan", str(path), "t", "--json").stdout)["target"]["table"] == "public.t"
    )


def test_command_makes_the_schema(dsn: str) -> None:
    assert json.loads(command(dsn, "schema", "version", "--json").stdout)["database"] is None
    assert json.loads(command(dsn, "schema", "apply", "--json").stdout)["applied"][0] == "0001_headrace"
    assert "nothing to do" in command(dsn, "schema", "apply").stderr
    assert re.search(r"database: (\d+), this Headrace: \1$", command(dsn, "schema", "version").stdout.strip())


def test_command_fails_with_4_for_a_missing_table(dsn: str, tmp_path: Path) -> None:
    done = command(dsn, "load", str(lines(tmp_path / "x.jsonl", 1)), "nowhere.t", "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["code"] == "schema"


def test_doctor_is_content(table: str, broker: kafka.Broker) -> None:
    migrations.apply(table)
    report = doctor.examine(table, kafka={"bootstrap.servers": broker.bootstrap})
    assert report.healthy, report.to_dict()
    assert {"database", "schema headrace", "brokers"} <= {check.name for check in report.checks}
    assert "<table>" in report._repr_html_()


def test_a_terminal_gets_a_progress_bar(table: str, tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", 200_000)
    parts = psycopg.conninfo.make_conninfo(table)
    words = shlex.join([*PYTHON, "load", str(path), "t", "--dsn", parts])
    done = subprocess.run(
        ["script", "-qec", words, "/dev/null"], capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout
    assert b"\rt: [####" in done.stdout
    assert b"200,000 read = 200,000 loaded" in done.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_rolls_back_and_says_so(table: str, number: signal.Signals, code: int) -> None:
    """It waits for more on standard input; half a record has come, and some whole ones."""
    words = [*PYTHON, "load", "-", "t", "--job", "j", "--dsn", psycopg.conninfo.make_conninfo(table)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdin is not None
        process.stdin.write(b'{"id":1}\n{"id":2}\n{"id"')
        process.stdin.flush()
        while one(table, "SELECT to_regclass('headrace.receipts') IS NULL") or not rows(
            table, "SELECT 1 FROM headrace.receipts"
        ):
            time.sleep(0.05)
        process.send_signal(number)
        process.wait(timeout=30)  # its standard input is still open: it must not wait for the end of it
        said = process.stderr.read().decode() if process.stderr else ""
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == code, said
    assert "rolled back" in said
    assert one(table, "SELECT count(*) FROM t") == 0
    assert one(table, "SELECT state FROM headrace.receipts") == "cancelled"


@pytest.mark.parametrize("sql", ["COPY (SELECT 1) TO STDOUT", "COPY pg_temp.t FROM STDIN"])
@pytest.mark.parametrize("way", ["query", "script"])
def test_a_copy_through_a_connection_is_refused_and_closes_it(dsn: str, sql: str, way: str) -> None:
    connection = headrace.Connection(dsn)
    connection.query("CREATE TEMPORARY TABLE t (n integer)")
    with pytest.raises(headrace.UsageError, match="cannot COPY from or to its client"):
        getattr(connection, way)(sql)
    with pytest.raises(headrace.UsageError, match="this connection is closed"):
        connection.query("SELECT 1")
