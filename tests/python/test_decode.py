"""Decoding: positions, reasons, and Python's own json as the oracle on good, bad and broken documents."""

from __future__ import annotations

import csv
import io
import json
import random
import string
from typing import Any

import pytest
from headrace import Batch, Schema, UsageError, decode_csv, decode_json


def rows(batch: Batch) -> list[list[str | None]]:
    """All values as text."""
    return [[batch.column_text(c, r) for c in range(batch.num_columns)] for r in range(batch.num_rows)]


def test_rejects_say_where_and_why() -> None:
    data = (
        b'{"id":1}\n\n  \n{"id":"x"}\r\n{"id":2\n{"n":1}\n{"id":3,"t":"\xff"}\n{"id":99999999999}\n{"id":4}'
    )
    batch, rejects = decode_json(data, Schema([("id", "int", True), ("t", "text")]))
    assert rows(batch) == [["1", None], ["4", None]]
    assert [(r["line"], r["reason"], r["column"], r["value"]) for r in rejects] == [
        (4, "type", "id", "x"),
        (5, "malformed", None, None),
        (6, "null", "id", None),
        (7, "encoding", rejects[3]["column"], rejects[3]["value"]),
        (8, "range", "id", "99999999999"),
    ]
    for reject in rejects:
        assert reject["raw"] is not None
        assert data[reject["offset"] :].startswith(reject["raw"])
        assert reject["message"]
    assert [r["index"] for r in rejects] == [1, 2, 3, 4, 5]


def test_every_kind_of_input_gives_the_same() -> None:
    schema = Schema([("a", "int"), ("b", "text")])
    lines = ['{"a":1,"b":"é"}', '{"a":2}']
    text = "\n".join(lines)
    data = text.encode()
    expected = [["1", "é"], ["2", None]]
    inputs: list[Any] = [
        text,
        data,
        bytearray(data),
        memoryview(data),
        lines,
        [x.encode() for x in lines],
        iter(lines),
    ]
    inputs.append([memoryview(x.encode()) for x in lines])
    for given in inputs:
        batch, rejects = decode_json(given, schema)
        assert rows(batch) == expected
        assert rejects == []


def test_a_record_of_an_iterable_may_hold_line_breaks() -> None:
    batch, rejects = decode_json([b'{\n"a":\n1}', None, b""], Schema([("a", "int")]))
    assert rows(batch) == [["1"]]
    assert [(r["index"], r["offset"], r["reason"], r["raw"]) for r in rejects] == [
        (1, 1, "tombstone", None),
        (2, 2, "malformed", b""),
    ]


@pytest.mark.parametrize("data", [7, None, [1], ["{}", 2.5], object()])
def test_other_inputs_are_type_errors(data: Any) -> None:
    with pytest.raises(TypeError):
        decode_json(data, Schema([("a", "int")]))


def test_the_schema_must_be_one() -> None:
    with pytest.raises(TypeError, match="Schema"):
        decode_json(b"{}", [("a", "int")])  # type: ignore[arg-type]


def test_errors_of_an_iterable_come_through() -> None:
    def records():
        yield b"{}"
        raise LookupError("the caller's own")

    with pytest.raises(LookupError, match="the caller's own"):
        decode_json(records(), Schema([("a", "int")]))


def test_numbers_keep_their_own_digits() -> None:
    schema = Schema([("n", "numeric"), ("d", "numeric(38,10)"), ("i", "bigint")])
    line = (
        '{"n":12345678901234567890123456789.0123456789,"d":1234567890123456789012345678.0123456789,'
        '"i":-9223372036854775808}'
    )
    batch, rejects = decode_json(line, schema)
    assert rejects == []
    assert rows(batch) == [
        [
            "12345678901234567890123456789.0123456789",
            "1234567890123456789012345678.0123456789",
            "-9223372036854775808",
        ]
    ]


def test_nesting_bombs_are_rejects() -> None:
    bomb = b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    batch, rejects = decode_json([bomb, b'{"a":"x"}'], Schema([("a", "text")]))
    assert rows(batch) == [["x"]]
    assert [reject["reason"] for reject in rejects] == ["depth"]


def random_value(rng: random.Random, depth: int = 0) -> Any:
    """Any JSON value."""
    kinds = ["null", "bool", "int", "float", "text"] + (["list", "dict"] if depth < 4 else [])
    match rng.choice(kinds):
        case "null":
            return None
        case "bool":
            return rng.random() < 0.5
        case "int":
            return rng.randint(-(10 ** rng.randint(1, 25)), 10 ** rng.randint(1, 25))
        case "float":
            return rng.uniform(-1, 1) * 10 ** rng.randint(-300, 300)
        case "text":
            return random_text(rng)
        case "list":
            return [random_value(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    return {random_text(rng): random_value(rng, depth + 1) for _ in range(rng.randint(0, 4))}


def random_text(rng: random.Random) -> str:
    """Text with escapes, controls, and characters of one to four bytes; no NUL: no text has one."""
    alphabet = string.printable + 'éß漢\u2028😀\x01\x1f\x7f"\\/'
    return "".join(rng.choice(alphabet) for _ in range(rng.choice([0, 1, 3, 8, 40])))


def test_values_equal_pythons_on_good_documents() -> None:
    rng = random.Random(1)
    schema = Schema([("t", "text"), ("i", "numeric"), ("j", "jsonb"), ("b", "bool"), ("f", "float8")])
    documents = []
    for _ in range(3000):
        document = {random_text(rng): random_value(rng) for _ in range(rng.randint(0, 4))}
        document |= {
            "t": random_text(rng),
            "i": rng.randint(-(10**30), 10**30),
            "j": random_value(rng),
            "b": rng.random() < 0.5,
            "f": rng.uniform(-1, 1) * 10 ** rng.randint(-300, 300),
        }
        names = list(document)
        rng.shuffle(names)
        documents.append({name: document[name] for name in names})
    records = [
        json.dumps(d, ensure_ascii=rng.random() < 0.5, separators=rng.choice([(",", ":"), (" , ", " :\t")]))
        for d in documents
    ]
    batch, rejects = decode_json(records, schema)
    assert rejects == []
    for row, document in enumerate(documents):
        text, number, value, flag, double = (batch.column_text(column, row) for column in range(5))
        assert text == document["t"]
        assert int(number or "") == document["i"]
        # jsonb keeps numbers as numeric: 1e20 comes back as 100000000000000000000
        value = json.loads(value, parse_int=float) if value is not None else None
        assert value == json.loads(json.dumps(document["j"]), parse_int=float)
        assert flag == ("t" if document["b"] else "f")
        assert float(double or "") == document["f"]


def refuse_constant(name: str) -> Any:
    """NaN and Infinity are no JSON."""
    raise ValueError(name)


def python_accepts(data: bytes) -> bool:
    """Whether Python's json reads an object."""
    try:
        return isinstance(json.loads(data.decode("utf-8"), parse_constant=refuse_constant), dict)
    except (ValueError, RecursionError):
        return False


def test_broken_documents_are_rejected_as_python_rejects_them() -> None:
    rng = random.Random(2)
    schema = Schema([("no such key anywhere", "text")])
    records = []
    for _ in range(20_000):
        data = bytearray(json.dumps({random_text(rng): random_value(rng) for _ in range(2)}).encode())
        for _ in range(rng.randint(0, 2)):
            at = rng.randrange(len(data) + 1)
            match rng.randint(0, 3):
                case 0:
                    del data[at : at + rng.randint(1, 3)]
                case 1:
                    data[at:at] = bytes(
                        rng.choices(b'{}[]",:\\0123456789.eE+-tfnu \n\x00\x80\xc3\xff', k=rng.randint(1, 2))
                    )
                case 2 if at < len(data):
                    data[at] = rng.randrange(256)
                case _:
                    data = data[:at]
            data = data or bytearray(b" ")
        records.append(bytes(data))
    _, rejects = decode_json(records, schema)
    reasons = {reject["index"]: reject["reason"] for reject in rejects}
    accepted = 0
    for index, record in enumerate(records):
        reason = reasons.get(index)
        if python_accepts(record):
            accepted += reason is None
            # Python lets a lone surrogate pass, which is no text
            assert reason is None or (reason == "encoding" and b"\\u" in record.lower()), (record, reason)
        else:
            assert reason is not None, record
    assert 3000 < accepted < len(records) - 3000


def test_csv_reads_what_pythons_csv_writes() -> None:
    rng = random.Random(3)
    texts = [[random_text(rng).replace("\r", "") or "-" for _ in range(3)] for _ in range(2000)]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([["a", "b", "c"], *texts])
    batch, rejects = decode_csv(out.getvalue(), Schema([("c", "text"), ("a", "text"), ("b", "text")]))
    assert rejects == []
    assert rows(batch) == [[c, a, b] for a, b, c in texts]


def test_csv_settings() -> None:
    schema = Schema([("a", "int"), ("b", "text")])
    batch, rejects = decode_csv(
        "1;'x;''y'\n2;NULL\n3;'NULL'\n", schema, delimiter=";", quote="'", header=False, null="NULL"
    )
    assert rejects == []
    assert rows(batch) == [["1", "x;'y"], ["2", None], ["3", "NULL"]]


def test_csv_rejects_and_goes_on() -> None:
    batch, rejects = decode_csv(
        'b,a\nx,1\n"two\nlines",2\ny,z\nq\n', Schema([("a", "int", True), ("b", "text")])
    )
    assert rows(batch) == [["1", "x"], ["2", "two\nlines"]]
    assert [(r["line"], r["reason"]) for r in rejects] == [(5, "type"), (6, rejects[1]["reason"])]


def test_csv_header_without_a_needed_column_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="a"):
        decode_csv("b\n1\n", Schema([("a", "int", True), ("b", "int")]))


@pytest.mark.parametrize(
    "settings", [{"delimiter": ""}, {"delimiter": ",,"}, {"quote": "é"}, {"null": "a\0b"}]
)
def test_csv_settings_that_cannot_be(settings: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        decode_csv("a\n1\n", Schema([("a", "int")]), **settings)  # type: ignore[arg-type]
