"""How much a job has still to load: its stored offsets compared with the end of the topic.

examples:
  headrace lag shop.purchases kafka://localhost:9092/purchases
  headrace lag purchases kafka://localhost:9092/purchases --json
"""

from __future__ import annotations

import argparse

from headrace.cli import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("job", metavar="JOB", help="the load's name (by default its target)")
    parser.add_argument("source", metavar="SOURCE", help="kafka://host:port/topic")
    common.add_database(parser)
    common.add_json(parser)
    common.add_kafka(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    from headrace._lag import lag

    common.warn_about_password(arguments.dsn)
    found = lag(arguments.job, arguments.source, kafka=common.kafka_settings(arguments), dsn=arguments.dsn)
    rows = [[p.partition, p.begin, p.end, p.next, p.lag, p.lost] for p in found]
    common.show(arguments, found.to_dict(), ["partition", "begin", "end", "next", "lag", "lost"], rows)
    common.say(f"{found.job}: {found.total:,} to load from {found.topic}")
    return 0
