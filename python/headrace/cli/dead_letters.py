"""Rejected records: list them, show one with its bytes, load them again after the table or the mapping was
mended.

examples:
  headrace dead-letters list
  headrace dead-letters list purchases --reason type --limit 20
  headrace dead-letters show 4711
  headrace dead-letters replay purchases --map price=amount
"""

from __future__ import annotations

import argparse

from headrace.cli import common, load_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    actions = parser.add_subparsers(dest="action", metavar="list|show|replay", required=True)
    listing = actions.add_parser(
        "list", help="show them, newest first, and how many there are of each reason"
    )
    listing.add_argument("job", nargs="?", metavar="JOB", help="only this job's")
    listing.add_argument("--reason", help="only those rejected for this reason")
    listing.add_argument(
        "--limit", type=common.number, default=50, metavar="N", help="at most so many (default: 50)"
    )
    listing.add_argument("--all", action="store_true", help="those that were replayed as well")
    show = actions.add_parser("show", help="show one, with its bytes")
    show.add_argument("id", type=int, metavar="ID")
    replay = actions.add_parser("replay", help="load them again, with the settings of the job's last run")
    replay.add_argument("job", metavar="JOB")
    replay.add_argument("--target", help="needed when they belong to several tables")
    replay.add_argument("--reason", help="only those rejected for this reason")
    replay.add_argument("--ids", metavar="N,...", help="only these")
    replay.add_argument("--limit", type=common.number, metavar="N", help="at most so many, oldest first")
    replay.add_argument("--strict", action="store_true", help="exit with 1 when records were rejected again")
    load_options.add_options(replay, with_source=False)
    replay.set_defaults(**dict.fromkeys(["mode", "unknown", "tombstones", "partition", "zone"]))
    for action in (listing, show, replay):
        common.add_database(action)
        common.add_json(action)


def run(arguments: argparse.Namespace) -> int:
    """List, show or replay."""
    common.warn_about_password(arguments.dsn)
    return {"list": _list, "show": _show, "replay": _replay}[arguments.action](arguments)


def _list(arguments: argparse.Namespace) -> int:
    from headrace import dead_letters

    replayed = None if arguments.all else False
    found = dead_letters.list(
        arguments.job, reason=arguments.reason, replayed=replayed, limit=arguments.limit, dsn=arguments.dsn
    )
    counts = dead_letters.count(arguments.job, replayed=replayed, dsn=arguments.dsn)
    rows = [[str(d.id), d.job, d.position, d.reason, d.column, d.value, d.message] for d in found]
    data = {"counts": counts, "dead_letters": [d.to_dict() for d in found]}
    common.show(arguments, data, ["id", "job", "where", "reason", "column", "value", "message"], rows)
    common.say(", ".join(f"{reason}: {count:,}" for reason, count in counts.items()) or "no dead letters")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from headrace import dead_letters
    from headrace.display import printable

    data = dead_letters.show(arguments.id, dsn=arguments.dsn).to_dict()
    if arguments.json:
        common.print_json(data)
        return 0
    for name, value in data.items():
        if value is not None:
            print(f"{name + ':':18}{printable(str(value))}")
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    from headrace import dead_letters

    receipt = dead_letters.replay(
        arguments.job,
        target=arguments.target,
        reason=arguments.reason,
        ids=load_options.parse_partitions(arguments.ids),
        limit=arguments.limit,
        dsn=arguments.dsn,
        progress=common.progress(arguments, arguments.job),
        **load_options.settings(arguments, with_source=False),
    )
    return common.finish(arguments, receipt)
