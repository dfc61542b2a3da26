"""Tuned Python from Kafka: confluent-kafka's consume(10000), orjson, psycopg's text COPY into the partitioned
parent; offsets are committed to the group after the rows (at least once: a crash in between doubles a batch).

With `processes` above 1, so many consumers of one group share the partitions.

{"bootstrap", "topic", "records", "table", "dsn", "processes"} -> {"seconds", "records", "cpu"}
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import resource
import sys
import time
import uuid
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaException

from bench.peers.python_file import BATCH, copy_records

SETTINGS: dict[str, Any] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "queued.min.messages": 20_000,
    "queued.max.messages.kbytes": 8192,
    "fetch.message.max.bytes": 1 << 20,
    "fetch.queue.backoff.ms": 2,
    "partition.assignment.strategy": "range",
}
"""Short queues: on the same cores as the broker they were a third faster than librdkafka's own and than long
ones.
"""


def consume(asked: dict[str, Any], group: str, left: Synchronized[int]) -> None:
    """Read and load until all processes together have loaded everything."""
    gc.disable()  # nothing here is in cycles, and 10,000 messages at a time are much to look through
    consumer = Consumer({**SETTINGS, "bootstrap.servers": asked["bootstrap"], "group.id": group})
    consumer.subscribe([asked["topic"]])
    with psycopg.connect(asked["dsn"]) as connection, connection.cursor() as cursor:
        while left.value > 0:
            messages = consumer.consume(BATCH, timeout=0.5)
            if not messages:
                continue
            for message in messages:
                if message.error():
                    raise KafkaException(message.error())
            copy_records(cursor, asked["table"], [message.value() or b"null" for message in messages])
            connection.commit()
            consumer.commit(asynchronous=False)
            with left.get_lock():
                left.value -= len(messages)
    consumer.close()


def main() -> None:
    """Load the topic once."""
    asked = json.load(sys.stdin)
    group = f"bench-{uuid.uuid4()}"
    left: Synchronized[int] = multiprocessing.Value("q", asked["records"])
    start, cpu = time.perf_counter(), time.process_time()
    others = [
        multiprocessing.Process(target=consume, args=(asked, group, left))
        for _ in range(asked["processes"] - 1)
    ]
    for process in others:
        process.start()
    consume(asked, group, left)
    for process in others:
        process.join()
        if process.exitcode != 0:
            raise RuntimeError(f"a consumer ended with exit code {process.exitcode}")
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    if others:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu += ended.ru_utime + ended.ru_stime
    print(json.dumps({"seconds": seconds, "records": asked["records"] - left.value, "cpu": cpu}))


if __name__ == "__main__":
    main()
