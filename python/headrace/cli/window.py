"""Count a topic's frames in event-time windows, exactly once, and write the results to another topic.

A frame is a JSON object with a time. Each window's result is written once, when no frame that is in time can
come any more; a job that was killed goes on where it was. Late, malformed and future frames go to
--late-topic.

examples:
  headrace window frames --to users --bootstrap localhost:9092 --job visitors --time ts --distinct uid:bigint
  headrace window frames --to users --bootstrap localhost:9092 --job visitors --time ts --distinct uid:bigint
    --windows minute,hour,day --zone Europe/Warsaw --late-topic late --table shop.users --forever
  headrace window clicks --to visits --bootstrap localhost:9092 --job visits --time at --time-unit ms
    --session 30m --by uid --count clicks
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from headrace.cli import common, load_options
from headrace.errors import UsageError

if TYPE_CHECKING:
    from headrace._window_topic import WindowProgress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("topic", metavar="SOURCE_TOPIC", help="the topic with the frames")
    parser.add_argument("--to", required=True, metavar="RESULT_TOPIC", help="the topic for the results")
    parser.add_argument(
        "--job", required=True, help="the job's name; topics <job>-state and <job>-partials are its own"
    )
    common.add_json(parser)
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 when frames were late, malformed or future"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress line")
    _add_windows(parser)
    _add_work(parser)
    kafka = parser.add_argument_group("Kafka")
    kafka.add_argument(
        "--bootstrap", "--brokers", dest="brokers", metavar="HOST:PORT", help="bootstrap.servers"
    )
    kafka.add_argument(
        "--kafka-config",
        metavar="FILE",
        help="properties file with librdkafka settings (default: $HEADRACE_KAFKA_CONFIG)",
    )
    kafka.add_argument(
        "-X",
        "--set",
        dest="kafka_settings",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="one librdkafka setting, over those of the file; repeat for more",
    )


def _add_windows(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("windows")
    group.add_argument(
        "--windows",
        metavar="UNIT,...",
        help="minute, hour, day, week, month, year; several at once (default: minute)",
    )
    group.add_argument(
        "--tumbling", metavar="TIME", action="append", default=[], help="side by side, such as 5m"
    )
    group.add_argument(
        "--sliding",
        metavar="TIME/TIME",
        action="append",
        default=[],
        help="so long, one every so often: 10m/1m",
    )
    group.add_argument(
        "--session",
        metavar="TIME",
        action="append",
        default=[],
        help="frames of a key with less than this between",
    )
    group.add_argument("--zone", default="UTC", help="time zone of hours, days and longer (default: UTC)")
    group.add_argument("--time", required=True, metavar="FIELD", help="the field with the frame's time")
    group.add_argument(
        "--time-unit",
        choices=["s", "ms", "us", "ns", "text"],
        default="s",
        help="of numbers since 1970, or text: ISO 8601 (default: s)",
    )
    group.add_argument(
        "--lateness", metavar="TIME", default="1h", help="how late a frame may come (default: 1h)"
    )
    group.add_argument(
        "--jump",
        metavar="TIME",
        default="1h",
        help="how far ahead a frame is believed at once; none: any (default: 1h)",
    )
    group.add_argument("--early", metavar="TIME", help="rows of open windows so often; one partition only")
    what = parser.add_argument_group(
        "what is computed (FIELD: [name=]column[:type], a.b for fields in objects)"
    )
    what.add_argument(
        "--by", metavar="FIELD", action="append", default=[], help="a column of the key; repeat for more"
    )
    what.add_argument(
        "--distinct",
        metavar="FIELD",
        action="append",
        default=[],
        help="count different values (called users unless named)",
    )
    what.add_argument(
        "--distinct-hll",
        metavar="FIELD[@P]",
        action="append",
        default=[],
        help="the same by HyperLogLog, 2^P registers",
    )
    what.add_argument(
        "--count", metavar="NAME[=FIELD]", action="append", default=[], help="frames, or those with the field"
    )
    for function in ("sum", "min", "max"):
        what.add_argument(
            f"--{function}", metavar="FIELD", action="append", default=[], help=f"{function} of a field"
        )


def _add_work(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group("output")
    output.add_argument(
        "--late-topic", metavar="TOPIC", help="for frames that count nowhere, or not everywhere"
    )
    output.add_argument("--table", metavar="TABLE", help="a PostgreSQL table for the same rows")
    common.add_database(parser)
    output.add_argument("--create-table", action="store_true", help="make the table when it is not there")
    output.add_argument(
        "--metrics",
        metavar="HOST:PORT",
        help="metrics for Prometheus at http://HOST:PORT/metrics (loopback only)",
    )
    work = parser.add_argument_group("work")
    work.add_argument("--workers", type=common.number, default=1, metavar="N", help="threads (default: 1)")
    work.add_argument(
        "--keyed",
        action="store_true",
        help="no user is in two partitions: numbers are added, not sets merged",
    )
    work.add_argument(
        "--instance",
        metavar="NAME",
        help="this process's name among the job's: after a crash it goes on at once",
    )
    work.add_argument(
        "--start",
        type=load_options.start,
        default="earliest",
        metavar="PLACE",
        help="where a new job starts: earliest (default), latest, or a time with its zone",
    )
    work.add_argument(
        "--lost-offsets",
        choices=["fail", "earliest"],
        default="fail",
        help="when the broker has deleted what comes next, or open windows have to be read again from",
    )
    work.add_argument("--forever", action="store_true", help="do not stop at the end of the topic")
    work.add_argument(
        "--close-all", action="store_true", help="the input is over for good: output every window"
    )
    work.add_argument("--max-records", type=common.number, metavar="N", help="stop after so many frames")
    work.add_argument(
        "--max-seconds", type=common.seconds, metavar="TIME", help="stop after so long (90, 15m)"
    )
    work.add_argument(
        "--idle",
        metavar="TIME",
        default="10s",
        help="a partition that brings nothing for so long is not waited for",
    )
    work.add_argument(
        "--snapshot",
        metavar="TIME",
        default="1h",
        help="save open windows at least so often; well below the topic's retention",
    )


def _kinds(arguments: argparse.Namespace) -> list[str]:
    """The kinds of windows together; a minute's when none is named."""
    kinds = [word.strip() for word in (arguments.windows or "").split(",") if word.strip()]
    kinds += arguments.tumbling + arguments.sliding + [f"session {gap}" for gap in arguments.session]
    return kinds or ["minute"]


def _name(text: str, function: str) -> tuple[str, str]:
    """(name, the field without it): function_column unless named."""
    name, equals, rest = text.partition("=")
    if equals:
        return name, rest
    column = text.partition("@")[0].partition(":")[0]
    return f"{function}_{column.rpartition('.')[2]}", text


def _aggregates(arguments: argparse.Namespace) -> dict[str, Any]:
    """What is computed beside --distinct. UsageError when a name comes twice."""
    found: list[tuple[str, Any]] = []
    for text in arguments.count:
        name, equals, place = text.partition("=")
        found.append((name, ("count", place) if equals else "count"))
    for text in arguments.distinct_hll:
        name, rest = _name(text, "distinct")
        place, at, precision = rest.partition("@")
        if at and not precision.isdecimal():
            raise UsageError(f"--distinct-hll {text}: write the precision as a number, such as uid@12")
        found.append((name, ("distinct_hll", place, int(precision)) if at else ("distinct_hll", place)))
    for function in ("sum", "min", "max"):
        for text in getattr(arguments, function):
            name, rest = _name(text, function)
            found.append((name, (function, rest)))
    names = [name for name, _ in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f'two results are called "{name}": write the fields as name=column')
    return dict(found)


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of headrace.window_topic."""
    return {
        "job": arguments.job,
        "time": arguments.time,
        "windows": _kinds(arguments),
        "kafka": common.kafka_settings(arguments),
        "time_unit": arguments.time_unit,
        "zone": arguments.zone,
        "by": arguments.by,
        "distinct": arguments.distinct,
        "aggregates": _aggregates(arguments),
        "lateness": arguments.lateness,
        "jump": None if arguments.jump == "none" else arguments.jump,
        "early": arguments.early,
        "late_topic": arguments.late_topic,
        "table": arguments.table,
        "dsn": arguments.dsn,
        "create_table": arguments.create_table,
        "keyed": arguments.keyed,
        "close_all": arguments.close_all,
        "start": arguments.start,
        "until": "forever" if arguments.forever else "end",
        "lost_offsets": arguments.lost_offsets,
        "max_records": arguments.max_records,
        "max_seconds": arguments.max_seconds,
        "workers": arguments.workers,
        "instance": arguments.instance,
        "idle": arguments.idle,
        "snapshot": arguments.snapshot,
    }


class Live:
    """One line on a terminal, drawn over itself."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.before = (0.0, 0, 0)
        self.drawn = 0

    def __call__(self, now: WindowProgress) -> None:
        """Draw; rates are those since the last time."""
        seconds, frames, results = self.before
        passed = max(now.seconds - seconds, 1e-3)
        text = (
            f"{self.label}: {now.frames:,} frames ({(now.frames - frames) / passed:,.0f}/s), "
            f"{now.results:,} results ({(now.results - results) / passed:,.0f}/s), "
            f"{now.error_rate:.2%} errors, watermark {now.watermark or '-'}, lag {now.lag:,}, "
            f"{now.open_windows:,} open, {now.memory / 1e6:,.0f} MB"
        )
        self.before = (now.seconds, now.frames, now.results)
        sys.stderr.write("\r" + text.ljust(self.drawn))
        sys.stderr.flush()
        self.drawn = len(text)

    def close(self) -> None:
        """Wipe the line."""
        if self.drawn:
            sys.stderr.write("\r" + " " * self.drawn + "\r")
            sys.stderr.flush()


def run(arguments: argparse.Namespace) -> int:
    """Count."""
    from headrace import _window_topic
    from headrace.cli.window_metrics import Metrics

    common.warn_about_password(arguments.dsn)
    built = _window_topic.build(arguments.topic, arguments.to, **settings(arguments))
    shown = not arguments.quiet and sys.stderr.isatty()
    live = Live(arguments.job)
    with Metrics(arguments.metrics, arguments.job) as metrics:

        def tell(now: WindowProgress) -> None:
            metrics.update(now)
            if shown:
                live(now)

        try:
            receipt = _window_topic.run(built, progress=tell if shown or arguments.metrics else None)
        finally:
            live.close()
    common.say(str(receipt))
    if arguments.json:
        common.print_json(receipt.to_dict())
    return common.EXIT_REJECTS if arguments.strict and receipt.rejected else 0
