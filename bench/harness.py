"""Runs the sides of a case in turn and makes figures of them.

A case is a module of bench/cases:

    FIGURES           what it tells, each a name, a goal and how it follows from the runs
    sides(bench)      name -> function that does the work once and returns a Run

Sides run in turn, A B A B ..., each at least three times after one run that does not count, and only medians
are compared. Besides the time, every run has the CPU that client, PostgreSQL and Kafka took, and how busy
strangers kept the machine meanwhile: on a machine that is not quiet, CPU is the steadier measure.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import cases, servers
from bench.data import Data
from stack import connect, kafka, nifi, postgres
from stack.paths import BUILD, ROOT


@dataclass(frozen=True)
class Run:
    """One run of one side. CPU in seconds; `strangers` is the share of all cores that others kept busy."""

    records: int
    seconds: float
    client_cpu: float = 0.0
    postgres_cpu: float = 0.0
    kafka_cpu: float = 0.0
    strangers: float = 0.0
    extra: Mapping[str, float] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds


Side = Callable[[], Run]
Results = Mapping[str, Sequence[Run]]


@dataclass(frozen=True)
class Figure:
    """One number that a case tells: a ratio unless it has a unit. `goal`: what it should at least be, or at
    most when `at_most`.
    """

    name: str
    what: str
    value: Callable[[Results], float]
    goal: float
    unit: str = ""
    at_most: bool = False

    def reached(self, value: float) -> bool:
        """Whether the goal is met."""
        return value <= self.goal if self.at_most else value >= self.goal


def median_rate(runs: Sequence[Run]) -> float:
    """The median of the rates."""
    return statistics.median(run.rate for run in runs)


def ratio(name: str, over: str, under: str, goal: float, what: str) -> Figure:
    """The figure "rate of side `over` as a multiple of that of side `under`"."""
    return Figure(name, what, lambda results: median_rate(results[over]) / median_rate(results[under]), goal)


@dataclass(frozen=True)
class Options:
    """How large and how often."""

    records: int = 2_000_000
    kafka_records: int = 2_000_000
    debezium_records: int = 300_000
    nifi_records: int = 1_000_000
    memory_records: int = 10_000_000
    decode_records: int = 500_000
    window_frames: int = 200_000
    vault_events: int = 500_000
    partitions: int = 16
    weeks: int = 8
    workers: int = 2
    rounds: int = 3


class Bench:
    """What the cases share: options, data and servers. Servers start when they are first asked for."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.folder = BUILD / "bench"
        self._postgres: postgres.Server | None = None
        self._kafka: kafka.Broker | None = None
        self._connect: connect.Worker | None = None
        self._nifi: nifi.NiFi | None = None
        self._topics: set[str] = set()

    @property
    def postgres(self) -> postgres.Server:
        """The PostgreSQL server."""
        if self._postgres is None:
            say("starting PostgreSQL")
            self._postgres = servers.start_postgres(self.folder / "postgres")
        return self._postgres

    @property
    def kafka(self) -> kafka.Broker:
        """The Kafka broker."""
        if self._kafka is None:
            say("starting Kafka")
            self._kafka = servers.start_kafka(self.folder / "kafka")
        return self._kafka

    @property
    def connect(self) -> connect.Worker:
        """A worker of Kafka Connect. It ends with the case, so that others do not have it beside them."""
        if self._connect is None:
            say("starting Kafka Connect")
            self._connect = servers.start_connect(self.folder / "connect", self.kafka)
        return self._connect

    @property
    def nifi(self) -> nifi.NiFi:
        """A NiFi with Headrace in it. It ends with the case, so that others do not have it beside them."""
        if self._nifi is None:
            say("starting NiFi")
            self._nifi = servers.start_nifi(self.folder / "nifi")
        return self._nifi

    @property
    def dsn(self) -> str:
        """Where the tables are."""
        return self.postgres.dsn()

    def topic(self, data: Data, partitions: int) -> str:
        """The name of a topic with this data, filled the first time it is asked for."""
        name = f"purchases-{data.records}-{data.weeks}w-{partitions}p"
        if name not in self._topics:
            say(f"filling topic {name}")
            data.produce(self.kafka, name, partitions)
            self._topics.add(name)
        return name

    def end_case(self) -> None:
        """End what only one case needs."""
        if self._connect is not None:
            self._connect.destroy()
            self._connect = None
        if self._nifi is not None:
            self._nifi.destroy()
            self._nifi = None

    def close(self) -> None:
        """End the servers and remove their data."""
        self.end_case()
        for server in (self._postgres, self._kafka):
            if server is not None:
                server.destroy()

    # -- measuring --------------------------------------------------------------------------------------

    def program(self, module: str, settings: Mapping[str, Any]) -> Run:
        """Run a Python program of this package (ours or a peer's) in a process of its own."""
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'python'}"}
        return self.command([sys.executable, "-m", module], environment, json.dumps(settings))

    def command(
        self, argv: Sequence[str], environment: Mapping[str, str], text: str = "", records: int = 0
    ) -> Run:
        """Run a command. It prints seconds and records as JSON; with `records` given it prints nothing of
        interest, and the time is that of the whole command.
        """
        before = self._cpu()
        start = time.perf_counter()
        done = subprocess.run(
            argv, env=dict(environment), input=text, stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT
        )
        seconds = time.perf_counter() - start
        after = self._cpu()
        if done.returncode != 0:
            raise RuntimeError(
                f"{argv[0]} {argv[1]} failed with exit code {done.returncode}; its words are above"
            )
        client, pg, broker, machine = (b - a for a, b in zip(before, after, strict=True))
        cores = os.cpu_count() or 1
        strangers = max(0.0, (machine - client - pg - broker) / (seconds * cores))
        said: dict[str, float] = (
            {"seconds": seconds, "records": records} if records else json.loads(done.stdout)
        )
        extra = {name: said[name] for name in said if name not in ("seconds", "records", "cpu")}
        client = said.get("cpu", client)  # of the work alone, without the interpreter's start
        return Run(int(said["records"]), said["seconds"], client, pg, broker, strangers, extra)

    def _cpu(self) -> tuple[float, float, float, float]:
        """CPU so far: of our ended children (and Connect and NiFi, clients), the server, the broker, the
        machine.
        """
        times = os.times()
        clients = [server.process for server in (self._connect, self._nifi) if server is not None]
        pg = self._postgres.process if self._postgres else None
        broker = self._kafka.nodes[0].process if self._kafka else None
        return (
            times.children_user
            + times.children_system
            + sum(servers.cpu_of_tree(process.pid) for process in clients if process),
            servers.cpu_of_tree(pg.pid) if pg else 0.0,
            servers.cpu_of_tree(broker.pid) if broker else 0.0,
            servers.cpu_of_machine(),
        )


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def load_cases() -> dict[str, Any]:
    """The modules of bench/cases by name."""
    names = [module.name for module in pkgutil.iter_modules(cases.__path__)]
    return {name: importlib.import_module(f"bench.cases.{name}") for name in names}


def run_case(bench: Bench, name: str, module: Any) -> tuple[Results, dict[str, float]]:
    """Run the sides of a case in turn. The runs that count, and the figures."""
    sides: dict[str, Side] = module.sides(bench)
    results: dict[str, list[Run]] = {side: [] for side in sides}
    for turn in range(bench.options.rounds + 1):
        for side, work in sides.items():
            run = work()
            counts = "" if turn else " (does not count)"
            say(f"{name}: {side}: {run.rate / 1e6:.3f} M/s, {run.seconds:.2f} s{counts}")
            if turn:
                results[side].append(run)
    bench.end_case()
    return results, {figure.name: figure.value(results) for figure in module.FIGURES}


# -- printing ---------------------------------------------------------------------------------------------


def side_rows(results: Results) -> list[list[str]]:
    """One row a side: medians."""
    rows = []
    for side, runs in results.items():
        records = runs[0].records

        def micros(name: str, runs: Sequence[Run] = runs, records: int = records) -> str:
            value = statistics.median(getattr(run, name) for run in runs) / records * 1e6
            return f"{value:.2f}" if value >= 0.005 else ""

        seconds = [run.seconds for run in runs]
        rows.append(
            [
                side,
                f"{statistics.median(seconds):.2f}",
                f"{min(seconds):.2f}-{max(seconds):.2f}",
                f"{median_rate(runs) / 1e6:.3f}",
                micros("client_cpu"),
                micros("postgres_cpu"),
                micros("kafka_cpu"),
                f"{statistics.median(run.strangers for run in runs):.0%}",
            ]
        )
    return rows


SIDE_HEAD = ["side", "s", "min-max", "M rec/s", "client us", "pg us", "kafka us", "strangers"]
FIGURE_HEAD = ["name", "measured", "goal", "", "what"]


def figure_rows(figures: Sequence[Figure], values: Mapping[str, float]) -> list[list[str]]:
    """One row a figure."""
    rows = []
    for figure in figures:
        value = values[figure.name]
        sign = "<=" if figure.at_most else ">="
        unit = f" {figure.unit}" if figure.unit else ""
        met = "met" if figure.reached(value) else "missed"
        rows.append([figure.name, f"{value:.2f}{unit}", f"{sign} {figure.goal:g}{unit}", met, figure.what])
    return rows


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side; the first and the last to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0], cells[-1] = row[0].ljust(widths[0]), row[-1].ljust(widths[-1])
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a file that people and programs read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=2) + "\n")


def raw(results: Results) -> dict[str, list[dict[str, Any]]]:
    """The runs as plain data."""
    return {side: [asdict(run) for run in runs] for side, runs in results.items()}
