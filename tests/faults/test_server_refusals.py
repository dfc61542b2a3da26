"""Rows that only the server can refuse: each is rejected alone with its reason and state, and all others are loaded."""

from __future__ import annotations

import contextlib
import json
import random
import string
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import headrace
import psycopg
import pytest

from stack import postgres
from tests.faults import balance
from tests.real.load_kit import execute, one, rows

pytestmark = pytest.mark.real

COUNT = 60

TABLE = """
    SET search_path = public;  -- not the schema headrace, which belongs to a user of that name
    CREATE TABLE other (id integer PRIMARY KEY);
    INSERT INTO other VALUES (1);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.n = 0 THEN RAISE EXCEPTION 'not this one' USING ERRCODE = TG_ARGV[0]; END IF;
        RETURN NEW;
    END $$;
    CREATE TABLE t (id integer PRIMARY KEY, n integer, body text)
"""


@dataclass(frozen=True)
class Rule:
    """What the server minds: the definition that makes it do so, and how it says it. A row is bad when its n is 0."""

    definition: str
    reason: str
    state: str
    good: int = 1
    column: str | None = None


def _trigger(state: str, kind: str = "TRIGGER x BEFORE") -> str:
    after = " DEFERRABLE INITIALLY DEFERRED" if kind.startswith("CONSTRAINT") else ""
    return f"CREATE {kind} INSERT OR UPDATE ON t{after} FOR EACH ROW EXECUTE FUNCTION refuse('{state}')"


RULES = {
    "check": Rule("ALTER TABLE t ADD CHECK (n > 0)", "constraint", "23514"),
    "check of a domain": Rule(
        "CREATE DOMAIN positive AS integer CHECK (VALUE > 0); ALTER TABLE t ALTER n TYPE positive",
        "constraint",
        "23514",
    ),
    "foreign key": Rule("ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES other", "constraint", "23503"),
    "deferred foreign key": Rule(
        "ALTER TABLE t ADD FOREIGN KEY (n) REFERENCES other DEFERRABLE INITIALLY DEFERRED",
        "constraint",
        "23503",
    ),
    "unique": Rule(
        "INSERT INTO t VALUES (-1, 0); CREATE UNIQUE INDEX ON t (n) WHERE n = 0", "constraint", "23505"
    ),
    "deferred unique": Rule(
        "ALTER TABLE t ADD key integer GENERATED ALWAYS AS (CASE WHEN n = 0 THEN -1 ELSE id END) STORED,"
        " ADD UNIQUE (key) DEFERRABLE INITIALLY DEFERRED; INSERT INTO t VALUES (-1, 0)",
        "constraint",
        "23505",
    ),
    "exclusion": Rule(
        "ALTER TABLE t ADD EXCLUDE USING gist (int4range(n, n + 1) WITH &&) WHERE (n = 0); INSERT INTO t VALUES (-1, 0)",
        "constraint",
        "23P01",
    ),
    "generated column": Rule(
        "ALTER TABLE t ADD inverse integer GENERATED ALWAYS AS (1 / n) STORED", "constraint", "22012"
    ),
    "generated column that overflows": Rule(
        "ALTER TABLE t ADD large smallint GENERATED ALWAYS AS ((1 - n) * 100000) STORED", "range", "22003"
    ),
    "trigger": Rule(_trigger("P0001"), "constraint", "P0001"),
    "trigger with a state of its own": Rule(_trigger("SHOP1"), "constraint", "SHOP1"),
    "trigger with a state of numbers": Rule(_trigger("71234"), "constraint", "71234"),
    "deferred trigger": Rule(_trigger("P0001", "CONSTRAINT TRIGGER x AFTER"), "constraint", "P0001"),
    "index row too large": Rule(
        "ALTER TABLE t ADD wide text GENERATED ALWAYS AS (CASE n WHEN 0 THEN body END) STORED; CREATE INDEX ON t (wide)",
        "range",
        "54000",
    ),
}

PATTERNS: dict[str, Callable[[int], bool]] = {
    "none": lambda _: False,
    "all": lambda _: True,
    "every other": lambda i: i % 2 == 0,
    "one": lambda i: i == 31,
    "first and last of a batch": lambda i: i % 20 in {0, 19},
    "a batch": lambda i: 20 <= i < 40,
}

# text that does not compress: an index row holds 2,700 bytes
BODY = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=9000))


def write(path: Path, values: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return str(path)


def records(bad: Callable[[int], bool], rule: Rule) -> list[dict[str, object]]:
    body = {"body": BODY} if rule.state == "54000" else {}
    return [{"id": i, "n": 0 if bad(i) else rule.good, **body} for i in range(COUNT)]


@pytest.mark.parametrize("name", RULES)
def test_refused_rows_are_rejected_alone(name: str, dsn: str, tmp_path: Path) -> None:
    rule = RULES[name]
    execute(dsn, TABLE)
    execute(dsn, rule.definition)
    for pattern, bad in PATTERNS.items():
        execute(
            dsn, "DELETE FROM t WHERE id >= 0; TRUNCATE headrace.dead_letters"
        ) if pattern != "none" else None
        refused = [i for i in range(COUNT) if bad(i)]
        path = write(tmp_path / f"{pattern}.jsonl", records(bad, rule))
        receipt = headrace.load(path, "t", dsn=dsn, job=pattern, batch_records=20, workers=1)
        assert receipt.balances()
        assert receipt.rejects == ({rule.reason: len(refused)} if refused else {}), pattern
        loaded = [i for (i,) in rows(dsn, "SELECT id FROM t WHERE id >= 0 ORDER BY id")]
        assert loaded == [i for i in range(COUNT) if not bad(i)], pattern
        letters = rows(
            dsn, "SELECT line - 1, reason, sqlstate, convert_from(raw, 'UTF8')::jsonb ->> 'id' FROM headrace.dead_letters ORDER BY line"
        )  # fmt: skip
        assert letters == [(i, rule.reason, rule.state, str(i)) for i in refused], pattern


@pytest.mark.parametrize("mode", ["upsert", "replace"])
@pytest.mark.parametrize("name", ["check", "foreign key", "deferred foreign key", "unique", "trigger"])
def test_the_same_through_a_stage(name: str, mode: str, dsn: str, tmp_path: Path) -> None:
    """The earlier row of a key stays when the later record of that key is refused."""
    rule = RULES[name]
    execute(dsn, TABLE)
    execute(dsn, rule.definition)
    good = [{"id": i, "n": rule.good, "body": "old"} for i in range(COUNT)]
    changed = [{"id": i, "n": 0 if i % 3 == 0 else rule.good, "body": "new"} for i in range(COUNT)]
    path = write(tmp_path / "x.jsonl", good + changed)
    receipt = headrace.load(path, "t", dsn=dsn, job="x", mode=mode, key=["id"], batch_records=50)
    assert receipt.rejects == {rule.reason: COUNT // 3}
    found = rows(dsn, "SELECT id, body FROM t WHERE id >= 0 ORDER BY id")
    assert found == [(i, "old" if i % 3 == 0 else "new") for i in range(COUNT)]
    states = rows(dsn, "SELECT DISTINCT reason, sqlstate FROM headrace.dead_letters")
    assert states == [(rule.reason, rule.state)]


def test_not_null_of_a_domain(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE DOMAIN needed AS integer NOT NULL; CREATE TABLE t (id integer, n needed)")
    path = write(tmp_path / "x.jsonl", [{"id": 1, "n": 1}, {"id": 2}, {"id": 3, "n": None}])
    assert headrace.load(path, "t", dsn=dsn).rejects == {"null": 2}


def test_a_trigger_that_drops_rows_breaks_the_balance(dsn: str, tmp_path: Path) -> None:
    """Dropped rows are neither loaded nor rejected: the batch is rolled back, in every mode."""
    execute(dsn, TABLE)
    execute(
        dsn,
        "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.n = 0 THEN RETURN NULL; END IF; RETURN NEW; END';"
        "CREATE TRIGGER skip BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION skip()",
    )
    path = write(tmp_path / "x.jsonl", records(lambda i: i == 45, RULES["check"]))
    for mode in ("append", "upsert", "replace"):
        execute(dsn, "TRUNCATE t")
        with pytest.raises(headrace.BalanceError, match="a trigger or rule drops rows"):
            headrace.load(path, "t", dsn=dsn, job=mode, mode=mode, key=["id"], batch_records=20, workers=1)
        assert one(dsn, "SELECT count(*) FROM t") == 40
        assert (
            one(
                dsn,
                "SELECT sum(l.loaded) FROM headrace.receipt_lanes l JOIN headrace.receipts USING (run_id) WHERE job = %s",
                mode,
            )
            == 40
        )


# -- what no row is to blame for -------------------------------------------------------------------------------------


@pytest.fixture
def role(pg: postgres.Server, database: str, dsn: str) -> Iterator[str]:
    """A role without rights of its own; its connection string is that of `as_role`."""
    name = f"clerk_{database}"
    headrace.migrations.apply(dsn)
    execute(
        dsn,
        f"CREATE ROLE {name} LOGIN PASSWORD 'clerk'; GRANT USAGE ON SCHEMA headrace TO {name};"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA headrace TO {name};"
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA headrace TO {name}",
    )
    yield name
    with pg.connect(database) as connection:
        connection.execute(f"DROP OWNED BY {name} CASCADE")
        connection.execute(f"DROP ROLE {name}")


def as_role(pg: postgres.Server, database: str, role: str) -> str:
    return psycopg.conninfo.make_conninfo(
        host="127.0.0.1", port=pg.port, dbname=database, user=role, password="clerk"
    )


def in_the_middle(
    dsn: str, path: str, act: Callable[[], object], **settings: object
) -> headrace.Receipt | headrace.HeadraceError:
    """Load in batches of 20; do something when the first of them are committed and the next one waits for a lock."""
    reached = threading.Event()
    with psycopg.connect(settings.pop("locker", dsn), autocommit=False) as locker:

        def pause(progress: headrace.Progress) -> None:
            if progress.loaded > 0 and not reached.is_set():
                reached.set()
                locker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
                act()
                locker.commit()

        # every fifth row takes a little, so that there is a middle
        try:
            receipt = headrace.load(
                path, "t", dsn=dsn, job="middle", batch_records=20, workers=1, progress=pause, **settings
            )
        except headrace.HeadraceError as error:
            return error
        finally:
            assert reached.is_set()
        return receipt


SLOW = (
    "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END';"
    "CREATE TRIGGER doze BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id % 20 = 0) EXECUTE FUNCTION doze()"
)


def test_no_right_to_insert_is_fatal_and_names_the_table(
    pg: postgres.Server, database: str, dsn: str, role: str, tmp_path: Path
) -> None:
    execute(dsn, TABLE)
    path = write(tmp_path / "x.jsonl", [{"id": i} for i in range(1000)])
    clerk = as_role(pg, database, role)
    with pytest.raises(
        headrace.SchemaError, match=rf'role "{role}" may not insert into public\.t: GRANT INSERT'
    ):
        headrace.load(path, "t", dsn=clerk)
    execute(dsn, f"GRANT INSERT, SELECT ON t TO {role}; {SLOW}")
    error = in_the_middle(
        clerk, path, lambda: execute_soon(dsn, f"REVOKE INSERT ON t FROM {role}"), locker=dsn
    )
    assert isinstance(error, headrace.FatalError), error
    assert error.sqlstate == "42501"
    assert "permission denied for table t" in str(error)
    books = balance.check(dsn, "middle", "t", key="id", dense=False)
    assert 0 < books.rows < 1000
    assert books.letters == 0
    execute(dsn, f"GRANT INSERT ON t TO {role}")
    headrace.load(path, "t", dsn=clerk, job="middle")
    balance.check(dsn, "middle", "t", key="id", dense=False, expected=range(1000))


def execute_soon(dsn: str, sql: str) -> None:
    """Run a statement that has to wait for the lock of in_the_middle, next in line before the load."""
    ready = threading.Event()

    def run() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            ready.set()
            connection.execute(sql)

    threading.Thread(target=run).start()
    assert ready.wait(30)
    deadline = threading.Event()
    for _ in range(600):
        waiting = one(dsn, "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'")
        if waiting or sql.startswith(("REVOKE", "GRANT")):
            return
        deadline.wait(0.05)
    raise AssertionError("the statement does not wait")


def test_row_security(pg: postgres.Server, database: str, dsn: str, role: str, tmp_path: Path) -> None:
    """COPY does not work under row security: append says so at once; through a stage, refused rows are rejects."""
    execute(dsn, TABLE)
    execute(
        dsn,
        f"ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t TO {role} USING (true) WITH CHECK (n > 0);"
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON t TO {role}",
    )
    path = write(tmp_path / "x.jsonl", records(lambda i: i % 7 == 0, RULES["check"]))
    clerk = as_role(pg, database, role)
    with pytest.raises(headrace.SchemaError, match=r"row security applies to role .* on public\.t"):
        headrace.load(path, "t", dsn=clerk, job="append")
    for mode in ("upsert", "replace"):
        execute(dsn, "TRUNCATE t; TRUNCATE headrace.dead_letters")
        receipt = headrace.load(path, "t", dsn=clerk, job=mode, mode=mode, key=["id"], batch_records=20)
        assert receipt.rejects == {"constraint": 9}
        assert rows(dsn, "SELECT DISTINCT sqlstate FROM headrace.dead_letters") == [("42501",)]
        assert one(dsn, "SELECT count(*) FROM t") == COUNT - 9


def test_a_table_dropped_in_the_middle_is_fatal_and_named(dsn: str, tmp_path: Path) -> None:
    headrace.migrations.apply(dsn)
    execute(dsn, f"{TABLE}; {SLOW}")
    path = write(tmp_path / "x.jsonl", [{"id": i} for i in range(1000)])
    error = in_the_middle(dsn, path, lambda: execute_soon(dsn, "DROP TABLE t"))
    assert isinstance(error, headrace.FatalError), error
    assert "t" in str(error)
    assert "does not exist" in str(error) or "there is no table" in str(error)
    assert one(dsn, "SELECT count(*) FROM headrace.receipts WHERE state = 'failed'") == 1


def test_a_table_truncated_in_the_middle_goes_on_filling(dsn: str, tmp_path: Path) -> None:
    headrace.migrations.apply(dsn)
    execute(dsn, f"{TABLE}; {SLOW}")
    path = write(tmp_path / "x.jsonl", [{"id": i} for i in range(1000)])
    receipt = in_the_middle(dsn, path, lambda: execute_soon(dsn, "TRUNCATE t"))
    assert isinstance(receipt, headrace.Receipt), receipt
    assert receipt.loaded == 1000
    kept = [i for (i,) in rows(dsn, "SELECT id FROM t ORDER BY id")]
    assert 0 < len(kept) < 1000
    assert kept == list(range(1000 - len(kept), 1000))


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ("ALTER TABLE t DROP n", {}),
        ("ALTER TABLE t ALTER n TYPE text", {}),
        ("ALTER TABLE t ADD added integer DEFAULT 5", {}),
        ("ALTER TABLE t ADD required integer NOT NULL DEFAULT 5", {}),
        ("ALTER TABLE t ALTER n TYPE boolean USING n > 0", {}),
        ("ALTER TABLE t ALTER n TYPE date USING NULL", {"type": 1}),
        ("ALTER TABLE t RENAME n TO m", {}),
        ("ALTER TABLE t ADD CHECK (n < 0) NOT VALID", {"constraint": 1}),
    ],
)  # fmt: skip
def test_a_table_changed_in_the_middle_is_followed(
    change: str, outcome: dict[str, int], dsn: str, tmp_path: Path
) -> None:
    """Each record is loaded or rejected by the definition its batch met; none is lost."""
    headrace.migrations.apply(dsn)
    execute(dsn, f"{TABLE}; {SLOW}")
    path = write(tmp_path / "x.jsonl", [{"id": i, "n": 1} for i in range(600)])
    receipt = in_the_middle(dsn, path, lambda: execute_soon(dsn, change))
    assert isinstance(receipt, headrace.Receipt), receipt
    assert list(receipt.rejects) == list(outcome)
    assert receipt.loaded > 0
    refused = [json.loads(bytes(raw))["id"] for (raw,) in rows(dsn, "SELECT raw FROM headrace.dead_letters")]
    balance.check(dsn, "middle", "t", key="id", dense=False, expected=range(600), rejected=refused)
    assert bool(refused) == bool(outcome)


def test_a_read_only_server_says_so_and_may_be_tried_again(
    pg: postgres.Server, database: str, dsn: str, tmp_path: Path
) -> None:
    execute(dsn, TABLE)
    path = write(tmp_path / "x.jsonl", [{"id": 1}])
    for made in (False, True):
        with pytest.raises(
            headrace.RetriableError, match=r"read-only transaction.*target_session_attrs=read-write"
        ) as caught:
            headrace.load(path, "t", dsn=f"{dsn} options='-c default_transaction_read_only=on'")
        assert caught.value.sqlstate == "25006"
        if not made:
            headrace.migrations.apply(dsn)
    assert one(dsn, "SELECT count(*) FROM headrace.receipts") == 0


LIMITS = {"statement_timeout": "57014", "lock_timeout": "55P03", "transaction_timeout": "25P04"}


def test_a_role_with_a_time_limit_gets_a_retriable_error_that_names_it(dsn: str, tmp_path: Path) -> None:
    """All at once, for each is tried for some seconds; nothing is loaded, and without the lock the next run does it."""
    execute(dsn, TABLE)
    headrace.migrations.apply(dsn)
    paths = {
        setting: write(tmp_path / setting, [{"id": 1000 * number + i} for i in range(100)])
        for number, setting in enumerate(LIMITS)
    }
    errors: dict[str, headrace.HeadraceError] = {}

    def load(setting: str) -> None:
        try:
            headrace.load(paths[setting], "t", dsn=f"{dsn} options='-c {setting}=100'", job=setting)
        except headrace.HeadraceError as error:
            errors[setting] = error

    with psycopg.connect(dsn) as locker:
        locker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        threads = [threading.Thread(target=load, args=(setting,)) for setting in LIMITS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for setting, state in LIMITS.items():
        assert isinstance(errors[setting], headrace.RetriableError)
        assert errors[setting].sqlstate == state
        assert setting.split("_")[0] in str(errors[setting])
    assert one(dsn, "SELECT count(*) FROM t") == 0
    for setting in LIMITS:
        headrace.load(paths[setting], "t", dsn=dsn, job=setting)
    assert one(dsn, "SELECT count(*) FROM t") == 300


def test_a_pipe_slower_than_the_server_waits_for_an_idle_transaction(dsn: str) -> None:
    """A pipe is one transaction, which waits for its source: the server's limit for forgotten ones is not for it."""
    execute(dsn, TABLE)
    options = "options='-c idle_in_transaction_session_timeout=500'"
    waits = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'headrace' AND state = 'idle in transaction'"
        " AND datname = current_database() AND state_change < clock_timestamp() - interval '1.5 s'"  # three times the limit
    )
    script = "import sys, headrace; print(headrace.load('-', 't', dsn=sys.argv[1], batch_records=1).loaded)"
    with subprocess.Popen(
        [sys.executable, "-c", script, f"{dsn} {options}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as pipe, contextlib.suppress(BrokenPipeError):  # fmt: skip
        assert pipe.stdin is not None
        assert pipe.stdout is not None
        pipe.stdin.write('{"id": 1}\n')
        pipe.stdin.flush()
        while one(dsn, waits) != 1:
            assert pipe.poll() is None, "it has ended"
            time.sleep(0.02)
        pipe.stdin.write('{"id": 2}\n')
        pipe.stdin.close()
        said = pipe.stdout.read()
    assert said == "2\n"
    assert one(dsn, "SELECT count(*) FROM t") == 2
    assert rows(dsn, "SELECT state, loaded FROM headrace.receipts") == [("succeeded", 2)]


def test_no_connection_left_is_retriable(
    pg: postgres.Server, database: str, dsn: str, role: str, tmp_path: Path
) -> None:
    execute(dsn, TABLE)
    execute(dsn, f"GRANT SELECT, INSERT ON t TO {role}; ALTER ROLE {role} CONNECTION LIMIT 1")
    path = write(tmp_path / "x.jsonl", [{"id": 1}])
    clerk = as_role(pg, database, role)
    with (
        psycopg.connect(clerk),
        pytest.raises(headrace.RetriableError, match="too many connections") as caught,
    ):
        headrace.load(path, "t", dsn=clerk)
    assert caught.value.sqlstate == "53300"
    execute(dsn, f"ALTER ROLE {role} CONNECTION LIMIT 4")
    assert headrace.load(path, "t", dsn=clerk).loaded == 1
