"""The offsets of jobs in a database: list them, or send a job to another place. Let a window job begin anew.

A run that holds the job while it is reset stops by itself, and its open batch is rolled back. A window job
keeps its offsets and its state in Kafka: forget deletes both, when no run of it is going on.

examples:
  headrace offsets list
  headrace offsets list purchases --json
  headrace offsets reset purchases --to earliest --brokers localhost:9092
  headrace offsets reset purchases --to 2026-11-16T00:00:00+00:00 --brokers localhost:9092
  headrace offsets reset purchases --to 1200000 --partitions 3
  headrace offsets forget visitors --results visitors --brokers localhost:9092
"""

from __future__ import annotations

import argparse
from datetime import datetime

from headrace.cli import common, load_options
from headrace.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    actions = parser.add_subparsers(dest="action", metavar="list|reset|forget", required=True)
    listing = actions.add_parser("list", help="show them")
    listing.add_argument("job", nargs="?", metavar="JOB", help="only this job's")
    listing.add_argument("--topic", help="only this topic's")
    reset = actions.add_parser("reset", help="send a job to another place")
    reset.add_argument("job", metavar="JOB")
    reset.add_argument(
        "--to", required=True, metavar="PLACE", help="earliest, latest, an offset, or a time with its zone"
    )
    reset.add_argument("--topic", help="needed when the job has offsets of none or of several topics")
    reset.add_argument("--partitions", metavar="N,...", help="only these (default: all)")
    common.add_kafka(reset, brokers=True)
    forget = actions.add_parser("forget", help="let a window job begin anew")
    forget.add_argument("job", metavar="JOB")
    forget.add_argument(
        "--results", metavar="TOPIC", help="delete its results, too: the next run puts them all out again"
    )
    common.add_kafka(forget, brokers=True)
    common.add_json(forget)
    for action in (listing, reset):
        common.add_database(action)
        common.add_json(action)


def parse_place(text: str) -> str | int | datetime:
    """earliest, latest, a number or a time. UsageError for anything else."""
    if text in ("earliest", "latest"):
        return text
    if text.isdecimal():
        return int(text)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--to {text}: use earliest, latest, an offset, or a time like 2026-11-16T00:00:00+00:00"
        ) from None


def run(arguments: argparse.Namespace) -> int:
    """List or reset."""
    from headrace import offsets

    if arguments.action == "forget":
        deleted = offsets.forget(
            arguments.job, results=arguments.results, kafka=common.kafka_settings(arguments)
        )
        if arguments.json:
            common.print_json({"job": arguments.job, "deleted": deleted})
        common.say(
            f"{arguments.job}: deleted {', '.join(deleted) if deleted else 'nothing, as there was nothing'}"
        )
        return 0
    common.warn_about_password(arguments.dsn)
    if arguments.action == "list":
        found = offsets.list(arguments.job, topic=arguments.topic, dsn=arguments.dsn)
    else:
        found = offsets.reset(
            arguments.job,
            parse_place(arguments.to),
            topic=arguments.topic,
            partitions=load_options.parse_partitions(arguments.partitions),
            kafka=common.kafka_settings(arguments),
            dsn=arguments.dsn,
        )
    rows = [[o.job, o.topic, o.partition, o.next_offset, o.generation, o.updated_at] for o in found]
    header = ["job", "topic", "partition", "next offset", "generation", "updated"]
    common.show(arguments, [o.to_dict() for o in found], header, rows)
    return 0
