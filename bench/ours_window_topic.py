"""Headrace's users a minute of a topic, exactly once, into another topic.

{"topic", "to", "job", "brokers", "workers", "truth"} -> {"seconds", "records", "cpu"}; connecting, joining
the group and making the job's topics are timed. What is counted is checked.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime

import headrace
from confluent_kafka import Consumer, TopicPartition

from bench import frames


def read_results(brokers: str, topic: str) -> frames.Minutes:
    """The users of each minute, from the final messages of the result topic."""
    found: frames.Minutes = {}
    settings = {
        "bootstrap.servers": brokers,
        "group.id": "bench-results",
        "isolation.level": "read_committed",
    }
    consumer = Consumer(settings | {"enable.partition.eof": True})
    parts = consumer.list_topics(topic, 10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, part, 0) for part in parts])
    ended = 0
    while ended < len(parts):
        message = consumer.poll(30)
        if message is None:
            raise RuntimeError(f"topic {topic} does not answer")
        if message.error():
            ended += 1
            continue
        text = message.value()
        assert text is not None
        value = json.loads(text)
        start = int(datetime.fromisoformat(value["window_start"]).timestamp())
        if value.get("final", True):
            if start in found:
                raise RuntimeError(f"minute {start} came out twice")
            found[start] = value["users"]
    consumer.close()
    return found


def main() -> None:
    """Count once."""
    asked = json.load(sys.stdin)
    start, cpu = time.perf_counter(), time.process_time()
    receipt = headrace.window_topic(
        asked["topic"],
        asked["to"],
        job=asked["job"],
        brokers=asked["brokers"],
        time="ts",
        distinct="uid:bigint",
        keyed=True,
        close_all=True,
        workers=asked["workers"],
    )
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    frames.check(read_results(asked["brokers"], asked["to"]), asked["truth"])
    print(json.dumps({"seconds": seconds, "records": receipt.frames, "cpu": cpu}))


if __name__ == "__main__":
    main()
