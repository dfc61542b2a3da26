"""Small loads with everything in them that a batch can have: three batches, new partitions, a record that the server
refuses and one that is no JSON; in each mode, from a topic and from a file. They are played with faults on the wire.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from stack import postgres
from tests.faults import balance
from tests.faults.wire import Fault, Wire
from tests.faults.workers import Outcome, Worker, Workers
from tests.real.load_kit import PURCHASES, purchase

RECORDS = 60
BATCH = 20
REFUSED = {25}
BROKEN = {27}
TARGET = "shop.purchases"

_KEYED = """
    CREATE SCHEMA IF NOT EXISTS shop;
    CREATE TABLE shop.purchases (
        purchase_id bigint PRIMARY KEY,
        customer_id integer,
        amount numeric(12,2) CHECK (amount >= 0),
        channel text,
        purchased_at timestamptz NOT NULL
    )
"""
BEFORE_THE_BATCHES = (
    "startup", "authenticated", "settings", "migrations", "describe", "receipt opened", "take", "taken", "take commit",
    "take committed",
)  # fmt: skip
AFTER_THE_BATCHES = ("finish", "finished")
_PARTITIONS = ("partitions read", "partition lock", "partition", "partition made", "partition commit")
_BATCH = (
    "begin", "begun", "copy", "copy begun", "copy data", "copy done", "copied", "letters", "letters data",
    "letters done", "advance", "advanced",
)  # fmt: skip
_WINDOWS = ("window", "window undone")
_COMMIT = ("commit", "committed", "answered")


@dataclass(frozen=True)
class Scene:
    """A load, and the steps that it takes, in about their order."""

    name: str
    table: str
    settings: dict[str, Any]
    from_file: bool
    batch_steps: tuple[str, ...]

    @property
    def steps(self) -> tuple[str, ...]:
        """All of its steps."""
        return (*BEFORE_THE_BATCHES, *self.batch_steps, *AFTER_THE_BATCHES)


SCENES: dict[str, Scene] = {
    scene.name: scene
    for scene in (
        Scene("append", PURCHASES, {}, False, (*_PARTITIONS, *_BATCH, *_WINDOWS, *_COMMIT)),
        Scene(
            "upsert", _KEYED, {"mode": "upsert"}, False, ("stage", *_BATCH, "merge", *_WINDOWS, *_COMMIT)
        ),
        Scene(
            "replace",
            PURCHASES,
            {"mode": "replace", "key": ["purchase_id"]},
            True,
            (*_PARTITIONS, "stage", *_BATCH, "merge", *_WINDOWS, *_COMMIT),
        ),
        Scene(
            "end",
            PURCHASES,
            {"commit": "end"},
            True,
            (*(step for step in _PARTITIONS if step != "partition commit"), *_BATCH, *_WINDOWS, "batch kept", *_COMMIT),
        ),
    )
}  # fmt: skip


def records() -> list[bytes]:
    """The records, by their numbers: the first batch is of two weeks, the last of a third."""
    values = []
    for number in range(RECORDS):
        day = 1 if number < 10 else 8 if number < 40 else 15
        amount = -1 if number in REFUSED else 1
        body = json.dumps(purchase(number, amount=amount, purchased_at=f"2026-09-{day:02}T10:00:00Z"))
        values.append(body.encode()[: 40 if number in BROKEN else None])
    return values


@dataclass
class Stage:
    """Where scenes are played: a database, a topic of one partition and a file with the records, and a wire."""

    pg: postgres.Server
    database: str
    topic: str
    file: Path
    wire: Wire
    workers: Workers
    job: str = ""
    worker: Worker | None = None
    _numbers: Iterable[int] = field(default_factory=lambda: itertools.count(1))
    _starting: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.wire.kill = self._kill
        self.dsn = self.pg.dsn(self.database)
        self.wired = self.wire.dsn(self.pg, self.database)

    def _kill(self) -> None:
        with self._starting:
            assert self.worker is not None
            self.worker.kill()

    def prepare(self, scene: Scene) -> None:
        """An empty target, and a job of its own."""
        self.job = f"{scene.name}-{next(iter(self._numbers))}"
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SET client_min_messages = error")
            connection.execute(f"DROP TABLE IF EXISTS {TARGET}")
            connection.execute(scene.table)

    def start(self, scene: Scene, dsn: str, **changes: Any) -> Worker:
        """Start a worker on the scene's load."""
        return self.workers.start(
            source=str(self.file) if scene.from_file else self.topic,
            target=TARGET,
            dsn=dsn,
            **{
                "job": self.job,
                "workers": 1,
                "batch_records": BATCH,
                "linger_ms": 5000,
                **scene.settings,
                **changes,
            },
        )

    def play(self, scene: Scene, *faults: Fault) -> Outcome:
        """Play the scene with these faults, then once more without if it did not come to its end; the books must
        balance. Returns how the first went.
        """
        self.prepare(scene)
        self.wire.arm(*faults)
        with self._starting:
            self.worker = self.start(scene, self.wired)
        outcome = self.worker.wait(120)
        steps = list(self.wire.log)
        self.wire.arm()
        quiet = [fault for fault in faults if not fault.fired.is_set()]
        assert not quiet, f"the load never came to {quiet}; its steps were {steps}"
        assert self.pg.password not in outcome.output
        if any(fault.do == "kill" for fault in faults):
            assert outcome.killed, outcome
        elif outcome.receipt is None:
            assert outcome.retriable, f"{outcome.error}: {outcome.message}"
            assert "PostgreSQL" in outcome.message, outcome.message
        if outcome.receipt is None:
            second = self.start(scene, self.dsn).wait(120)
            assert second.receipt is not None, second
        self.check(scene)
        return outcome

    def check(self, scene: Scene) -> balance.Books:
        """The load is complete, and the books balance."""
        return balance.check(
            self.dsn,
            self.job,
            TARGET,
            expected=range(RECORDS),
            rejected=REFUSED | BROKEN,
            skipped=0,
            dense=not scene.from_file,
        )
