"""One random seed for everything that happens by chance in tests/faults: printed at the end of every session,
and HEADRACE_SEED=<it> makes the same choices again.
"""

from __future__ import annotations

import os
import random
import secrets

SEED: int = int(os.environ.get("HEADRACE_SEED") or secrets.randbelow(1 << 31))
"""The session's seed."""


def chance(name: str) -> random.Random:
    """A generator of its own for `name` (a test's), so that one test's choices do not depend on another's."""
    return random.Random(f"{SEED}:{name}")


def replay() -> str:
    """How to make the same choices again."""
    return f"HEADRACE_SEED={SEED}"
