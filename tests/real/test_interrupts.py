"""Ctrl-C, and any signal handler that raises, ends whatever Headrace is waiting for: the exception arrives while what it waits for still
holds (the lock, the silent server, the pipe that nobody reads), nothing is half done, and no session stays.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from stack import kafka, postgres
from tests.real.load_kit import PURCHASES, assert_agree, execute, one, produce, purchase
from tests.real.sanitizer_kit import await_no_sessions, await_true, blocked, migrate, settings
from tests.real.test_sanitizers import deaf_server, holding, purchases_file

pytestmark = pytest.mark.real

TARGET = "shop.purchases"
PROGRAM = """
import json, signal, sys
sys.path[:] = {path!r}
from headrace import _headrace
class Stop(Exception):
    pass
def stop(number, frame):
    raise Stop
signal.signal(signal.SIGUSR1, stop)
signal.signal(signal.SIGINT, signal.default_int_handler)
text = {text!r}
try:
    print("ready", file=sys.stderr, flush=True)
    {work}
    print("done", file=sys.stderr, flush=True)
except (KeyboardInterrupt, Stop) as error:
    print(type(error).__name__, file=sys.stderr, flush=True)
"""


class Worker:
    """A process of its own at one piece of work. `text` is what the work's `text` is."""

    def __init__(self, work: str, text: str) -> None:
        program = PROGRAM.format(path=sys.path, text=text, work=work)
        self._process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr
        assert self._process.stderr.readline() == "ready\n"

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self._process.poll() is None

    def read(self, n: int) -> None:
        """Take n characters of its standard output."""
        assert self._process.stdout
        assert len(self._process.stdout.read(n)) == n

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> str:
        """Send the signal; the name of the exception that came out. Nobody reads the standard output meanwhile."""
        assert self.running
        self._process.send_signal(number)
        assert self._process.wait(100) == 0  # a hang is a failure
        assert self._process.stderr
        return self._process.stderr.read().strip()


def load(order: dict[str, Any]) -> Worker:
    """A worker at a load."""
    return Worker("_headrace.run_load(text)", json.dumps(order))


@pytest.fixture
def target(dsn: str) -> str:
    """A database with the table shop.purchases and the schema headrace."""
    execute(dsn, PURCHASES)
    migrate(dsn)
    return dsn


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGUSR1, "Stop")])
def test_a_load_that_waits_for_a_lock(target: str, tmp_path: Path, number: signal.Signals, name: str) -> None:
    with holding(target, f"LOCK TABLE {TARGET} IN SHARE MODE"):
        order = settings(
            str(purchases_file(tmp_path / "p.jsonl", 100)), TARGET, target, "p", create_partitions=False
        )
        with load(order) as worker:
            await_true(lambda: blocked(target), "a load that waits for the table")
            assert worker.interrupt(number) == name
        await_no_sessions(target)
    assert_agree(target, "p")


def test_a_copy_that_waits_for_a_row(target: str, tmp_path: Path) -> None:
    execute(target, "CREATE TABLE t (id bigint PRIMARY KEY)")
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"id":{i}}}\n' for i in range(200_000)))
    with holding(target, "INSERT INTO t VALUES (100)"):
        with load(settings(str(path), "t", target, "t", workers=1, batch_records=200_000)) as worker:
            await_true(lambda: blocked(target, "COPY%"), "a COPY that waits")
            assert worker.interrupt() == "KeyboardInterrupt"
        await_no_sessions(target)
    assert one(target, "SELECT count(*) FROM t") == 0
    assert_agree(target, "t", "t")


def test_a_load_that_waits_for_records(broker: kafka.Broker, topic: str, target: str) -> None:
    produce(broker.bootstrap, topic, (purchase(i) for i in range(50)))
    source = f"kafka://{broker.bootstrap}/{topic}"
    with load(settings(source, TARGET, target, "p", until="forever", linger_ms=50)) as worker:
        await_true(lambda: one(target, f"SELECT count(*) FROM {TARGET}") == 50, "the first records")
        assert worker.interrupt() == "KeyboardInterrupt"
    await_no_sessions(target)
    assert_agree(target, "p")


def test_a_load_in_the_middle_of_a_file(target: str, tmp_path: Path) -> None:
    path = purchases_file(tmp_path / "p.jsonl", 60_000)
    with load(settings(str(path), TARGET, target, "p", batch_records=300)) as worker:
        await_true(lambda: one(target, f"SELECT count(*) FROM {TARGET}") > 0, "the first batch")
        assert worker.interrupt() == "KeyboardInterrupt"
    await_no_sessions(target)
    loaded = one(target, "SELECT sum(loaded) FROM headrace.receipt_lanes")
    assert one(target, f"SELECT count(*) FROM {TARGET}") == loaded


def test_a_source_query_that_waits(target: str) -> None:
    source = {"kind": "postgres", "dsn": target, "query": "SELECT purchase_id, purchased_at FROM waits"}
    execute(target, f"CREATE TABLE waits AS SELECT * FROM {TARGET}")
    with holding(target, "LOCK TABLE waits"):
        with load(settings(source, TARGET, target, "q")) as worker:
            await_true(lambda: blocked(target), "a query that waits")
            assert worker.interrupt() == "KeyboardInterrupt"
        await_no_sessions(target)


@contextmanager
def deaf_wire(dsn: str) -> Iterator[tuple[str, threading.Event]]:
    """A way to the server, and an event after which nothing goes through it any more, not even a goodbye."""
    deaf, parts = threading.Event(), dict(part.split("=", 1) for part in dsn.split())

    def pump(come: socket.socket, go: socket.socket) -> None:
        try:
            while (data := come.recv(65536)) and not deaf.is_set():
                go.sendall(data)
            if not deaf.is_set():
                go.shutdown(socket.SHUT_WR)
        except OSError:
            return

    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            try:
                while True:
                    client = stack.enter_context(server.accept()[0])
                    if deaf.is_set():
                        continue
                    there = stack.enter_context(socket.create_connection((parts["host"], int(parts["port"]))))
                    threading.Thread(target=pump, args=(client, there), daemon=True).start()
                    threading.Thread(target=pump, args=(there, client), daemon=True).start()
            except OSError:
                return

        threading.Thread(target=take, daemon=True).start()
        yield dsn.replace(f"port={parts['port']}", f"port={server.getsockname()[1]}"), deaf
        server.shutdown(socket.SHUT_RDWR)


def test_a_wire_that_has_gone_silent(pg: postgres.Server, target: str, tmp_path: Path) -> None:
    """The server is busy and cannot be told: the interruption cannot get through either, and is not waited for."""
    with deaf_wire(target) as (dsn, deaf), holding(target, f"LOCK TABLE {TARGET} IN SHARE MODE"):
        login = f"{dsn} password={pg.password}"  # that in the file is for the server's own port
        path = purchases_file(tmp_path / "p.jsonl", 10)
        with load(settings(str(path), TARGET, login, "p", create_partitions=False)) as worker:
            await_true(lambda: blocked(target), "a load that waits for the table")
            deaf.set()
            assert worker.interrupt() == "KeyboardInterrupt"


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    with deaf_server() as (port, callers):
        dsn = f"host=127.0.0.1 port={port} dbname=x user=x"
        with load(settings(str(purchases_file(tmp_path / "p.jsonl", 10)), TARGET, dsn, "p")) as worker:
            await_true(lambda: len(callers) == 1, "a load that waits for the server")
            assert worker.interrupt() == "KeyboardInterrupt"
        with Worker("_headrace.Connection(text)", dsn) as worker:
            await_true(lambda: len(callers) == 2, "a connection that waits for the server")
            assert worker.interrupt() == "KeyboardInterrupt"


def test_a_query_that_waits(target: str) -> None:
    with holding(target, f"LOCK TABLE {TARGET}"):
        work = f"_headrace.Connection(text).query('SELECT * FROM {TARGET}')"
        with Worker(work, target) as worker:
            await_true(lambda: blocked(target), "a query that waits")
            assert worker.interrupt() == "KeyboardInterrupt"
        await_no_sessions(target)


@pytest.mark.parametrize(
    "question", ["kafka_offsets", "kafka_topics", "kafka_create_topic", "kafka_delete_topic"]
)
def test_a_broker_that_says_nothing(question: str) -> None:
    with deaf_server() as (port, callers):
        text = {
            "config": {"bootstrap.servers": f"127.0.0.1:{port}"},
            "topic": "t",
            "partitions": 1,
            "replication": 1,
        }
        with Worker(f"_headrace.{question}(text)", json.dumps(text)) as worker:
            await_true(lambda: bool(callers), "a question that waits for the broker")
            assert worker.interrupt() == "KeyboardInterrupt"


def test_a_load_from_a_broker_that_says_nothing(target: str) -> None:
    with deaf_server() as (port, callers):
        order = settings(f"kafka://127.0.0.1:{port}/t", TARGET, target, "p")
        with load(order) as worker:
            await_true(lambda: bool(callers), "a load that waits for the broker")
            assert worker.interrupt() == "KeyboardInterrupt"
    await_no_sessions(target)


def generate(**to: Any) -> Worker:
    """A worker that makes records without end."""
    return Worker("_headrace.generate(text)", json.dumps({"data": "purchases", "count": 10**15, "to": to}))


def test_generating_a_file_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "made.jsonl"
    with generate(kind="file", path=str(path)) as worker:
        await_true(lambda: any(tmp_path.iterdir()), "the file's beginning")
        assert worker.interrupt() == "KeyboardInterrupt"
    assert not list(tmp_path.iterdir())


def test_generating_into_a_topic(broker: kafka.Broker, topic: str) -> None:
    to = {"kind": "kafka", "topic": topic, "config": {"bootstrap.servers": broker.bootstrap}}
    with generate(**to) as worker:
        assert worker.interrupt() == "KeyboardInterrupt"


def test_generating_into_a_pipe_that_nobody_reads() -> None:
    with generate(kind="stdout") as worker:
        worker.read(1)
        assert worker.interrupt() == "KeyboardInterrupt"


def test_generating_into_a_named_pipe_that_nobody_reads(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with generate(kind="file", path=str(pipe)) as worker:
        assert worker.interrupt() == "KeyboardInterrupt"


@pytest.mark.parametrize("identity", [True, False])
def test_loading_a_named_pipe_that_nobody_writes(target: str, tmp_path: Path, identity: bool) -> None:
    """It is refused, or waited for: never without an end."""
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    source = {"kind": "file", "paths": [str(pipe)], "identity": identity}
    with load(settings(source, TARGET, target, "p")) as worker:
        if identity:
            await_true(lambda: not worker.running, "the refusal")
        else:
            assert worker.interrupt() == "KeyboardInterrupt"
