"""A server that crashes and comes back without its last commits: batches do not wait for its disk, the run does.

The server's WAL writer is kept asleep, so that what was committed without waiting is in memory only, and is gone
after an immediate shutdown.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import headrace
import psycopg
import pytest
from headrace.errors import RetriableError

from stack import postgres
from stack.kafka import Broker
from tests.real.load_kit import PURCHASES, assert_agree, one, produce, purchase

ASLEEP = {"wal_writer_delay": "10s", "wal_writer_flush_after": "2GB", "autovacuum": "off"}
WEEKS = """
    CREATE TABLE shop.first PARTITION OF shop.purchases FOR VALUES FROM ('2026-09-01') TO ('2026-09-08');
    CREATE TABLE shop.second PARTITION OF shop.purchases FOR VALUES FROM ('2026-09-08') TO ('2026-09-15');
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    folder = tmp_path_factory.mktemp("asleep")
    with postgres.Server(folder, keep=False, settings=ASLEEP) as running:
        yield running


@pytest.fixture
def dsn(server: postgres.Server, request: pytest.FixtureRequest) -> str:
    """A database with the target in it, all on disk."""
    name = request.node.name
    server.create_database(name)
    with server.connect(name) as connection:
        connection.execute(PURCHASES)
        connection.execute(WEEKS)
        connection.execute("CHECKPOINT")
    return server.dsn(name)


def crash(server: postgres.Server) -> None:
    """End the server at once, as if its machine had lost power, and start it again on the same port."""
    process = server.process
    assert process is not None
    process.stop(signal.SIGQUIT)
    server.start()


def wait(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "it did not come to that within a minute"
        time.sleep(0.05)


class Background:
    """A load in a thread of its own."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=args, kwargs=settings, daemon=True)
        self._thread.start()

    def _run(self, *args: Any, **settings: Any) -> None:
        try:
            headrace.load(*args, **settings)
        except BaseException as error:
            self.error = error

    def end(self) -> BaseException | None:
        self._thread.join(90)
        assert not self._thread.is_alive()
        return self.error


def test_a_batch_after_the_crash(server: postgres.Server, dsn: str, broker: Broker, new_topic: Any) -> None:
    """The next batch finds the offsets of batches before it gone: the run fails, a new one loads all again."""
    topic = new_topic(1)
    produce(broker.bootstrap, topic, (purchase(n) for n in range(500)))
    settings: dict[str, Any] = {
        "dsn": dsn, "job": "crash", "kafka": {"bootstrap.servers": broker.bootstrap}, "workers": 1
    }  # fmt: skip
    load = Background(f"kafka://{topic}", "shop.purchases", until="forever", linger_ms=50, **settings)
    wait(lambda: one(dsn, "SELECT count(*) FROM shop.purchases") == 500)
    crash(server)
    assert one(dsn, "SELECT count(*) FROM shop.purchases") == 0, "the commits had reached the disk"
    produce(broker.bootstrap, topic, (purchase(n) for n in range(500, 1000)))
    error = load.end()
    assert isinstance(error, RetriableError)
    assert "came back without its last commits" in str(error)
    receipt = headrace.load(f"kafka://{topic}", "shop.purchases", **settings)
    assert receipt.loaded == 1000
    assert_agree(dsn, "crash")
    assert one(dsn, "SELECT count(DISTINCT purchase_id) FROM shop.purchases") == 1000


def test_a_worker_that_had_finished(
    server: postgres.Server, dsn: str, broker: Broker, new_topic: Any
) -> None:
    """One worker is done when the server crashes, the other recovers and finishes: the receipt must not claim
    what the first had written.
    """
    topic = new_topic(2)
    produce(broker.bootstrap, topic, (purchase(n) for n in range(500)), partition=0)
    produce(broker.bootstrap, topic, (purchase(n) for n in range(1000, 1500)), partition=1)
    settings: dict[str, Any] = {
        "dsn": dsn, "job": "crash", "kafka": {"bootstrap.servers": broker.bootstrap}, "workers": 2
    }  # fmt: skip
    with contextlib.closing(psycopg.connect(dsn)) as holder:
        holder.execute("LOCK TABLE shop.second IN SHARE MODE")
        load = Background(f"kafka://{topic}", "shop.purchases", **settings)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        wait(lambda: one(dsn, "SELECT count(*) FROM shop.first") == 500 and one(dsn, waiting) == 1)
        crash(server)
    assert one(dsn, "SELECT count(*) FROM shop.first") == 0, "the commits had reached the disk"
    error = load.end()
    assert isinstance(error, RetriableError)
    assert "came back from a crash without its last commits" in str(error)
    assert one(dsn, "SELECT state FROM headrace.receipts") == "failed"
    assert one(dsn, "SELECT read FROM headrace.receipts") == 500
    assert headrace.load(f"kafka://{topic}", "shop.purchases", **settings).loaded == 500
    assert_agree(dsn, "crash")
    assert one(dsn, "SELECT count(DISTINCT purchase_id) FROM shop.purchases") == 1000


def test_durable_batches(server: postgres.Server, dsn: str, broker: Broker, new_topic: Any) -> None:
    """durable="batch": what a batch has committed survives the crash, and the same run goes on."""
    topic = new_topic(1)
    produce(broker.bootstrap, topic, (purchase(n) for n in range(500)))
    settings: dict[str, Any] = {
        "dsn": dsn, "job": "crash", "kafka": {"bootstrap.servers": broker.bootstrap}, "workers": 1
    }  # fmt: skip
    load = Background(
        f"kafka://{topic}",
        "shop.purchases",
        until="forever",
        max_records=1000,
        linger_ms=50,
        durable="batch",
        **settings,
    )
    wait(lambda: one(dsn, "SELECT count(*) FROM shop.purchases") == 500)
    crash(server)
    assert one(dsn, "SELECT count(*) FROM shop.purchases") == 500
    produce(broker.bootstrap, topic, (purchase(n) for n in range(500, 1000)))
    assert load.end() is None
    assert_agree(dsn, "crash")


def test_a_finished_run_is_on_disk(server: postgres.Server, dsn: str, broker: Broker, new_topic: Any) -> None:
    """What a run has returned a receipt for survives the crash."""
    topic = new_topic(1)
    produce(broker.bootstrap, topic, (purchase(n) for n in range(500)))
    settings: dict[str, Any] = {
        "dsn": dsn, "job": "crash", "kafka": {"bootstrap.servers": broker.bootstrap}
    }  # fmt: skip
    assert headrace.load(f"kafka://{topic}", "shop.purchases", **settings).loaded == 500
    crash(server)
    assert_agree(dsn, "crash")
    assert one(dsn, "SELECT count(*) FROM shop.purchases") == 500
