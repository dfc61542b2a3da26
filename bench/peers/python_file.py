"""Tuned Python from a file: orjson, and psycopg's text COPY into the partitioned parent, a transaction per
10,000 lines.

Text COPY by write_row(), which psycopg does in C, was the fastest of the ways tried: as fast as formatting
the lines in Python without escaping them, and a third faster than binary COPY, for which numbers and times
must be made objects.

{"path", "table", "dsn"} -> {"seconds", "records", "cpu"}
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from itertools import islice
from operator import itemgetter

import orjson
import psycopg

from bench.data import COLUMNS

BATCH = 10_000
values = itemgetter(*(name for name, _ in COLUMNS))


def copy_records(cursor: psycopg.Cursor, table: str, records: Iterable[bytes]) -> None:
    """COPY JSON documents into a table."""
    loads = orjson.loads
    with cursor.copy(f"COPY {table} ({', '.join(name for name, _ in COLUMNS)}) FROM STDIN") as copy:
        write = copy.write_row
        for record in records:
            write(values(loads(record)))


def main() -> None:
    """Load the file once."""
    asked = json.load(sys.stdin)
    count = 0
    start, cpu = time.perf_counter(), time.process_time()
    with (
        open(asked["path"], "rb", buffering=1 << 20) as lines,
        psycopg.connect(asked["dsn"]) as connection,
        connection.cursor() as cursor,
    ):
        while batch := list(islice(lines, BATCH)):
            copy_records(cursor, asked["table"], batch)
            connection.commit()
            count += len(batch)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "records": count, "cpu": cpu}))


if __name__ == "__main__":
    main()
