"""Many threads at once on the same objects: what a Python without the GIL makes of it, and one with it as far as
work is done outside of it. Run by `make test-pythons` on free-threaded Python above all.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import headrace
import pyarrow as pa
import pytest
from headrace import Batch, Schema, UsageError, decode_csv, decode_json

THREADS = 8
ROUNDS = 60
COLUMNS = [
    ("id", "bigint"),
    ("t", "text"),
    ("at", "timestamptz"),
    ("tags", "text[]"),
    ("n", "numeric"),
    ("j", "jsonb"),
]
LINE = '{{"id":{0},"t":"text {0}","at":"2026-{1:02}-21T00:00:00Z","tags":["a","{0}"],"n":{0}.5,"j":{{"x":[1,{0}]}}}}\n'
LINES = "".join(LINE.format(i, i % 12 + 1) for i in range(500)) + '{"id":"x"}\n{broken\n'

# before 3.14 only C could make interpreters with a GIL of their own; these share it
SUBINTERPRETERS = """
import threading
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
def run():
    own = interpreters.create()
    for _ in range(5):
        error = interpreters.run_string(own, {0!r})
        assert error is None, error
    interpreters.destroy(own)
threads = [threading.Thread(target=run) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def together(*works: Callable[[], object], threads: int = THREADS, rounds: int = ROUNDS) -> None:
    """Each thread does one of the works `rounds` times; all start at the same moment."""
    barrier = threading.Barrier(threads)

    def run(number: int) -> None:
        barrier.wait()
        for turn in range(rounds):
            works[(number + turn) % len(works)]()

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(run, number) for number in range(threads)]:
            done.result()


def test_the_module_leaves_the_gil_switched_off() -> None:
    """A module that does not declare itself safe would switch it on for the whole process."""
    program = f"import sys; sys.path[:] = {sys.path!r}\nfrom headrace import _headrace\nprint(getattr(sys, '_is_gil_enabled', lambda: True)())"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(not sysconfig.get_config_var("Py_GIL_DISABLED"))


def test_all_verbs_on_one_schema_and_one_batch() -> None:
    schema = Schema(COLUMNS, {"t": {"path": "t"}})
    shared, rejects = decode_json(LINES, schema)
    assert (len(shared), len(rejects)) == (500, 2)
    copied, text = shared.to_copy(), shared.to_copy("text")
    csv = "id,t\n" + "".join(f"{i},x{i}\n" for i in range(200))
    narrow = Schema([("id", "int"), ("t", "text")])
    table = pa.record_batch(shared)

    def decode() -> None:
        batch, refused = decode_json(LINES, schema)
        assert batch.to_copy() == copied
        assert [reject["line"] for reject in refused] == [501, 502]

    def split() -> None:
        assert sum(map(len, headrace.partition(shared, "at", "month", "Europe/Warsaw").values())) == 500

    def export() -> None:
        assert pa.record_batch(shared).equals(table)
        assert Batch.from_arrow(shared, schema).to_copy() == copied

    def look() -> None:
        assert schema.names == [name for name, _ in COLUMNS]
        assert shared.column_text(1, 7) == "text 7"
        assert shared.schema is schema
        assert len(Batch.from_copy(copied, schema)) == 500

    together(
        decode,
        split,
        export,
        look,
        lambda: shared.to_copy("text") == text or pytest.fail("to_copy differs"),
        lambda: len(decode_csv(csv, narrow)[0]) == 200 or pytest.fail("decode_csv differs"),
    )


def test_objects_are_let_go_by_the_thread_that_happens_to_be_last() -> None:
    """Batches, their Arrow exports and the schema pass from thread to thread; no one knows who frees them."""
    box: list[object] = []
    schema = Schema(COLUMNS)

    def put() -> None:
        batch, _ = decode_json(LINES, schema)
        box.extend((batch, batch.__arrow_c_array__(), batch.__arrow_c_stream__(), pa.record_batch(batch)))

    def take() -> None:
        for _ in range(4):
            try:
                box.pop()
            except IndexError:
                return

    together(put, take)
    box.clear()
    assert len(decode_json(LINES, schema)[0]) == 500


def test_what_is_given_may_change_meanwhile() -> None:
    """Lists and dicts that another thread is changing: each call sees some state of them, none crashes."""
    records: list[str] = ['{"id":1}'] * 100
    setting = {"path": "t", "unit": "s"}
    mapping: dict[str, object] = {"t": setting}
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            records.append(f'{{"id":{number}}}')
            del records[: len(records) - 100]
            setting[f"wrong{number % 50}"] = "x" * (number % 7)
            setting.pop(f"wrong{(number + 25) % 50}", None)
            mapping[f"no{number % 50}"] = "y"
            mapping.pop(f"no{(number + 25) % 50}", None)
            lines[number % len(lines)] = b'"{}\n1'[number % 5]
            with contextlib.suppress(BufferError):  # while it is being copied
                lines.extend(b'{"id":1}\n')
                del lines[:9]

    narrow = Schema([("id", "int")])
    lines = bytearray(b'{"id":1}\n' * 100)

    def decode() -> None:
        batch, rejects = decode_json(lines, narrow)
        assert len(batch) + len(rejects) > 0
        batch, rejects = decode_json(records, narrow)
        assert rejects == []
        assert len(batch) > 0

    def describe() -> None:
        try:
            Schema([("t", "timestamp")], mapping)
        except (UsageError, RuntimeError):  # a setting that is not one; dict changed size
            return

    changer = threading.Thread(target=change)
    changer.start()
    try:
        together(decode, describe, threads=4, rounds=200)
    finally:
        stop.set()
        changer.join()


def test_interpreters_side_by_side() -> None:
    """Every interpreter has its own module, with a GIL of its own, and they work at the same time."""
    program = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        # not the Python around it: datetime, which that imports, crashes 3.12.1 when a second interpreter does
        "from headrace._headrace import Schema, decode_json, partition\n"
        "schema = Schema([('id', 'int'), ('at', 'timestamptz')])\n"
        'batch, rejects = decode_json(b\'{"id":1,"at":"2026-11-21T00:00:00Z"}\\n{"id":"x"}\\n\' * 200, schema)\n'
        "assert (len(batch), len(rejects), len(partition(batch, 'at', 'day'))) == (200, 200, 1)\n"
    )
    if sys.version_info < (3, 14):
        done = subprocess.run(
            [sys.executable, "-c", SUBINTERPRETERS.format(program)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return
    from concurrent import interpreters

    def run() -> None:
        own = interpreters.create()
        try:
            for _ in range(5):
                own.exec(program)
        finally:
            own.close()

    together(run, threads=4, rounds=3)
