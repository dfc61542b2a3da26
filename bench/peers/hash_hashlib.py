"""hashlib: a loop over the ready bytes of each row; no text is made of values, which favours it.

{"rows", "passes"} -> {"seconds", "records", "cpu"}.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time

from bench import keys


def main() -> None:
    """Hash the rows so many times."""
    asked = json.load(sys.stdin)
    ready = [text.encode() for text in keys.texts(asked["rows"])]
    md5 = hashlib.md5
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(asked["passes"]):
        for text in ready:
            md5(text).digest()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "records": asked["rows"] * asked["passes"], "cpu": cpu}))


if __name__ == "__main__":
    main()
