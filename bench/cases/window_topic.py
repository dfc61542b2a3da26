"""Users a minute from a topic into another, exactly once, broker on the same cores.

Against librdkafka that reads the same topic and throws it away; and two threads on two partitions against one
on one. The broker works on the cores that the two threads have: for the scaling its CPU is taken off their
time, half from each core; that of one thread is left as it is, as the broker has the other core. Joining the
group, making topics and committing are timed: some seconds, whatever the number of frames.
"""

from __future__ import annotations

import os
import uuid

from bench.frames import Frames
from bench.harness import Bench, Figure, Results, Run, Side, median_rate, ratio
from bench.peers import consume

THREADS = 2


def scaling(results: Results) -> float:
    """Two threads as a multiple of one, without the broker's CPU on their cores."""
    two = sorted(run.records / (run.seconds - run.kafka_cpu / THREADS) for run in results["headrace"])
    return two[len(two) // 2] / median_rate(results["one"])


FIGURES = (
    ratio(
        "window_kafka_vs_consume", "headrace", "consume", 0.8, "users a minute of a topic against reading it"
    ),
    Figure(
        "window_scaling", "2 threads on 2 partitions against 1 on 1, the broker's CPU taken off", scaling, 1.6
    ),
)


def sides(bench: Bench) -> dict[str, Side]:
    """headrace, consume, one."""
    frames = Frames(10 * bench.options.window_frames)
    truth = frames.truth()
    topics = {}
    for partitions in (THREADS, 1):
        topics[partitions] = f"frames-{frames.records}-{partitions}p"
        frames.produce(bench.kafka, topics[partitions], partitions)

    def count(threads: int) -> Run:
        name = str(uuid.uuid4())
        run = bench.program(
            "bench.ours_window_topic",
            {
                "topic": topics[threads],
                "to": f"users-{name}",
                "job": f"bench-{name}",
                "brokers": bench.kafka.bootstrap,
                "workers": threads,
                "truth": truth,
            },
        )
        if run.records != frames.records:
            raise RuntimeError(f"{run.records} of {frames.records} frames were counted")
        return run

    def throw_away() -> Run:
        command = consume.command(bench.kafka.bootstrap, topics[THREADS], THREADS, frames.records)
        return bench.command(command, os.environ)

    return {"headrace": lambda: count(THREADS), "consume": throw_away, "one": lambda: count(1)}
