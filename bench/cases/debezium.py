"""JSON messages from Kafka into weekly partitions, against Debezium's JDBC sink in Kafka Connect.

Both read the same records from the same broker into the same tables:

    insert  an empty table without an index
    upsert  an empty table with a primary key
    again   the same with all rows there already, each with another quantity: nothing but updates

The sink is set up as fast as could be found, reading the very messages of Headrace; `usual` sides are set
up as most people run it and read a topic of the same records with the schema in each: both are told in
bench/peers/debezium_jdbc.py. Rates are compared: the sink gets fewer records, because it is slow, and its
time is that of the rows alone, while Headrace's has planning, connecting and the end in it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

from bench.data import TABLE, Data, fill
from bench.harness import Bench, Figure, Results, Run, Side, median_rate, ratio
from bench.peers import debezium_jdbc

MODES = ("insert", "upsert", "again")


def _ratio(results: Results, mode: str, form: str = "") -> float:
    return median_rate(results[f"headrace_{mode}"]) / median_rate(results[f"debezium_{mode}{form}"])


def _lower(form: str) -> Callable[[Results], float]:
    return lambda results: min(_ratio(results, mode, form) for mode in ("insert", "upsert"))


FIGURES = (
    Figure(
        "kafka_vs_debezium_jdbc",
        "JSON in Kafka -> weekly partitions against Debezium's sink: the lower of insert and upsert",
        _lower(""),
        20,
    ),
    ratio(
        "kafka_vs_debezium_jdbc_insert",
        "headrace_insert",
        "debezium_insert",
        20,
        "append against the sink's insert",
    ),
    ratio(
        "kafka_vs_debezium_jdbc_upsert",
        "headrace_upsert",
        "debezium_upsert",
        20,
        "upsert into an empty table against the sink's upsert",
    ),
    ratio(
        "kafka_vs_debezium_jdbc_again",
        "headrace_again",
        "debezium_again",
        5,
        "the same with all keys there: the server's own work on both sides",
    ),
    Figure(
        "kafka_vs_debezium_jdbc_usual",
        "the sink as it is usually run, schema in every message: the lower of insert and upsert",
        _lower("_usual"),
        20,
    ),
)


def prepare(bench: Bench, data: Data, mode: str) -> None:
    """Make the table as it is before a load of this mode."""
    data.create_table(bench.postgres, key=mode != "insert")
    if mode != "again":
        return
    with bench.postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE before (LIKE {TABLE})")
        with (
            data.binary(bench.postgres).open("rb") as source,
            cursor.copy("COPY before FROM STDIN (FORMAT binary)") as copy,
        ):
            while piece := source.read(1 << 20):
                copy.write(piece)
        cursor.execute("UPDATE before SET quantity = -1")
        cursor.execute(f"INSERT INTO {TABLE} SELECT * FROM before ORDER BY purchase_id")
        cursor.execute(f"ANALYZE {TABLE}")
        cursor.execute("CHECKPOINT")


def headrace(bench: Bench, data: Data, topic: str, mode: str) -> Run:
    """Load the topic once."""
    prepare(bench, data, mode)
    settings = {
        "job": f"bench-{uuid.uuid4()}",
        "workers": bench.options.workers,
        "kafka": {"bootstrap.servers": bench.kafka.bootstrap},
        "mode": "append" if mode == "insert" else "upsert",
    }
    asked = {"source": f"kafka://{topic}", "table": TABLE, "dsn": bench.dsn, "settings": settings}
    run = bench.program("bench.ours", asked)
    data.check(bench.postgres)
    return run


def debezium(bench: Bench, data: Data, topic: str, mode: str, *, usual: bool = False) -> Run:
    """Load the topic once, by a connector of its own in the worker that all runs share."""
    prepare(bench, data, mode)
    worker = bench.connect
    process = worker.process
    if process is None:
        raise RuntimeError(f"the Connect worker has ended; see {worker.log}")
    variables = bench.postgres.env()
    server = {
        "host": variables["PGHOST"],
        "port": variables["PGPORT"],
        "database": variables["PGDATABASE"],
        "user": variables["PGUSER"],
        "password": worker.secret("postgres", bench.postgres.password),
    }
    left = f"SELECT {data.records} - count(*) FROM {TABLE}"
    if mode == "again":
        left = f"SELECT count(*) FROM {TABLE} WHERE quantity = -1"
    asked = {
        "connect": worker.url,
        "pid": process.pid,
        "name": f"bench-{uuid.uuid4()}",
        "config": debezium_jdbc.settings(
            topic,
            TABLE,
            server,
            tasks=bench.options.workers,
            upsert=mode != "insert",
            usual=usual,
        ),
        "dsn": bench.dsn,
        "table": TABLE,
        "left": left,
    }
    run = bench.program("bench.peers.debezium_jdbc", asked)
    data.check(bench.postgres)
    return run


def sides(bench: Bench) -> dict[str, Side]:
    """headrace_MODE and debezium_MODE for each mode, and debezium_MODE_usual."""
    options = bench.options
    ours, theirs = (
        Data(records, options.weeks) for records in (options.kafka_records, options.debezium_records)
    )
    for data in (ours, theirs):
        data.binary(bench.postgres)
    our_topic, their_topic = (bench.topic(data, options.partitions) for data in (ours, theirs))
    sides: dict[str, Side] = {}
    for mode in MODES:
        sides[f"headrace_{mode}"] = partial(headrace, bench, ours, our_topic, mode)
        sides[f"debezium_{mode}"] = partial(debezium, bench, theirs, their_topic, mode)
    usual_topic = f"{their_topic}-usual"
    with theirs.lines().open("rb") as lines:
        messages = debezium_jdbc.embedded(line[:-1] for line in lines)
        fill(bench.kafka, usual_topic, options.partitions, messages)
    for mode in ("insert", "upsert"):
        sides[f"debezium_{mode}_usual"] = partial(debezium, bench, theirs, usual_topic, mode, usual=True)
    return sides
