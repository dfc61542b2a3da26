r"""The line to beat: `psql \copy` of a ready-made file in binary COPY format into the partitioned parent.

No decoding, no parsing of text, no records to keep apart, no offsets: nothing a loader of JSON can leave out
is left in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stack.postgres import binaries


def command(table: str, file: Path) -> list[str]:
    """What to run, with psql's own PG* variables in the environment."""
    return [
        str(binaries() / "psql"),
        *("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"),
        f"--command=\\copy {table} from '{file}' (format binary)",
    ]


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment: only what psql needs."""
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **variables}
