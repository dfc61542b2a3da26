"""Every row of bad_json.py through decode_json, a file and Kafka: the same value, or the same reject and its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import headrace
import pytest

from stack import kafka
from tests.faults.bad_json import CASES, COLUMNS, TABLE, Bad, Case, Row
from tests.real.kafka_kit import fill
from tests.real.load_kit import execute, one, rows

NAMES = [name for name, *_ in COLUMNS]
GOOD = [case for case in CASES if isinstance(case.outcome, Row)]
REJECTED = [case for case in CASES if isinstance(case.outcome, Bad)]


def assert_row(case: Case, values: dict[str, str | None]) -> None:
    """The values are those of the table; every column it does not name is null."""
    assert isinstance(case.outcome, Row)
    expected = dict.fromkeys(NAMES) | ({} if "id" in case.outcome.values else {"id": values["id"]})
    assert values == expected | case.outcome.values, case.name


def assert_reject(case: Case, reason: str, column: str | None, value: str | None) -> None:
    """Reason, column and value are those of the table; a value is kept up to 1000 bytes."""
    expected = case.outcome
    assert isinstance(expected, Bad), f"{case.name}: rejected ({reason}), but should have been loaded"
    assert (reason, column) == (expected.reason, expected.column), case.name
    if isinstance(expected.value, str):
        assert (value or "")[:1000] == expected.value[:1000], case.name
    elif expected.value is None:
        assert value is None, case.name


def test_the_table_is_whole() -> None:
    """No two rows alike, no row a file could not hold, each reason that a document can have."""
    assert len({case.document for case in CASES}) > len(CASES) - 5
    assert not [case.name for case in CASES if b"\n" in case.document]
    reasons = {case.outcome.reason for case in CASES if isinstance(case.outcome, Bad)}
    assert reasons == {"malformed", "encoding", "type", "range", "null", "depth"}


def test_decoded() -> None:
    schema = headrace.Schema(list(COLUMNS))
    batch, rejects = headrace.decode_json([case.document for case in CASES], schema)
    refused = {reject["index"]: reject for reject in rejects}
    number = 0
    for index, case in enumerate(CASES):
        if index in refused:
            reject = refused[index]
            assert_reject(case, reject["reason"], reject["column"], reject["value"])
            assert reject["raw"] == case.document
            assert reject["message"]
        else:
            values = {name: batch.column_text(place, number) for place, name in enumerate(NAMES)}
            assert_row(case, values)
            number += 1
    assert number == batch.num_rows == len(GOOD)


def assert_loaded(dsn: str, places: list[int], topic: str) -> None:
    """What the server holds is what the table says; places: of each case, an offset or a byte."""
    columns = ", ".join(f'left("{name}"::text, 1)' if name == "flag" else f'"{name}"::text' for name in NAMES)
    found = {place: values for place, *values in rows(dsn, f"SELECT place, {columns} FROM t")}
    letters = {
        place: letter
        for place, *letter in rows(
            dsn,
            'SELECT "offset", reason, column_name, value, raw, message, topic, line FROM headrace.dead_letters',
        )
    }
    assert len(found) + len(letters) == len(CASES)
    for line, (case, place) in enumerate(zip(CASES, places, strict=True), 1):
        if place in letters:
            reason, column, value, raw, message, where, at = letters[place]
            assert_reject(case, reason, column, value)
            assert bytes(raw) == case.document
            assert message
            assert where == topic
            assert at in (None, line)
        else:
            assert_row(case, dict(zip(NAMES, found[place], strict=True)))


@pytest.mark.real
def test_from_a_file(dsn: str, tmp_path: Path) -> None:
    execute(dsn, TABLE)
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"".join(case.document + b"\n" for case in CASES))
    receipt = headrace.load(str(path), "t", dsn=dsn, map={"place": "$offset"})
    assert (receipt.read, receipt.loaded, receipt.rejected) == (len(CASES), len(GOOD), len(REJECTED))
    places, at = [], 0
    for case in CASES:
        places.append(at)
        at += len(case.document) + 1
    assert_loaded(dsn, places, str(path))
    assert one(dsn, "SELECT count(*) FROM headrace.dead_letters WHERE line IS NULL") == 0


@pytest.mark.real
def test_from_kafka(broker: kafka.Broker, new_topic: Callable[..., str], dsn: str) -> None:
    execute(dsn, TABLE)
    topic = new_topic(partitions=1)
    fill(broker.bootstrap, topic, ((0, case.document) for case in CASES))
    receipt = headrace.load(
        f"kafka://{broker.bootstrap}/{topic}", "t", dsn=dsn, map={"place": "$offset"}, batch_records=100
    )
    assert (receipt.read, receipt.loaded, receipt.rejected) == (len(CASES), len(GOOD), len(REJECTED))
    assert_loaded(dsn, list(range(len(CASES))), topic)


# document -> its reject under unknown="reject", and under "ignore"
UNKNOWN: dict[bytes, tuple[str | None, str | None]] = {
    b'{"id": 1, "x": 1}': ("unknown_key", None),
    b'{"x": 1, "id": 1}': ("unknown_key", None),
    b'{"id": 1, "": 1}': ("unknown_key", None),
    b'{"id": 1, "ID": 1}': ("unknown_key", None),
    b'{"id": 1, "id\\u0000": 1}': ("unknown_key", None),
    b'{"id": 1, "i\\u0064": 2}': (None, None),
    b'{"id": 1, "doc": {"x": 1}}': (None, None),
    b'{"id": "x", "x": 1}': ("unknown_key", "type"),
    b'{"id": 1, "x": }': ("unknown_key", "malformed"),
    b'{"id": 1, "x": "\xff"}': ("encoding", "encoding"),
}


def test_unknown_keys_are_ignored_or_rejected_as_told() -> None:
    columns = [("id", "integer", True), ("doc", "jsonb")]
    documents = list(UNKNOWN)
    for place, unknown in enumerate(("reject", "ignore")):
        _, rejects = headrace.decode_json(documents, headrace.Schema(columns, unknown=unknown))
        found = dict.fromkeys(documents) | {documents[r["index"]]: r["reason"] for r in rejects}
        assert found == {document: reasons[place] for document, reasons in UNKNOWN.items()}
