"""Load records into a PostgreSQL table, exactly once, and print a receipt.

The table's definition is the contract: columns, types, NOT NULL, keys and partitioning are read from the
catalog. Offsets are stored in the table's database in the transaction of the rows, so a load that was killed
and is started again has lost nothing and doubled nothing. A record that does not fit is kept in
headrace.dead_letters, and the load goes on.

examples:
  headrace load kafka://localhost:9092/purchases shop.purchases
  headrace load kafka://localhost:9092/purchases shop.purchases --partitions 0-3 --max-seconds 15m --json
  headrace load 'archive/2026-*.jsonl.zst' shop.purchases --job backfill --workers 2
  headrace load customers.csv shop.customers --mode upsert
  headrace load events.jsonl shop.events --map city=customer.address.city --map at=ts@ms --map rest='$rest'
  producer | headrace load - shop.events
"""

from __future__ import annotations

import argparse

from headrace.cli import common, load_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    load_options.add_source_and_target(parser)
    common.add_database(parser)
    common.add_json(parser)
    parser.add_argument("--strict", action="store_true", help="exit with 1 when records were rejected")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    load_options.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Load."""
    from headrace._load import load

    common.warn_about_password(arguments.dsn)
    receipt = load(
        load_options.source(arguments),
        arguments.target,
        dsn=arguments.dsn,
        progress=common.progress(arguments, arguments.job or arguments.target),
        **load_options.settings(arguments),
    )
    return common.finish(arguments, receipt)
