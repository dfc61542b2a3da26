"""The files that a benchmark leaves: bench.json with the figures, bench-details.json with every run.

They are written after each case, so that a benchmark that is ended halfway leaves what it has measured. Cases
may be measured on different occasions: details say of each when, on which machine, at which commit and with
which options. Small sizes (`--quick`) go to files of their own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.harness import Results, raw, write_json
from stack.paths import BUILD


class Files:
    """The files of one benchmark. `cases`: all there are; what is kept of others is dropped. `fresh`: begin
    with nothing.
    """

    def __init__(
        self,
        cases: Collection[str],
        about: Mapping[str, Any],
        *,
        quick: bool,
        fresh: bool,
        folder: Path = BUILD,
    ) -> None:
        self.figures = folder / ("bench-quick.json" if quick else "bench.json")
        self.details = folder / ("bench-quick-details.json" if quick else "bench-details.json")
        self._about = dict(about)
        self._kept: dict[str, Any] = {}
        if not fresh and self.details.exists():
            kept = json.loads(self.details.read_text()).get("cases", {})
            self._kept = {name: case for name, case in kept.items() if name in cases}

    def put(self, case: str, results: Results, figures: Mapping[str, float]) -> None:
        """Keep what a case has measured."""
        self._kept[case] = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            **self._about,
            "figures": dict(figures),
            "runs": raw(results),
        }
        cases = dict(sorted(self._kept.items()))
        write_json(self.details, {"cases": cases})
        write_json(
            self.figures, {name: value for kept in cases.values() for name, value in kept["figures"].items()}
        )
