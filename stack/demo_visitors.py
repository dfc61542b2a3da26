"""`make demo-visitors`: frames of a site's visitors are made, sent to Kafka, counted in windows, read back,
and held against the true counts.

Each step is told with the command that does the same. The last line of the standard output is one JSON
object; progress goes to the standard error.
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import headrace
from headrace.display import text_table

from stack.demo import described, finish
from stack.services import SHOP, Stack

log = logging.getLogger(__name__)

FRAMES, RESULTS, LATE, JOB, TABLE = "frames", "visitors", "visitors-late", "visitors-demo", "public.visitors"
WINDOWS = ("minute", "hour", "day")
DAMAGED = ("truncated", "not_json", "broken_inside", "invalid_utf8", "no_time", "bad_time")


class Wrong(RuntimeError):
    """What was counted is not what was made."""


def settings(told: argparse.Namespace) -> dict[str, int]:
    """Of the frames: half an hour of disorder, and late, damaged and far-future frames among good ones."""
    return {
        "rate": max(1, told.frames // (told.hours * 3600)),
        "users": told.users,
        "late": 2_000,
        "future": 200,
        "malformed": 1_000,
        "disorder": 100_000,
        "disorder_seconds": 1_800,
        "size": told.size,
        "seed": told.seed,
    }


def step(what: str, command: str, work: Callable[[], Any]) -> Any:
    """Do one thing, telling the command that does the same; its result."""
    log.info("\n%s\n  $ %s", what, command)
    begun = time.monotonic()
    done = work()
    log.info("  %s", str(done).replace("\n", "\n  "))
    log.info("  %.1f s", time.monotonic() - begun)
    return done


def run(stack: Stack, told: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Make, send, count, read back, compare; what came of it.

    :raises Wrong: when a count is not the true one
    """
    folder.mkdir(parents=True, exist_ok=True)
    stream, truth, plot = folder / "stream.jsonl.gz", folder / "truth.jsonl", folder / "users.png"
    brokers = stack.kafka.bootstrap
    kafka = {"bootstrap.servers": brokers}
    begun = time.monotonic()
    for topic in (FRAMES, RESULTS, LATE):
        headrace.topics.delete(topic, missing_ok=True, kafka=kafka)
    headrace.offsets.forget(JOB, kafka=kafka)
    with stack.postgres.connect(SHOP) as conn:
        conn.execute(f"DROP TABLE IF EXISTS {TABLE}")
    numbers = settings(told)
    words = " ".join(f"--set {name}={value}" for name, value in numbers.items())
    made = step(
        f"{told.frames:,} frames of a site's visitors, some of them late, damaged or from the year 9999:",
        f"headrace generate frames --count {told.frames} --to {shown(stream)} --truth {shown(truth)} {words}",
        lambda: headrace.generate("frames", told.frames, stream, truth=truth, settings=numbers),
    )
    sent = step(
        "Into Kafka, keyed by user, so that a user is always in the same partition:",
        f"headrace produce {shown(stream)} --to {FRAMES} --bootstrap {brokers} --key uid "
        f"--partitions {told.partitions}",
        lambda: headrace.produce(
            stream, f"kafka://{brokers}/{FRAMES}", key="uid", partitions=told.partitions
        ),
    )
    counted = step(
        "Unique users by minute, hour and day, in one pass; a frame may be an hour late:",
        f"headrace window {FRAMES} --to {RESULTS} --bootstrap {brokers} --job {JOB} --windows "
        f"{','.join(WINDOWS)} --time ts --time-unit s --distinct uid:bigint --keyed --lateness 1h "
        f"--late-topic {LATE} --table {TABLE} --create-table --workers {told.workers} --close-all",
        lambda: headrace.window_topic(
            FRAMES,
            RESULTS,
            job=JOB,
            kafka=kafka,
            windows=WINDOWS,
            time="ts",
            time_unit="s",
            distinct="uid:bigint",
            keyed=True,
            lateness="1h",
            late_topic=LATE,
            table=TABLE,
            dsn=stack.postgres.dsn(SHOP),
            create_table=True,
            workers=told.workers,
            close_all=True,
        ),
    )
    found = step(
        "The results, read back as any consumer would:",
        f"headrace results {RESULTS} --bootstrap {brokers} --window minute --plot {shown(plot)}",
        lambda: headrace.results(RESULTS, kafka=kafka),
    )
    found.plot(plot, window="minute")
    log.info("\nThe last of them:\n\n%s", found.table(8))
    expected = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines()]
    total = compare(found, expected, made.kinds, counted)
    return total | {
        "results": len(found),
        "produce_per_second": round(sent.rate),
        "frames_per_second": round(counted.rate),
        "seconds": round(time.monotonic() - begun, 1),
        "files": {"stream": str(stream), "truth": str(truth), "plot": str(plot)},
    }


def compare(
    found: Any, expected: list[dict[str, Any]], kinds: Mapping[str, int], counted: Any
) -> dict[str, Any]:
    """Every minute against the truth, the rejects against the kinds of frames that were made."""
    minutes = {r["window_start"]: r["users"] for r in found if r["window"] == "minute"}
    true = {window["window_start"]: window["users"] for window in expected}
    wrong = sorted(start for start in minutes.keys() | true.keys() if minutes.get(start) != true.get(start))
    rows = [[start, true.get(start), minutes.get(start)] for start in wrong[:10]]
    if rows:
        log.info("\nWRONG\n%s", text_table(["minute", "true users", "counted users"], rows))
    return {
        "frames": counted.frames,
        "windows": len(minutes),
        "late": counted.late,
        "malformed": counted.malformed,
        "future": counted.future,
        "wrong": len(wrong) + found.repeated,
        "expected": {
            "frames": sum(kinds.values()),
            "windows": len(true),
            "late": kinds["late"],
            "malformed": sum(kinds[name] for name in DAMAGED),
            "future": kinds["future"],
        },
    }


def mistakes(total: Mapping[str, Any]) -> list[str]:
    """What is not as it was made."""
    found = [
        f"{name} is {total[name]:,}, not {true:,}"
        for name, true in total["expected"].items()
        if total[name] != true
    ]
    return found + ([f"{total['wrong']:,} windows differ from the truth"] if total["wrong"] else [])


def shown(path: Path) -> str:
    """A path for a command line, from the folder we are in if it is below it."""
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))


def report(stack: Stack, total: Mapping[str, Any]) -> str:
    """What is printed before the JSON line."""
    names = ("frames", "windows", "late", "malformed", "future")
    rows = [[name, total["expected"][name], total[name]] for name in names]
    files, brokers = total["files"], stack.kafka.bootstrap
    return "\n\n".join(
        [
            text_table(["", "made", "counted"], [*rows, ["minutes that are wrong", 0, total["wrong"]]]),
            f"{total['frames_per_second']:,} frames/s counted, {total['produce_per_second']:,}/s sent",
            "LOOK AT\n"
            f"the plot            {files['plot']}\n"
            f"the frames          {files['stream']}\n"
            f"the true counts     {files['truth']}\n"
            f"the results         headrace results {RESULTS} --bootstrap {brokers} --window hour\n"
            f"the same as a table psql {stack.postgres.dsn(SHOP)!r} -c 'TABLE {TABLE} LIMIT 20'\n"
            f"the late frames     topic {LATE}: as they came, with headers that say why\n"
            "the same by Airflow make demo, then the DAG visitors\n"
            "how it works        docs/visitors.md, docs/windows.md",
            'the command finds the services after: eval "$(.venv/bin/python -m stack env)"',
        ]
    )


def main(words: list[str]) -> int:
    """Start the services, run, print what came of it; the exit code."""
    parser = described(__doc__, "demo_visitors")
    parser.add_argument("--frames", type=int, default=1_000_000, help="how many (1,000,000)")
    parser.add_argument("--users", type=int, default=100_000, help="different ones (100,000)")
    parser.add_argument("--hours", type=int, default=24, help="of visits (24)")
    parser.add_argument("--size", type=int, default=1_000, help="bytes of a frame, about (1,000)")
    parser.add_argument("--partitions", type=int, default=4, help="of the topic (4)")
    parser.add_argument("--workers", type=int, default=2, help="threads that count (2)")
    parser.add_argument("--seed", type=int, default=1, help="the same makes the same frames (1)")
    told = parser.parse_args(words)
    stack = Stack()
    try:
        stack.up(("postgres", "kafka"))
        total = run(stack, told, stack.folder / "visitors")
    except (RuntimeError, OSError, headrace.HeadraceError) as error:
        print(error, file=sys.stderr)
        return 1
    for mistake in mistakes(total):
        log.info("WRONG: %s", mistake)
    finish(stack, report(stack, total), {name: value for name, value in total.items() if name != "files"})
    return 1 if mistakes(total) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
