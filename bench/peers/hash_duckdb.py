"""DuckDB, one thread: md5() of a column of ready text in memory. The largest is asked for, so that all are
computed and none is kept, which favours it.

{"rows", "passes"} -> {"seconds", "records", "cpu"}.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time

import duckdb
import pyarrow as pa

from bench import keys


def main() -> None:
    """Hash the rows so many times."""
    asked = json.load(sys.stdin)
    texts = keys.texts(asked["rows"])
    table = pa.table({"text": texts})
    connection = duckdb.connect(config={"threads": 1})
    connection.register("given", table)
    connection.execute("CREATE TABLE ready AS SELECT text FROM given")
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(asked["passes"]):
        largest = connection.execute("SELECT max(md5(text)) FROM ready").fetchall()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    if largest != [(max(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for text in texts),)]:
        raise RuntimeError(f"DuckDB says {largest}")
    print(json.dumps({"seconds": seconds, "records": asked["rows"] * asked["passes"], "cpu": cpu}))


if __name__ == "__main__":
    main()
