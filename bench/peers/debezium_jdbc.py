"""Debezium's JDBC sink in a real Kafka Connect worker: the JSON messages of the topic into the partitioned
parent, by INSERT or by INSERT ... ON CONFLICT DO UPDATE; at least once.

In both forms: `batch.size` with as many `max.poll.records`, larger fetches, a task for each core, a pool of
as many connections, `reWriteBatchedInserts` in the URL and, for upserts, `use.reduction.buffer` beside it.

    tuned  the fastest that was found. Kafka 4.2 and newer take the schema that the sink wants from the
           converter's settings (`schema.content`), so the messages are the very ones that the other sides
           read, and nothing beside them is decoded; `dialect.postgres.unnest.insert.enabled`: one INSERT ...
           SELECT FROM UNNEST for each batch; batches of 10,000.
    usual  as most run it: each message brings its schema along (`embedded()`), which makes it five times as
           large; batches of 2,000 rewritten to INSERTs of many rows by the driver.

What is timed is the work alone: from the first rows in the table to the last. Starting Java, the connector
and its tasks, joining the group and opening connections are not, and the worker has warmed up in a run
before.

{"connect", "pid", "name", "config", "dsn", "table", "left"} -> {"seconds", "records", "cpu"}: `config` is
what `settings()` makes, `left` a query for the number of rows that are still to come, 0 in the end.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping

import psycopg

from bench.data import COLUMNS
from bench.servers import cpu_of_tree
from stack.connect import Rest

POLL = 0.02
QUIET = 0.5
"""Seconds without a new row after which the end is looked for."""
LEAST_WAL = 512
"""Bytes: what a batch writes at least, and more than the server's own notes."""

_TYPES: Mapping[str, Mapping[str, object]] = {
    "bigint": {"type": "int64"},
    "integer": {"type": "int32"},
    "numeric(12,2)": {
        "type": "bytes",
        "name": "org.apache.kafka.connect.data.Decimal",
        "version": 1,
        "parameters": {"scale": "2"},
    },
    "text": {"type": "string"},
    "timestamptz": {"type": "string", "name": "io.debezium.time.ZonedTimestamp", "version": 1},
}


def schema() -> str:
    """The schema of a message as JsonConverter wants it."""
    fields = [{"field": name, "optional": False, **_TYPES[type]} for name, type in COLUMNS]
    whole = {"type": "struct", "name": "purchase", "optional": False, "fields": fields}
    return json.dumps(whole, separators=(",", ":"))


def embedded(messages: Iterable[bytes]) -> Iterator[bytes]:
    """The same messages, each with the schema before it."""
    before = b'{"schema":' + schema().encode() + b',"payload":'
    return (before + message + b"}" for message in messages)


def settings(
    topic: str, table: str, server: Mapping[str, str], *, tasks: int, upsert: bool, usual: bool = False
) -> dict[str, str]:
    """The connector's settings. `server` has host, port, database, user and password (or its placeholder)."""
    url = (
        f"jdbc:postgresql://{server['host']}:{server['port']}/{server['database']}?reWriteBatchedInserts=true"
    )
    batch = "2000" if usual else "10000"
    config = {
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": str(tasks),
        "topics": topic,
        "connection.url": url,
        "connection.username": server["user"],
        "connection.password": server["password"],
        "connection.pool.min_size": str(tasks),
        "connection.pool.max_size": str(2 * tasks),
        "collection.name.format": table,
        "schema.evolution": "none",
        "batch.size": batch,
        "consumer.override.max.poll.records": batch,
        "consumer.override.fetch.min.bytes": "262144",
        "consumer.override.fetch.max.wait.ms": "100",
        "consumer.override.max.partition.fetch.bytes": "4194304",
        "consumer.override.auto.offset.reset": "earliest",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "true",
        "insert.mode": "insert",
        "primary.key.mode": "none",
    }
    if not usual:
        config["value.converter.schema.content"] = schema()
        config["dialect.postgres.unnest.insert.enabled"] = "true"
    if upsert:
        config["insert.mode"] = "upsert"
        config["primary.key.mode"] = "record_value"
        config["primary.key.fields"] = "purchase_id,purchased_at"
        config["use.reduction.buffer"] = "true"
    return config


class Watch:
    """Looks at the table from outside, at hardly any cost: its size tells the beginning, the server's log the
    last row.
    """

    def __init__(self, connection: psycopg.Connection, table: str, left: str) -> None:
        self._connection = connection
        self._table = table
        self._left = left

    def _number(self, query: str, *values: str) -> int:
        row = self._connection.execute(query, values).fetchone()
        assert row is not None
        return int(row[0])

    def size(self) -> int:
        """Bytes of the table, or of all its partitions."""
        sizes = (
            "SELECT coalesce(sum(pg_relation_size(relid)), pg_relation_size(%s)) FROM pg_partition_tree(%s)"
        )
        return self._number(sizes, self._table, self._table)

    def written(self) -> int:
        """Bytes that the server has written to its log."""
        return self._number("SELECT pg_current_wal_insert_lsn() - '0/0'")

    def left(self) -> int:
        """Rows still to come."""
        return self._number(self._left)


def wait(watch: Watch, rest: Rest, name: str, pid: int) -> tuple[float, float]:
    """Wait until all rows are there: seconds from the first to the last, and the worker's CPU seconds. It
    fails when a task does, and when nothing has come for a minute.
    """
    size, records = watch.size(), watch.left()
    seen = time.perf_counter()
    while watch.size() == size:
        if time.perf_counter() - seen > 60:
            raise RuntimeError(f"no row after a minute; {rest.status(name)}")
        time.sleep(POLL)
    start, before = time.perf_counter(), cpu_of_tree(pid)
    written, last, cpu, checked = watch.written(), start, before, start
    while True:
        time.sleep(POLL)
        now, new = time.perf_counter(), watch.written()
        if new - written >= LEAST_WAL:
            written, last, cpu = new, now, cpu_of_tree(pid)
        elif now - max(last, checked) > QUIET:
            checked = now
            if watch.left() == 0:
                return last - start, cpu - before
            status = rest.status(name)
            if status is not None and status.failure:
                raise RuntimeError(f"the connector failed:\n{status.failure[:2000]}")
            if now - last > 60:
                raise RuntimeError(f"{watch.left()} of {records} rows are missing a minute after the last")


def main() -> None:
    """Load the topic once by a new connector, which is deleted afterwards."""
    asked = json.load(sys.stdin)
    rest, name = Rest(asked["connect"]), asked["name"]
    with psycopg.connect(asked["dsn"], autocommit=True) as connection:
        watch = Watch(connection, asked["table"], asked["left"])
        records = watch.left()
        rest.register(name, asked["config"])
        try:
            seconds, cpu = wait(watch, rest, name, asked["pid"])
        finally:
            rest.delete(name)
    print(json.dumps({"seconds": seconds, "records": records, "cpu": cpu}))


if __name__ == "__main__":
    main()
