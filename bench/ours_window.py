"""Headrace's users a minute of a file of JSON lines, one thread: the file becomes a batch of two columns, the
batch becomes a count of different users for each minute.

{"path", "truth"} -> {"seconds", "records", "cpu"}; reading the file is timed. What is counted is checked.
"""

from __future__ import annotations

import json
import mmap
import sys
import time
from pathlib import Path

import headrace
import pyarrow as pa

from bench import frames


def main() -> None:
    """Count once."""
    asked = json.load(sys.stdin)
    schema = headrace.Schema(
        [("uid", "bigint", True), ("ts", "timestamptz", True)], {"ts": {"path": "ts", "unit": "s"}}
    )
    start, cpu = time.perf_counter(), time.process_time()
    flags = mmap.MAP_SHARED | mmap.MAP_POPULATE  # its pages at once rather than sixteen at a time
    with (
        Path(asked["path"]).open("rb") as file,
        mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ) as data,
    ):
        batch, rejects = headrace.decode_json(memoryview(data), schema)
    minutes = headrace.window(batch, "ts", unit="minute", distinct="uid")
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    if rejects:
        raise RuntimeError(f"frames were rejected, the first: {rejects[0]}")
    found = pa.table(minutes).to_pylist()
    frames.check({int(row["window_start"].timestamp()): row["distinct_uid"] for row in found}, asked["truth"])
    print(json.dumps({"seconds": seconds, "records": len(batch), "cpu": cpu}))


if __name__ == "__main__":
    main()
