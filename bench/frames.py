"""Frames of a web site's visitors for the window cases: about 1.5 KB each, 40 fields, nested; a tenth come
after later ones. 1,000 a second of their own time, 100,000 users. Files are kept in build/bench/data.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.build import program
from bench.data import generator_mark
from stack.paths import BUILD, ROOT

SETTINGS = ("seed=1", "users=100000", "rate=1000", "size=1500", "fields=40")
Minutes = dict[int, int]
"""The start of a minute, in seconds since 1970, to the number of its users."""


def as_given(minutes: Minutes) -> dict[str, int]:
    """As a program of this package is told what is true: JSON has texts for keys."""
    return {str(minute): users for minute, users in sorted(minutes.items())}


def check(found: Minutes, asked: dict[str, int]) -> None:
    """RuntimeError unless these are the users of each minute."""
    if as_given(found) != asked:
        raise RuntimeError(f"the users a minute are wrong: {found}, not {asked}")


@dataclass(frozen=True)
class Frames:
    """So many frames."""

    records: int
    folder: Path = BUILD / "bench" / "data"

    def _write(self, form: str, ending: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"frames-{self.records}-{generator_mark()}.{ending}"
        if not path.exists():
            writer = program(
                "write_frames", extra=sorted((ROOT / "csrc/core").glob("*.c")), libraries=["jansson"]
            )
            draft = path.with_suffix(".draft")
            with draft.open("wb") as out:
                subprocess.run([str(writer), form, str(self.records), *SETTINGS], stdout=out, check=True)
            draft.rename(path)
        return path

    def lines(self) -> Path:
        """The file of JSON lines."""
        return self._write("frames", "jsonl")

    def truth(self) -> dict[str, int]:
        """The users of each minute."""
        return dict(json.loads(self._write("truth", "truth").read_text()))
