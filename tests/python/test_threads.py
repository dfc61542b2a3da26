"""Threads and signals: the GIL is let go around work, schemas and batches are shared, Ctrl-C is answered."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import headrace
import pyarrow as pa
import pytest
from headrace import Batch, Schema, decode_csv, decode_json

SCHEMA = Schema([("id", "bigint"), ("t", "text"), ("at", "timestamptz"), ("tags", "text[]")])
LINE = '{{"id":{0},"t":"text {0}","at":"2026-11-21T00:00:00Z","tags":["a","{0}"]}}\n'


@pytest.fixture(scope="module")
def lines() -> bytes:
    """A few megabytes of records."""
    return "".join(LINE.format(i) for i in range(60_000)).encode()


def test_many_threads_share_a_schema_and_a_batch(lines: bytes) -> None:
    shared, _ = decode_json(lines, SCHEMA)
    expected = shared.to_copy()

    def work(number: int) -> None:
        match number % 4:
            case 0:
                assert decode_json(lines, SCHEMA)[0].to_copy() == expected
            case 1:
                assert shared.to_copy() == expected
            case 2:
                assert Batch.from_arrow(pa.record_batch(shared)).num_rows == 60_000
            case 3:
                assert [len(part) for part in headrace.partition(shared, "at").values()] == [60_000]

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, number) for number in range(16)]:
            done.result()


class Counter(threading.Thread):
    """Counts how often it gets the GIL, which it gives back at once."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.count = 0
        self.stop = False

    def run(self) -> None:
        while not self.stop:
            self.count += 1
            time.sleep(0)


@pytest.fixture
def counter() -> Iterator[Counter]:
    """A thread that runs only while the others let it: Python itself does not switch here."""
    interval = sys.getswitchinterval()
    thread = Counter()
    thread.start()
    sys.setswitchinterval(1000)
    yield thread
    sys.setswitchinterval(interval)
    thread.stop = True
    thread.join()


def test_the_gil_is_free_during_work(counter: Counter, lines: bytes) -> None:
    batch, _ = decode_json(lines, SCHEMA)
    copied = batch.to_copy()
    csv = "id,t\n" + "1,x\n" * 60_000
    works = {
        "decode_json": lambda: decode_json(lines, SCHEMA),
        "decode_csv": lambda: decode_csv(csv, SCHEMA),
        "to_copy": batch.to_copy,
        "from_copy": lambda: Batch.from_copy(copied, SCHEMA),
        "from_arrow": lambda: Batch.from_arrow(batch),
        "partition": lambda: headrace.partition(batch, "at", "day"),
    }
    for name, work in works.items():
        before = counter.count
        # often, because a busy machine may not wake the other thread in time
        for _ in range(200):
            work()
            if counter.count > before:
                break
        assert counter.count > before, name


@pytest.mark.parametrize(
    "work",
    [
        "decode_json(b'{\"id\":1}\\n' * 2_000_000, schema)",
        "decode_json([b'{\"id\":1}'] * 1_000_000, schema)",
        '_headrace.kafka_topics(\'{"config":{"bootstrap.servers":"127.0.0.1:1"}}\')',
    ],
    ids=["bytes", "iterable", "brokers that are away"],
)
def test_ctrl_c_stops_work(work: str) -> None:
    """The work would go on for ever; after SIGINT it ends with KeyboardInterrupt, whoever it was doing."""
    program = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from headrace import Schema, decode_json, _headrace\n"
        "schema = Schema([('id', 'int')])\n"
        "print('ready', flush=True)\n"
        "try:\n"
        f"    while True: {work}\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (out, process.returncode) == ("interrupted\n", 0)


def decode_for_ever() -> None:
    """Only an exception ends it."""
    data = [b'{"id":1}'] * 100_000
    while True:
        decode_json(data, SCHEMA)


def test_an_exception_of_a_signal_handler_comes_through() -> None:
    def handler(number: int, frame: object) -> None:
        raise TimeoutError("enough")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(TimeoutError, match="enough"):
            decode_for_ever()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_interpreters_of_their_own() -> None:
    """The module keeps no state outside its module objects: it can be loaded twice."""
    import importlib.util

    from headrace import _headrace

    spec = importlib.util.spec_from_file_location("headrace._headrace", _headrace.__file__)
    assert spec is not None
    assert spec.loader is not None
    second = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(second)
    assert second is not _headrace
    assert second.Schema is not _headrace.Schema
    other = second.Schema([("a", "int")])
    assert len(second.decode_json("{}", other)[0]) == 1
    with pytest.raises(TypeError, match="Schema"):
        decode_json("{}", other)
