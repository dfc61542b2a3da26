"""Change events in JSON: keys beside records, options, and what is refused. tests/core/test_debezium.c has
the forms.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from headrace import Batch, Schema, UsageError, decode_debezium, decode_json
from headrace.cli.load_options import parse_pairs

COLUMNS: list[tuple[Any, ...]] = [
    ("id", "bigint", True),
    ("name", "text", True),
    ("op", "text"),
    ("lsn", "bigint"),
    ("missing", "text[]"),
]
MAP = {"op": "$op", "lsn": "$lsn", "missing": "$unchanged"}


def rows(batch: Batch) -> list[list[str | None]]:
    """All values as text."""
    return [[batch.column_text(c, r) for c in range(batch.num_columns)] for r in range(batch.num_rows)]


def event(op: str, after: object = None, before: object = None, lsn: int = 7) -> str:
    """A change event without a schema."""
    source = {"schema": "public", "table": "items", "lsn": lsn, "ts_ms": 1767323045123}
    return json.dumps({"before": before, "after": after, "source": source, "op": op})


def test_a_life_of_a_row() -> None:
    schema = Schema(COLUMNS, map=MAP)
    records = [
        event("c", {"id": 1, "name": "a"}, lsn=1),
        event("u", {"id": 1, "name": "__debezium_unavailable_value"}, lsn=2),
        event("d", before={"id": 1, "name": ""}, lsn=3),
        None,
        event("c", {"id": 2, "name": "b"}, lsn=4),
    ]
    keys = ['{"id":1}'] * 4 + ['{"id":2}']
    batch, rejects = decode_debezium(records, schema, keys=keys)
    assert rows(batch) == [
        ["1", "a", "c", "1", "{}"],
        ["1", None, "u", "2", "{name}"],
        ["1", None, "d", "3", "{}"],
        ["2", "b", "c", "4", "{}"],
    ]
    assert [reject["reason"] for reject in rejects] == ["tombstone"]


def test_lines_without_keys_and_blank_ones() -> None:
    data = "\n".join([event("c", {"id": 1, "name": "a"}), "", event("r", {"id": 2, "name": "b"}), " "])
    batch, rejects = decode_debezium(data, Schema(COLUMNS, map=MAP))
    assert [row[:3] for row in rows(batch)] == [["1", "a", "c"], ["2", "b", "r"]]
    assert rejects == []


def test_options_speak_for_messages_without_a_schema() -> None:
    schema = Schema([("at", "timestamp"), ("price", "numeric(12,2)"), ("raw", "bytea")])
    record = event("c", {"at": 1767323045123, "price": "BOI=", "raw": "00ff"})
    batch, rejects = decode_debezium([record], schema, time="millis", decimal="base64", binary="hex")
    assert rejects == []
    assert rows(batch) == [["2026-01-02 03:04:05.123", "12.50", "\\x00ff"]]
    batch, rejects = decode_debezium([record], schema)
    assert [reject["reason"] for reject in rejects] == ["type"]
    for wrong in ({"time": "seconds"}, {"decimal": "double"}, {"binary": "octal"}):
        with pytest.raises(ValueError, match="must be"):
            decode_debezium([record], schema, **wrong)  # type: ignore[arg-type]


def test_reserved_sources_need_change_events() -> None:
    with pytest.raises(UsageError, match="only change events have"):
        decode_json(b"{}", Schema([("op", "text")], map={"op": "$op"}))


def test_keys_go_with_records() -> None:
    schema = Schema(COLUMNS, map=MAP)
    with pytest.raises(TypeError, match="iterable of records"):
        decode_debezium(b"{}", schema, keys=[b"{}"])
    with pytest.raises(ValueError, match="2 records and 1 keys"):
        decode_debezium([b"{}", b"{}"], schema, keys=[b"{}"])


def test_pairs_of_the_command_line() -> None:
    assert parse_pairs("--debezium", ["time=millis", "unavailable=a=b"]) == {
        "time": "millis",
        "unavailable": "a=b",
    }
    assert parse_pairs("--debezium", []) is None
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parse_pairs("--debezium", ["millis"])
