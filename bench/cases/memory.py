"""Peak memory of a load above the interpreter with headrace imported: a short, a long and a longer topic.

The topics have the same number of partitions and 3, 20 and 100 % of `--memory-records` messages: 0.3, 2 and
10 million unless told otherwise.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from bench.data import TABLE, Data
from bench.harness import Bench, Figure, Results, Run, Side

SHARES = {"short": 3, "long": 20, "longer": 100}
"""Percents of the messages."""


def _peak(side: str) -> Callable[[Results], float]:
    return lambda results: max(run.extra["peak_kib"] - run.extra["base_kib"] for run in results[side]) / 1024


FIGURES = (
    Figure(
        "peak_memory",
        "peak RSS of a load above the interpreter, the highest of all runs and lengths",
        lambda results: max(_peak(side)(results) for side in SHARES),
        150,
        "MiB",
        True,
    ),
    Figure("peak_memory_short", "the same, the short topic", _peak("short"), 150, "MiB", True),
    Figure("peak_memory_long", "the same, the long topic", _peak("long"), 150, "MiB", True),
    Figure("peak_memory_longer", "the same, the longer topic", _peak("longer"), 150, "MiB", True),
    Figure(
        "memory_growth",
        "that of the longer topic as a multiple of the long one's",
        lambda results: _peak("longer")(results) / _peak("long")(results),
        1.1,
        at_most=True,
    ),
)


def sides(bench: Bench) -> dict[str, Side]:
    """short, long, longer."""
    options = bench.options

    def side(share: int) -> Side:
        data = Data(options.memory_records * share // 100, options.weeks)
        topic = bench.topic(data, options.partitions)

        def load() -> Run:
            data.create_table(bench.postgres)
            settings = {
                "job": f"bench-{uuid.uuid4()}",
                "workers": options.workers,
                "kafka": {"bootstrap.servers": bench.kafka.bootstrap},
            }
            run = bench.program(
                "bench.ours",
                {"source": f"kafka://{topic}", "table": TABLE, "dsn": bench.dsn, "settings": settings},
            )
            if run.records != data.records:
                raise RuntimeError(f"{run.records} of {data.records} messages were loaded")
            return run

        return load

    return {name: side(share) for name, share in SHARES.items()}
