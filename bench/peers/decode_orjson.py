"""orjson: each line becomes a dict, forgotten before the next; no value is converted to the table's type.

{"path", "passes"} -> {"seconds", "records", "cpu"}; reading the file is not timed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import orjson


def main() -> None:
    """Decode the file so many times."""
    asked = json.load(sys.stdin)
    lines = Path(asked["path"]).read_bytes().splitlines()
    loads = orjson.loads
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(asked["passes"]):
        for line in lines:
            loads(line)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "records": len(lines) * asked["passes"], "cpu": cpu}))


if __name__ == "__main__":
    main()
