"""Batches and Arrow: pyarrow and polars read ours without a copy; we read theirs, slices and all."""

from __future__ import annotations

import datetime as dt
import decimal
import gc
import subprocess
import sys
import uuid

import pyarrow as pa
import pytest
from headrace import Batch, DataError, Schema, decode_json

COLUMNS = [
    ("b", "bool"),
    ("i2", "int2"),
    ("i4", "int4"),
    ("i8", "int8"),
    ("f4", "float4"),
    ("f8", "float8"),
    ("d", "numeric(12,2)"),
    ("n", "numeric"),
    ("t", "text"),
    ("v", "varchar(5)"),
    ("y", "bytea"),
    ("da", "date"),
    ("ti", "time"),
    ("ts", "timestamp"),
    ("tz", "timestamptz"),
    ("iv", "interval"),
    ("u", "uuid"),
    ("j", "jsonb"),
    ("a", "int[]"),
    ("at", "text[]"),
]
RECORD = (
    '{"b":true,"i2":-2,"i4":4,"i8":9007199254740993,"f4":1.5,"f8":-2.25,"d":-12.34,"n":1e2,"t":"é","v":"abc","y":"\\\\x00ff",'
    '"da":"2026-11-21","ti":"10:11:12.5","ts":"2026-11-21T10:00:00","tz":"2026-11-21T10:00:00+01:00",'
    '"iv":"1 mon 2 days",'
    '"u":"6f0b3c3e-8f4e-4a9c-9d0e-000000000001","j":{"x":1},"a":[1,null],"at":["p","q"]}\n'
)


@pytest.fixture
def batch() -> Batch:
    """Three rows of every type, the second all null."""
    found, rejects = decode_json(RECORD + "{}\n" + RECORD, Schema(COLUMNS))
    assert rejects == []
    return found


def text(batch: Batch) -> list[list[str | None]]:
    """All values as text."""
    return [[batch.column_text(c, r) for c in range(batch.num_columns)] for r in range(batch.num_rows)]


def test_pyarrow_reads_every_type(batch: Batch) -> None:
    read = pa.record_batch(batch)
    read.validate(full=True)
    assert read.schema.names == [name for name, _ in COLUMNS]
    row = read.to_pylist()[0]
    expected = {
        "b": True,
        "i2": -2,
        "i4": 4,
        "i8": 9007199254740993,
        "f4": 1.5,
        "f8": -2.25,
        "d": decimal.Decimal("-12.34"),
        "n": "100",
        "t": "é",
        "v": "abc",
        "y": b"\x00\xff",
        "da": dt.date(2026, 11, 21),
        "ti": dt.time(10, 11, 12, 500000),
        "ts": dt.datetime(2026, 11, 21, 10),
        "tz": dt.datetime(2026, 11, 21, 9, tzinfo=dt.UTC),
        "u": uuid.UUID("6f0b3c3e-8f4e-4a9c-9d0e-000000000001"),
        "a": [1, None],
        "at": ["p", "q"],
    }
    assert {name: row[name] for name in expected} == expected
    assert (row["iv"].months, row["iv"].days, row["iv"].nanoseconds) == (1, 2, 0)
    assert set(read.to_pylist()[1].values()) == {None}


def test_fields_carry_the_sql_type(batch: Batch) -> None:
    schema = pa.schema(batch)
    assert schema.field("d").metadata[b"headrace.type"] == b"numeric(12,2)"
    assert schema == pa.schema(batch.schema)
    assert Schema.from_arrow(schema).types == batch.schema.types


def test_no_byte_is_copied(batch: Batch) -> None:
    first, second = pa.record_batch(batch), pa.record_batch(batch)
    for name, kind in COLUMNS:
        if kind == "interval":
            continue  # PostgreSQL's microseconds are Arrow's nanoseconds: converted
        one, two = first.column(name), second.column(name)
        if isinstance(one, pa.ExtensionArray):
            one, two = one.storage, two.storage
        ours = [buffer.address for buffer in one.buffers() if buffer is not None]
        assert ours, name
        assert ours == [buffer.address for buffer in two.buffers() if buffer is not None], name


def test_arrow_data_outlive_the_batch() -> None:
    batch, _ = decode_json("".join(f'{{"t":"value {i}"}}\n' for i in range(1000)), Schema([("t", "text")]))
    column = pa.record_batch(batch).column(0)
    stream = pa.table(batch)
    del batch
    gc.collect()
    decode_json("".join(f'{{"t":"other {i}"}}\n' for i in range(5000)), Schema([("t", "text")]))
    assert column.to_pylist() == [f"value {i}" for i in range(1000)]
    assert stream.column(0).to_pylist() == column.to_pylist()


def test_capsules_nobody_takes_are_released(batch: Batch) -> None:
    for _ in range(100):
        batch.__arrow_c_schema__()
        batch.__arrow_c_array__()
        batch.__arrow_c_stream__()
        batch.__arrow_c_array__(requested_schema=None)
    assert pa.record_batch(batch).num_rows == 3


def test_arrow_data_that_outlive_the_interpreter_do_no_harm() -> None:
    program = (
        "import headrace, pyarrow, sys, threading\n"
        "b, _ = headrace.decode_json('{\"a\":1}', headrace.Schema([('a', 'int')]))\n"
        "sys.kept = pyarrow.record_batch(b); sys.stream = pyarrow.table(b)\n"
        "sys.capsule = b.__arrow_c_array__()\n"
        "wait = lambda kept=pyarrow.record_batch(b): threading.Event().wait()\n"
        "threading.Thread(target=wait, daemon=True).start()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_there_and_back(batch: Batch) -> None:
    for source in (pa.record_batch(batch), pa.table(batch), batch):
        back = Batch.from_arrow(source)
        assert back.schema.types == batch.schema.types
        assert text(back) == text(batch)


def test_slices_are_read_at_their_offset() -> None:
    size = 100
    table = pa.table(
        {
            "i": pa.array([i if i % 3 else None for i in range(size)], pa.int64()),
            "t": [f"t{i}" if i % 5 else None for i in range(size)],
            "b": pa.array([i % 2 == 0 for i in range(size)]),
            "a": [[i, i + 1] if i % 7 else [] for i in range(size)],
            "f": pa.array([f"{i:016}".encode() for i in range(size)], pa.binary(16)),
        }
    )
    whole = text(Batch.from_arrow(table))
    for offset, length in [(0, 0), (1, 1), (7, 20), (8, 8), (63, 37), (99, 1)]:
        part = table.slice(offset, length)
        assert text(Batch.from_arrow(part)) == whole[offset : offset + length]
        if length:
            record_batch = part.combine_chunks().to_batches()[0].slice(length // 2)
            assert text(Batch.from_arrow(record_batch)) == whole[offset + length // 2 : offset + length]


def test_chunks_become_one_batch() -> None:
    table = pa.concat_tables([pa.table({"i": pa.array(range(n), pa.int64())}) for n in (3, 0, 4)])
    assert text(Batch.from_arrow(table)) == [[str(i)] for i in [0, 1, 2, 0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("array", "kind", "value"),
    [
        (pa.array(["x"], pa.large_string()), "text", "x"),
        (pa.array(["x" * 40], pa.string_view()), "text", "x" * 40),
        (pa.array(["x"]).dictionary_encode(), "text", "x"),
        (pa.array([7], pa.int8()), "smallint", "7"),
        (pa.array([7], pa.uint8()), "smallint", "7"),
        (pa.array([2**32 - 1], pa.uint32()), "bigint", "4294967295"),
        (pa.array([1], pa.timestamp("s")), "timestamp without time zone", "1970-01-01 00:00:01"),
        (pa.array([1], pa.timestamp("ms", "UTC")), "timestamp with time zone", "1970-01-01 00:00:00.001+00"),
        (pa.array([1500], pa.timestamp("ns")), "timestamp without time zone", "1970-01-01 00:00:00.000002"),
        (pa.array([dt.date(2026, 11, 21)]), "date", "2026-11-21"),
        (pa.array([decimal.Decimal("1.50")], pa.decimal128(9, 2)), "numeric(9,2)", "1.50"),
        (pa.array([b"\xff"]), "bytea", "\\xff"),
        (pa.array([None], pa.int32()), "integer", None),
    ],
    ids=str,
)
def test_types_of_others(array: pa.Array, kind: str, value: str | None) -> None:
    batch = Batch.from_arrow(pa.record_batch([array], ["c"]))
    assert batch.schema.types == [kind]
    assert text(batch) == [[value]]


def test_infinity_is_refused_with_its_place() -> None:
    batch, _ = decode_json('{"d":"2026-01-01"}\n{"d":"infinity"}\n', Schema([("d", "date")]))
    with pytest.raises(DataError) as caught:
        pa.record_batch(batch)
    assert (caught.value.row, caught.value.column, caught.value.code) == (1, "d", "data")


def test_a_stream_is_read_once() -> None:
    class Once:
        def __init__(self) -> None:
            self.capsule = pa.table({"i": [1]}).__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.capsule

    source = Once()
    assert len(Batch.from_arrow(source)) == 1
    try:
        again = Batch.from_arrow(source)
    except (ValueError, OSError, DataError):
        return
    assert len(again) == 0  # an exhausted stream is an empty one


def test_errors_of_a_stream_come_through() -> None:
    def batches():
        yield pa.record_batch({"i": [1]})
        raise RuntimeError("the wire was cut")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("i", pa.int64())]), batches())
    with pytest.raises(Exception, match="the wire was cut"):
        Batch.from_arrow(reader)


@pytest.mark.parametrize("thing", [1, "x", [1, 2], object()])
def test_other_things_are_type_errors(thing: object) -> None:
    with pytest.raises(TypeError, match="Arrow"):
        Batch.from_arrow(thing)
    with pytest.raises(TypeError, match="Arrow"):
        Schema.from_arrow(thing)


def test_methods_that_raise_are_not_hidden() -> None:
    class Broken:
        def __arrow_c_array__(self, requested_schema: object = None) -> object:
            raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        Batch.from_arrow(Broken())


def test_capsules_of_another_kind_are_refused() -> None:
    class Liar:
        def __arrow_c_array__(self, requested_schema: object = None) -> object:
            return ("not", "capsules")

        def __arrow_c_schema__(self) -> object:
            return "no capsule"

    with pytest.raises((TypeError, ValueError)):
        Batch.from_arrow(Liar())
    with pytest.raises((TypeError, ValueError)):
        Schema.from_arrow(Liar())
