"""Kafka topics: list them, make one, delete one.

examples:
  headrace topics list --brokers localhost:9092
  headrace topics create purchases --brokers localhost:9092 --partitions 4 --set retention.ms=604800000
  headrace topics delete purchases --brokers localhost:9092
"""

from __future__ import annotations

import argparse

from headrace.cli import common
from headrace.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    actions = parser.add_subparsers(dest="action", metavar="list|create|delete", required=True)
    listing = actions.add_parser("list", help="show them")
    create = actions.add_parser("create", help="make one; fine when it is there already")
    create.add_argument("topic", metavar="TOPIC")
    create.add_argument("--partitions", type=common.number, default=1, metavar="N", help="default: 1")
    create.add_argument(
        "--replication", type=common.number, default=-1, metavar="N", help="default: the brokers' own"
    )
    create.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="a setting of the topic"
    )
    delete = actions.add_parser("delete", help="delete one with all its records")
    delete.add_argument("topic", metavar="TOPIC")
    delete.add_argument("--missing-ok", action="store_true", help="fine when there is none")
    for action in (listing, create, delete):
        common.add_kafka(action, brokers=True)
        common.add_json(action)


def run(arguments: argparse.Namespace) -> int:
    """List, create or delete."""
    from headrace import topics

    kafka = common.kafka_settings(arguments)
    if arguments.action == "list":
        found = topics.list(kafka)
        rows = [[topic.name, topic.partitions] for topic in found]
        common.show(arguments, [topic.to_dict() for topic in found], ["topic", "partitions"], rows)
        return 0
    if arguments.action == "delete":
        topics.delete(arguments.topic, missing_ok=arguments.missing_ok, kafka=kafka)
        if arguments.json:
            common.print_json({"topic": arguments.topic, "deleted": True})
        common.say(f"topic {arguments.topic} is deleted")
        return 0
    settings = {}
    for pair in arguments.set:
        name, separator, value = pair.partition("=")
        if not separator:
            raise UsageError(f"--set {pair}: write it as NAME=VALUE")
        settings[name] = value
    made = topics.create(
        arguments.topic,
        partitions=arguments.partitions,
        replication=arguments.replication,
        settings=settings,
        kafka=kafka,
    )
    if arguments.json:
        common.print_json({"topic": arguments.topic, "created": made})
    common.say(f"topic {arguments.topic} " + ("was made" if made else "is there already"))
    return 0
