"""`python -m bench visitors`: latency, accuracy and memory of a window job over lateness and window sizes, as
docs/visitors.md tells and draws them.

Written: docs/pictures/visitors.json with every number, docs/pictures/visitors.svg.

The stream: visits of a day, that arrive late as those of a real site do: most after a second or two, some
after minutes (a bad connection), a few after hours (a phone that was off). The truth counts every frame.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import headrace

from bench import servers
from bench.plot import PICTURES
from stack.paths import BUILD

NUMBERS, PICTURE = PICTURES / "visitors.json", PICTURES / "visitors.svg"
START = 1_795_132_800  # 2026-11-20T00:00:00Z
HOURS, RATE, USERS, SEED = 24, 6, 20_000, 1
DELAYS = ((0.90, 2.0), (0.08, 60.0), (0.015, 900.0), (0.005, 7200.0))  # share, mean seconds
LATENESS = {"0s": 0, "10s": 10, "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "6h": 21600}
WINDOWS = {"minute": 60, "15m": 900, "hour": 3600}
FRAMES = "visitors-measured-frames"


def frames(hours: int) -> Iterator[tuple[float, int, int]]:
    """(arrival, event time, user) in order of arrival."""
    rng = random.Random(SEED)  # noqa: S311 - the same stream every time
    waiting: list[tuple[float, int, int]] = []
    for number in range(hours * 3600 * RATE):
        at = START + number / RATE
        share, delay = rng.random(), 0.0
        for part, mean in DELAYS:
            if share < part:
                delay = rng.expovariate(1 / mean)
                break
            share -= part
        user = int(USERS * rng.random() ** 2) + 1  # some come often
        heapq.heappush(waiting, (at + delay, int(at), user))
        while waiting and waiting[0][0] <= at:
            yield heapq.heappop(waiting)
    while waiting:
        yield heapq.heappop(waiting)


def latencies(arrivals: list[tuple[float, int]], size: int, lateness: int, starts: list[int]) -> list[float]:
    """Seconds from each window's end until the frame arrives that moves the watermark to it."""
    found, at = [], 0
    for start in sorted(starts):
        while at < len(arrivals) and arrivals[at][1] < start + size + lateness:
            at += 1
        if at < len(arrivals):
            found.append(arrivals[at][0] - start - size)
    return found


def measure(brokers: str, hours: int) -> dict[str, Any]:
    """Run the worker over the same topic with each lateness and window size: all the numbers."""
    kafka = {"bootstrap.servers": brokers}
    highs: list[tuple[float, int]] = []  # arrivals that moved the highest time seen
    users: dict[str, dict[int, set[int]]] = {name: {} for name in WINDOWS}
    count = 0
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for arrival, time, user in frames(hours):
            file.write(f'{{"uid": {user}, "ts": {time}}}\n')
            count += 1
            if not highs or time > highs[-1][1]:
                highs.append((arrival, time))
            for name, size in WINDOWS.items():
                users[name].setdefault(time // size * size, set()).add(user)
        file.flush()
        headrace.topics.delete(FRAMES, missing_ok=True, kafka=kafka)
        headrace.produce(file.name, f"kafka://{brokers}/{FRAMES}", partitions=1)
    rows = []
    for name, size in WINDOWS.items():
        true = {start: len(seen) for start, seen in users[name].items()}
        for words, lateness in LATENESS.items():
            rows.append({"window": name, "lateness": words, **one(kafka, name, words, true)})
            closed = latencies(highs, size, lateness, list(true))
            rows[-1] |= {"latency_median": median(closed), "latency_max": max(closed)}
            print(rows[-1], file=sys.stderr)
    headrace.topics.delete(FRAMES, kafka=kafka)
    return {"frames": count, "users": USERS, "hours": hours, "delays": DELAYS, "rows": rows}


def one(kafka: dict[str, str], window: str, lateness: str, true: dict[int, int]) -> dict[str, Any]:
    """Two runs of the worker: to the end of the topic, where the windows of the lateness are open: that is
    their memory. Then these are put out, too: that is what all windows got wrong.
    """
    job = f"visitors-measured-{window}-{lateness}"
    headrace.offsets.forget(job, results=job, kafka=kafka)
    open_now = [0, 0]

    def tell(now: Any) -> None:
        if now.open_windows and now.lag == 0:
            open_now[:] = now.memory, now.open_windows

    settings: dict[str, Any] = {
        "job": job, "kafka": kafka, "windows": window, "time": "ts", "distinct": "uid:bigint",
        "lateness": lateness, "jump": None, "commit_ms": 100,
    }  # fmt: skip
    # it stays a moment at the end, so that what is open there is told
    receipt = headrace.window_topic(FRAMES, job, progress=tell, until="forever", max_seconds=6, **settings)
    headrace.window_topic(FRAMES, job, close_all=True, **settings)
    found = {
        int(datetime.fromisoformat(result["window_start"]).timestamp()): result["users"]
        for result in headrace.results(job, kafka=kafka)
    }
    headrace.offsets.forget(job, results=job, kafka=kafka)
    missing = sum(users - found.get(start, 0) for start, users in true.items())
    return {
        "late": receipt.late,
        "late_share": receipt.late / receipt.frames,
        "wrong_windows": sum(found.get(start) != users for start, users in true.items()),
        "windows": len(true),
        "missing_share": missing / sum(true.values()),
        "memory": open_now[0],
        "open_windows": open_now[1],
    }


def plot(told: dict[str, Any], picture: Path) -> None:
    """Three plots over the lateness: what is missing, how long it takes, how much it holds."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    shown = {
        "missing_share": ("users missing from the counts", 100.0, "%"),
        "latency_median": ("from a window's end to its result, median", 1.0, "seconds"),
        "memory": ("memory of open windows", 1e-6, "MB"),
    }
    for axes, (name, (title, factor, unit)) in zip(figure.subplots(1, 3), shown.items(), strict=True):
        for window in WINDOWS:
            rows = [row for row in told["rows"] if row["window"] == window]
            axes.plot(
                range(len(rows)), [row[name] * factor for row in rows], marker="o", markersize=4, label=window
            )
        axes.set_xticks(range(len(LATENESS)), list(LATENESS))
        axes.set_xlabel("lateness")
        axes.set_ylabel(unit)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_title(title, fontsize="medium")
        axes.grid(alpha=0.3)
    figure.axes[0].legend(title="window", fontsize="small")
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "visitors"}):
        figure.savefig(picture, metadata={"Date": None})


def main(argv: Sequence[str]) -> int:
    """Measure on brokers of its own, or on those given, and draw; --draw: only draw what was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench visitors", description=__doc__)
    parser.add_argument("--brokers", metavar="HOST:PORT", help="instead of a broker that is started for it")
    parser.add_argument("--hours", type=int, default=HOURS, help="of visits; others than 24 go to build/")
    parser.add_argument("--draw", action="store_true", help="draw the numbers that are there")
    args = parser.parse_args(argv)
    if args.hours < 8:
        parser.error("a lateness of 6 hours needs 8 hours of visits at least")
    numbers, picture = NUMBERS, PICTURE
    if args.hours != HOURS:
        numbers, picture = BUILD / NUMBERS.name, BUILD / PICTURE.name
        BUILD.mkdir(exist_ok=True)
    if args.draw:
        told = json.loads(numbers.read_text(encoding="utf-8"))
    elif args.brokers:
        told = measure(args.brokers, args.hours)
    else:
        with tempfile.TemporaryDirectory() as folder, servers.start_kafka(Path(folder)) as broker:
            told = measure(broker.bootstrap, args.hours)
    numbers.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    plot(told, picture)
    print(numbers, picture, file=sys.stderr)
    return 0
