"""JSON lines from a file into weekly partitions, against the database's own loader.

Headrace reads, decodes, routes and loads JSON lines with its default settings and two connections, in a
transaction for each batch, with offsets and receipt. psql copies the same rows, ready-made in PostgreSQL's
own binary format.
"""

from __future__ import annotations

import uuid

from bench.data import TABLE, Data
from bench.harness import Bench, Run, Side, ratio
from bench.peers import psql_copy

FIGURES = (
    ratio(
        "file_vs_copy", "headrace", "psql_copy", 1.3, "JSON lines -> weekly partitions against psql \\copy"
    ),
    ratio(
        "file_vs_python",
        "headrace",
        "python_file",
        3,
        "the same against orjson and psycopg COPY, one process",
    ),
)


def sides(bench: Bench) -> dict[str, Side]:
    """headrace, psql_copy, python_file."""
    data = Data(bench.options.records, bench.options.weeks)
    lines, binary = data.lines(), data.binary(bench.postgres)

    def headrace() -> Run:
        data.create_table(bench.postgres)
        settings = {"job": f"bench-{uuid.uuid4()}", "workers": bench.options.workers}
        run = bench.program(
            "bench.ours", {"source": str(lines), "table": TABLE, "dsn": bench.dsn, "settings": settings}
        )
        data.check(bench.postgres)
        return run

    def copy() -> Run:
        data.create_table(bench.postgres)
        environment = psql_copy.environment(bench.postgres.env())
        run = bench.command(psql_copy.command(TABLE, binary), environment, records=data.records)
        data.check(bench.postgres)
        return run

    def python() -> Run:
        data.create_table(bench.postgres)
        run = bench.program("bench.peers.python_file", {"path": str(lines), "table": TABLE, "dsn": bench.dsn})
        data.check(bench.postgres)
        return run

    return {"headrace": headrace, "psql_copy": copy, "python_file": python}
