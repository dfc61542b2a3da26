"""What past runs did: read = loaded + rejected + skipped.

examples:
  headrace receipts
  headrace receipts purchases --limit 5 --json
"""

from __future__ import annotations

import argparse

from headrace.cli import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("job", nargs="?", metavar="JOB", help="only this job's")
    parser.add_argument(
        "--limit", type=common.number, default=20, metavar="N", help="at most so many (default: 20)"
    )
    common.add_database(parser)
    common.add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """List them, newest first."""
    from headrace import receipts

    common.warn_about_password(arguments.dsn)
    found = receipts.list(arguments.job, limit=arguments.limit, dsn=arguments.dsn)
    rows = [
        [r.started_at, r.job, r.target, r.state, r.read, r.loaded, r.rejected, r.skipped, f"{r.seconds:.1f}"]
        for r in found
    ]
    header = ["started", "job", "target", "state", "read", "loaded", "rejected", "skipped", "seconds"]
    common.show(arguments, [r.to_dict() for r in found], header, rows)
    return 0
