"""Schema and Batch: what they accept, what they refuse, what they tell."""

from __future__ import annotations

import headrace
import pytest
from headrace import Batch, Schema, UsageError, decode_json


def decode(data: bytes | str, schema: Schema) -> Batch:
    """The batch of records of which none is bad."""
    batch, rejects = decode_json(data, schema)
    assert rejects == []
    return batch


def rows(batch: Batch) -> list[list[str | None]]:
    """All values as text."""
    return [[batch.column_text(c, r) for c in range(batch.num_columns)] for r in range(batch.num_rows)]


def test_schema_tells_its_columns() -> None:
    schema = Schema([("id", "int8", True), ("price", "numeric(12,2)", False, True), ("tags", "text[]")])
    assert schema.names == ["id", "price", "tags"]
    assert schema.types == ["bigint", "numeric(12,2)", "text[]"]
    assert schema.columns == [
        ("id", "bigint", True, False),
        ("price", "numeric(12,2)", False, True),
        ("tags", "text[]", False, False),
    ]
    assert len(schema) == 3
    assert repr(schema) == f"Schema({schema.columns!r})"


@pytest.mark.parametrize(
    ("columns", "settings"),
    [
        ([("a", "numeric(0)")], {}),
        ([("a", "varchar(-1)")], {}),
        ([("a", "int"), ("a", "text")], {}),
        ([("a", "int")], {"map": {"b": "x"}}),
        ([("a", "int")], {"map": {"a": "x..y"}}),
        ([("a", "int")], {"map": {"a": "$nothing"}}),
        ([("a", "int")], {"map": {"a": "$rest"}}),
        ([("a", "int")], {"map": {"a": {"way": "x"}}}),
        ([("a", "timestamptz")], {"map": {"a": {"unit": "weeks"}}}),
        ([("a", "int")], {"unknown": "keep"}),
        ([(f"c{i}", "int", False, True) for i in range(65)], {}),
    ],
)
def test_schema_refuses(columns: list[tuple[str, str]], settings: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        Schema(columns, **settings)  # type: ignore[arg-type]
    assert caught.value.fatal
    assert caught.value.exit_code == 2
    assert str(caught.value)


@pytest.mark.parametrize(
    "columns", [["ab"], [("a",)], [("a", "int", True, True, True)], [(1, "int")], [("a", 2)], [None], 7, None]
)
def test_schema_wants_tuples(columns: object) -> None:
    with pytest.raises(TypeError):
        Schema(columns)  # type: ignore[arg-type]


def test_names_with_nul_are_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        Schema([("a\0b", "int")])
    with pytest.raises(ValueError, match="NUL"):
        Schema([("a", "int")], {"a": "x\0y"})


def test_an_error_in_the_middle_of_the_columns_comes_through() -> None:
    def columns():
        yield ("a", "int")
        raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        Schema(columns())


def test_types_cannot_be_subclassed_or_changed() -> None:
    with pytest.raises(TypeError):
        type("Mine", (Schema,), {})
    with pytest.raises(TypeError):
        Batch()  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Schema([("a", "int")]).names = ["b"]  # type: ignore[misc]
    with pytest.raises(TypeError):
        Schema.names = 1  # type: ignore[method-assign, assignment]


def test_mapping_reads_paths_units_and_surroundings() -> None:
    schema = Schema(
        [
            ("city", "text"),
            ("at", "timestamptz"),
            ("dotted", "int"),
            ("rest", "jsonb"),
            ("raw", "text"),
            ("place", "bigint"),
            ("never", "int"),
        ],
        {
            "city": "customer.address.city",
            "at": {"path": "ts", "unit": "ms"},
            "dotted": r"a\.b",
            "rest": "$rest",
            "raw": "$raw",
            "place": "$offset",
            "never": None,
        },
    )
    line = '{"customer":{"address":{"city":"Łódź"}},"ts":1763719200000,"a.b":3,"never":4,"x":[1]}'
    city, at, dotted, rest, raw, place, never = rows(decode(line, schema))[0]
    assert (city, at, dotted, place, never) == ("Łódź", "2025-11-21 10:00:00+00", "3", "0", None)
    assert raw == line
    assert rest is not None
    assert "x" in rest


def test_unknown_keys_can_be_rejected() -> None:
    schema = Schema([("a", "int")], unknown="reject")
    batch, rejects = decode_json('{"a":1}\n{"a":2,"b":3}\n', schema)
    assert rows(batch) == [["1"]]
    assert [reject["reason"] for reject in rejects] == ["unknown_key"]


def test_batch_tells_its_size() -> None:
    schema = Schema([("a", "int"), ("b", "text")])
    batch = decode('{"a":1,"b":"x"}\n{"a":null}\n', schema)
    assert (len(batch), batch.num_rows, batch.num_columns) == (2, 2, 2)
    assert batch.schema is schema
    assert batch.nbytes > 0
    assert repr(batch) == "<headrace.Batch of 2 rows, 2 columns>"


@pytest.mark.parametrize(("column", "row"), [(-1, 0), (1, 0), (0, 1), (0, -1), (2**40, 0), (0, 2**40)])
def test_values_outside_are_an_index_error(column: int, row: int) -> None:
    batch = decode('{"a":1}', Schema([("a", "int")]))
    with pytest.raises(IndexError):
        batch.column_text(column, row)


def test_batch_shows_as_html_without_executing_data() -> None:
    batch = decode('{"a":"<script>x</script>","b":null}', Schema([("a", "text"), ("b", "int")]))
    shown = batch._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "null" in shown


def test_html_shows_the_first_rows_only() -> None:
    batch = decode("".join(f'{{"a":{i}}}\n' for i in range(1000)), Schema([("a", "int")]))
    shown = batch._repr_html_()
    assert shown.count("<tr>") == 21
    assert "1,000 rows, the first 20 shown" in shown


def test_copy_binary_and_back() -> None:
    schema = Schema([("a", "bigint"), ("b", "text"), ("c", "numeric(5,1)"), ("d", "int[]"), ("e", "uuid")])
    batch = decode(
        '{"a":9223372036854775807,"b":"é","c":-12.5,"d":[1,null,3],"e":"6f0b3c3e-8f4e-4a9c-9d0e-000000000001"}\n{}\n',
        schema,
    )
    data = batch.to_copy()
    assert data.startswith(b"PGCOPY\n\xff\r\n\0")
    assert rows(Batch.from_copy(data, schema)) == rows(batch)
    assert rows(Batch.from_copy(memoryview(data), schema)) == rows(batch)


def test_copy_text_is_the_manuals() -> None:
    batch = decode('{"a":1,"b":"x\\ty\\\\\\n"}\n{}\n', Schema([("a", "int"), ("b", "text")]))
    assert batch.to_copy("text") == b"1\tx\\ty\\\\\\n\n\\N\t\\N\n"


def test_types_of_the_server_alone_need_text() -> None:
    batch = decode('{"a":"10.0.0.1"}', Schema([("a", "inet")]))
    assert batch.to_copy("text") == b"10.0.0.1\n"
    with pytest.raises(UsageError, match="text"):
        batch.to_copy()


@pytest.mark.parametrize("size", [0, 5, 18, 19, 25, -1, -3])
def test_cut_copy_streams_are_data_errors(size: int) -> None:
    schema = Schema([("a", "bigint"), ("b", "text")])
    data = decode('{"a":1,"b":"x"}', schema).to_copy()
    with pytest.raises(headrace.DataError):
        Batch.from_copy(data[:size], schema)


def test_copy_streams_of_another_schema_are_data_errors() -> None:
    data = decode('{"a":1}', Schema([("a", "bigint")])).to_copy()
    with pytest.raises(headrace.DataError):
        Batch.from_copy(data, Schema([("a", "bigint"), ("b", "int")]))
    with pytest.raises(headrace.DataError):
        Batch.from_copy(data, Schema([("a", "int")]))


def test_partition_by_week_day_and_month() -> None:
    schema = Schema([("at", "timestamptz"), ("n", "int"), ("tags", "text[]")])
    batch = decode(
        "".join(
            f'{{"at":"{at}","n":{n},"tags":["a{n}","b"]}}\n'
            for n, at in enumerate(
                [
                    "2026-12-31T23:59:59Z",  # week 53 of 2026 is in two years
                    "2027-01-03T12:00:00Z",
                    "2027-01-04T00:00:00Z",
                    "2026-12-31T00:00:00Z",
                ]
            )
        )
        + '{"n":9}\n{"at":"infinity","n":10}\n',
        schema,
    )
    weeks = headrace.partition(batch, "at")
    assert list(weeks) == ["2026-W53", "2027-W01", "__HIVE_DEFAULT_PARTITION__"]
    assert [row[1:] for row in rows(weeks["2026-W53"])] == [["0", "{a0,b}"], ["1", "{a1,b}"], ["3", "{a3,b}"]]
    assert [row[1] for row in rows(weeks["__HIVE_DEFAULT_PARTITION__"])] == ["9", "10"]
    assert list(headrace.partition(batch, "at", "month"))[:2] == ["2026-12", "2027-01"]
    assert list(headrace.partition(batch, "at", "day"))[:2] == ["2026-12-31", "2027-01-03"]
    assert sum(len(part) for part in weeks.values()) == len(batch)


def test_partition_follows_the_zone() -> None:
    schema = Schema([("at", "timestamptz")])
    batch = decode('{"at":"2026-11-22T23:30:00Z"}', schema)
    assert list(headrace.partition(batch, "at")) == ["2026-W47"]
    assert list(headrace.partition(batch, "at", zone="Europe/Warsaw")) == ["2026-W48"]


def test_partition_of_many_days_keeps_every_row_once() -> None:
    schema = Schema([("at", "date"), ("n", "int")])
    count = 5000
    lines = "".join(
        f'{{"at":"{1900 + n * 7919 % 200}-{1 + n * 31 % 12:02}-{1 + n * 17 % 28:02}","n":{n}}}\n'
        for n in range(count)
    )
    parts = headrace.partition(decode(lines, schema), "at", "day")
    seen = []
    for value, part in parts.items():
        for at, n in rows(part):
            assert at == value
            seen.append(int(n or -1))
    assert sorted(seen) == list(range(count))
    assert list(parts) == sorted(parts)


@pytest.mark.parametrize(
    ("column", "unit", "zone"),
    [("nope", "week", "UTC"), ("n", "week", "UTC"), ("at", "year", "UTC"), ("at", "week", "Mars/Base")],
)
def test_partition_refuses(column: str, unit: str, zone: str) -> None:
    batch = decode('{"at":"2026-11-22","n":1}', Schema([("at", "date"), ("n", "int")]))
    with pytest.raises(UsageError):
        headrace.partition(batch, column, unit, zone)  # type: ignore[arg-type]


def test_an_empty_batch_has_no_partitions() -> None:
    batch, _ = decode_json(b"", Schema([("at", "date")]))
    assert len(batch) == 0
    assert headrace.partition(batch, "at") == {}


def test_errors_carry_their_details_through_pickle() -> None:
    import pickle

    schema = Schema([("a", "date"), ("b", "int")])
    batch = decode('{"b":1}\n{"a":"infinity"}\n', schema)
    with pytest.raises(headrace.DataError) as caught:
        batch.__arrow_c_array__()
    error = pickle.loads(pickle.dumps(caught.value))
    assert type(error) is headrace.DataError
    assert (str(error), error.row, error.column) == (str(caught.value), 1, "a")
