"""How long `import headrace` takes, with the C module and without Airflow, in a fresh interpreter."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable

from bench.harness import Bench, Figure, Results, Run, Side
from stack.paths import ROOT

_PROGRAM = """
import json, sys, time
start = time.perf_counter()
import {name}
print(json.dumps(dict(seconds=time.perf_counter() - start, records=1)))
"""


def _milliseconds(side: str) -> Callable[[Results], float]:
    return lambda results: statistics.median(run.seconds for run in results[side]) * 1000


FIGURES = (
    Figure("import_time", "import headrace", _milliseconds("headrace"), 50, "ms", at_most=True),
    Figure(
        "import_time_module", "with the C module", _milliseconds("headrace_module"), 50, "ms", at_most=True
    ),
)


def sides(bench: Bench) -> dict[str, Side]:
    """headrace, headrace_module."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}

    def run(name: str) -> Run:
        return bench.command([sys.executable, "-c", _PROGRAM.format(name=name)], environment)

    return {"headrace": lambda: run("headrace"), "headrace_module": lambda: run("headrace._headrace")}
