"""Headrace's decoder alone, one thread: JSON lines become batches of typed columns.

{"path", "passes"} -> {"seconds", "records", "cpu"}; reading the file is not timed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from headrace import Schema, decode_json

from bench.data import COLUMNS

PIECE = 8 << 20
"""About as much as one batch of a load."""


def pieces(data: bytes) -> list[memoryview]:
    """The file cut into pieces of whole lines."""
    cut, at = [], 0
    view = memoryview(data)
    while at < len(data):
        end = len(data) if at + PIECE >= len(data) else data.rindex(b"\n", at, at + PIECE) + 1
        cut.append(view[at:end])
        at = end
    return cut


def main() -> None:
    """Decode the file so many times."""
    asked = json.load(sys.stdin)
    parts = pieces(Path(asked["path"]).read_bytes())
    schema = Schema([(name, type, True) for name, type in COLUMNS])
    records = 0
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(asked["passes"]):
        for part in parts:
            batch, rejects = decode_json(part, schema)
            records += len(batch)
            if rejects:
                raise RuntimeError(f"records were rejected, the first: {rejects[0]}")
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "records": records, "cpu": cpu}))


if __name__ == "__main__":
    main()
