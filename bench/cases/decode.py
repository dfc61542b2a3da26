"""Decoding alone, one thread, from memory.

Headrace makes typed columns of the records (dates parsed, decimals exact, UTF-8 and ranges checked); the
peers make generic documents and convert nothing, which favours them.
"""

from __future__ import annotations

import os

from bench.data import Data
from bench.harness import Bench, Run, Side, ratio
from bench.peers import decode_jansson

PASSES = 4

FIGURES = (
    ratio("decode_vs_jansson", "headrace", "jansson", 25, "JSON -> columns against jansson's documents"),
    ratio("decode_vs_orjson", "headrace", "orjson", 5, "JSON -> columns against orjson's dicts"),
)


def sides(bench: Bench) -> dict[str, Side]:
    """headrace, jansson, orjson."""
    path = Data(bench.options.decode_records, bench.options.weeks).lines()
    asked = {"path": str(path), "passes": PASSES}

    def headrace() -> Run:
        return bench.program("bench.ours_decode", {**asked, "passes": PASSES * 4})

    def jansson() -> Run:
        return bench.command(decode_jansson.command(path, 1), os.environ)

    def orjson() -> Run:
        return bench.program("bench.peers.decode_orjson", asked)

    return {"headrace": headrace, "jansson": jansson, "orjson": orjson}
