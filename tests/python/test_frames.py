"""Batches to and from polars, pandas, pyarrow and DuckDB without a copy: the addresses of the values say so."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from headrace import Batch, Schema, decode_json, hash_keys, window

COLUMNS = [
    ("i2", "smallint"),
    ("i4", "integer"),
    ("i8", "bigint"),
    ("f4", "real"),
    ("f8", "double precision"),
    ("d", "numeric(12,2)"),
    ("day", "date"),
    ("ts", "timestamp"),
    ("tz", "timestamptz"),
]
TEXTS = [("t", "text"), ("y", "bytea")]
ROWS = 3000


def line(number: int) -> str:
    if number % 10 == 9:
        return '{"t": null}\n'
    day = f"2026-11-{number % 28 + 1:02}"
    return (
        f'{{"i2":{number % 100},"i4":{number},"i8":{number << 33},"f4":{number}.5,"f8":-{number}.25,"d":{number}.75,"day":"{day}",'
        f'"ts":"{day}T10:00:00","tz":"{day}T10:00:00Z","t":"value number {number}","y":"\\\\x{number:08x}"}}\n'
    )


@pytest.fixture
def batch() -> Batch:
    found, rejects = decode_json("".join(map(line, range(ROWS))), Schema(COLUMNS + TEXTS))
    assert rejects == []
    return found


def addresses(table: Any, names: Iterable[str]) -> dict[str, list[int]]:
    """Where the values of each column lie: offsets and bytes, or the numbers; validity apart, which may be left out."""
    found = {}
    for name in names:
        column = table.column(name)
        (chunk,) = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        found[name] = [buffer.address for buffer in chunk.buffers()[1:]]
    return found


def ours(batch: Batch, names: Iterable[str]) -> dict[str, list[int]]:
    return addresses(pa.record_batch(batch), names)


def texts(batch: Batch) -> list[list[str | None]]:
    return [[batch.column_text(c, r) for c in range(batch.num_columns)] for r in range(0, batch.num_rows, 7)]


NUMBERS = [name for name, _ in COLUMNS]
EVERY = NUMBERS + [name for name, _ in TEXTS]


def test_pyarrow_both_ways(batch: Batch) -> None:
    for there in (pa.record_batch(batch), pa.table(batch)):
        assert addresses(there, EVERY) == ours(batch, EVERY)
        back = Batch.from_arrow(there)
        assert ours(back, EVERY) == ours(batch, EVERY)
        assert texts(back) == texts(batch)
        assert back.schema.types == batch.schema.types


def test_polars_both_ways(batch: Batch) -> None:
    """Its texts are laid out in another way and are copied, theirs and ours."""
    frame = pl.DataFrame(batch)
    assert addresses(frame.to_arrow(), NUMBERS) == ours(batch, NUMBERS)
    back = Batch.from_arrow(frame)
    assert ours(back, NUMBERS) == ours(batch, NUMBERS)
    assert texts(back) == texts(batch)
    own = pl.DataFrame({"a": [1, None, 3], "b": [0.5, 1.5, None]})
    assert ours(Batch.from_arrow(own), "ab") == addresses(own.to_arrow(), "ab")


def test_pandas_both_ways(batch: Batch) -> None:
    frame = pa.table(batch).to_pandas(types_mapper=pd.ArrowDtype)
    assert addresses(pa.table(frame), EVERY) == ours(batch, EVERY)
    back = Batch.from_arrow(frame)
    assert ours(back, EVERY) == ours(batch, EVERY)
    assert texts(back) == texts(batch)


def test_numpy_columns_of_pandas_come_in() -> None:
    frame = pd.DataFrame({"a": range(100), "b": [n / 4 for n in range(100)]})
    back = Batch.from_arrow(frame)
    where = {name: [frame[name].to_numpy().__array_interface__["data"][0]] for name in frame.columns}
    assert ours(back, "ab") == where


def test_duckdb_reads_the_batch_where_it_is(batch: Batch) -> None:
    total = "select count(*), sum(i4), min(t), count(distinct day) from batch"
    counted = [n for n in range(ROWS) if n % 10 != 9]
    assert duckdb.sql(total).fetchall() == [(ROWS, sum(counted), "value number 0", 28)]
    large = hash_keys(batch, "t", name="key")
    with duckdb.connect() as connection:
        connection.register("large", pa.concat_tables([pa.table(large)] * 100))
        used = connection.execute(
            "select (select sum(i4) from large), sum(memory_usage_bytes) from duckdb_memory()"
        ).fetchone()
    assert used
    assert used[0] == 100 * sum(counted)
    assert used[1] < 100 * large.nbytes / 4, "DuckDB holds a copy"


def test_results_of_duckdb_come_in() -> None:
    table = duckdb.sql(
        "select range as a, range / 4 as b, 'text ' || range as c from range(1000)"
    ).to_arrow_table()
    back = Batch.from_arrow(table)
    assert ours(back, "abc") == addresses(table, "abc")
    assert Batch.from_arrow(duckdb.sql("select 7 as a")).column_text(0, 0) == "7"


def test_a_table_of_several_parts_becomes_one(batch: Batch) -> None:
    part, empty = pa.record_batch(batch), pa.record_batch(batch).slice(0, 0)
    once = texts(batch)
    parts = Batch.from_arrow(pa.Table.from_batches([empty, part, empty, part]))
    assert parts.num_rows == 2 * ROWS
    assert [parts.column_text(0, r) for r in (3, ROWS + 3)] == ["3", "3"]
    alone = Batch.from_arrow(pa.Table.from_batches([empty, part, empty]))
    assert texts(alone) == once
    assert ours(alone, EVERY) == ours(batch, EVERY)
    assert Batch.from_arrow(pa.Table.from_batches([], part.schema)).num_rows == 0


@pytest.mark.parametrize("start", [1, 8, 16])
def test_slices_come_in(batch: Batch, start: int) -> None:
    cut = pa.record_batch(batch).slice(start, 100)
    back = Batch.from_arrow(cut)
    assert [back.column_text(9, r) for r in range(20)] == [batch.column_text(9, start + r) for r in range(20)]
    assert back.num_rows == 100
    whole = addresses(cut, NUMBERS)  # pyarrow tells where the values begin before the cut
    there = {name: [at[0] + start * cut.schema.field(name).type.bit_width // 8] for name, at in whole.items()}
    assert (ours(back, NUMBERS) == there) == (start % 8 == 0)


def test_what_was_lent_outlives_its_owner(batch: Batch) -> None:
    frame = pl.DataFrame({"a": list(range(10000)), "b": [n / 8 for n in range(10000)]})
    held = Batch.from_arrow(frame)
    keyed = hash_keys(held, ["a"], name="key")
    del frame, held
    gc.collect()
    filler = [pl.DataFrame({"a": [7] * 10000}) for _ in range(20)]
    assert [keyed.column_text(0, r) for r in (0, 9999)] == ["0", "9999"]
    assert ours(keyed, "a") == ours(Batch.from_arrow(keyed), "a")
    assert len(filler) == 20


def test_kernels_read_lent_columns(batch: Batch) -> None:
    lent = Batch.from_arrow(pa.table(batch))
    assert texts(hash_keys(lent, ["i4", "t"])) == texts(hash_keys(batch, ["i4", "t"]))
    options: dict[str, Any] = {"unit": "day", "distinct": "t", "rejects": True}
    one, two = window(lent, "ts", **options), window(batch, "ts", **options)
    assert texts(one[0]) == texts(two[0])
    assert one[1] == two[1]
    assert lent.to_copy() == batch.to_copy()
