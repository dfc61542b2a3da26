"""simdjson (Debian's libsimdjson-dev) taking two fields out of each frame, bench/c/fields_simdjson.cpp; and
our decoder doing the same, bench/c/fields_headrace.c. With `check` as their argument they print which damaged
frames they take.
"""

from __future__ import annotations

from bench.build import CORE, program


def simdjson(way: str, *rest: str) -> list[str]:
    """What to run: "ondemand", which checks what it touches and where strings end; or "dom": everything."""
    return [str(program("fields_simdjson", libraries=["simdjson"])), way, *rest]


def headrace(*rest: str) -> list[str]:
    """What to run for our decoder."""
    return [str(program("fields_headrace", extra=CORE, libraries=["jansson"])), "json", *rest]
