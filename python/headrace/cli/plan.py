"""Say what load would do with the same arguments: connect, check types, permissions and lag. Writes nothing.

examples:
  headrace plan kafka://localhost:9092/purchases shop.purchases
  headrace plan customers.csv shop.customers --mode upsert --json
"""

from __future__ import annotations

import argparse

from headrace.cli import common, load_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    load_options.add_source_and_target(parser)
    common.add_database(parser)
    common.add_json(parser)
    load_options.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Plan."""
    from headrace._plan import plan

    common.warn_about_password(arguments.dsn)
    found = plan(
        load_options.source(arguments),
        arguments.target,
        dsn=arguments.dsn,
        **load_options.settings(arguments),
    )
    if arguments.json:
        common.print_json(found.to_dict())
    else:
        print(found)
    return 0
