"""simdjson (Debian's libsimdjson-dev) taking two fields out of each frame, bench/c/fields_simdjson.cpp; and
our decoder doing the same, bench/c/fields_headrace.c. With `check` as their argument they print which damaged
frames they take.
"""

from __future__ import annotations

from bench.build import program
from stack.paths import ROOT


def simdjson(way: str, *rest: str) -> list[str]:
    """What to run: "ondemand", which checks what it touches and where strings end; or "dom": everything."""
    return [str(program("fields_simdjson", libraries=["simdjson"])), way, *rest]


def headrace(*rest: str) -> list[str]:
    """What to run for our decoder."""
    sources = sorted((ROOT / "csrc/core").glob("*.c"))
    return [str(program("fields_headrace", extra=sources, libraries=["jansson"])), "json", *rest]
