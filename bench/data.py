"""What is loaded: purchases of the generator in csrc/core, the same ones for every side.

    file     JSON lines, 8 keys, about 166 bytes a record with its line end
    binary   the same records in the same order as PostgreSQL's binary COPY format, made by the server itself
    topic    the same records, one message each, in 16 partitions, lz4
    table    bigint, 3 integer, numeric(12,2), 2 text, timestamptz; partitioned by week; no index (append) or
    a primary key

Files are kept in build/bench/data and made again only when missing.
"""

from __future__ import annotations

import functools
import hashlib
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from confluent_kafka import Producer

from bench.build import CORE, program
from stack import kafka, postgres
from stack.paths import BUILD, ROOT

SEED = 1
COLUMNS = (
    ("purchase_id", "bigint"),
    ("customer_id", "integer"),
    ("product_id", "integer"),
    ("quantity", "integer"),
    ("amount", "numeric(12,2)"),
    ("currency", "text"),
    ("channel", "text"),
    ("purchased_at", "timestamptz"),
)
TABLE = "bench.purchases"
UNTIL = datetime(2026, 1, 1, tzinfo=UTC)
"""The generator's default: purchases lie in the weeks before."""

Sums = tuple[str, ...]
"""What two tables of the same rows agree in."""

_SUMS = (
    "SELECT count(*), sum(purchase_id), sum(customer_id), sum(product_id), sum(quantity), sum(amount),"
    " sum(length(currency)), sum(length(channel)), sum(ascii(channel)), min(purchased_at), max(purchased_at),"
    " sum(extract(epoch FROM purchased_at)) FROM "
)


@functools.cache
def generator_mark() -> str:
    """A mark of the generator's sources, so that files of an older one are not used."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "csrc/core/generate").glob("*.[ch]")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


@dataclass(frozen=True)
class Data:
    """So many purchases over so many weeks. The folder keeps the files."""

    records: int
    weeks: int = 8
    folder: Path = BUILD / "bench" / "data"

    def _path(self, ending: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"purchases-{self.records}-{self.weeks}w-{SEED}-{generator_mark()}.{ending}"

    def _write(self, form: str, path: Path) -> Path:
        if not path.exists():
            writer = program(
                "write_purchases",
                extra=CORE,
                libraries=["jansson"],
            )
            draft = path.with_suffix(".draft")
            with draft.open("wb") as out:
                command = [str(writer), form, str(self.records), str(SEED), str(self.weeks)]
                subprocess.run(command, stdout=out, check=True)
            draft.rename(path)
        return path

    def lines(self) -> Path:
        """The file of JSON lines."""
        return self._write("json", self._path("jsonl"))

    def binary(self, server: postgres.Server) -> Path:
        """The file in binary COPY format: written by the server from rows that came as CSV, so that Headrace
        has no part in it.
        """
        path = self._path("copy")
        if path.exists():
            return path
        draft = path.with_suffix(".draft")
        columns = ", ".join(f"{name} {type}" for name, type in COLUMNS)
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMP TABLE ready ({columns})")
            csv = self._write("csv", self._path("csv"))
            with csv.open("rb") as source, cursor.copy("COPY ready FROM STDIN (FORMAT csv)") as copy:
                while piece := source.read(1 << 20):
                    copy.write(piece)
            csv.unlink()
            query = "COPY (SELECT * FROM ready ORDER BY purchase_id) TO STDOUT (FORMAT binary)"
            with draft.open("wb") as out, cursor.copy(query) as copy:
                for block in copy:
                    out.write(block)
            draft.with_suffix(".sums").write_text("\n".join(sums(connection, "ready")))
        draft.with_suffix(".sums").rename(path.with_suffix(".sums"))
        draft.rename(path)
        return path

    def sums(self, server: postgres.Server) -> Sums:
        """What a table of exactly these rows gives."""
        return tuple(self.binary(server).with_suffix(".sums").read_text().split("\n"))

    def produce(self, broker: kafka.Broker, topic: str, partitions: int) -> None:
        """Make the topic and fill it."""
        with self.lines().open("rb") as lines:
            fill(broker, topic, partitions, (line[:-1] for line in lines))

    def week_starts(self) -> Iterator[datetime]:
        """The Monday of every ISO week that holds purchases."""
        first = UNTIL - timedelta(weeks=self.weeks)
        day = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(days=first.weekday())
        while day < UNTIL:
            yield day
            day += timedelta(weeks=1)

    def create_table(self, server: postgres.Server, table: str = TABLE, *, key: bool = False) -> None:
        """Make the table anew with all its partitions, empty."""
        schema, _, name = table.partition(".")
        columns = ", ".join(f"{column} {type} NOT NULL" for column, type in COLUMNS)
        primary = ", PRIMARY KEY (purchase_id, purchased_at)" if key else ""
        with server.connect() as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute(f"CREATE TABLE {table} ({columns}{primary}) PARTITION BY RANGE (purchased_at)")
            for start in self.week_starts():
                year, week, _ = start.isocalendar()
                end = start + timedelta(weeks=1)
                connection.execute(
                    f"CREATE TABLE {schema}.{name}_{year}w{week:02} PARTITION OF {table}"
                    f" FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
                )
            connection.execute("CHECKPOINT")

    def check(self, server: postgres.Server, table: str = TABLE) -> None:
        """RuntimeError unless the table holds exactly these rows, as far as a dozen sums can tell."""
        with server.connect() as connection:
            found = sums(connection, table)
        if found != self.sums(server):
            raise RuntimeError(
                f"{table} does not hold what was to be loaded: {found} is not {self.sums(server)}"
            )


def fill(
    broker: kafka.Broker, topic: str, partitions: int, messages: Iterable[bytes], stretch: int = 1000
) -> None:
    """Make a topic and fill it: stretches of so many messages to one partition after another."""
    broker.create_topic(topic, partitions)
    producer = Producer(
        {
            "bootstrap.servers": broker.bootstrap,
            "compression.type": "lz4",
            "linger.ms": 50,
            "batch.size": 1000000,
            "batch.num.messages": 20000,
            "queue.buffering.max.messages": 500000,
            "queue.buffering.max.kbytes": 262144,
            "enable.idempotence": True,
        }
    )
    for number, value in enumerate(messages):
        partition = number // stretch % partitions
        while True:
            try:
                producer.produce(topic, value, partition=partition)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 10000 == 0:
            producer.poll(0)
    if producer.flush(120) != 0:
        raise RuntimeError(f"the broker did not take all records of topic {topic}")


def sums(connection: psycopg.Connection, table: str) -> Sums:
    """The sums of a table, as text."""
    connection.execute("SET timezone = 'UTC'")
    row = connection.execute(_SUMS + table).fetchone()
    assert row is not None
    return tuple(str(value) for value in row)
