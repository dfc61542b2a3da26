"""Partitions that come, go and change while a load is running, and those that several workers make at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import headrace
import pytest

from tests.real.load_kit import PURCHASES, execute, one, purchase, rows

pytestmark = pytest.mark.real

TARGET = "shop.purchases"
FIRST_WEEK = f"{TARGET}_2026w36"


@pytest.fixture
def target(dsn: str) -> str:
    execute(dsn, PURCHASES)
    return dsn


def write(path: Path, values: Iterable[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return str(path)


def in_week(number: int, **changes: Any) -> dict[str, Any]:
    """A purchase in the first week of the tests."""
    return purchase(number, purchased_at="2026-09-02T10:00:00Z", **changes)


def once(action: Callable[[], object]) -> Callable[[headrace.Progress], None]:
    """A progress callback that acts when the first rows have been committed, and not again."""
    done = False

    def act(progress: headrace.Progress) -> None:
        nonlocal done
        if progress.loaded > 0 and not done:
            done = True
            action()

    return act


def load_slowly(dsn: str, path: str, action: Callable[[], object], **settings: Any) -> headrace.Receipt:
    """Load in batches of 50 that take their time (every 50th row does), by one worker; act after one of the first."""
    acted = False
    execute(
        dsn,
        "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END';"
        f"CREATE TRIGGER doze BEFORE INSERT ON {TARGET} FOR EACH ROW WHEN (NEW.purchase_id % 50 = 0)"
        " EXECUTE FUNCTION doze()",
    )

    def note() -> None:
        nonlocal acted
        action()
        acted = True

    receipt = headrace.load(
        path, TARGET, dsn=dsn, batch_records=50, workers=1, progress=once(note), **settings
    )
    assert acted
    return receipt


def test_four_workers_make_the_same_partitions_at_once(target: str, tmp_path: Path) -> None:
    weeks = 30
    paths = [
        write(
            tmp_path / f"{worker}.jsonl",
            (
                purchase(
                    worker * 10_000 + i,
                    purchased_at=f"2026-{1 + i % weeks // 4:02}-{1 + i % 4 * 7:02}T00:00:00Z",
                )
                for i in range(3000)
            ),
        )
        for worker in range(4)
    ]
    receipt = headrace.load(paths, TARGET, dsn=target, workers=4, batch_records=100)
    assert (receipt.loaded, receipt.rejected) == (12_000, 0)
    assert sum(receipt.tables.values()) == 12_000
    assert one(target, f"SELECT count(*) FROM {TARGET}") == 12_000
    assert (
        dict(rows(target, f"SELECT tableoid::regclass::text, count(*) FROM {TARGET} GROUP BY 1"))
        == receipt.tables
    )


def test_a_database_that_prefers_repeatable_read_gets_each_partition_once(
    target: str, tmp_path: Path, database: str
) -> None:
    execute(target, f"ALTER DATABASE {database} SET default_transaction_isolation = 'repeatable read'")
    test_four_workers_make_the_same_partitions_at_once(target, tmp_path)


def test_a_refused_row_does_not_take_a_new_partition_with_it(target: str, tmp_path: Path) -> None:
    """One transaction for the whole run: the savepoint that a refused row goes back to is older than the partition."""
    values = [in_week(i, amount=-1 if i == 20 else 1) for i in range(40)]
    values += [purchase(5000 + i, amount=-1 if i == 7 else 1) for i in range(10)]
    path = write(tmp_path / "x.jsonl", values)
    receipt = headrace.load(path, TARGET, dsn=target, commit="end", batch_records=25)
    assert (receipt.loaded, receipt.rejected) == (48, 2)
    assert one(target, f"SELECT count(*) FROM {TARGET}") == 48


def test_a_renamed_partition_is_followed(target: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", (in_week(i) for i in range(3000)))
    receipt = load_slowly(
        target, path, lambda: execute(target, f"ALTER TABLE {FIRST_WEEK} RENAME TO september")
    )
    assert (receipt.loaded, receipt.rejected) == (3000, 0)
    assert set(receipt.tables) == {FIRST_WEEK, "shop.september"}
    assert one(target, "SELECT count(*) FROM shop.september") == 3000


def test_a_partition_attached_again_with_other_bounds_is_read_again(target: str, tmp_path: Path) -> None:
    values = [
        in_week(i) if i % 2 == 0 else purchase(i, purchased_at="2026-09-05T00:00:00Z") for i in range(3000)
    ]

    def narrow() -> None:
        execute(
            target,
            f"BEGIN; ALTER TABLE {TARGET} DETACH PARTITION {FIRST_WEEK};"
            f"DELETE FROM {FIRST_WEEK} WHERE purchased_at >= '2026-09-04';"
            f"ALTER TABLE {TARGET} ATTACH PARTITION {FIRST_WEEK} FOR VALUES FROM ('2026-08-31') TO ('2026-09-04'); COMMIT",
        )

    receipt = load_slowly(target, write(tmp_path / "x.jsonl", values), narrow)
    assert (receipt.loaded, receipt.rejected) == (3000, 0)
    assert one(target, f"SELECT count(*) FROM {FIRST_WEEK}") == 1500
    assert 0 < one(target, f"SELECT count(*) FROM {FIRST_WEEK}_2") < 1500


def test_rows_of_a_detached_partition_become_rejects(target: str, tmp_path: Path) -> None:
    """The table is still there under its name: it is not ours any more, and must not stop the load."""
    values = [
        in_week(i) if i < 2000 else purchase(5000 + i, purchased_at="2026-10-01T00:00:00Z")
        for i in range(4000)
    ]
    path = write(tmp_path / "x.jsonl", values)
    receipt = load_slowly(
        target,
        path,
        lambda: execute(target, f"ALTER TABLE {TARGET} DETACH PARTITION {FIRST_WEEK}"),
        job="detach",
    )
    detached = one(target, f"SELECT count(*) FROM {FIRST_WEEK}")
    assert 0 < detached < 2000
    assert (receipt.read, receipt.rejected) == (4000, 2000 - detached)
    assert one(target, f"SELECT count(*) FROM {TARGET}") == 2000
    assert (
        one(target, "SELECT count(*) FROM headrace.dead_letters WHERE sqlstate = '23514'") == 2000 - detached
    )
    execute(
        target,
        f"ALTER TABLE {TARGET} ATTACH PARTITION {FIRST_WEEK} FOR VALUES FROM ('2026-08-31') TO ('2026-09-07')",
    )
    assert headrace.dead_letters.replay("detach", dsn=target).loaded == 2000 - detached
    assert one(target, f"SELECT count(*) FROM {TARGET}") == 4000


def test_a_dropped_partition_is_made_again(target: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", (in_week(i) for i in range(3000)))
    before = 0

    def drop() -> None:
        nonlocal before
        before = one(target, f"SELECT count(*) FROM {TARGET}")
        execute(target, f"DROP TABLE {FIRST_WEEK}")

    receipt = load_slowly(target, path, drop)
    assert (receipt.loaded, receipt.rejected) == (3000, 0)
    assert 0 < one(target, f"SELECT count(*) FROM {TARGET}") <= 3000 - before


def test_a_default_partition_keeps_only_the_periods_it_holds(target: str, tmp_path: Path) -> None:
    execute(
        target,
        f"CREATE TABLE shop.rest PARTITION OF {TARGET} DEFAULT;"
        f"INSERT INTO {TARGET} (purchase_id, purchased_at) VALUES (-1, '2026-09-02')",
    )
    values = [in_week(1), *(purchase(i) for i in (1000, 2000, 3000)), in_week(2)]
    receipt = headrace.load(write(tmp_path / "x.jsonl", values), TARGET, dsn=target, workers=1)
    assert (receipt.loaded, receipt.rejected) == (5, 0)
    assert dict(rows(target, f"SELECT tableoid::regclass::text, count(*) FROM {TARGET} GROUP BY 1")) == {
        "shop.rest": 3,
        "shop.purchases_2026w37": 1,
        "shop.purchases_2026w38": 1,
        "shop.purchases_2026w39": 1,
    }
    assert receipt.tables[TARGET] == 2


def test_both_sides_of_a_partition_within_a_week_are_made(target: str, tmp_path: Path) -> None:
    execute(
        target,
        f"CREATE TABLE shop.midweek PARTITION OF {TARGET} FOR VALUES FROM ('2026-09-02') TO ('2026-09-04')",
    )
    values = [purchase(day, purchased_at=f"2026-09-{day:02}T12:00:00Z") for day in (1, 3, 5)]
    receipt = headrace.load(write(tmp_path / "x.jsonl", values), TARGET, dsn=target)
    assert receipt.tables == {FIRST_WEEK: 1, "shop.midweek": 1, f"{FIRST_WEEK}_2": 1}


def test_a_partition_without_the_parents_defaults_is_not_fed_directly(dsn: str, tmp_path: Path) -> None:
    execute(
        dsn,
        "CREATE TABLE t (id int, at date NOT NULL, note text DEFAULT 'none') PARTITION BY RANGE (at);"
        "CREATE TABLE p (LIKE t); ALTER TABLE t ATTACH PARTITION p FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    )
    path = write(
        tmp_path / "x.jsonl", [{"id": 1, "at": "2026-05-05"}, {"id": 2, "at": "2026-05-05", "note": None}]
    )
    headrace.load(path, "t", dsn=dsn)
    assert rows(dsn, "SELECT id, note FROM t ORDER BY id") == [(1, "none"), (2, None)]


def test_a_table_swapped_for_another_under_its_name_is_read_again(dsn: str, tmp_path: Path) -> None:
    """Both exist, only their names change: the bytes of one must not go into the other."""
    execute(dsn, "CREATE TABLE t (id int, v bigint); CREATE TABLE fresh (v timestamptz, id int)")
    path = write(tmp_path / "x.jsonl", ({"id": i, "v": 86400} for i in range(20_000)))
    swapped = False

    def swap() -> None:
        nonlocal swapped
        swapped = True
        execute(dsn, "BEGIN; ALTER TABLE t RENAME TO old; ALTER TABLE fresh RENAME TO t; COMMIT")

    receipt = headrace.load(
        path,
        "t",
        dsn=dsn,
        batch_records=50,
        workers=1,
        map={"v": {"path": "v", "unit": "s"}},
        progress=once(swap),
    )
    assert swapped
    assert receipt.loaded == 20_000
    assert rows(dsn, "SELECT DISTINCT v FROM old") == [(86400,)]
    assert rows(dsn, "SELECT DISTINCT extract(epoch FROM v)::int FROM t") == [(86400,)]
    assert one(dsn, "SELECT (SELECT count(*) FROM old) + (SELECT count(*) FROM t)") == 20_000


def test_rows_beyond_the_last_period_go_to_the_server_and_do_not_take_for_ever(
    target: str, tmp_path: Path
) -> None:
    execute(target, f"CREATE TABLE shop.rest PARTITION OF {TARGET} DEFAULT")
    values = [purchase(i, purchased_at="294247-01-10 00:00:00+00") for i in range(20_000)]
    receipt = headrace.load(write(tmp_path / "x.jsonl", values), TARGET, dsn=target)
    assert (receipt.loaded, receipt.tables) == (20_000, {TARGET: 20_000})


def test_partitions_are_made_below_a_table_with_a_statement_trigger(target: str, tmp_path: Path) -> None:
    """Rows go through the parent there, so that the trigger sees them; the partitions are made all the same."""
    execute(
        target,
        "CREATE TABLE shop.seen (statements integer); INSERT INTO shop.seen VALUES (0);"
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN UPDATE shop.seen SET statements = statements + 1; RETURN NULL; END';"
        f"CREATE TRIGGER see AFTER INSERT ON {TARGET} FOR EACH STATEMENT EXECUTE FUNCTION see()",
    )
    path = write(tmp_path / "a.jsonl", (purchase(n) for n in range(4000)))
    receipt = headrace.load(path, TARGET, dsn=target, workers=1, batch_records=1000)
    assert receipt.loaded == 4000
    assert len(receipt.tables) == 4
    assert one(target, f"SELECT count(*) FROM {TARGET}") == 4000
    assert one(target, "SELECT statements FROM shop.seen") == 4
