"""The options of load, which plan and dead-letters replay share."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from headrace.cli import common
from headrace.errors import UsageError


def add_source_and_target(parser: argparse.ArgumentParser) -> None:
    """SOURCE... TARGET."""
    parser.add_argument(
        "source",
        nargs="+",
        metavar="SOURCE",
        help="kafka://host:port/topic, files or globs (plain, gzip, zstd), - for standard input, or "
        "postgresql://...?table=schema.name",
    )
    parser.add_argument(
        "target", metavar="TARGET", help="the table, such as shop.purchases; its columns say what is read"
    )


def add_options(parser: argparse.ArgumentParser, with_source: bool = True) -> None:
    """Everything that says how records become rows; with_source: also where they come from."""
    rows = parser.add_argument_group("records and rows")
    rows.add_argument(
        "--mode", choices=["append", "upsert", "replace"], default="append", help="default: append"
    )
    rows.add_argument(
        "--key", metavar="COLUMN,...", help="columns that identify a row (default: the primary key)"
    )
    rows.add_argument(
        "--format",
        choices=["json", "csv", "avro", "debezium", "debezium-avro"],
        help="default: by the file's name, else json",
    )
    rows.add_argument(
        "--delimiter", metavar="C", help="csv: between fields (default: a comma, in .tsv a tab)"
    )
    rows.add_argument("--quote", metavar="C", help='csv: around fields (default: ")')
    rows.add_argument(
        "--null", metavar="TEXT", help="csv: the unquoted field that means null (default: empty)"
    )
    rows.add_argument(
        "--no-header", action="store_true", help="csv: the first line is data; columns are the table's"
    )
    rows.add_argument(
        "--debezium",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="change events without a schema: time=adaptive|adaptive_time_microseconds|millis|micros|nanos, "
        "decimal=string|base64, binary=base64|hex, unavailable=TEXT (defaults: the first). Repeat for more",
    )
    rows.add_argument(
        "--avro",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="registry=URL and user=NAME (its password: HEADRACE_REGISTRY_PASSWORD), or schema=JSON",
    )
    rows.add_argument(
        "--map",
        metavar="COLUMN=PATH",
        action="append",
        default=[],
        help="where a column comes from: a key, a path (customer.address.city), $rest, $raw, $key, "
        "$topic, $partition, "
        "$offset, $timestamp and of change events $op, $lsn, $txid, "
        "$source_ts, $snapshot, $table, $unchanged; PATH@ms reads numbers as times (s, ms, us, ns, days); "
        "nothing after = "
        "leaves it out. "
        "Repeat for more",
    )
    rows.add_argument(
        "--unknown", choices=["ignore", "reject"], default="ignore", help="keys that no column names"
    )
    rows.add_argument(
        "--tombstones", choices=["skip", "reject"], default="skip", help="messages without a value"
    )
    parts = parser.add_argument_group("partitions of the target")
    parts.add_argument(
        "--partition", choices=["week", "day", "month"], default="week", help="default: week (ISO)"
    )
    parts.add_argument("--zone", default="UTC", help="time zone of the periods (default: UTC)")
    parts.add_argument(
        "--no-create-partitions", action="store_true", help="records of missing partitions become rejects"
    )
    work = parser.add_argument_group("work")
    work.add_argument("--workers", type=common.number, metavar="N", help="threads with a connection each")
    work.add_argument("--batch-records", type=common.number, metavar="N", help="records a transaction")
    work.add_argument(
        "--commit",
        choices=["batch", "end"],
        help="end: the whole run or nothing, in one transaction (default for - and postgresql://)",
    )
    work.add_argument(
        "--durable",
        choices=["run", "batch"],
        default="run",
        help="batch: every commit waits for the server's disk, not only the last",
    )
    work.add_argument(
        "--max-records", type=common.number, metavar="N", help="stop after so many records (500k, 2M)"
    )
    work.add_argument(
        "--max-seconds", type=common.seconds, metavar="TIME", help="stop after so long (90, 15m, 2h)"
    )
    if not with_source:
        return
    parser.add_argument("--job", help="the load's name, to which its offsets belong (default: the target)")
    source = parser.add_argument_group("Kafka and files")
    source.add_argument("--partitions", metavar="N,...", help="only these partitions of the topic")
    source.add_argument(
        "--start",
        type=start,
        metavar="PLACE",
        help="for partitions without a stored offset: earliest (default), latest, or a time with its zone",
    )
    source.add_argument("--group", help="a consumer group that is told how far the job is, for lag monitors")
    source.add_argument(
        "--lost-offsets",
        choices=["fail", "earliest"],
        default="fail",
        help="when the broker has deleted what comes next",
    )
    source.add_argument("--follow", action="store_true", help="do not stop at the end of the topic")
    source.add_argument(
        "--again", action="store_true", help="load files although this job has loaded them before"
    )
    common.add_kafka(parser)


def start(text: str) -> str | datetime:
    """earliest, latest or a time."""
    if text in ("earliest", "latest"):
        return text
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not earliest, latest or a time like 2026-11-16T00:00:00+00:00"
        ) from None


def parse_map(pairs: list[str]) -> dict[str, Any] | None:
    """--map's words. UsageError for one without =."""
    found: dict[str, Any] = {}
    for pair in pairs:
        column, separator, path = pair.partition("=")
        if not separator or not column:
            raise UsageError(f"--map {pair}: write it as COLUMN=PATH")
        place, at, unit = path.rpartition("@")
        if at and unit in ("s", "ms", "us", "ns", "days"):
            found[column] = {"path": place or column, "unit": unit}
        else:
            found[column] = path or None
    return found or None


def parse_pairs(option: str, pairs: list[str]) -> dict[str, str] | None:
    """NAME=VALUE words as a mapping, None when there are none. UsageError for one without =."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise UsageError(f"{option} {pair}: write it as NAME=VALUE")
        found[name] = value
    return found or None


def settings(arguments: argparse.Namespace, with_source: bool = True) -> dict[str, Any]:
    """Keyword arguments of headrace.load."""
    csv = {"delimiter": arguments.delimiter, "quote": arguments.quote, "null": arguments.null}
    csv = {name: value for name, value in csv.items() if value is not None}
    if arguments.no_header:
        csv["header"] = False
    chosen: dict[str, Any] = {
        "mode": arguments.mode,
        "key": arguments.key.split(",") if arguments.key else None,
        "format": arguments.format,
        "csv": csv or None,
        "debezium": parse_pairs("--debezium", arguments.debezium),
        "avro": parse_pairs("--avro", arguments.avro),
        "map": parse_map(arguments.map),
        "unknown": arguments.unknown,
        "tombstones": arguments.tombstones,
        "partition": arguments.partition,
        "zone": arguments.zone,
        "create_partitions": False if arguments.no_create_partitions else None,
        "workers": arguments.workers,
        "batch_records": arguments.batch_records,
        "commit": arguments.commit,
        "durable": arguments.durable,
        "max_records": arguments.max_records,
        "max_seconds": arguments.max_seconds,
    }
    if with_source:
        chosen |= {
            "job": arguments.job,
            "partitions": parse_partitions(arguments.partitions),
            "start": arguments.start,
            "group": arguments.group,
            "lost_offsets": arguments.lost_offsets,
            "until": "forever" if arguments.follow else "end",
            "identity": not arguments.again,
            "kafka": common.kafka_settings(arguments),
        }
    # what was not said is left to the library, or to what the job's last run did
    return {name: value for name, value in chosen.items() if value is not None}


def parse_partitions(text: str | None) -> list[int] | None:
    """0,2,5-7 as numbers. UsageError for anything else."""
    if text is None:
        return None
    found: set[int] = set()
    for piece in text.split(","):
        first, dash, last = piece.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"--partitions {text}: write numbers and ranges, such as 0,2,5-7")
        found.update(range(int(first), int(last or first) + 1))
    return sorted(found)


def source(arguments: argparse.Namespace) -> Any:
    """One URL, or a list of files."""
    words = list(arguments.source)
    if len(words) == 1:
        return words[0]
    for word in words:
        if word == "-" or "://" in word:
            raise UsageError(f"{word} cannot be loaded together with other sources: give it alone")
    return words
