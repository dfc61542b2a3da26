"""Change events in Kafka to the rows of a Data Vault, broker and database on the same cores.

Headrace and the two vault peers fill the same tables; Debezium's sink upserts the same events into one plain
table, which is less work, and by the same schema as its converter is told, so that the messages are the very
same. Rates are compared: slow sides get fewer events.
"""

from __future__ import annotations

import uuid

from headrace.vault import parse_mapping, vault_ddl

from bench import events
from bench.harness import Bench, Run, Side, ratio
from bench.peers import debezium_jdbc

FIGURES = (
    ratio(
        "vault_vs_row_by_row",
        "headrace",
        "row_by_row",
        20,
        "change events to vault rows, against one message at a time in psycopg",
    ),
    ratio("vault_vs_set_sql", "headrace", "set_sql", 2, "against COPY of JSON and set-based SQL with md5()"),
    ratio(
        "vault_vs_debezium_jdbc",
        "headrace",
        "debezium_jdbc",
        8,
        "against Debezium's sink upserting the same events into a plain table",
    ),
)

PLAIN = "dv.plain_tickets"


def sides(bench: Bench) -> dict[str, Side]:
    """headrace, row_by_row, set_sql, debezium_jdbc."""
    options = bench.options
    counts = {
        "headrace": options.vault_events,
        "set_sql": options.vault_events,
        "row_by_row": max(1, options.vault_events // 50),
        "debezium_jdbc": max(1, options.vault_events // 5),
    }
    topics, wanted = {}, {}
    for count in sorted(set(counts.values())):
        topics[count] = f"{events.TOPIC}-{count}"
        events.fill(bench.kafka, topics[count], options.partitions, count)
        wanted[count] = events.expected(count)

    def make(count: int) -> str:
        text = events.MAPPING % topics[count]
        with bench.postgres.connect() as connection:
            connection.execute("DROP SCHEMA IF EXISTS dv CASCADE")
            connection.execute(vault_ddl(parse_mapping(text)))
            connection.execute("CHECKPOINT")
        return text

    def headrace() -> Run:
        count = counts["headrace"]
        text = make(count).replace("{schema: dv}", f'{{schema: dv, job: "bench-{uuid.uuid4()}"}}')
        asked = {
            "mapping": text,
            "dsn": bench.dsn,
            "brokers": bench.kafka.bootstrap,
            "workers": options.workers,
        }
        run = bench.program("bench.ours_vault", asked)
        events.check_vault(bench.dsn, wanted[count])
        return run

    def peer(name: str) -> Run:
        count = counts[name]
        make(count)
        asked = {
            "brokers": bench.kafka.bootstrap,
            "topic": topics[count],
            "partitions": options.partitions,
            "records": count,
            "dsn": bench.dsn,
            "processes": options.workers,
        }
        run = bench.program(f"bench.peers.vault_{name}", asked)
        events.check_vault(bench.dsn, wanted[count])
        return run

    return {
        "headrace": headrace,
        "set_sql": lambda: peer("set_sql"),
        "row_by_row": lambda: peer("row_by_row"),
        "debezium_jdbc": lambda: sink(
            bench, topics[counts["debezium_jdbc"]], wanted[counts["debezium_jdbc"]]
        ),
    }


def sink(bench: Bench, topic: str, wanted: events.Expected) -> Run:
    """Debezium's sink, once, by a connector of its own. The end is told by the rows it must come to."""
    with bench.postgres.connect() as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS dv")
        connection.execute(f"DROP TABLE IF EXISTS {PLAIN}")
        columns = ", ".join(f"{name} text" for name in events.COLUMNS[1:])
        connection.execute(f"CREATE TABLE {PLAIN} (ticket_no text PRIMARY KEY, {columns})")
        connection.execute("CHECKPOINT")
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
    key_schema, value_schema = events.connect_schemas()
    config = debezium_jdbc.settings(topic, PLAIN, server, tasks=bench.options.workers, upsert=True)
    config |= {
        "primary.key.mode": "record_key",
        "primary.key.fields": "ticket_no",
        "delete.enabled": "true",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "key.converter.schemas.enable": "true",
        "key.converter.schema.content": key_schema,
        "value.converter.schema.content": value_schema,
    }
    asked = {
        "connect": worker.url,
        "pid": process.pid,
        "name": f"bench-{uuid.uuid4()}",
        "config": config,
        "dsn": bench.dsn,
        "table": PLAIN,
        "left": f"SELECT abs({wanted.alive} - count(*)) FROM {PLAIN}",
    }
    run = bench.program("bench.peers.debezium_jdbc", asked)
    return Run(
        records=wanted.events,
        seconds=run.seconds,
        client_cpu=run.client_cpu,
        postgres_cpu=run.postgres_cpu,
        kafka_cpu=run.kafka_cpu,
        strangers=run.strangers,
    )
