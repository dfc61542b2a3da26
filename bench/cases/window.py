"""Users a minute from JSON lines, one thread; and taking two fields out of a frame alone.

All sides get the same file of frames and must find the true number of users of every minute. The field sides
must add up the same numbers. simdjson on demand checks neither numbers, literals, commas, nesting nor escapes
of what it passes by; its DOM checks all, as Headrace does.
"""

from __future__ import annotations

import os

from bench.build import CORE, program
from bench.frames import Frames
from bench.harness import Bench, Figure, Results, Run, Side, ratio
from bench.peers import fields_simdjson

PASSES = 5
USERS = 1_000_000
MINUTES = 2


def bytes_a_user(results: Results) -> float:
    """By the pages of the process, or what the kernel says of itself, whichever is more."""
    return max(max(run.extra["bytes"], run.extra["told"]) for run in results["memory"])


FIGURES = (
    ratio("window_vs_duckdb", "headrace", "duckdb", 3, "users a minute from JSON lines against DuckDB"),
    ratio("window_vs_polars", "headrace", "polars", 3, "the same against Polars"),
    ratio("window_vs_python", "headrace", "python", 8, "the same against orjson and sets"),
    ratio("window_vs_simdjson", "fields", "simdjson", 1, "two fields of a frame against simdjson on demand"),
    ratio(
        "window_vs_simdjson_dom", "fields", "simdjson_dom", 1, "the same against its DOM, which checks all"
    ),
    Figure(
        "window_bytes_per_user",
        f"exact counting, {USERS:,} users in each of {MINUTES} open windows",
        bytes_a_user,
        16,
        "bytes",
        at_most=True,
    ),
)


def sides(bench: Bench) -> dict[str, Side]:
    """headrace, duckdb, polars, python; fields, simdjson, simdjson_dom; memory."""
    frames = Frames(bench.options.window_frames)
    path = str(frames.lines())
    asked = {"path": path, "truth": frames.truth()}
    sums: set[float] = set()

    def module(name: str) -> Side:
        return lambda: bench.program(name, asked)

    def fields(command: list[str]) -> Side:
        def work() -> Run:
            run = bench.command(command, os.environ)
            sums.add(run.extra["sum"])
            if len(sums) > 1 or run.records != frames.records * PASSES:
                raise RuntimeError(f"{command[0]} found other numbers than those before: {sums}")
            return run

        return work

    def memory() -> Run:
        made = program("window_memory", extra=CORE, libraries=["jansson"])
        return bench.command([str(made), str(USERS), str(MINUTES)], os.environ)

    return {
        "headrace": module("bench.ours_window"),
        "duckdb": module("bench.peers.window_duckdb"),
        "polars": module("bench.peers.window_polars"),
        "python": module("bench.peers.window_python"),
        "fields": fields(fields_simdjson.headrace(path, str(PASSES))),
        "simdjson": fields(fields_simdjson.simdjson("ondemand", path, str(PASSES))),
        "simdjson_dom": fields(fields_simdjson.simdjson("dom", path, str(PASSES))),
        "memory": memory,
    }
