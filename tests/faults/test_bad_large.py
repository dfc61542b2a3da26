"""Messages of 100 MB: loaded or rejected like others, in memory that is stated here and given back afterwards."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import headrace
import pytest

from stack import kafka
from tests.real.kafka_kit import fill
from tests.real.load_kit import execute, rows

pytestmark = pytest.mark.real

MB = 1 << 20
SIZE = 100 * MB
SMALL = 1000
"""Ordinary records before and after each large one, and TAIL times at the end: time to give memory back."""
TAIL = 40

PEAK = 8 * SIZE
"""What a load may take at its height, beyond the interpreter: a message stands in its source's buffer, in a batch (grown
by doubling) and in COPY's buffer, and the next one is read meanwhile.
"""
KEPT = 100 * MB
"""What it may still have while it goes on with ordinary records."""

LOADER = """
import json, sys, threading, time, headrace

def memory(name):
    for line in open("/proc/self/status"):
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024

headrace.migrations.apply(json.loads(sys.argv[1])["dsn"])
before, samples, done = memory("VmRSS"), [], threading.Event()

def watch():
    while not done.wait(0.01):
        samples.append(memory("VmRSS"))

watcher = threading.Thread(target=watch)
watcher.start()
receipt = headrace.load(**json.loads(sys.argv[1]))
done.set()
watcher.join()
peak, last = memory("VmHWM") - before, min(samples[-25:-5]) - before
print(json.dumps({"receipt": receipt.to_dict(), "last": last, "peak": peak}))
"""


def small(first: int) -> list[bytes]:
    return [b'{"id": %d, "note": "small"}' % n for n in range(first, first + SMALL)]


def large(kind: str, number: int) -> bytes:
    """A record of about SIZE bytes: good, with escapes all over, with a wrong id, or cut."""
    head = b'{"id": %d, "note": "' % number if kind != "wrong" else b'{"id": "wrong", "note": "'
    unit = b"ab\\u00e9\\n" if kind == "escapes" else b"0123456789"
    return head + unit * (SIZE // len(unit)) + (b'"}' if kind != "cut" else b"")


KINDS = ("plain", "escapes", "wrong", "cut")


def documents(kinds: tuple[str, ...] = KINDS) -> Iterator[bytes]:
    yield from small(0)
    for number, kind in enumerate(kinds, 1):
        yield large(kind, -number)
        yield from small(number * SMALL)
    for number in range(len(kinds) + 1, TAIL):
        yield from small(number * SMALL)


def load(**settings: object) -> dict[str, object]:
    """Run LOADER; its words."""
    done = subprocess.run(
        [sys.executable, "-c", LOADER, json.dumps({"target": "t", "job": "large", "workers": 1, "batch_records": 100, **settings})],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


NOTES = {"plain": SIZE // 10 * 10, "escapes": SIZE // 10 * 4}
REASONS = {"wrong": "type", "cut": "malformed"}


def assert_outcome(dsn: str, told: dict[str, object], kinds: tuple[str, ...] = KINDS) -> None:
    """Good ones are loaded whole, others are in the dead letters whole, and memory is what was stated."""
    receipt = told["receipt"]
    good, refused = [kind for kind in kinds if kind in NOTES], [kind for kind in kinds if kind in REASONS]
    assert receipt["rejects"] == {REASONS[kind]: 1 for kind in refused}
    assert receipt["loaded"] == TAIL * SMALL + len(good)
    found = rows(dsn, "SELECT length(note), md5(note) FROM t WHERE id < 0 ORDER BY id DESC")
    assert [length for length, _ in found] == [NOTES[kind] for kind in good]
    assert found[0][1] == hashlib.md5(b"0123456789" * (SIZE // 10), usedforsecurity=False).hexdigest()
    assert rows(dsn, "SELECT reason, length(raw) FROM headrace.dead_letters ORDER BY id") == [
        (REASONS[kind], len(large(kind, -kinds.index(kind) - 1))) for kind in refused
    ]
    assert told["peak"] < PEAK, f"{told['peak'] / MB:.0f} MB at the height"
    assert told["last"] < KEPT, f"{told['last'] / MB:.0f} MB kept"


@pytest.fixture
def target(dsn: str) -> str:
    """A table, and dead letters, that store large values as they are: compressing them would take most of the time."""
    headrace.migrations.apply(dsn)
    execute(
        dsn,
        "CREATE TABLE t (id integer NOT NULL, note text); ALTER TABLE t ALTER note SET STORAGE EXTERNAL;"
        "ALTER TABLE headrace.dead_letters ALTER raw SET STORAGE EXTERNAL",
    )
    return dsn


def test_lines_of_100_mb(target: str, tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    with path.open("wb") as out:
        for document in documents():
            out.write(document + b"\n")
    told = load(source=str(path), dsn=target)
    path.unlink()
    assert_outcome(target, told)


def test_messages_of_100_mb(tmp_path: Path, target: str) -> None:
    """The broker takes them because its message.max.bytes says so; the reader needs no setting."""
    kinds = ("plain", "cut")
    settings = {"message.max.bytes": str(120 * MB)}
    options = {"message.max.bytes": 120 * MB, "linger.ms": 0}
    with kafka.Broker(tmp_path / "kafka", keep=False, heap="1g", settings=settings) as broker:
        broker.create_topic("large", 1)
        fill(broker.bootstrap, "large", ((0, document) for document in documents(kinds)), **options)
        told = load(source=f"kafka://{broker.bootstrap}/large", dsn=target)
    assert_outcome(target, told, kinds)
