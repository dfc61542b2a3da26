"""Headrace's hash keys, one thread, from memory: an integer and a text column become a column of MD5.

{"rows", "passes"} -> {"seconds", "records", "cpu"}; making the batch is not timed. What is hashed is checked.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time

import pyarrow as pa
from headrace import Batch, hash_keys

from bench import keys


def main() -> None:
    """Hash the rows so many times."""
    asked = json.load(sys.stdin)
    numbers, names = keys.columns(asked["rows"])
    batch = Batch.from_arrow(pa.table({"number": pa.array(numbers, pa.int32()), "name": names}))
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(asked["passes"]):
        hashed = hash_keys(batch, ["number", "name"])
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    made = pa.record_batch(hashed).column("hash_key").to_pylist()
    if made != [
        hashlib.md5(text.encode(), usedforsecurity=False).digest() for text in keys.texts(asked["rows"])
    ]:
        raise RuntimeError("the hashes are wrong")
    print(json.dumps({"seconds": seconds, "records": asked["rows"] * asked["passes"], "cpu": cpu}))


if __name__ == "__main__":
    main()
