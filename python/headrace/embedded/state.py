"""The file that remembers which processes we started, so that a later command finds and ends them, and only
them.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headrace.embedded.process import Process
from headrace.embedded.secrets import write_private


@dataclass(frozen=True)
class Record:
    """A started process, and what its server wants to know of it later (its port, for example)."""

    process: Process
    info: Mapping[str, Any] = field(default_factory=dict)


class State:
    """A JSON file of records by name. Changes are made under a lock and replace the file whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def records(self) -> dict[str, Record]:
        """All records, those of processes that have ended since included."""
        try:
            entries = json.loads(self.path.read_text())
        except FileNotFoundError:
            return {}
        return {name: Record(Process(**entry["process"]), entry["info"]) for name, entry in entries.items()}

    def running(self, name: str) -> Record | None:
        """The record of this name, if its process still runs."""
        record = self.records().get(name)
        return record if record is not None and record.process.alive() else None

    def put(self, record: Record) -> None:
        """Remember a process under its name."""
        with self._changing() as entries:
            entries[record.process.name] = {"process": asdict(record.process), "info": dict(record.info)}

    def drop(self, name: str) -> None:
        """Forget a process."""
        with self._changing() as entries:
            entries.pop(name, None)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = json.loads(self.path.read_text()) if self.path.exists() else {}
            yield entries
            write_private(self.path, json.dumps(entries, indent=2) + "\n")
