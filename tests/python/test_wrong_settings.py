"""Settings and arguments that cannot be, given to the C module itself: each is refused with a message that names it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from headrace import Batch, Connection, Schema, UsageError, _headrace, decode_json

SETTINGS: dict[str, Any] = {
    "job": "j",
    "run_id": "6f0b3c3e-8f4e-4a9c-9d0e-000000000001",
    "source": {"kind": "stdin"},
    "target": {"dsn": "host=127.0.0.1 port=1", "table": "t"},
}
BATCH, _ = decode_json('{"a":1}', Schema([("a", "int")]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"job": None}, 'setting "job" is missing'),
        ({"job": 3}, 'setting "job" must be a string'),
        ({"job": "x" * 201}, "1 to 200 bytes"),
        ({"job": ""}, "1 to 200 bytes"),
        ({"source": None}, 'setting "source" is missing'),
        ({"source": [1]}, 'setting "source" must be an object'),
        ({"source": {"kind": "smoke"}}, 'source kind "smoke" is not known'),
        ({"format": "xml"}, 'format "xml" is not known'),
        ({"csv": {"delimiter": ";;"}}, "delimiter and quote must be one byte each"),
        ({"csv": {"delimiter": '"'}}, "delimiter and quote must be one byte each"),
        ({"csv": {"header": 1}}, 'setting "header" must be true or false'),
        ({"partition": {"unit": "hour"}}, "week, day or month"),
        ({"partition": {"zone": "Europe/Nowhere"}}, "Europe/Nowhere"),
        ({"workers": 65}, 'setting "workers" must be a whole number from 0 to 64'),
        ({"workers": 1.5}, 'setting "workers" must be a whole number'),
        ({"limits": {"max_records": 0}}, 'setting "max_records" must be a whole number from 1'),
        ({"limits": {"max_seconds": "long"}}, "max_seconds"),
        ({"mode": "merge"}, 'setting "mode" is "merge"; it must be one of: append, '),
        ({"unknown": "fail"}, 'setting "unknown" is "fail"; it must be one of: ignore, reject'),
        ({"key": "a"}, '"key" must be a list of column names'),
        ({"key": [1]}, '"key" must be a list of column names'),
        ({"map": []}, 'setting "map" must be an object'),
    ],
)  # fmt: skip
def test_a_load_refuses(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        _headrace.run_load(json.dumps(SETTINGS | changes))
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"job":"j"'])
def test_a_load_wants_one_json_object(text: str) -> None:
    with pytest.raises(UsageError, match="settings"):
        _headrace.plan_load(text)


def test_progress_must_be_callable() -> None:
    with pytest.raises(TypeError, match="progress must be callable or None, not int"):
        _headrace.run_load(json.dumps(SETTINGS), 3)  # type: ignore[arg-type]


def test_questions_to_kafka_must_be_json() -> None:
    with pytest.raises(UsageError, match="not valid JSON"):
        _headrace.kafka_topics("{")
    with pytest.raises(TypeError, match="must be a str, not bytes"):
        _headrace.kafka_topics(b"{}")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="NUL"):
        _headrace.kafka_topics("{}\0")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [((), TypeError), ((0,), TypeError), (("a", 0), TypeError), ((0, "a"), TypeError), ((0, 1), IndexError)],
)
def test_values_of_a_batch_are_asked_for_by_two_numbers(arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        BATCH.column_text(*arguments)


def test_what_a_batch_refuses() -> None:
    with pytest.raises(UsageError, match="use binary or text"):
        BATCH.to_copy("csv")
    with pytest.raises(TypeError, match=r"must be a headrace\.Schema"):
        Batch.from_copy(b"", "schema")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Batch.from_copy("text", BATCH.schema)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"must be a headrace\.Schema"):
        Batch.from_arrow(BATCH, "schema")  # type: ignore[call-arg]
    with pytest.raises(UsageError):
        Connection("no such = setting")


def test_arrow_capsules_are_taken_once_and_come_in_pairs() -> None:
    pair, stream = BATCH.__arrow_c_array__(), BATCH.__arrow_c_stream__()

    def array(*found: object) -> Any:
        return SimpleNamespace(__arrow_c_array__=lambda: found)

    assert len(Batch.from_arrow(array(*pair))) == 1
    for wrong in (array(*pair, 1), array(pair[1], pair[0]), array(1, 2)):
        with pytest.raises((TypeError, ValueError)):
            Batch.from_arrow(wrong)
    again = SimpleNamespace(__arrow_c_stream__=lambda: stream)
    assert len(Batch.from_arrow(again)) == 1
    with pytest.raises(ValueError):
        Batch.from_arrow(SimpleNamespace(__arrow_c_stream__=lambda: pair[0]))


def test_a_map_must_be_a_mapping_of_texts() -> None:
    for wrong in (3, {"a": 3}, {3: "a"}, {"a": {"path": 3}}, {"a": {3: "x"}}):
        with pytest.raises((TypeError, AttributeError)):
            Schema([("a", "int")], wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match='"seconds" is not a setting'):
        Schema([("a", "int")], {"a": {"seconds": "x"}})
    with pytest.raises(UsageError, match="use ignore or reject"):
        Schema([("a", "int")], unknown="fail")
