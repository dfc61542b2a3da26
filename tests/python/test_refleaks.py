"""Nothing leaks: each way through the module is walked many thousand times in a process of its own, which must
not grow. A leak of one small object a round would be megabytes in the end; the bound leaves room for the
allocator's own ways.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

ROUNDS = 20_000
WARM_UP = 2_000
BOUND = 3 * 1024 * 1024

PREPARE = """
import gc, sys, headrace, psutil
from headrace import Batch, Connection, Schema, decode_csv, decode_json, partition, _headrace
columns = [("id", "int", True), ("t", "text"), ("at", "timestamptz"), ("a", "text[]"), ("d", "date")]
schema = Schema(columns, {"t": "x.y"})
good = b'{"id":1,"x":{"y":"text"},"at":"2026-11-21T00:00:00Z","a":["p","q"]}\\n' * 3
bad = b'{"id":"x"}\\n{broken\\n{"at":1}\\n'
batch, _ = decode_json(good, schema)
infinite, _ = decode_json('{"id":1,"d":"infinity"}', schema)
copied = batch.to_copy()
def fails(error, function, *arguments, **keywords):
    try:
        function(*arguments, **keywords)
    except error:
        return
    raise AssertionError("it should have failed")
class Broken:
    def __arrow_c_stream__(self, requested_schema=None):
        raise LookupError
def iterate_and_fail():
    yield b"{}"
    raise LookupError
"""

WAYS = {
    "schema": "Schema(columns, {'t': 'x.y'}); schema.names; schema.columns; repr(schema)",
    "schema that cannot be": 'fails(headrace.UsageError, Schema, [("id", "int"), ("id", "int")])',
    "schema of nonsense": "fails(TypeError, Schema, [('a', 'int'), 3])",
    "map that cannot be": "fails(headrace.UsageError, Schema, [('a', 'int')], {'a': {'unit': 'x'}})",
    "json": "decode_json(good, schema)",
    "json of a bytearray": "decode_json(bytearray(good), schema); Batch.from_copy(bytearray(copied), schema)",
    "json with rejects": "decode_json(bad, schema)",
    "json of an iterable": "decode_json(['{}', b'{}', None, bytearray(b'{}')], schema)",
    "json of an iterable that fails": "fails(LookupError, decode_json, iterate_and_fail(), schema)",
    "json of nonsense": "fails(TypeError, decode_json, [b'{}', 3], schema)",
    "csv": "decode_csv('id,t\\n1,a\\nx,b\\n', schema)",
    "change events": '_headrace.decode_debezium(\'{"op":"c","after":{"id":1}}\\n{broken\\n\', schema)',
    "avro": '_headrace.decode_avro([b\'\\x02\', b\'\'], schema, \'{"type":"record","name":"r","fields":[{"name":"id","type":"int"}]}\')',
    "csv without a column": "fails(headrace.UsageError, decode_csv, 't\\n1\\n', schema)",
    "csv header": "_headrace.csv_header(bytearray(b'a,b\\n1,2\\n'), ',')",
    "csv header that cannot be": "fails(ValueError, _headrace.csv_header, b'a', ';;'); fails(TypeError, _headrace.csv_header, 'a')",
    "partition": "partition(batch, 'at', 'day', 'Europe/Warsaw')",
    "partition that cannot be": "fails(headrace.UsageError, partition, batch, 't')",
    "hashes": "headrace.hash_diff(headrace.hash_keys(batch, ['id', 't']), 'at', zone='Europe/Warsaw')",
    "hashes that cannot be": "fails(headrace.UsageError, headrace.hash_keys, batch, ['id', 'x'])",
    "hashes of a name that is taken": "fails(headrace.UsageError, headrace.hash_keys, batch, 'id', name='t')",
    "upper case": "_headrace.upper_case('straße'); _headrace.hash_kernels()",
    "copy": "Batch.from_copy(batch.to_copy(), schema); batch.to_copy('text')",
    "copy that is cut": "fails(headrace.DataError, Batch.from_copy, copied[:-5], schema)",
    "values": "[batch.column_text(c, r) for c in range(5) for r in range(3)]; repr(batch)",
    "html": "batch._repr_html_()",
    "values outside": "fails(IndexError, batch.column_text, 9, 9)",
    "arrow capsules": "batch.__arrow_c_array__(); batch.__arrow_c_stream__(); batch.__arrow_c_schema__()",
    "arrow there and back": "Batch.from_arrow(batch); Batch.from_arrow(batch, schema)",
    "arrow schema": "Schema.from_arrow(batch)",
    "arrow of infinity": "fails(headrace.DataError, infinite.__arrow_c_array__)",
    "arrow that fails": "fails(LookupError, Batch.from_arrow, Broken())",
    "arrow that is none": "fails(TypeError, Batch.from_arrow, 3)",
    "load that cannot be": "fails(headrace.UsageError, _headrace.run_load, '{}')",
    "window job that cannot be": "fails(headrace.UsageError, _headrace.run_window, '{}')",
    "plan that is no JSON": "fails(headrace.UsageError, _headrace.plan_load, 'x')",
    "topic that cannot be": "fails(headrace.UsageError, _headrace.kafka_offsets, 'x')",
    "connection that cannot be": "fails(headrace.UsageError, Connection, 'nonsense')",
    "versions": "_headrace.versions()",
}

MEASURE = """
def walk(rounds):
    for _ in range(rounds):
        {way}
walk({warm_up})
gc.collect()
process = psutil.Process()
objects, memory = len(gc.get_objects()), process.memory_info().rss
blocks = sys.getallocatedblocks()
walk({rounds})
gc.collect()
print(len(gc.get_objects()) - objects, sys.getallocatedblocks() - blocks, process.memory_info().rss - memory)
"""


@pytest.mark.parametrize("name", WAYS)
def test_nothing_leaks(name: str) -> None:
    slow = "connection" in name or "load" in name
    rounds, warm_up = (ROUNDS // 10, WARM_UP // 10) if slow else (ROUNDS, WARM_UP)
    program = PREPARE + MEASURE.format(way=WAYS[name], rounds=rounds, warm_up=warm_up)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    objects, blocks, memory = map(int, done.stdout.split())
    assert objects < 100, "Python objects leak"
    assert blocks < 200, "Python's memory leaks"
    assert memory < BOUND, "memory of C leaks"
