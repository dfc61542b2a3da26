"""The kill campaign: workers on one topic, or one file, are killed at random places of their work, one after the
other, and after each the books of the job must balance. When a worker got to the end, the target must hold every
record once, and the next job begins.

Half of the kills come at a random message on the wire to PostgreSQL, before it, after it or in its middle; half at
a random time. Now and then a wire is cut as well, with the worker left alive.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from stack import postgres
from tests.faults import balance
from tests.faults.wire import STEPS, Action, Fault, Moment, Wire
from tests.faults.workers import Outcome, Worker, Workers
from tests.real.load_kit import PURCHASES, purchase

RECORDS = 1000
REFUSED = frozenset(range(7, RECORDS, 151))
"""The numbers of the records that the server refuses (a check)."""
BROKEN = frozenset(range(11, RECORDS, 205))
"""The numbers of the records that are no JSON."""
TARGET = "shop.purchases"
_DECISIVE = ("letters done", "advance", "advanced", "commit", "committed", "answered")
_STEPS = [*sorted(step.name for step in STEPS), *_DECISIVE, *_DECISIVE, *_DECISIVE]
_FORGET = """
    DROP TABLE IF EXISTS shop.purchases;
    TRUNCATE headrace.receipts, headrace.receipt_lanes, headrace.receipt_tables, headrace.dead_letters, headrace.offsets
"""
_UNIQUE = "ALTER TABLE shop.purchases ADD UNIQUE (purchase_id, purchased_at)"


def records() -> list[bytes]:
    """The records of every job, in order of their numbers: five weeks, some refused by the server, some broken."""
    values = []
    for number in range(RECORDS):
        day = 1 + number % 5 * 7
        body = json.dumps(
            purchase(
                number,
                amount=-1 if number in REFUSED else 1,
                purchased_at=f"2026-{7 + day // 29:02}-{day:02}T10:00:00Z",
            )
        )
        values.append(body.encode()[: 40 if number in BROKEN else None])
    return values


@dataclass
class Tally:
    """What a campaign has done."""

    kills: int = 0
    loads: int = 0
    ends: int = 0
    cuts: int = 0
    jobs: int = 0
    seconds: float = 0.0
    at: Counter[str] = field(default_factory=Counter)
    """Kills on the wire, by the last step before them."""
    errors: Counter[str] = field(default_factory=Counter)
    """Errors of workers whose wire was cut, by type."""

    def __str__(self) -> str:
        places = ", ".join(f"{name} {count}" for name, count in self.at.most_common())
        return (
            f"{self.kills} kills, {self.cuts} cuts, {self.loads} workers of which {self.ends} got to their end, "
            f"{self.jobs} jobs loaded in whole, {self.seconds:.0f} s; errors of cut workers: {dict(self.errors)}; "
            f"kills on the wire by the step before them: {places}"
        )


class Campaign:
    """Kills workers until there were enough. `kafka` and `file`: what a job may load."""

    def __init__(
        self,
        pg: postgres.Server,
        database: str,
        *,
        workers: Workers,
        wire: Wire,
        kafka: str,
        file: Path,
        chance: random.Random,
    ) -> None:
        self.tally = Tally()
        self._password = pg.password
        self._dsn = pg.dsn(database)
        with psycopg.connect(
            self._dsn, autocommit=True
        ) as connection:  # checking passwords is half of a short life
            connection.execute("SET scram_iterations = 1")
            connection.execute(
                f"DROP ROLE IF EXISTS quick; CREATE ROLE quick SUPERUSER LOGIN PASSWORD '{self._password}'"
            )
        self._quick_dsn = wire.dsn(pg, database, user="quick", port=str(pg.port))
        self._wire_dsn = wire.dsn(pg, database, user="quick")
        self._workers = workers
        self._wire = wire
        self._kafka = kafka
        self._file = str(file)
        self._chance = chance
        self._worker: Worker | None = None
        self._starting = threading.Lock()
        wire.kill = self._kill

    def run(self, kills: int, say: Any = None) -> Tally:
        """Kill so many workers, then let the last job come to its end."""
        begun = time.monotonic()
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while self.tally.kills < kills:
                self._job(connection, kills, say)
                self.tally.seconds = time.monotonic() - begun
                if say:
                    say(str(self.tally))
        return self.tally

    def _kill(self) -> None:
        with self._starting:  # its first message may be quicker than the answer to start()
            assert self._worker is not None
            self._worker.kill()

    def _job(self, connection: psycopg.Connection, kills: int, say: Any) -> None:
        """One load from its beginning to its end, with as many workers as it takes."""
        chance = self._chance
        job = f"job-{self.tally.jobs}"
        mode = chance.choice(["append", "append", "append", "upsert", "replace"])
        connection.execute("SET client_min_messages = error")
        connection.execute(_FORGET)
        connection.execute(PURCHASES)
        from_file = chance.random() < 0.2
        settings: dict[str, Any] = {
            "source": self._file if from_file else self._kafka, "target": TARGET, "job": job, "mode": mode,
        }  # fmt: skip
        if mode != "append":
            connection.execute(_UNIQUE)
            settings["key"] = ["purchase_id", "purchased_at"]
        read = 0
        while read < RECORDS:
            spare = self.tally.kills >= kills
            settings["workers"] = chance.choice([1, 1, 2])
            settings["batch_records"] = chance.choice([1, 7, 20, 60, 150])
            settings["max_records"] = None if spare else settings["batch_records"] * 12
            settings["commit"] = "end" if spare or chance.random() < 0.1 else "batch"
            self._one(settings, spare)
            read = balance.check(connection, job, TARGET, dense=not from_file).read
        balance.check(
            connection,
            job,
            TARGET,
            dense=not from_file,
            expected=range(RECORDS),
            rejected=REFUSED | BROKEN,
            skipped=0,
        )
        self.tally.jobs += 1

    def _one(self, settings: dict[str, Any], spare: bool) -> None:
        """Start a worker and see to its end."""
        chance = self._chance
        on_the_wire = not spare and chance.random() < 0.5
        faults = []
        cut = None
        if on_the_wire:
            if chance.random() < 0.2:
                how: Action = chance.choice(["cut", "fin", "client", "server"])
                cut = self._fault(how)
                faults.append(cut)
            faults.append(self._fault("kill"))
            self._wire.arm(*faults)
        with self._starting:
            worker = self._worker = self._workers.start(
                dsn=self._wire_dsn if on_the_wire else self._quick_dsn, **settings
            )
        if not on_the_wire and not spare:
            worker.ended(chance.uniform(0, 0.25))
            worker.kill()
        outcome = worker.wait(900)
        self.tally.loads += 1
        if outcome.killed:
            self.tally.kills += 1
            if on_the_wire:
                named = [step for step in self._wire.log if step]
                self.tally.at[named[-1] if named else "nothing"] += 1
        self.tally.cuts += cut is not None and cut.fired.is_set()
        self._judge(outcome, cut)

    def _fault(self, how: Action) -> Fault:
        """Something done at a random message, or at a random step's first, second or third message."""
        chance = self._chance
        when: Moment = chance.choice(["before", "half", "after"])
        if chance.random() < 0.4:
            return Fault("*", when, how, nth=chance.randrange(1, 300), seconds=0.05)
        return Fault(chance.choice(_STEPS), when, how, nth=chance.randrange(1, 4), seconds=0.05)

    def _judge(self, outcome: Outcome, cut: Fault | None) -> None:
        """AssertionError when the worker ended in a way that it must not."""
        assert self._password not in outcome.output
        if outcome.killed:
            return
        assert outcome.status == 0, outcome.output
        self.tally.ends += outcome.receipt is not None
        if outcome.receipt is None:
            assert cut is not None, f"nothing was cut, and still: {outcome.message}"
            assert cut.fired.is_set(), f"nothing was cut, and still: {outcome.message}"
            assert outcome.retriable, f"{outcome.error}: {outcome.message}"
            self.tally.errors[f"{outcome.error}: {outcome.message}"] += 1
