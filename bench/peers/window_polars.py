"""Polars, one thread: users a minute of a file of JSON lines. A lazy scan with a schema of the needed columns
only, so that nothing is inferred and the rest is not kept; the streaming engine.

{"path", "truth"} -> {"seconds", "records", "cpu"}; reading the file is timed.
"""

from __future__ import annotations

import json
import os
import sys
import time

os.environ["POLARS_MAX_THREADS"] = "1"  # read when it is imported

import polars as pl

from bench import frames


def main() -> None:
    """Count once."""
    asked = json.load(sys.stdin)
    start, cpu = time.perf_counter(), time.process_time()
    table = (
        pl.scan_ndjson(asked["path"], schema={"uid": pl.Int64, "ts": pl.Int64})
        .group_by(minute=pl.col("ts") // 60 * 60)
        .agg(users=pl.col("uid").n_unique(), frames=pl.len())
        .collect(engine="streaming")
    )
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    frames.check(dict(zip(table["minute"].to_list(), table["users"].to_list(), strict=True)), asked["truth"])
    print(json.dumps({"seconds": seconds, "records": table["frames"].sum(), "cpu": cpu}))


if __name__ == "__main__":
    main()
