"""Make linked customers, products and purchases, or frames of a site's visitors: any number, reproducible,
with shares of bad records.

Record i depends on the settings and on i alone, so any stretch can be made anywhere and again. The result
says how many records of each kind were made, and what a load into the intended table should make of them.

settings (--set NAME=NUMBER) of purchases: seed, customers, products, until (seconds since 1970; default:
now), weeks, late_weeks, and shares in a million: malformed, late, duplicate, unknown, extra
of frames: seed, users, start (time of the first, seconds since 1970), rate (frames in a second of their own
time), lateness, disorder_seconds, fields (20 to 60), size (500 to 3000 bytes), uid_text (1: user ids are
texts), and shares in a million: disorder, late, future, malformed

examples:
  headrace generate purchases --count 1M --to kafka://localhost:9092/purchases --partitions 4
  headrace generate purchases --count 1M --to purchases.jsonl --set malformed=1000 --set late=500
  headrace generate customers --count 100k --to customers.csv
  headrace generate products --count 5000 --to products.jsonl.gz --set seed=7
  headrace generate purchases --count 3 --to -
  headrace generate frames --count 1M --to stream.jsonl.gz --truth truth.jsonl --set late=1000
"""

from __future__ import annotations

import argparse
from typing import Any

from headrace.cli import common
from headrace.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("data", metavar="DATA", help="purchases, customers, products or frames")
    parser.add_argument("--count", type=common.number, required=True, metavar="N", help="how many (500k, 2M)")
    parser.add_argument("--first", type=int, default=0, metavar="I", help="start at this record (default: 0)")
    parser.add_argument("--to", required=True, metavar="PLACE", help="kafka://host:port/topic, a path, or -")
    parser.add_argument("--format", choices=["json", "csv"], help="default: by the file's name, else json")
    parser.add_argument("--rate", type=common.number, metavar="N", help="records a second at most")
    parser.add_argument("--partitions", type=common.number, metavar="N", help="make the topic with so many")
    parser.add_argument(
        "--set", metavar="NAME=NUMBER", action="append", default=[], help="a setting, see above"
    )
    parser.add_argument(
        "--truth", metavar="FILE", help="frames: write what windows must hold, as JSON lines, to this file"
    )
    parser.add_argument(
        "--truth-window", type=common.seconds, default=60.0, metavar="S", help="their length (default: 60 s)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    common.add_json(parser)
    common.add_kafka(parser)


def run(arguments: argparse.Namespace) -> int:
    """Generate."""
    from headrace._generate import generate

    if arguments.json and arguments.to == "-":
        raise UsageError("--json and --to - would both write to the standard output")
    made = generate(
        arguments.data,
        arguments.count,
        arguments.to,
        first=arguments.first,
        format=arguments.format,
        rate=arguments.rate,
        partitions=arguments.partitions,
        kafka=common.kafka_settings(arguments),
        progress=common.progress(arguments, arguments.data),
        truth=arguments.truth,
        truth_seconds=truth_seconds(arguments.truth_window),
        settings=parse_settings(arguments.set),
    )
    common.say(str(made))
    if arguments.json:
        common.print_json(made.to_dict())
    return 0


def truth_seconds(length: float) -> int:
    """--truth-window's whole seconds. UsageError for a part of one."""
    if length != int(length):
        raise UsageError(f"--truth-window {length}: frames have times in whole seconds")
    return int(length)


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """--set's words. UsageError for one that is not NAME=NUMBER."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        try:
            found[name] = int(text)
        except ValueError:
            raise UsageError(f"--set {pair}: write it as NAME=NUMBER") from None
        if not separator or not name.isidentifier():
            raise UsageError(f"--set {pair}: write it as NAME=NUMBER")
    return found
