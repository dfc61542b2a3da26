"""Plain Python: orjson for each line, a set of users for each minute.

{"path", "truth"} -> {"seconds", "records", "cpu"}; reading the file is timed.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import orjson

from bench import frames


def main() -> None:
    """Count once."""
    asked = json.load(sys.stdin)
    loads = orjson.loads
    users: dict[int, set[int]] = defaultdict(set)
    records = 0
    start, cpu = time.perf_counter(), time.process_time()
    with Path(asked["path"]).open("rb") as lines:
        for line in lines:
            frame = loads(line)
            users[frame["ts"] // 60].add(frame["uid"])
            records += 1
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    frames.check({minute * 60: len(of_minute) for minute, of_minute in users.items()}, asked["truth"])
    print(json.dumps({"seconds": seconds, "records": records, "cpu": cpu}))


if __name__ == "__main__":
    main()
