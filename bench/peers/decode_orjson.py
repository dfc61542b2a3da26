"""orjson: each line becomes a dict, forgotten before the next; no value is converted to the table's type.

{"path", "passes"} -> {"seconds", "records"}; reading the file is not timed.
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
    start = time.perf_counter()
    for _ in range(asked["passes"]):
        for line in lines:
            loads(line)
    print(json.dumps({"seconds": time.perf_counter() - start, "records": len(lines) * asked["passes"]}))


if __name__ == "__main__":
    main()
