"""DuckDB, one thread: users a minute of a file of JSON lines. As its guides advise, only the columns that are
needed are named, with their types, so that nothing is detected; the order of rows need not be kept.

{"path", "truth"} -> {"seconds", "records", "cpu"}; reading the file is timed.
"""

from __future__ import annotations

import json
import sys
import time

import duckdb

from bench import frames

QUERY = """
    SELECT ts // 60 * 60, count(DISTINCT uid), count(*)
    FROM read_json($path, format = 'newline_delimited', columns = {uid: 'BIGINT', ts: 'BIGINT'})
    GROUP BY 1
"""


def main() -> None:
    """Count once."""
    asked = json.load(sys.stdin)
    connection = duckdb.connect(config={"threads": 1, "preserve_insertion_order": False})
    start, cpu = time.perf_counter(), time.process_time()
    rows = connection.execute(QUERY, {"path": asked["path"]}).fetchall()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    frames.check({minute: users for minute, users, _ in rows}, asked["truth"])
    print(json.dumps({"seconds": seconds, "records": sum(row[2] for row in rows), "cpu": cpu}))


if __name__ == "__main__":
    main()
