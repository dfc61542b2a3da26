"""Upsert of keys that are all already there, against appending them, both into a table with a primary key."""

from __future__ import annotations

import uuid

from bench.data import TABLE, Data
from bench.harness import Bench, Run, Side, ratio

FIGURES = (
    ratio(
        "upsert_vs_append",
        "upsert",
        "append",
        0.3,
        "upsert of keys already there against append to the same table",
    ),
)


def sides(bench: Bench) -> dict[str, Side]:
    """append, upsert: the second finds what the first has left."""
    data = Data(bench.options.records, bench.options.weeks)
    lines = data.lines()

    def load(mode: str) -> Run:
        settings = {"job": f"bench-{uuid.uuid4()}", "workers": bench.options.workers, "mode": mode}
        run = bench.program(
            "bench.ours", {"source": str(lines), "table": TABLE, "dsn": bench.dsn, "settings": settings}
        )
        data.check(bench.postgres)
        return run

    def append() -> Run:
        data.create_table(bench.postgres, key=True)
        return load("append")

    def upsert() -> Run:
        with bench.postgres.connect() as connection:
            connection.execute(f"ANALYZE {TABLE}")
            connection.execute("CHECKPOINT")
        return load("upsert")

    return {"append": append, "upsert": upsert}
