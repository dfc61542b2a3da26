"""Batches into the server by COPY and back out again, and beside it through Arrow: the same values everywhere."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
from typing import Any, Literal

import headrace
import polars as pl
import psycopg
import pyarrow as pa
import pytest

from tests.real.load_kit import execute, rows
from tests.real.type_kit import split_copy
from tests.real.type_values import ARRAYS, OTHERS, TYPES, Random, values_of

pytestmark = pytest.mark.real

# types that are known without a server: no enum, no domain
KNOWN = {
    name: sql
    for name, sql in (TYPES | ARRAYS).items()
    if sql.removesuffix("[]") not in ("mood", "positive", "money2", "cheap", "word", "day", "some_ints")
}
SEED = 20261121


def decode(columns: dict[str, str], seed: int = SEED) -> headrace.Batch:
    """One row for each good value, edges and random ones; the other columns of a row are null."""
    random = Random(seed)
    documents = []
    for name in columns:
        values = (
            values_of(name)
            if name in OTHERS
            else [*values_of(name), *(random.value(name) for _ in range(60))]
        )
        documents += [
            json.dumps({"id": len(documents) + number, name: value}) for number, value in enumerate(values)
        ]
    schema = headrace.Schema([("id", "int", True), *columns.items()])
    batch, rejects = headrace.decode_json("\n".join([*documents, '{"id": -1}']), schema)
    assert len(batch) + len(rejects) == len(documents) + 1
    assert len(batch) > len(documents) // 3
    return batch


def texts(batch: headrace.Batch) -> list[list[str | None]]:
    return [
        [batch.column_text(column, row) for column in range(batch.num_columns)] for row in range(len(batch))
    ]


def create(dsn: str, columns: dict[str, str]) -> list[str]:
    """A table t of these columns. Returns the expressions of all columns as text."""
    listed = ", ".join(f'"{name}" {sql}' for name, sql in columns.items())
    execute(dsn, f"CREATE TABLE t (id int NOT NULL, {listed})")
    return shown("id", *columns)


def shown(*names: str) -> list[str]:
    """Expressions that call the types' output functions, as COPY does; a cast of boolean or char(n) to text does not."""
    return [f'CASE WHEN "{name}" IS NOT NULL THEN concat("{name}") END' for name in names]


def copy_in(dsn: str, batch: headrace.Batch, form: Literal["binary", "text"]) -> None:
    statement = f"COPY t FROM STDIN (FORMAT {form})"
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(batch.to_copy(form))


def copy_out(dsn: str, query: str = "TABLE t ORDER BY id") -> bytes:
    statement = f"COPY ({query}) TO STDOUT (FORMAT binary)"
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(bytes(part) for part in copy)


def as_rows(data: bytes) -> list[list[bytes | None]]:
    return sorted(split_copy(data), key=lambda fields: fields[0] or b"")


def test_binary_there_and_back(dsn: str) -> None:
    """What we send is, byte for byte, what the server sends; what it sends is what we had."""
    batch = decode(KNOWN)
    expressions = create(dsn, KNOWN)
    copy_in(dsn, batch, "binary")
    sent, received = as_rows(batch.to_copy()), as_rows(copy_out(dsn))
    jsonb = [index for index, name in enumerate(KNOWN, 1) if name.endswith("json_b")]
    for ours, theirs in zip(sent, received, strict=True):
        for index in jsonb:  # the server writes jsonb in its own form
            ours[index] = theirs[index]
        assert ours == theirs
    back = headrace.Batch.from_copy(copy_out(dsn), batch.schema)
    by_id = {row[0]: row for row in texts(batch)}
    assert {row[0]: row for row in texts(back)} == by_id
    assert {row[0]: list(row) for row in rows(dsn, f"SELECT {', '.join(expressions)} FROM t")} == by_id


def test_text_there_and_back(dsn: str) -> None:
    """The text format, with the types that only the server can read."""
    batch = decode(KNOWN | {name: sql for name, sql in OTHERS.items() if name in ("inet", "macaddr")})
    columns = dict(zip(batch.schema.names[1:], batch.schema.types[1:], strict=True))
    expressions = create(dsn, columns)
    refused = {"1.2.3", "1.2.3.4/33", "x", "", "08:00:2b:01:02"}
    clean, rejects = headrace.decode_json(
        "\n".join(
            json.dumps(
                {
                    name: value
                    for name, value in zip(batch.schema.names, row, strict=True)
                    if value is not None
                }
            )
            for row in texts(batch)
            if row[-2] not in refused and row[-1] not in refused
        ),
        batch.schema,
    )
    assert rejects == []
    copy_in(dsn, clean, "text")
    found = {row[0]: list(row) for row in rows(dsn, f"SELECT {', '.join(expressions)} FROM t")}
    expected = {row[0]: row for row in texts(clean)}
    assert {number: row[:-2] for number, row in found.items()} == {
        number: row[:-2] for number, row in expected.items()
    }
    assert sum(row[-2] is not None or row[-1] is not None for row in found.values()) == 6


def test_from_copy_of_the_servers_own_values(dsn: str) -> None:
    """Values that were never ours: from_copy reads what the server makes, and gives it back unchanged."""
    columns = {
        "b": ("boolean", "n % 2 = 0"),
        "i2": ("smallint", "n % 32768"),
        "i8": ("bigint", "n::bigint * 1000000007 - 5"),
        "f4": ("real", "n / 7.0"),
        "f8": ("double precision", "exp(n % 700 - 350.0::float8)"),
        "d": ("numeric(20,4)", "n * 1.2345 - 600"),
        "n": ("numeric", "n ^ 20::numeric / 3"),
        "t": ("text", "repeat(chr(33 + n % 5000), n % 40)"),
        "c": ("char(5)", "substr(n::text, 1, 3)"),
        "y": ("bytea", "sha256(n::text::bytea)"),
        "da": ("date", "date '2000-01-01' + n * 37 - 20000"),
        "ti": ("time", "time '00:00' + n * interval '61.000001 seconds'"),
        "ts": ("timestamp", "timestamp '2000-01-01' + (n - 700) * interval '3 days 01:02:03.000004'"),
        "tz": ("timestamptz", "timestamptz '1970-01-01' + (n - 700) * interval '99 days 01:02:03.000004'"),
        "iv": ("interval", "(n - 700) * interval '1 month -2 days 03:04:05.678'"),
        "u": ("uuid", "md5(n::text)::uuid"),
        "j": ("jsonb", "jsonb_build_object('n', n, 'list', array[n, null])"),
        "a": ("integer[]", "array_fill(n, array[n % 4])"),
        "at": ("text[]", "array['a' || n, null, '', 'x,\"y\"{}\\']"),
        "ar": ("numeric[]", "array[n / 8.0, 'NaN', 'Infinity']"),
    }
    made = ", ".join(
        f"CASE WHEN n % 11 <> {i % 11} THEN ({how})::{sql} END AS {name}"
        for i, (name, (sql, how)) in enumerate(columns.items())
    )
    query = f"SELECT n AS id, {made} FROM generate_series(1, 1500) AS n"
    schema = headrace.Schema([("id", "int", True), *((name, sql) for name, (sql, _) in columns.items())])
    data = copy_out(dsn, query)
    batch = headrace.Batch.from_copy(data, schema)
    assert len(batch) == 1500
    assert batch.to_copy() == data
    with psycopg.connect(dsn) as connection:
        connection.execute("SET extra_float_digits = 1; SET timezone = 'UTC'")
        expressions = ", ".join(shown("id", *columns))
        found = connection.execute(
            f"SELECT {expressions} FROM ({query}) AS made".replace("n %", "n %%"), ()
        ).fetchall()
    assert texts(batch) == [list(row) for row in found]


# -- Arrow ---------------------------------------------------------------------------------------------------------

SAID_IN_TEXT = (
    "numeric",
    "numeric_5_minus2",
    "numeric_3_6",
    "numeric_60_20",
)  # numerics that no decimal128 holds
IN_PYTHON = [name for name in KNOWN if not name.startswith(("interval", "array_interval"))]


def plain(name: str, value: Any) -> Any:
    """A value of psycopg, pyarrow or polars in one common form."""
    if isinstance(value, list | pl.Series):
        return [plain(name, one) for one in value]
    element = name.removeprefix("array_")
    if value is None:
        return None
    if element in SAID_IN_TEXT:
        return str(decimal.Decimal(value))
    if element.startswith("json"):
        return value if isinstance(value, str) else json.dumps(value)
    if element == "uuid":
        return value.hex if hasattr(value, "hex") and not isinstance(value, bytes) else value.hex()
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return str(value) if isinstance(value, decimal.Decimal) else value


def readable(columns: list[str], dsn: str) -> tuple[headrace.Batch, list[tuple[Any, ...]]]:
    """A batch of values that Python's types can hold, and the same rows as psycopg reads them from the server."""
    batch = decode({name: KNOWN[name] for name in columns})
    create(dsn, {name: KNOWN[name] for name in columns})
    copy_in(dsn, batch, "binary")
    with psycopg.connect(dsn) as connection:
        connection.execute("SET timezone = 'UTC'")
        for name in columns:
            if "json" in name:
                continue
            for kind in ("date", "timestamp"):
                if kind in name:
                    element = "x" if name.startswith("array") else f'"{name}"'
                    test = f"NOT isfinite({element}) OR {element} < '0001-01-01' OR {element} >= '9999-12-31'"
                    test = (
                        f'EXISTS (SELECT FROM unnest("{name}") AS x WHERE {test})'
                        if name.startswith("array")
                        else test
                    )
                    connection.execute(f"DELETE FROM t WHERE {test}")
                    break
            if "time" in name and "timestamp" not in name:
                connection.execute(f"DELETE FROM t WHERE \"{name}\"::text LIKE '%24:00:00%'")
            if "numeric" in name:
                connection.execute(
                    f'DELETE FROM t WHERE "{name}"::text ~ \'NaN|Infinity\' OR length("{name}"::text) > 4000'
                )
        listed = ", ".join(
            f'"{name}"::text' if "json" in name and not name.startswith("array") else f'"{name}"'
            for name in columns
        )
        found = connection.cursor(binary=True).execute(f"SELECT id, {listed} FROM t ORDER BY id").fetchall()
        connection.commit()
    return headrace.Batch.from_copy(copy_out(dsn), batch.schema), found


def test_pyarrow_says_what_psycopg_says(dsn: str) -> None:
    columns = [name for name in IN_PYTHON if not name.startswith("array_json")]
    batch, found = readable(columns, dsn)
    table = pa.record_batch(batch)
    table.validate(full=True)
    assert table.num_rows == len(found) > 1000
    for index, name in enumerate(columns, 1):
        ours = [plain(name, value) for value in table.column(index).to_pylist()]
        theirs = [plain(name, row[index]) for row in found]
        assert ours == theirs, name
    assert texts(headrace.Batch.from_arrow(table)) == texts(batch)
    assert texts(headrace.Batch.from_arrow(pa.table(batch))) == texts(batch)


def test_polars_says_what_psycopg_says(dsn: str) -> None:
    # no uuid and json: Arrow's extension types, which polars gives out as their storage
    columns = [name for name in IN_PYTHON if "uuid" not in name and "json" not in name]
    batch, found = readable(columns, dsn)
    frame = pl.DataFrame(batch)
    assert frame.shape == (len(found), len(columns) + 1)
    for index, name in enumerate(columns, 1):
        ours = [plain(name, value) for value in frame[name].to_list()]
        theirs = [plain(name, row[index]) for row in found]
        assert ours == theirs, name
    assert texts(headrace.Batch.from_arrow(frame)) == texts(batch)


def test_intervals_in_arrow_are_the_servers_fields(dsn: str) -> None:
    names = ["interval", "interval_2", "interval_ym", "interval_ds0", "interval_h"]
    batch = decode({name: KNOWN[name] for name in names})
    create(dsn, {name: KNOWN[name] for name in names})
    copy_in(dsn, batch, "binary")
    for name in names:
        one = f'"{name}"'
        limit = f"isfinite({one}) AND abs(extract(epoch FROM {one} - date_trunc('day', {one}))) < 9e9"
        schema = headrace.Schema([("c", KNOWN[name])])
        part = headrace.Batch.from_copy(
            copy_out(dsn, f"SELECT {one} FROM t WHERE {limit} ORDER BY id"), schema
        )
        fields = rows(
            dsn,
            f"SELECT (extract(year FROM {one}) * 12 + extract(month FROM {one}))::bigint, extract(day FROM {one})::bigint,"
            f" (extract(hour FROM {one}) * 3600000000 + extract(minute FROM {one}) * 60000000 + extract(microseconds FROM {one}))::bigint * 1000"
            f" FROM t WHERE {limit} ORDER BY id",
        )
        ours = [
            (value.months, value.days, value.nanoseconds)
            for value in pa.record_batch(part).column(0).to_pylist()
        ]
        assert len(ours) > 20
        assert ours == fields, name
        assert texts(headrace.Batch.from_arrow(pa.record_batch(part))) == texts(part)


def test_arrow_data_of_others_reach_the_server(dsn: str) -> None:
    """From pyarrow and polars through a batch and COPY into a table, and back by psycopg."""
    moment = dt.datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=dt.UTC)
    table = pa.table(
        {
            "i": pa.array([1, None, -(2**31)], pa.int32()),
            "u": pa.array([2**64 - 1, 0, None], pa.uint64()),
            "d": pa.array(
                [decimal.Decimal("1.50"), None, decimal.Decimal("-99999999.99")], pa.decimal128(10, 2)
            ),
            "big": pa.array([decimal.Decimal(10**60 + 1), None, None], pa.decimal256(70, 2)),
            "s": pa.array(["é", None, "x" * 50], pa.string_view()),
            "k": pa.array(["a", "b", None]).dictionary_encode(),
            "at": pa.array([moment, None, moment], pa.timestamp("ns", "Europe/Warsaw")),
            "day": pa.array([dt.date(2026, 11, 21), None, dt.date(1, 1, 1)], pa.date64()),
            "l": pa.array([[1, None], [], None], pa.large_list(pa.int16())),
            "y": pa.array([b"\0\xff", b"", None], pa.large_binary()),
        }
    )
    batch = headrace.Batch.from_arrow(table)
    create_as = ", ".join(
        f"{name} {sql}" for name, sql in zip(batch.schema.names, batch.schema.types, strict=True)
    )
    execute(dsn, f"CREATE TABLE t ({create_as})")
    copy_in(dsn, batch, "binary")
    found = rows(dsn, "SELECT * FROM t")
    assert found[0] == (
        1,
        decimal.Decimal(2**64 - 1),
        decimal.Decimal("1.50"),
        decimal.Decimal(10**60 + 1),
        "é",
        "a",
        moment,
        dt.date(2026, 11, 21),
        [1, None],
        b"\0\xff",
    )
    assert found[1] == (None, 0, None, None, None, "b", None, None, [], b"")
    assert found[2][0] == -(2**31)
    assert found[2][2] == decimal.Decimal("-99999999.99")
    assert found[2][7] == dt.date(1, 1, 1)


def test_what_arrow_cannot_say_loads_all_the_same(dsn: str) -> None:
    values = {
        "d": ("date", "-infinity"),
        "ts": ("timestamp", "infinity"),
        "tz": ("timestamptz", "-infinity"),
        "iv": ("interval", "infinity"),
        "long": ("interval", "2562047788:00:54.775807"),
        "n": ("numeric(10,2)", "NaN"),
        "a": ("date[]", "{2026-11-21,infinity}"),
    }
    listed = ", ".join(f"{name} {sql}" for name, (sql, _) in values.items())
    execute(dsn, f"CREATE TABLE t ({listed})")
    schema = headrace.Schema([(name, sql) for name, (sql, _) in values.items()])
    batch, rejects = headrace.decode_json(
        "{}\n" + json.dumps({name: value for name, (_, value) in values.items()}), schema
    )
    assert rejects == []
    copy_in(dsn, batch, "binary")
    assert rows(dsn, f"SELECT {', '.join(shown(*values))} FROM t WHERE d IS NOT NULL") == [
        tuple(value for _, value in values.values())
    ]
    for name, (sql, value) in values.items():
        part, _ = headrace.decode_json("{}\n" + json.dumps({name: value}), headrace.Schema([(name, sql)]))
        with pytest.raises(headrace.DataError) as caught:
            pa.record_batch(part)
        assert (caught.value.row, caught.value.column) == (1, name)
