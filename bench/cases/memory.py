"""Peak memory of loading a quarter of the topic, then all, above the interpreter with headrace imported."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from bench.data import TABLE, Data
from bench.harness import Bench, Figure, Results, Run, Side


def _peak(side: str) -> Callable[[Results], float]:
    return lambda results: max(run.extra["peak_kib"] - run.extra["base_kib"] for run in results[side]) / 1024


FIGURES = (
    Figure(
        "peak_memory",
        "peak RSS of the whole topic's load, above the interpreter",
        _peak("all"),
        150,
        "MiB",
        True,
    ),
    Figure(
        "memory_growth",
        "the same, as a multiple of that of a quarter of the topic",
        lambda results: _peak("all")(results) / _peak("quarter")(results),
        1.25,
        at_most=True,
    ),
)


def sides(bench: Bench) -> dict[str, Side]:
    """quarter, all."""
    options = bench.options
    data = Data(options.kafka_records, options.weeks)
    topic = bench.topic(data, options.partitions)

    def load(limit: int | None) -> Run:
        data.create_table(bench.postgres)
        settings = {
            "job": f"bench-{uuid.uuid4()}",
            "workers": options.workers,
            "kafka": {"bootstrap.servers": bench.kafka.bootstrap},
            "max_records": limit,
        }
        return bench.program(
            "bench.ours",
            {"source": f"kafka://{topic}", "table": TABLE, "dsn": bench.dsn, "settings": settings},
        )

    return {"quarter": lambda: load(data.records // 4), "all": lambda: load(None)}
