"""`python -m bench scaling`: how the rate goes with threads, columns, size of messages and partitions.

Every point is a load of its own into a fresh table; the points of a plot are run in turn, each at least three
times after one run that does not count, and medians are drawn with a line from the lowest to the highest run.
Written: build/bench-scaling.json with every run, docs/pictures/scaling-*.svg.
"""

from __future__ import annotations

import argparse
import json
import statistics
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from bench import machine, plot, shapes
from bench.data import TABLE, Data, fill
from bench.harness import Bench, Options, Run, say, table, write_json
from bench.peers import psql_copy
from bench.plot import Panel, Series
from stack.paths import BUILD, ROOT

RESULT = BUILD / "bench-scaling.json"
PARTITIONS = 4
"""Of the topics where their number is not what is looked at."""


@dataclass(frozen=True)
class Point:
    """One load: which line of the plot, where on it, how many bytes the records have, how to run it once."""

    series: str
    x: float
    bytes: int
    run: Callable[[], Run]


@dataclass(frozen=True)
class Scale:
    """One plot. `units` is what is drawn, a panel for each: see UNITS."""

    title: str
    x_label: str
    note: str
    units: tuple[str, ...]
    log_y: bool
    points: Callable[[Bench, int], list[Point]]


def load(bench: Bench, source: str, target: str, records: int, **settings: Any) -> Run:
    """Run Headrace once; RuntimeError when not all is loaded."""
    asked = {"job": f"bench-{uuid.uuid4()}", "workers": bench.options.workers, **settings}
    if source.startswith("kafka://"):
        asked["kafka"] = {"bootstrap.servers": bench.kafka.bootstrap}
    run = bench.program(
        "bench.ours", {"source": source, "table": target, "dsn": bench.dsn, "settings": asked}
    )
    if run.records != records:
        raise RuntimeError(f"{run.records} of {records} records were loaded from {source}")
    return run


# -- the plots ----------------------------------------------------------------------------------------------


def threads(bench: Bench, budget: int) -> list[Point]:
    """1, 2 and 4 Kafka partitions with 1, 2 and 4 workers."""
    data = Data(budget // 200, bench.options.weeks)
    size = data.lines().stat().st_size - data.records

    def run(topic: str, workers: int) -> Run:
        data.create_table(bench.postgres)
        run = load(bench, f"kafka://{topic}", TABLE, data.records, workers=workers)
        data.check(bench.postgres)
        return run

    return [
        Point(
            f"{partitions} partition{'s' if partitions > 1 else ''}",
            workers,
            size,
            partial(run, bench.topic(data, partitions), workers),
        )
        for partitions in (1, 2, 4)
        for workers in (1, 2, 4)
    ]


def shape_run(bench: Bench, shape: shapes.Shape, source: str) -> Run:
    """Load a shape's records once."""
    shape.create_table(bench.postgres)
    run = load(bench, source, shape.table, shape.records)
    shape.check(bench.postgres)
    return run


def columns(bench: Bench, budget: int) -> list[Point]:
    """1 to 100 columns."""
    points: list[Point] = []
    for number in (1, 3, 10, 30, 100):
        shape = shapes.columns(number, max(1000, min(budget // 200, budget // (24 * number))))
        topic = f"columns-{number}"
        stretch = max(1, min(1000, shape.records // (8 * PARTITIONS)))
        fill(bench.kafka, topic, PARTITIONS, shape.messages(), stretch)
        for name, source in (("Kafka", f"kafka://{topic}"), ("file", str(shape.lines()))):
            points.append(Point(name, number, shape.bytes(), partial(shape_run, bench, shape, source)))
    return points


def sizes(bench: Bench, budget: int) -> list[Point]:
    """Messages of 50 B to 50 KB."""
    points: list[Point] = []
    for size in (50, 150, 500, 1500, 5000, 15000, 50000):
        records = max(500, min(budget // 200, budget // size))
        topic = f"size-{size}"
        stretch = max(1, min(1000, records // (8 * PARTITIONS)))
        fill(bench.kafka, topic, PARTITIONS, shapes.sized(size, records, "stored").messages(), stretch)
        kinds: dict[Literal["stored", "external", "over"], str] = {
            "stored": "Kafka",
            "external": "STORAGE EXTERNAL",
            "over": "body not stored",
        }
        for kind, name in kinds.items():
            shape = shapes.sized(size, records, kind)
            points.append(
                Point(name, size, shape.bytes(), partial(shape_run, bench, shape, f"kafka://{topic}"))
            )
    return points


def weeks(bench: Bench, budget: int) -> list[Point]:
    """1 to 200 weekly partitions that every batch has rows for."""
    points: list[Point] = []

    def headrace(data: Data, source: str) -> Run:
        data.create_table(bench.postgres)
        run = load(bench, source, TABLE, data.records)
        data.check(bench.postgres)
        return run

    def copy(data: Data) -> Run:
        data.create_table(bench.postgres)
        environment = psql_copy.environment(bench.postgres.env())
        binary = data.binary(bench.postgres)
        return bench.command(psql_copy.command(TABLE, binary), environment, records=data.records)

    for number in (1, 2, 5, 10, 20, 50, 100, 200):
        data = Data(budget // 400, number)
        size = data.lines().stat().st_size - data.records
        data.binary(bench.postgres)
        topic = bench.topic(data, PARTITIONS)
        points.append(Point("Kafka", number, size, partial(headrace, data, f"kafka://{topic}")))
        points.append(Point("file", number, size, partial(headrace, data, str(data.lines()))))
        points.append(Point("psql \\copy", number, size, partial(copy, data)))
    return points


SCALES = {
    "threads": Scale(
        "Partitions of the topic and workers",
        "workers (two threads each)",
        "purchases of 165 bytes, 8 columns, 8 weekly partitions; broker and PostgreSQL on the same cores",
        ("records", "cpu"),
        False,
        threads,
    ),
    "columns": Scale(
        "Columns of the table",
        "columns",
        "bigint, integer, text, numeric, timestamptz in turn; a table without partitions; 2 workers",
        ("records", "bytes", "cpu"),
        True,
        columns,
    ),
    "sizes": Scale(
        "Size of a message",
        "bytes a message",
        "Kafka, 2 workers; id bigint, body text. Above 2 kB PostgreSQL compresses bodies and moves them out"
        " of line, with STORAGE EXTERNAL it moves them only",
        ("records", "bytes", "cpu"),
        True,
        sizes,
    ),
    "weeks": Scale(
        "Weeks in one batch",
        "weekly partitions that each batch has rows for",
        "purchases of 165 bytes, 8 columns; psql copies a ready-made binary file; 2 workers",
        ("records", "cpu"),
        False,
        weeks,
    ),
}
UNITS = {
    "records": "records a second",
    "bytes": "bytes of JSON a second",
    "cpu": "CPU microseconds a record: client, PostgreSQL, broker",
}
"""The last is the steadiest: it hardly changes when strangers keep the machine busy."""


# -- measuring and writing ----------------------------------------------------------------------------------


def measure(name: str, scale: Scale, points: Sequence[Point], rounds: int) -> dict[str, Any]:
    """Run the points in turn; what the plot is drawn from."""
    runs: list[list[Run]] = [[] for _ in points]
    for turn in range(rounds + 1):
        for point, found in zip(points, runs, strict=True):
            run = point.run()
            counts = "" if turn else " (does not count)"
            say(f"{name}: {point.series}, {point.x:g}: {run.rate:.0f}/s, {run.seconds:.2f} s{counts}")
            if turn:
                found.append(run)
    measured = [
        {
            "series": point.series,
            "x": point.x,
            "bytes": point.bytes,
            "records": found[0].records,
            "runs": [asdict(run) for run in found],
        }
        for point, found in zip(points, runs, strict=True)
    ]
    about = {"title": scale.title, "x_label": scale.x_label, "units": scale.units, "log_y": scale.log_y}
    return {**about, "note": scale.note, "points": measured}


def amount(unit: str, point: Mapping[str, Any], run: Mapping[str, Any]) -> float:
    """What one run says in this unit."""
    if unit == "cpu":
        spent = sum(float(run[name]) for name in ("client_cpu", "postgres_cpu", "kafka_cpu"))
        return spent / float(point["records"]) * 1e6
    return float(point[unit]) / float(run["seconds"])


def panels(measured: Mapping[str, Any]) -> list[Panel]:
    """What is drawn of the result of `measure`."""
    drawn = []
    for unit in measured["units"]:
        lines: dict[str, list[tuple[float, float, float, float]]] = {}
        for point in measured["points"]:
            values = sorted(amount(unit, point, run) for run in point["runs"])
            place = (point["x"], statistics.median(values), values[0], values[-1])
            lines.setdefault(point["series"], []).append(place)
        series = [Series(name, sorted(places)) for name, places in lines.items()]
        title, label = measured["title"], measured["x_label"]
        drawn.append(Panel(title, label, UNITS[unit], series, log_y=measured["log_y"]))
    return drawn


HEAD = ["series", "x", "records", "s", "k rec/s", "MB/s", "client us", "pg us", "kafka us", "strangers"]


def rows(measured: Mapping[str, Any]) -> list[list[str]]:
    """A line for each point: medians."""
    lines = []
    for point in measured["points"]:
        runs = point["runs"]
        seconds = statistics.median(run["seconds"] for run in runs)
        micros = [
            statistics.median(run[name] for run in runs) / point["records"] * 1e6
            for name in ("client_cpu", "postgres_cpu", "kafka_cpu")
        ]
        lines.append(
            [
                point["series"],
                f"{point['x']:g}",
                str(point["records"]),
                f"{seconds:.2f}",
                f"{point['records'] / seconds / 1e3:.1f}",
                f"{point['bytes'] / seconds / 1e6:.1f}",
                *(f"{value:.2f}" for value in micros),
                f"{statistics.median(run['strangers'] for run in runs):.0%}",
            ]
        )
    return sorted(lines, key=lambda line: (line[0], float(line[1])))


def main(argv: Sequence[str]) -> int:
    """Measure, print, write, draw."""
    parser = argparse.ArgumentParser(prog="python -m bench scaling", description=__doc__)
    parser.add_argument("plots", nargs="*", help=f"which plots, of {', '.join(SCALES)}; all unless given")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="runs that count, at least 3")
    parser.add_argument("--megabytes", type=int, default=300, metavar="N", help="about so much JSON a point")
    parser.add_argument("--no-pictures", action="store_true", help="leave docs/pictures as they are")
    args = parser.parse_args(argv)
    if args.rounds < 3 or args.megabytes < 1:
        parser.error("rounds must be at least 3 and megabytes at least 1")
    unknown = set(args.plots) - set(SCALES)
    if unknown:
        parser.error(f"there is no plot {', '.join(sorted(unknown))}; there are {', '.join(SCALES)}")
    budget = (10 if args.quick else args.megabytes) * 1_000_000
    about = machine.describe()
    print("\n".join(f"{name}: {value}" for name, value in about.items()), flush=True)
    result = BUILD / "bench-scaling-quick.json" if args.quick else RESULT
    plots: dict[str, Any] = {}
    if args.plots and result.exists():  # the others stay as they were measured
        plots = {
            name: kept for name, kept in json.loads(result.read_text())["plots"].items() if name in SCALES
        }
    for name in args.plots or SCALES:
        bench = Bench(Options(rounds=args.rounds))  # fresh servers: the disk holds one plot's data at a time
        try:
            measured = measure(name, SCALES[name], SCALES[name].points(bench, budget), args.rounds)
        finally:
            bench.close()
        print(f"\n{name}: {SCALES[name].title}\n" + table(HEAD, rows(measured)), flush=True)
        plots[name] = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "machine": about, **measured}
        write_json(result, {"plots": plots})
    say(f"written: {result}, with every run")
    if not args.no_pictures and not args.quick:
        for file in plot.pictures(result):
            say(f"drawn: {file.relative_to(ROOT)}")
    return 0
