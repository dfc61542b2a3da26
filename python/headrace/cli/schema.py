"""The schema headrace of a database, where offsets, receipts and dead letters are kept. load makes it by
itself when its role may; otherwise the owner or a DBA does it here.

examples:
  headrace schema apply --dsn 'postgresql://localhost/shop'
  headrace schema print | psql shop
  headrace schema version
"""

from __future__ import annotations

import argparse

from headrace.cli import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    actions = parser.add_subparsers(dest="action", metavar="apply|print|version", required=True)
    apply = actions.add_parser("apply", help="make or upgrade it")
    actions.add_parser("print", help="print all of it as SQL")
    version = actions.add_parser("version", help="what the database has, and what this Headrace knows")
    for action in (apply, version):
        common.add_database(action)
        common.add_json(action)


def run(arguments: argparse.Namespace) -> int:
    """Apply, print or tell the version."""
    from headrace import migrations

    if arguments.action == "print":
        print(migrations.script(), end="")
        return 0
    common.warn_about_password(arguments.dsn)
    if arguments.action == "version":
        from headrace import Connection

        with Connection(arguments.dsn or "") as connection:
            found = migrations.current(connection)
        known = migrations.available()[-1].version
        if arguments.json:
            common.print_json({"database": found, "known": known})
        else:
            print(f"database: {'none' if found is None else found}, this Headrace: {known}")
        return 0
    done = migrations.apply(arguments.dsn)
    if arguments.json:
        common.print_json({"applied": [f"{m.version:04d}_{m.name}" for m in done]})
    common.say(
        "applied: " + ", ".join(f"{m.version:04d}_{m.name}" for m in done) if done else "nothing to do"
    )
    return 0
