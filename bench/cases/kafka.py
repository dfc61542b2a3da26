"""JSON messages from Kafka into weekly partitions, exactly once, broker and database on the same cores.

The topic has 16 partitions unless told. psql copies the same rows, ready-made, with the broker idle. Python
is measured with one process, as it is usually run, and with as many consumers of one group as Headrace has
workers.
"""

from __future__ import annotations

import uuid

from bench.data import TABLE, Data
from bench.harness import Bench, Run, Side, ratio
from bench.peers import psql_copy

FIGURES = (
    ratio(
        "kafka_vs_copy",
        "headrace",
        "psql_copy",
        0.7,
        "JSON in Kafka -> weekly partitions against psql \\copy",
    ),
    ratio("kafka_vs_python", "headrace", "python_kafka", 4, "the same against tuned Python, one process"),
    ratio(
        "kafka_vs_python_group",
        "headrace",
        "python_kafka_group",
        2,
        "the same against Python, a process a core",
    ),
)


def sides(bench: Bench) -> dict[str, Side]:
    """headrace, psql_copy, python_kafka, python_kafka_group."""
    options = bench.options
    data = Data(options.kafka_records, options.weeks)
    binary = data.binary(bench.postgres)
    topic = bench.topic(data, options.partitions)

    def headrace() -> Run:
        data.create_table(bench.postgres)
        settings = {
            "job": f"bench-{uuid.uuid4()}",
            "workers": options.workers,
            "kafka": {"bootstrap.servers": bench.kafka.bootstrap},
        }
        run = bench.program(
            "bench.ours",
            {"source": f"kafka://{topic}", "table": TABLE, "dsn": bench.dsn, "settings": settings},
        )
        data.check(bench.postgres)
        return run

    def copy() -> Run:
        data.create_table(bench.postgres)
        environment = psql_copy.environment(bench.postgres.env())
        run = bench.command(psql_copy.command(TABLE, binary), environment, records=data.records)
        data.check(bench.postgres)
        return run

    def python(processes: int) -> Run:
        data.create_table(bench.postgres)
        run = bench.program(
            "bench.peers.python_kafka",
            {
                "bootstrap": bench.kafka.bootstrap,
                "topic": topic,
                "records": data.records,
                "table": TABLE,
                "dsn": bench.dsn,
                "processes": processes,
            },
        )
        data.check(bench.postgres)
        return run

    return {
        "headrace": headrace,
        "psql_copy": copy,
        "python_kafka": lambda: python(1),
        "python_kafka_group": lambda: python(options.workers),
    }
