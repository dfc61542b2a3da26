"""The airline through real change capture into a vault, with everybody killed in between: then verify finds nothing.

HEADRACE_VAULT_CHANGES=10000 HEADRACE_VAULT_SEEDS=1,2,3 is the long form.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
from headrace.vault import Verification, read_mapping, vault_ddl, vault_load, vault_verify

from stack import connect, kafka, postgres
from stack.airports import Pair, capture
from stack.airports.changes import Changes
from stack.airports.generate import Size, generate
from stack.process import wait_until
from tests.real.vault_kit import contents

pytestmark = [pytest.mark.real, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
MAPPING = ROOT / "sql/airports/vault.yaml"
SEEDS = [int(seed) for seed in os.environ.get("HEADRACE_VAULT_SEEDS", "1").split(",")]
CHANGES = int(os.environ.get("HEADRACE_VAULT_CHANGES", "400"))
STEPS = 6


class Killed:
    """A worker in a process of its own that is killed at random moments (after so many seconds at most) and
    started again, until stopped.
    """

    def __init__(self, dsn: str, bootstrap: str, rng: random.Random, most: float) -> None:
        self.command = [sys.executable, "-m", "headrace", "vault", "load", str(MAPPING), "--quiet"]
        self.command += ["--dsn", dsn, "--brokers", bootstrap, "--batch-records", "200"]
        self.rng = rng
        self.most = most
        self.stop = threading.Event()
        self.codes: list[int] = []
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
        while not self.stop.is_set():
            with subprocess.Popen(self.command, env=environment, stderr=subprocess.DEVNULL) as process:
                try:
                    process.wait(self.rng.uniform(0.5, 1) * self.most)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                self.codes.append(process.wait())

    def __enter__(self) -> Killed:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


def checked(dsn: str, source: str, bootstrap: str) -> Verification:
    return vault_verify(MAPPING, source, dsn=dsn, brokers=bootstrap, load=True, patience=240)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_vault_equals_the_airline_whoever_is_killed(
    seed: int, pg: postgres.Server, database: str, tmp_path: Path
) -> None:
    dsn = pg.dsn(database)
    mapping = read_mapping(MAPPING)
    rng = random.Random(f"vault {seed}")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(vault_ddl(mapping))
    options = [kafka.QUICK]
    with (
        Pair(tmp_path / "pair", durable=False, keep=False) as pair,
        kafka.Broker(tmp_path / "kafka", keep=False, java_options=options) as broker,
        connect.Worker(
            tmp_path / "connect", broker, plugins=connect.plugins(), java_options=options, heap="512m"
        ) as worker,
    ):
        source = pair.primary.dsn("airports")
        with pair.connect() as connection:
            generate(connection, Size(flights=60, bookings=120), seed)
            capture.register(worker, pair)
            first = checked(dsn, source, broker.bootstrap)
            assert first.equal, str(first)
            assert first.rows > 300
            changes = Changes(connection, seed)
            victims = ["connect", "broker", *[""] * (STEPS - 2)]
            rng.shuffle(victims)
            with Killed(dsn, broker.bootstrap, rng, 5) as loader:
                for victim in victims:
                    changes.run(CHANGES // STEPS)
                    if victim == "connect":
                        worker.kill()
                        worker.start()
                        capture.register(worker, pair)
                    elif victim == "broker":
                        broker.kill()
                        broker.start()
                        assert wait_until(lambda: capture.state(worker, pair).connector == "RUNNING", 120)
            assert -signal.SIGKILL in loader.codes
            capture.register(worker, pair)
            found = checked(dsn, source, broker.bootstrap)
            assert found.equal, str(found)
            before = contents(dsn, mapping)
            with psycopg.connect(dsn, autocommit=True) as vault:
                vault.execute("UPDATE headrace.offsets SET next_offset = 0")
                rejected = vault.execute("SELECT reason, message FROM headrace.dead_letters").fetchall()
            assert rejected == []
            again = vault_load(mapping, dsn=dsn, brokers=broker.bootstrap)
            assert (again.hubs, again.links, again.satellites, again.tracked) == (0, 0, 0, 0)
            assert again.events > CHANGES
            assert contents(dsn, mapping) == before
            # the source goes on changing while it is compared
            with Killed(dsn, broker.bootstrap, rng, 600):
                busy = threading.Thread(target=changes.run, args=(CHANGES // STEPS,))
                busy.start()
                meanwhile = vault_verify(MAPPING, source, dsn=dsn, brokers=broker.bootstrap, patience=240)
                busy.join()
            assert meanwhile.equal, str(meanwhile)
