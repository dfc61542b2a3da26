"""A soak: `python -m tests.soak [--seconds 3600]`, or `make soak SECONDS=3600`.

For the whole time a producer writes to a topic, one process loads it with until="forever", and another one does
everything else over and over (tests/soak/work.py). Memory, open files, threads, connections, the lag and the memory of
the server's processes are sampled; after the first fifth of the time none may grow beyond its bound below. In the end
both jobs must have every record of the topic once: in the target or in the dead letters.

The samples stay in build/soak/samples.csv.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import headrace
import psutil
import psycopg

from stack import kafka, postgres
from stack.paths import BUILD, ROOT
from tests.faults import balance
from tests.soak.judge import MIB, Bound, judge

FOLDER = BUILD / "soak"
ROLES = ("forever", "again", "produce")
REST = 20
"""Seconds that the endless load goes on after the producer has ended, to read the rest."""

BOUNDS = {
    **{f"{role}: memory, MiB": Bound(8 * MIB, 0.05, MIB) for role in ROLES},
    **{f"{role}: open files": Bound(3) for role in ROLES},
    **{f"{role}: threads": Bound(2) for role in ROLES},
    "connections to PostgreSQL": Bound(2),
    "memory of its oldest process, MiB": Bound(12 * MIB, 0.1, MIB),
    "lag of the endless load, records": Bound(20_000),
    "relations of the database": Bound(2),
}
SCHEMAS = """
    CREATE SCHEMA again; CREATE SCHEMA small;
    CREATE TABLE again.purchases (LIKE shop.purchases) PARTITION BY RANGE (purchased_at);
    CREATE TABLE small.purchases (purchase_id bigint, amount numeric(12,2) CHECK (amount >= 0),
        purchased_at timestamptz NOT NULL, PRIMARY KEY (purchase_id, purchased_at)) PARTITION BY RANGE (purchased_at);
"""


@contextmanager
def working(role: str, settings: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """One of the processes of work.py; killed when the block ends before it does."""
    log = FOLDER / f"{role}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.work", role, json.dumps(settings)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'python'}"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Sampler:
    """Looks at everything that must not grow."""

    def __init__(
        self, connection: psycopg.Connection, topic: str, dsn: str, processes: dict[str, int]
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._dsn = dsn
        self._processes = {role: psutil.Process(pid) for role, pid in processes.items()}
        self.series: dict[str, list[float]] = {}

    def sample(self) -> dict[str, float]:
        """One look; added to the series."""
        found: dict[str, float] = {}
        for role, process in self._processes.items():
            with process.oneshot():
                found[f"{role}: memory, MiB"] = process.memory_info().rss
                found[f"{role}: open files"] = process.num_fds()
                found[f"{role}: threads"] = process.num_threads()
        ask = self._connection.execute
        servers = ask(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " ORDER BY backend_start"
        ).fetchall()
        found["connections to PostgreSQL"] = len(servers)
        found["memory of its oldest process, MiB"] = anonymous(servers[0][0]) if servers else 0
        lag = headrace.lag("forever", self._topic, dsn=self._dsn)
        found["lag of the endless load, records"] = lag.total
        for name, sql in (
            ("relations of the database", "SELECT count(*) FROM pg_class"),
            ("dead letters", "SELECT count(*) FROM headrace.dead_letters"),
            ("rows of all receipts", "SELECT count(*) FROM headrace.receipt_lanes"),
        ):
            row = ask(sql).fetchone()
            found[name] = row[0] if row else 0
        for name, value in found.items():
            self.series.setdefault(name, []).append(value)
        return found


def anonymous(pid: int) -> int:
    """Bytes of memory that a process has for itself, without what is shared; 0 when it has just ended."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except FileNotFoundError:
        pass
    return 0


def outcome(role: str, process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a process of work.py says at its end. RuntimeError when it failed."""
    process.wait(300)
    text = (FOLDER / f"{role}.log").read_text()
    if process.returncode != 0:
        raise RuntimeError(f"{role} ended with {process.returncode}:\n{text[-3000:]}")
    told: dict[str, Any] = json.loads(text.splitlines()[-1])
    return told


def soak(seconds: float, every: float, rate: float) -> int:
    """Run it; the exit code."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-soak-")))
        pg = stack.enter_context(postgres.Server(folder / "postgres", durable=False, keep=False))
        broker = stack.enter_context(kafka.Broker(folder / "kafka", keep=False))
        pg.create_database("soak")
        dsn = pg.dsn("soak")
        connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        connection.execute((ROOT / "sql/purchases/01_shop.sql").read_text())
        connection.execute(SCHEMAS)
        broker.create_topic("soak", 4)
        settings = {
            "topic": f"kafka://{broker.bootstrap}/soak",
            "kafka": {"bootstrap.servers": broker.bootstrap},
            "dsn": dsn,
            "seconds": seconds,
            "rest": REST,
            "rate": rate,
            "folder": str(folder),
        }
        headrace.load(
            settings["topic"], "shop.purchases", job="forever", dsn=dsn
        )  # makes Headrace's own tables
        running = {role: stack.enter_context(working(role, settings)) for role in ROLES}
        sampler = Sampler(
            connection, settings["topic"], dsn, {role: process.pid for role, process in running.items()}
        )
        watch(sampler, running, seconds, every)
        told = {role: outcome(role, process) for role, process in running.items()}
        told["again"]["late"] = headrace.load(settings["topic"], "again.purchases", job="again", dsn=dsn).read
        print(*(f"{role}: {json.dumps(said)}" for role, said in told.items()), sep="\n")
        complaints = [*compare(told, connection)]
        table, grown = judge(sampler.series, BOUNDS)
        print("\n".join(table))
        complaints += grown
    for complaint in complaints:
        print(f"soak: {complaint}", file=sys.stderr)
    print(
        f"soak: {len(sampler.series['dead letters'])} samples in {FOLDER / 'samples.csv'}; {'FAILED' if complaints else 'flat'}"
    )
    return 1 if complaints else 0


def watch(sampler: Sampler, running: dict[str, subprocess.Popen[str]], seconds: float, every: float) -> None:
    """Sample until the time is over. RuntimeError when a process ends before."""
    begun = time.monotonic()
    with (FOLDER / "samples.csv").open("w", newline="") as out:
        writer = None
        while (now := time.monotonic() - begun) < seconds - every:
            for role, process in running.items():
                if process.poll() is not None:
                    outcome(role, process)
                    raise RuntimeError(f"{role} ended after {now:.0f} s, too early")
            found = {"seconds": round(now, 1), **sampler.sample()}
            if writer is None:
                writer = csv.DictWriter(out, list(found))
                writer.writeheader()
            writer.writerow(found)
            out.flush()
            time.sleep(max(0.0, every - (time.monotonic() - begun - now)))


def compare(told: dict[str, dict[str, Any]], connection: psycopg.Connection) -> Iterator[str]:
    """What is wrong with the books of both jobs."""
    produced = told["produce"]["records"]
    for job, target in (("forever", "shop.purchases"), ("again", "again.purchases")):
        try:
            books = balance.check(connection, job, target, unique=False)
        except AssertionError as error:
            yield str(error)
            continue
        if books.read != produced or books.rows + books.letters + books.skipped != produced:
            yield f"job {job}: {produced} records were produced; the books: {books}"


def main(words: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3600, help="how long (default: an hour)")
    parser.add_argument("--every", type=float, default=5, help="seconds between samples (default: 5)")
    parser.add_argument("--rate", type=float, default=2000, help="records a second (default: 2000)")
    told = parser.parse_args(words)
    return soak(told.seconds, told.every, told.rate)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
