"""A short real load with this version of Python: files into partitions, exactly once, from several threads at once."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import headrace
import pytest

pytestmark = pytest.mark.real

TABLE = """
    CREATE SCHEMA {0};
    CREATE TABLE {0}.purchases (id bigint NOT NULL, amount numeric(12,2) CHECK (amount >= 0), at timestamptz NOT NULL)
        PARTITION BY RANGE (at)
"""
ROWS = 3000


def prepare(dsn: str, folder: Path, schema: str) -> str:
    """A target, and a file with ROWS good records, one that is broken and one that the table refuses."""
    with headrace.Connection(dsn) as connection:
        connection.script(TABLE.format(schema))
    path = folder / f"{schema}.jsonl"
    with path.open("w") as out:
        for number in range(ROWS):
            week = 1 + number % 4 * 7
            out.write(
                json.dumps({"id": number, "amount": number / 4, "at": f"2026-09-{week:02}T00:00:00Z"}) + "\n"
            )
        out.write('{"id":"x"}\n{"id":1,"amount":-1,"at":"2026-09-01T00:00:00Z"}\n')
    return str(path)


def load(dsn: str, path: str, schema: str, **settings: Any) -> headrace.Receipt:
    return headrace.load(path, f"{schema}.purchases", job=schema, dsn=dsn, partition="week", **settings)


def ask(dsn: str, sql: str) -> list[tuple[str | None, ...]]:
    with headrace.Connection(dsn) as connection:
        rows: list[tuple[str | None, ...]] = connection.query(sql)
        return rows


def test_a_file_is_loaded_once(dsn: str, tmp_path: Path) -> None:
    path = prepare(dsn, tmp_path, "shop")
    seen: list[int] = []
    receipt = load(dsn, path, "shop", progress=lambda progress: seen.append(progress.read))
    assert (receipt.loaded, receipt.rejected) == (ROWS, 2)
    assert seen[-1] == ROWS + 2
    assert load(dsn, path, "shop").loaded == 0
    assert ask(dsn, "SELECT count(*), count(DISTINCT tableoid) FROM shop.purchases") == [(str(ROWS), "4")]
    assert ask(dsn, "SELECT count(*) FROM headrace.dead_letters") == [("2",)]


def test_several_threads_load_at_once(dsn: str, tmp_path: Path) -> None:
    names = [f"shop{number}" for number in range(4)]
    paths = [prepare(dsn, tmp_path, name) for name in names]
    load(dsn, paths[0], names[0])  # makes Headrace's own tables
    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda name, path: load(dsn, path, name), names, paths))
    assert [receipt.loaded for receipt in receipts] == [0, ROWS, ROWS, ROWS]
    for name in names:
        assert ask(dsn, f"SELECT count(*) FROM {name}.purchases") == [(str(ROWS),)]


def test_a_connection_is_used_and_closed_by_many_threads(dsn: str) -> None:
    """Each call works, or says that the connection is in use or closed; asking for the version never harms."""
    for _ in range(30):
        connection = headrace.Connection(dsn)
        stop = threading.Event()

        def look(connection: headrace.Connection = connection, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                assert connection.server_version == 0 or connection.server_version > 130000

        def use(connection: headrace.Connection = connection) -> int:
            done = 0
            for _ in range(20):
                try:
                    done += connection.query("SELECT 1") == [("1",)]
                except headrace.UsageError as error:
                    done += "another thread" not in str(error) and -1000
            return done

        watcher = threading.Thread(target=look)
        watcher.start()
        with ThreadPoolExecutor(3) as pool:
            works = [pool.submit(use) for _ in range(3)]
            done = sum(work.result() for work in works)
        while True:
            try:
                connection.close()
                break
            except headrace.UsageError:
                continue
        stop.set()
        watcher.join()
        assert done > 0
        assert connection.server_version == 0
