"""Print or plot what a window worker has put out: users a minute, from its result topic.

Only committed results are seen, one for each window and key: the newest. "final" is no for early ones that a
later one will replace. Times are UTC.

examples:
  headrace results visitors --bootstrap localhost:9092
  headrace results visitors --bootstrap localhost:9092 --window hour --last 24 --plot users.png
  headrace results visitors --bootstrap localhost:9092 --from 2026-11-21 --to 2026-11-22T12:00:00Z --json
  headrace results visitors --bootstrap localhost:9092 --follow
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from headrace.cli import common
from headrace.display import printable
from headrace.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("topic", metavar="TOPIC", help="a topic, or kafka://host:port/topic")
    parser.add_argument("--window", metavar="NAME", help="only these windows: minute, hour, ...")
    parser.add_argument("--from", dest="since", metavar="TIME", help="only windows that start then or later")
    parser.add_argument("--to", dest="until", metavar="TIME", help="only windows that start before")
    parser.add_argument("--last", type=common.number, metavar="N", help="print only the last N")
    parser.add_argument("--follow", action="store_true", help="print results as they come, until stopped")
    parser.add_argument(
        "--plot", metavar="FILE.png", help="write a plot (.png, .svg, .pdf); needs matplotlib"
    )
    parser.add_argument("--column", metavar="NAME", help="what to plot (default: users, or the first number)")
    parser.add_argument("--json", action="store_true", help="print each result as a line of JSON")
    common.add_kafka(parser, brokers=True)


def run(arguments: argparse.Namespace) -> int:
    """Print, plot."""
    from headrace import _plot
    from headrace._results import parse_moment, results

    if arguments.follow and (arguments.plot or arguments.last):
        raise UsageError("--follow prints results as they come: leave out --plot and --last")
    if arguments.plot:
        _plot.check_path(arguments.plot)
    found = results(
        common.topic_url(arguments.topic),
        window=arguments.window,
        since=parse_moment(arguments.since, "--from") if arguments.since else None,
        until=parse_moment(arguments.until, "--to") if arguments.until else None,
        follow=_Printer(arguments.json) if arguments.follow else None,
        kafka=common.kafka_settings(arguments),
    )
    if arguments.plot:
        found.plot(arguments.plot, window=arguments.window, column=arguments.column)
    if arguments.json:
        for result in found.rows[-(arguments.last or 0) :]:
            common.print_json(result)
    else:
        print(found.table(arguments.last))
    common.say(str(found) + (f"; the plot is {arguments.plot}" if arguments.plot else ""))
    return 0


class _Printer:
    """Prints results as they come: as JSON, or as lines with the names of their columns now and then."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.names: list[str] = []

    def __call__(self, result: dict[str, Any]) -> None:
        if self.as_json:
            common.print_json(result)
            return
        if list(result) != self.names:
            self.names = list(result)
            print("\t".join(self.names))
        print("\t".join(printable(str(value)) for value in result.values()))
        sys.stdout.flush()
