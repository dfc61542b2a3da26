"""Send the lines of a file to a Kafka topic, as they stand: broken ones too, for the reader to judge.

Messages of one key go to one partition, the same that Java's clients choose. Within a run every line is sent
once; a second run sends the file again. Stopped by Ctrl-C, the messages of the last moments may be missing.

examples:
  headrace produce stream.jsonl --to frames --bootstrap localhost:9092 --key uid --partitions 4
  headrace produce stream.jsonl.gz --to frames --bootstrap localhost:9092 --key user.id --rate 5k --loop
  zcat old/*.gz | headrace produce - --to kafka://localhost:9092/frames --json
"""

from __future__ import annotations

import argparse
from typing import Any

from headrace.cli import common
from headrace.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("source", metavar="FILE", help="JSON lines, also gzip or zstd; - for standard input")
    parser.add_argument("--to", required=True, metavar="TOPIC", help="a topic, or kafka://host:port/topic")
    parser.add_argument(
        "--key", metavar="FIELD", help="the field whose text is the message's key: uid, user.id"
    )
    parser.add_argument("--rate", type=rate, metavar="N", help="messages a second at most (5k; 100/s)")
    parser.add_argument(
        "--loop",
        type=common.number,
        nargs="?",
        const=0,
        default=1,
        metavar="TIMES",
        help="send the file again and again, or so often",
    )
    parser.add_argument("--max-records", type=common.number, metavar="N", help="stop after N messages")
    parser.add_argument("--max-seconds", type=common.seconds, metavar="S", help="stop after S seconds")
    parser.add_argument(
        "--partitions", type=common.number, metavar="N", help="make the topic with so many, if it is missing"
    )
    parser.add_argument(
        "--replication", type=common.number, default=-1, metavar="N", help="default: the brokers' own"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    common.add_json(parser)
    common.add_kafka(parser, brokers=True)


def rate(text: str) -> int:
    """A number with or without "/s"."""
    return common.number(text.removesuffix("/s"))


def run(arguments: argparse.Namespace) -> int:
    """Send."""
    from headrace._produce import produce

    seen = Progress()
    line = common.progress(arguments, "sent")

    def show(progress: Progress) -> None:
        nonlocal seen
        seen = progress
        if line is not None:
            line(progress)

    try:
        sent = produce(
            arguments.source,
            common.topic_url(arguments.to),
            key=arguments.key,
            rate=arguments.rate,
            loop=arguments.loop if arguments.loop else True,
            max_records=arguments.max_records,
            max_seconds=arguments.max_seconds,
            partitions=arguments.partitions,
            replication=arguments.replication,
            kafka=common.kafka_settings(arguments),
            progress=show,
        )
    except (KeyboardInterrupt, common.Terminated) as stop:
        return _stopped(stop, seen, arguments)
    finally:
        if line is not None:
            line.close()
    common.say(str(sent))
    if arguments.json:
        common.print_json(sent.to_dict())
    return 0


def _stopped(stop: BaseException, seen: Progress, arguments: Any) -> int:
    """A stop is how --loop ends: say what was done until then."""
    common.say(f"headrace produce: stopped after about {seen.read:,} messages to {arguments.to}")
    return common.EXIT_INTERRUPTED if isinstance(stop, KeyboardInterrupt) else common.EXIT_TERMINATED
