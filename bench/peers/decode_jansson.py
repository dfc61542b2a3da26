"""jansson: each line becomes a tree, freed before the next; the program is bench/c/decode_jansson.c."""

from __future__ import annotations

from pathlib import Path

from bench.build import program


def command(path: Path, passes: int) -> list[str]:
    """What to run; it prints seconds and records as JSON."""
    return [str(program("decode_jansson", libraries=["jansson"])), str(path), str(passes)]
