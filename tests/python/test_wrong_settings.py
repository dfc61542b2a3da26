"""Settings and arguments that cannot be, given to the C module itself: each is refused with a message that names it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from headrace import (
    Batch,
    Connection,
    RetriableError,
    Schema,
    UsageError,
    _headrace,
    decode_avro,
    decode_json,
    partition,
)

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
        ({"format": "debezium", "debezium": {"speed": 1}}, 'debezium: "speed" is no setting'),
        ({"format": "debezium", "debezium": {"unavailable": ""}}, '"unavailable" must not be empty'),
        ({"format": "debezium", "debezium": {"time": "minutes"}}, "adaptive"),
        ({"format": "json", "debezium": {"time": "millis"}}, 'are for change events; the format is "json"'),
        ({"format": "avro"}, 'give either "registry"'),
        ({"format": "avro", "avro": {"registry": "ftp://host"}}, "must begin with http:// or https://"),
        ({"format": "avro", "avro": {"registry": "http://me:secret@host"}}, "must not hold a user and password"),
        ({"format": "csv", "avro": {"schema": '"int"'}}, "for the formats avro and debezium-avro"),
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


UNREACHABLE = {"bootstrap.servers": "127.0.0.1:1"}


@pytest.mark.parametrize(
    ("ask", "question", "message"),
    [
        (_headrace.kafka_create_topic, {"topic": "t", "partitions": 0}, "cannot have 0 partitions"),
        (_headrace.kafka_create_topic, {"topic": "t", "partitions": 2**31}, "cannot have 2147483648 partitions"),
        (_headrace.kafka_create_topic, {"topic": "t", "partitions": 1}, "not 0"),
        (_headrace.kafka_create_topic, {"topic": "t", "partitions": 1, "replication": -2}, "not -2"),
        (_headrace.kafka_create_topic, {"topic": "t", "partitions": 1, "replication": 40000}, "not 40000"),
        (_headrace.kafka_create_topic, {"partitions": 1, "replication": 1}, "must name a topic"),
        (_headrace.kafka_delete_topic, {"topic": 3}, "must name a topic"),
        (_headrace.kafka_offsets, {}, "must name a topic"),
        (_headrace.kafka_delete_group, {"group": None}, "must name a consumer group"),
    ],
)  # fmt: skip
def test_questions_to_kafka_that_cannot_be(ask: Any, question: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        ask(json.dumps({"config": UNREACHABLE} | question))
    assert message in str(caught.value)


def test_what_a_reader_of_messages_refuses() -> None:
    with pytest.raises(TypeError, match="callback must be callable, not int"):
        _headrace.read_messages("{}", 3)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        _headrace.read_messages("{", print)


@pytest.mark.parametrize("avro", [3, ["x"], {"1": "x"}, {-1: "x"}, {2**31: "x"}, {1: b"x"}, {1: None}])
def test_schemas_of_avro_must_be_texts_by_number(avro: Any) -> None:
    with pytest.raises(TypeError, match="a schema \\(str\\) or a dict of numbers and schemas"):
        decode_avro([b""], BATCH.schema, avro)
    with pytest.raises(OverflowError):
        decode_avro([b""], BATCH.schema, {2**70: "x"})
    with pytest.raises(UnicodeEncodeError):
        decode_avro([b""], BATCH.schema, {1: "\ud800"})


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
    with pytest.raises(ValueError, match="the Arrow array was taken before"):
        Batch.from_arrow(array(*pair))
    for wrong in (array(*pair, 1), array(pair[1], pair[0]), array(1, 2)):
        with pytest.raises((TypeError, ValueError)):
            Batch.from_arrow(wrong)
    again = SimpleNamespace(__arrow_c_stream__=lambda: stream)
    assert len(Batch.from_arrow(again)) == 1
    assert len(Batch.from_arrow(again)) == 0, "its rows came before"
    taken = BATCH.__arrow_c_stream__()
    pa.RecordBatchReader._import_from_c_capsule(taken)
    with pytest.raises(ValueError, match="the Arrow stream was read before"):
        Batch.from_arrow(SimpleNamespace(__arrow_c_stream__=lambda: taken))
    with pytest.raises(ValueError):
        Batch.from_arrow(SimpleNamespace(__arrow_c_stream__=lambda: pair[0]))


def test_a_map_must_be_a_mapping_of_texts() -> None:
    for wrong in (3, {"a": 3}, {3: "a"}, {"a": {"path": 3}}, {"a": {3: "x"}}):
        with pytest.raises((TypeError, AttributeError)):
            Schema([("a", "int")], wrong)  # type: ignore[arg-type]
    for items in ([3], [("a",)], [("a", "x", "y")]):
        with pytest.raises(TypeError, match="a mapping of column to source"):
            Schema([("a", "int")], SimpleNamespace(items=lambda items=items: items, keys=list))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match='"seconds" is not a setting'):
        Schema([("a", "int")], {"a": {"seconds": "x"}})
    with pytest.raises(UsageError, match="use ignore or reject"):
        Schema([("a", "int")], unknown="fail")


@pytest.mark.parametrize(
    "changes",
    [
        {"limits": {"max_seconds": 1e300}},
        {"format": "debezium", "debezium": {"time": "millis", "decimal": "base64", "unavailable": "?"}},
        {
            "format": "avro",
            "avro": {"registry": "http://127.0.0.1:1//"},
            "registry_login": {"user": "a", "password": "b"},
        },
    ],
)
def test_settings_that_can_be_reach_the_server(changes: dict[str, Any]) -> None:
    with pytest.raises(RetriableError, match="cannot connect to PostgreSQL"):
        _headrace.run_load(json.dumps(SETTINGS | changes))


def test_windows_of_too_many_kinds() -> None:
    batch, _ = decode_json('{"at":"2026-01-01T00:00:00Z"}', Schema([("at", "timestamptz")]))
    spec = ("w", "tumbling", "day", 1, 0, 0, 0)
    with pytest.raises(ValueError, match="at most 16 kinds of windows at once, not 17"):
        _headrace.window(batch, (spec,) * 17, "at", (), (("n", "count", None, 0),))


def test_a_day_that_never_comes_is_in_no_period() -> None:
    lines = '{"d":"2026-01-01"}\n{"d":"infinity"}\n{"d":"-infinity"}\n{"d":null}\n{"d":"5874897-12-31"}'
    batch, rejects = decode_json(lines, Schema([("d", "date")]))
    assert (len(batch), rejects) == (5, [])
    parts = _headrace.partition(batch, "d", "day")
    assert [(part[0], len(part[4])) for part in parts] == [("20260101", 1), (None, 4)]
    assert len(partition(batch, "d", "day")) == 2


SIDE = {"dsn": "", "begin": "BEGIN", "query": "SELECT 1"}


@pytest.mark.parametrize(
    ("work", "told", "message"),
    [
        (_headrace.produce, {}, '"path" is missing'),
        (_headrace.produce, {"path": "", "topic": "t"}, '"path" is missing'),
        (_headrace.produce, {"path": "-"}, '"topic" is missing'),
        (_headrace.produce, {"path": "-", "topic": ""}, '"topic" is missing'),
        (_headrace.produce, {"path": "-", "topic": "t", "rate": 0}, '"rate" must be a number above 0'),
        (_headrace.compare_queries, {}, 'setting "dsn" of "left" must be a text'),
        (_headrace.compare_queries, {"left": SIDE, "right": SIDE | {"query": 3}}, '"query" of "right" must be a text'),
        (_headrace.compare_queries, {"left": SIDE, "right": SIDE, "memory": 1}, '"key" and "memory" must be above 0'),
        (_headrace.compare_queries, {"left": SIDE, "right": SIDE, "key": 1, "memory": 1, "keep": -1}, '"keep" from 0'),
    ],
)  # fmt: skip
def test_other_work_refuses(work: Any, told: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        work(json.dumps(told))
    assert message in str(caught.value)
