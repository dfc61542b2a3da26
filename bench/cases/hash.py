"""Hash keys, one thread, from memory.

Headrace makes the text of a number and a name (trimmed, in upper case, joined) and hashes it; the peers get
that text ready. Its scalar kernel, and batches of a single row, are compared with OpenSSL in C.
"""

from __future__ import annotations

import os

from bench.harness import Bench, Figure, Results, Run, Side, median_rate, ratio
from bench.peers import hash_openssl

ROWS = 1_000_000


def slower_of_ours(results: Results) -> float:
    """The scalar kernel or batches of one row, whichever is slower, as a multiple of OpenSSL."""
    ours = min(median_rate(results["scalar"]), median_rate(results["single"]))
    return ours / median_rate(results["openssl"])


FIGURES = (
    ratio(
        "md5_vs_hashlib", "headrace", "hashlib", 20, "hash keys against a loop of hashlib over ready bytes"
    ),
    ratio("md5_vs_duckdb", "headrace", "duckdb", 6, "hash keys against DuckDB's md5() of the ready text"),
    Figure(
        "md5_scalar_vs_openssl",
        "the scalar kernel, and batches of one row, against OpenSSL's MD5()",
        slower_of_ours,
        0.9,
    ),
)


def sides(bench: Bench) -> dict[str, Side]:
    """headrace, hashlib, duckdb; openssl, scalar, single."""

    def module(name: str, passes: int) -> Side:
        return lambda: bench.program(name, {"rows": ROWS, "passes": passes})

    def compiled(way: str) -> Side:
        def work() -> Run:
            return bench.command(hash_openssl.command(way, ROWS // 10, 50), os.environ)

        return work

    return {
        "headrace": module("bench.ours_hash", 40),
        "hashlib": module("bench.peers.hash_hashlib", 3),
        "duckdb": module("bench.peers.hash_duckdb", 10),
        **{way: compiled(way) for way in ("openssl", "scalar", "single")},
    }
