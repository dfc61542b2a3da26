"""Avro against fastavro: random values of random schemas, and bodies that are broken at random."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import uuid
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from headrace import Batch, Schema, decode_avro

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "shop.Everything",
    "fields": [
        {"name": "id", "type": "long"},
        {
            "name": "skipped",
            "type": {"type": "map", "values": ["null", "double", {"type": "array", "items": "bytes"}]},
        },
        {"name": "small", "type": ["null", "int"]},
        {"name": "flag", "type": ["boolean", "null"]},
        {"name": "narrow", "type": "float"},
        {"name": "wide", "type": ["null", "double"]},
        {"name": "words", "type": ["null", "string"]},
        {"name": "bytes", "type": "bytes"},
        {
            "name": "exact",
            "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 3}],
        },
        {
            "name": "fixed_exact",
            "type": {
                "type": "fixed",
                "name": "F9",
                "size": 9,
                "logicalType": "decimal",
                "precision": 18,
                "scale": 2,
            },
        },
        {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "clock_ms", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "clock_us", "type": {"type": "long", "logicalType": "time-micros"}},
        {"name": "at_ms", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "at_us", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "local_us", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
        {"name": "ident", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "mood", "type": {"type": "enum", "name": "Mood", "symbols": ["calm", "fine", "loud"]}},
        {"name": "list", "type": ["null", {"type": "array", "items": ["null", "int"]}]},
        {
            "name": "exacts",
            "type": {
                "type": "array",
                "items": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 1},
            },
        },
        {
            "name": "inner",
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "Inner",
                    "fields": [
                        {"name": "a", "type": "string"},
                        {"name": "other", "type": {"type": "array", "items": "Mood"}},
                        {"name": "b", "type": ["null", "long"]},
                        {"name": "next", "type": ["null", "Inner"]},
                    ],
                },
            ],
        },
    ],
}
COLUMNS = [
    ("id", "bigint"),
    ("small", "integer"),
    ("flag", "boolean"),
    ("narrow", "real"),
    ("wide", "double precision"),
    ("words", "text"),
    ("bytes", "bytea"),
    ("exact", "numeric(20,3)"),
    ("fixed_exact", "numeric"),
    ("day", "date"),
    ("clock_ms", "time"),
    ("clock_us", "time"),
    ("at_ms", "timestamptz"),
    ("at_us", "timestamptz"),
    ("local_us", "timestamp"),
    ("ident", "uuid"),
    ("mood", "text"),
    ("list", "integer[]"),
    ("exacts", "numeric(9,1)[]"),
    ("deep", "bigint"),
    ("doc", "jsonb"),
]
MAP = {"deep": "inner.next.b", "doc": "inner"}
BODY = json.dumps(SCHEMA)
PARSED = fastavro.parse_schema(SCHEMA)


def columns(**settings: Any) -> Schema:
    return Schema(COLUMNS, map=MAP, **settings)


def value(r: random.Random, number: int) -> dict[str, Any]:
    """A random record."""

    def maybe(made: Any) -> Any:
        return None if r.random() < 0.2 else made

    def inner(depth: int) -> dict[str, Any] | None:
        if depth == 0 or r.random() < 0.3:
            return None
        return {
            "a": "".join(r.choices('aé"\\😀\n', k=r.randrange(5))),
            "other": r.choices(["calm", "loud"], k=r.randrange(3)),
            "b": maybe(r.randrange(-(2**63), 2**63)),
            "next": inner(depth - 1),
        }

    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(
        microseconds=r.randrange(-(10**15), 10**16)
    )
    return {
        "id": number,
        "skipped": {str(i): r.choice([None, 1.5, [b"x", b""]]) for i in range(r.randrange(4))},
        "small": maybe(r.randrange(-(2**31), 2**31)),
        "flag": maybe(r.random() < 0.5),
        "narrow": r.choice([0.0, 1.5, -2.25, 1e10]),
        "wide": maybe(r.uniform(-1e300, 1e300)),
        "words": maybe("".join(r.choices("abc é東😀'\"", k=r.randrange(60)))),
        "bytes": r.randbytes(r.randrange(40)),
        "exact": maybe(Decimal(r.randrange(-(10**20) + 1, 10**20)).scaleb(-3)),
        "fixed_exact": Decimal(r.randrange(-(10**18) + 1, 10**18)).scaleb(-2),
        "day": maybe(moment.date()),
        "clock_ms": moment.time().replace(microsecond=moment.microsecond // 1000 * 1000),
        "clock_us": moment.time(),
        "at_ms": moment.replace(microsecond=moment.microsecond // 1000 * 1000),
        "at_us": maybe(moment),
        "local_us": moment.replace(tzinfo=None),
        "ident": uuid.UUID(int=r.getrandbits(128)),
        "mood": r.choice(["calm", "fine", "loud"]),
        "list": maybe([maybe(r.randrange(100)) for _ in range(r.randrange(5))]),
        "exacts": [Decimal(r.randrange(-999, 999)).scaleb(-1) for _ in range(r.randrange(3))],
        "inner": inner(4),
    }


def encode(record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, PARSED, record)
    return out.getvalue()


def moment_text(moment: dt.datetime) -> str:
    """As PostgreSQL prints it."""
    text = moment.strftime("%Y-%m-%d %H:%M:%S.%f").rstrip("0").rstrip(".")
    return text.rjust(len(text), "0") + ("+00" if moment.tzinfo else "")


def clock_text(clock: dt.time) -> str:
    return clock.strftime("%H:%M:%S.%f").rstrip("0").rstrip(".")


def literal(items: list[Any] | None) -> str | None:
    return None if items is None else "{" + ",".join("NULL" if i is None else str(i) for i in items) + "}"


def check(batch: Batch, row: int, record: dict[str, Any]) -> None:
    got = {name: batch.column_text(i, row) for i, (name, _) in enumerate(COLUMNS)}
    for name in ("id", "small", "exact", "fixed_exact", "day", "ident", "mood", "words"):
        assert got[name] == (None if record[name] is None else str(record[name])), name
    assert got["flag"] == {None: None, True: "t", False: "f"}[record["flag"]]
    for name in ("narrow", "wide"):
        assert (float(got[name]) if got[name] is not None else None) == record[name]
    assert got["bytes"] == "\\x" + record["bytes"].hex()
    assert (got["clock_ms"], got["clock_us"]) == (
        clock_text(record["clock_ms"]),
        clock_text(record["clock_us"]),
    )
    for name in ("at_ms", "at_us", "local_us"):
        assert got[name] == (None if record[name] is None else moment_text(record[name])), name
    assert got["list"] == literal(record["list"])
    assert got["exacts"] == literal(record["exacts"])
    after = (record["inner"] or {}).get("next") or {}
    assert got["deep"] == (None if after.get("b") is None else str(after["b"]))
    assert (json.loads(got["doc"]) if got["doc"] is not None else None) == record["inner"]


def test_random_records_as_fastavro_wrote_them() -> None:
    r = random.Random(5)
    records = [value(r, number) for number in range(1500)]
    bodies = [encode(record) for record in records]
    batch, rejects = decode_avro(bodies, columns(), BODY)
    assert rejects == []
    for row, record in enumerate(records):
        check(batch, row, record)
    wired, rejects = decode_avro([b"\0\0\0\0\7" + body for body in bodies], columns(), {7: BODY})
    assert rejects == []
    assert wired.num_rows == batch.num_rows


def test_broken_bodies_are_rejects() -> None:
    r = random.Random(6)
    body = encode(value(r, 1))
    broken = [body[:length] for length in range(len(body))]
    batch, rejects = decode_avro(broken, columns(), BODY)
    assert batch.num_rows == 0
    assert {reject["reason"] for reject in rejects} <= {"malformed", "encoding", "type", "range"}
    batch, rejects = decode_avro([body + b"\0", body], columns(), BODY)
    assert [(reject["index"], reject["reason"]) for reject in rejects] == [(0, "malformed")]
    mutated = []
    for _ in range(3000):
        piece = bytearray(encode(value(r, 2)))
        for _ in range(r.randrange(1, 4)):
            piece[r.randrange(len(piece))] = r.randrange(256)
        mutated.append(bytes(piece))
    batch, rejects = decode_avro(mutated, columns(), BODY)
    assert batch.num_rows + len(rejects) == len(mutated)
    assert len(rejects) > 500


def test_heads_of_messages() -> None:
    body = encode(value(random.Random(7), 1))
    batch, rejects = decode_avro(
        [b"", b"\0\0", b"\1\0\0\0\7" + body, b"\0\0\0\0\x08" + body], columns(), {7: BODY}
    )
    assert batch.num_rows == 0
    assert [reject["reason"] for reject in rejects] == ["malformed"] * 4
    assert "number 8" in rejects[3]["message"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ('{"type":"record"', "no JSON"),
        ('"string"', "not of a record"),
        ('{"type":"record","name":"R","fields":[{"name":"a","type":"nothing"}]}', "does not define"),
        ('{"type":"record","name":"R","fields":[{"name":"a b","type":"int"}]}', "letters, digits"),
        (
            '{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"F"}}]}',
            "no size",
        ),
        ('{"type":"record","name":"R","fields":[{"name":"a","type":[]}]}', "no branches"),
    ],
)
def test_schemas_that_cannot_be_used(schema: str, words: str) -> None:
    _, rejects = decode_avro([b"\0\0\0\0\1\0"], Schema([("a", "integer")]), {1: schema})
    assert rejects[0]["reason"] == "malformed"
    assert words in rejects[0]["message"]


def test_values_of_no_bytes_cost_no_time() -> None:
    schema = json.dumps(
        {
            "type": "record",
            "name": "R",
            "fields": [
                {"name": "a", "type": {"type": "array", "items": "null"}},
                {"name": "b", "type": {"type": "array", "items": "null"}},
            ],
        }
    )
    huge = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\0\0"
    _, rejects = decode_avro([huge, b"\0" + huge], Schema([("b", "jsonb")]), schema)
    assert [reject["reason"] for reject in rejects] == ["malformed"] * 2


def test_unknown_fields_and_the_rest() -> None:
    schema = '{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"string"}]}'
    batch, rejects = decode_avro([b"\2\4hi"], Schema([("a", "integer")], unknown="reject"), schema)
    assert [(reject["reason"], reject["value"]) for reject in rejects] == [("unknown_key", "b")]
    batch, rejects = decode_avro(
        [b"\2\4hi"], Schema([("a", "integer"), ("r", "jsonb")], map={"r": "$rest"}), schema
    )
    assert rejects == []
    assert batch.column_text(1, 0) == '{"b": "hi"}'
    batch, rejects = decode_avro([b"\2\4\xffi", b"\2\4\0i"], Schema([("b", "text")]), schema)
    assert [(reject["reason"], reject["column"]) for reject in rejects] == [("encoding", "b")] * 2
