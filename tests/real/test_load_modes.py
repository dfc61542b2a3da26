"""Upsert, replace, defaults, files, queries and standard input, against a real PostgreSQL."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import headrace
import pytest

from tests.real.load_kit import PURCHASES, execute, one, purchase, rows

pytestmark = pytest.mark.real


def write(path: Path, values: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return str(path)


def test_upsert_takes_the_last_record_of_a_key(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE TABLE t (id int PRIMARY KEY, name text, n int)")
    first = write(tmp_path / "1.jsonl", [{"id": i % 10, "name": f"a{i}", "n": i} for i in range(100)])
    receipt = headrace.load(first, "t", dsn=dsn, mode="upsert")
    assert (receipt.read, receipt.loaded) == (100, 100)
    assert rows(dsn, "SELECT id, name FROM t ORDER BY id") == [(i, f"a{90 + i}") for i in range(10)]
    second = write(tmp_path / "2.jsonl", [{"id": 3, "name": "new", "n": 1}, {"id": 20, "name": "more"}])
    headrace.load(second, "t", dsn=dsn, mode="upsert")
    assert rows(dsn, "SELECT name, n FROM t WHERE id IN (3, 20) ORDER BY id") == [("new", 1), ("more", None)]
    assert one(dsn, "SELECT count(*) FROM t") == 11


def test_upsert_with_bad_rows_keeps_the_good_earlier_version(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE TABLE t (id int PRIMARY KEY, n int CHECK (n > 0))")
    path = write(
        tmp_path / "x.jsonl", [{"id": 1, "n": 5}, {"id": 2, "n": 7}, {"id": 1, "n": -1}, {"id": 3, "n": 9}]
    )
    receipt = headrace.load(path, "t", dsn=dsn, mode="upsert")
    assert (receipt.loaded, receipt.rejected) == (3, 1)
    assert rows(dsn, "SELECT * FROM t ORDER BY id") == [(1, 5), (2, 7), (3, 9)]


def test_upsert_of_keys_that_only_the_server_calls_equal(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE TABLE t (id numeric PRIMARY KEY, n int)")
    (tmp_path / "x.jsonl").write_text('{"id": 1.0, "n": 1}\n{"id": 1.00, "n": 2}\n{"id": 2, "n": 3}\n')
    receipt = headrace.load(str(tmp_path / "x.jsonl"), "t", dsn=dsn, mode="upsert")
    assert (receipt.loaded, receipt.rejected) == (3, 0)
    assert rows(dsn, "SELECT id, n FROM t ORDER BY id") == [(1, 2), (2, 3)]


def test_upsert_without_an_index_says_what_to_do(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE TABLE t (id int, n int)")
    path = write(tmp_path / "x.jsonl", [{"id": 1}])
    with pytest.raises(headrace.SchemaError, match="replace"):
        headrace.load(path, "t", dsn=dsn, mode="upsert", key=["id"])


def test_replace_moves_a_row_to_another_partition(dsn: str, tmp_path: Path) -> None:
    execute(dsn, PURCHASES)
    old = write(tmp_path / "1.jsonl", [purchase(1), purchase(2)])
    headrace.load(old, "shop.purchases", dsn=dsn, mode="replace", key=["purchase_id"], job="a")
    new = write(tmp_path / "2.jsonl", [purchase(1, purchased_at="2026-10-20T00:00:00Z", channel="app")])
    receipt = headrace.load(new, "shop.purchases", dsn=dsn, mode="replace", key=["purchase_id"], job="b")
    assert receipt.tables == {"shop.purchases_2026w43": 1}
    assert rows(
        dsn, "SELECT tableoid::regclass::text, purchase_id, channel FROM shop.purchases ORDER BY 2"
    ) == [
        ("shop.purchases_2026w43", 1, "app"),
        ("shop.purchases_2026w36", 2, "web"),
    ]


def test_absent_keys_take_the_servers_default_and_null_stays_null(dsn: str, tmp_path: Path) -> None:
    execute(
        dsn,
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, a int DEFAULT 7, b text DEFAULT 'x', c int,"
        " twice int GENERATED ALWAYS AS (c * 2) STORED)",
    )
    path = write(
        tmp_path / "x.jsonl", [{"c": 1}, {"a": 1, "c": 2}, {"a": None, "b": "y", "c": 3}, {"b": None, "c": 4}]
    )
    headrace.load(path, "t", dsn=dsn)
    assert rows(dsn, "SELECT a, b, c, twice FROM t ORDER BY c") == [
        (7, "x", 1, 2),
        (1, "x", 2, 4),
        (None, "y", 3, 6),
        (7, None, 4, 8),
    ]
    assert one(dsn, "SELECT count(DISTINCT id) FROM t") == 4


def test_upsert_with_absent_defaults(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE TABLE t (id int PRIMARY KEY, a int DEFAULT 7, b int)")
    path = write(
        tmp_path / "x.jsonl", [{"id": 1, "b": 1}, {"id": 2, "a": 2, "b": 2}, {"id": 1, "a": 9, "b": 3}]
    )
    headrace.load(path, "t", dsn=dsn, mode="upsert", job="a")
    again = write(tmp_path / "y.jsonl", [{"id": 2, "b": 5}])
    headrace.load(again, "t", dsn=dsn, mode="upsert", job="b")
    assert rows(dsn, "SELECT * FROM t ORDER BY id") == [(1, 9, 3), (2, 2, 5)]


def test_paths_rest_and_metadata(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE TABLE t (id int, city text, rest jsonb, at timestamptz, place bigint)")
    path = write(
        tmp_path / "x.jsonl", [{"id": 1, "who": {"city": "Riga", "n": 1}, "ts": 1790000000123, "more": [1]}]
    )
    headrace.load(
        path,
        "t",
        dsn=dsn,
        map={"city": "who.city", "rest": "$rest", "at": {"path": "ts", "unit": "ms"}, "place": "$offset"},
    )
    assert rows(dsn, "SELECT id, city, rest, at::text, place FROM t") == [
        (1, "Riga", {"who": {"n": 1}, "more": [1]}, "2026-09-21 14:13:20.123+00", 0)
    ]


def test_the_same_file_is_loaded_once_and_a_changed_one_anew(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE TABLE t (id int)")
    path = tmp_path / "x.jsonl"
    write(path, [{"id": 1}, {"id": 2}])
    assert headrace.load(str(path), "t", dsn=dsn, job="files").loaded == 2
    assert headrace.load(str(path), "t", dsn=dsn, job="files").read == 0
    write(path, [{"id": 3}, {"id": 2}])
    assert headrace.load(str(path), "t", dsn=dsn, job="files").loaded == 2
    assert headrace.load(str(path), "t", dsn=dsn, job="files", identity=False).loaded == 2


def test_csv_gzip_lines_and_replay(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE TABLE t (id int NOT NULL, name text, price numeric(8,2))")
    path = tmp_path / "prices.csv.gz"
    with gzip.open(path, "wt") as out:
        out.write('name,id,price\n"a, b",1,2.50\n"line\nbreak",x,1\n,3,\n"",4,99999999\n')
    receipt = headrace.load(str(path), "t", dsn=dsn, job="csv")
    assert (receipt.read, receipt.loaded, receipt.rejected) == (4, 2, 2)
    assert rows(dsn, "SELECT * FROM t ORDER BY id") == [(1, "a, b", 2.5), (3, None, None)]
    letters = rows(dsn, "SELECT line, column_name, value, header FROM headrace.dead_letters ORDER BY line")
    assert letters == [(3, "id", "x", "name,id,price"), (6, "price", "99999999", "name,id,price")]
    execute(dsn, "ALTER TABLE t ALTER price TYPE numeric(10,2)")
    replayed = headrace.dead_letters.replay("csv", dsn=dsn)
    assert (replayed.loaded, replayed.rejected) == (1, 1)
    assert rows(dsn, "SELECT name, price FROM t WHERE id = 4") == [("", 99999999)]


def test_large_files_are_cut_into_lanes_with_right_line_numbers(dsn: str, tmp_path: Path) -> None:
    execute(dsn, PURCHASES)
    path = tmp_path / "big.jsonl"
    line = json.dumps(purchase(5, channel="x" * 150)) + "\n"
    bad = json.dumps(purchase(6, purchase_id="bad")) + "\n"
    count = 70 * 1024 * 1024 // len(line)
    marks = {10, count // 2, count - 3}
    with path.open("w") as out:
        for number in range(1, count + 1):
            out.write(bad if number in marks else line)
    receipt = headrace.load(str(path), "shop.purchases", dsn=dsn, job="big", workers=2)
    assert (receipt.read, receipt.rejected) == (count, 3)
    assert len(receipt.offsets) > 1
    assert {n for (n,) in rows(dsn, "SELECT line FROM headrace.dead_letters")} == marks
    assert one(dsn, "SELECT count(*) FROM shop.purchases") == count - 3


def test_standard_input_is_all_or_nothing(dsn: str) -> None:
    execute(dsn, "CREATE TABLE t (id int)")
    command = [sys.executable, "-m", "headrace", "load", "-", "t", "--dsn", dsn, "--job", "pipe", "--json"]
    good = subprocess.run(
        command, input='{"id": 1}\n{"id": "x"}\n{"id": 2}\n', capture_output=True, text=True, check=False
    )
    assert good.returncode == 0, good.stderr
    receipt = json.loads(good.stdout)
    assert (receipt["read"], receipt["loaded"], receipt["rejected"]) == (3, 2, 1)
    assert one(dsn, "SELECT count(*) FROM t") == 2
    assert one(dsn, "SELECT count(*) FROM headrace.offsets") == 0


def test_a_query_refreshes_a_dictionary(dsn: str) -> None:
    execute(
        dsn,
        """CREATE TABLE src (id int, name text, born date, tags text[], note text);
        INSERT INTO src VALUES (1, 'a "b", c', '2000-02-29', '{x,"y z",NULL}', ''), (2, NULL, 'infinity', NULL, E'l\nm');
        CREATE TABLE dst (id int PRIMARY KEY, name text, born date, tags text[], note varchar(10), at int DEFAULT 5)""",
    )
    receipt = headrace.load(
        headrace.Query(dsn, "SELECT * FROM src;"), "dst", dsn=dsn, mode="upsert", job="dict"
    )
    assert (receipt.read, receipt.loaded) == (2, 2)
    assert rows(dsn, "SELECT id, name, born::text, tags::text, note FROM dst ORDER BY id") == rows(
        dsn, "SELECT id, name, born::text, tags::text, note FROM src ORDER BY id"
    )
    execute(dsn, "UPDATE src SET name = 'new' WHERE id = 2; INSERT INTO src VALUES (3, 'n')")
    headrace.load(headrace.Query(dsn, "SELECT * FROM src"), "dst", dsn=dsn, mode="upsert", job="dict")
    assert rows(dsn, "SELECT id, name, at FROM dst ORDER BY id") == [
        (1, 'a "b", c', 5),
        (2, "new", 5),
        (3, "n", 5),
    ]


def test_foreign_keys_reject_the_offending_rows_only(dsn: str, tmp_path: Path) -> None:
    execute(
        dsn,
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1), (2);"
        "CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
    )
    path = write(tmp_path / "x.jsonl", [{"id": i, "parent_id": 1 + i % 3} for i in range(30)])
    receipt = headrace.load(path, "child", dsn=dsn)
    assert (receipt.loaded, receipt.rejected) == (20, 10)
    assert one(dsn, "SELECT count(*) FROM headrace.dead_letters WHERE sqlstate = '23503'") == 10


def test_types_that_only_the_server_knows_go_as_text(dsn: str, tmp_path: Path) -> None:
    execute(
        dsn, "CREATE TABLE t (id int, at inet, p point, r int4range, many inet[], n numeric(6,2), d date)"
    )
    path = write(
        tmp_path / "x.jsonl",
        [
            {
                "id": 1,
                "at": "10.0.0.1/8",
                "p": "(1,2)",
                "r": "[1,5)",
                "many": ["::1", None],
                "n": 1.5,
                "d": "2026-01-02",
            },
            {"id": 2, "at": "nonsense"},
        ],
    )
    receipt = headrace.load(path, "t", dsn=dsn)
    assert (receipt.loaded, receipt.rejected) == (1, 1)
    assert rows(dsn, "SELECT id, at::text, p::text, r::text, many::text, n::text, d::text FROM t") == [
        (1, "10.0.0.1/8", "(1,2)", "[1,5)", "{::1,NULL}", "1.50", "2026-01-02")
    ]


def test_a_partition_made_by_somebody_else_is_used(dsn: str, tmp_path: Path) -> None:
    execute(dsn, PURCHASES)
    execute(
        dsn,
        "CREATE TABLE shop.september PARTITION OF shop.purchases FOR VALUES FROM ('2026-09-01') TO ('2026-09-06 12:00')",
    )
    path = write(tmp_path / "x.jsonl", [purchase(1), purchase(2, purchased_at="2026-09-06T13:00:00Z")])
    receipt = headrace.load(path, "shop.purchases", dsn=dsn)
    assert receipt.tables == {"shop.september": 1, "shop.purchases_2026w36": 1}
    assert one(dsn, "SELECT count(*) FROM shop.purchases") == 2


def test_local_weeks(dsn: str, tmp_path: Path) -> None:
    execute(dsn, PURCHASES)
    path = write(tmp_path / "x.jsonl", [purchase(1, purchased_at="2026-09-06T20:30:00Z")])  # Monday in Tokyo
    receipt = headrace.load(path, "shop.purchases", dsn=dsn, zone="Asia/Tokyo")
    assert receipt.tables == {"shop.purchases_2026w37": 1}
    bounds = one(
        dsn, "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'purchases_2026w37'"
    )
    assert "2026-09-06 15:00:00+00" in bounds


def test_receipts_of_failed_runs_are_kept(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE TABLE t (id int)")
    execute(
        dsn,
        "CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER drop_it BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION drop_it()",
    )
    path = write(tmp_path / "x.jsonl", [{"id": 1}])
    with pytest.raises(headrace.BalanceError, match="trigger"):
        headrace.load(path, "t", dsn=dsn, job="dropped")
    assert rows(dsn, "SELECT state, read FROM headrace.receipts") == [("failed", 0)]
    assert one(dsn, "SELECT sum(next_offset) FROM headrace.offsets") == 0
