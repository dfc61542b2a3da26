"""Change events of a replicated database into a Data Vault, and the proof that the vault equals its source.

The mapping file says which topic feeds which hubs, links and satellites. `ddl` prints the tables, `plan` says
what would be loaded, `load` loads it, exactly once, and `verify` rebuilds every source table from the vault
and compares it with the source, row by row; it exits with 1 when they differ.

examples:
  headrace vault ddl vault.yaml | psql vault
  headrace vault plan vault.yaml --brokers localhost:9092
  headrace vault load vault.yaml --brokers localhost:9092 --dsn 'postgresql://localhost/vault'
  headrace vault verify vault.yaml --source 'postgresql://localhost/airports' --brokers localhost:9092 --load
"""

from __future__ import annotations

import argparse
from typing import Any

from headrace.cli import common

EXIT_DIFFERENCES = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    actions = parser.add_subparsers(dest="action", metavar="ddl|plan|load|verify", required=True)
    ddl = actions.add_parser("ddl", help="print the SQL that makes what is missing")
    ddl.add_argument("mapping", metavar="MAPPING", help="the mapping file, YAML")
    plan = actions.add_parser("plan", help="say what load would do and what stands in its way")
    load = actions.add_parser("load", help="load the topics up to their ends")
    verify = actions.add_parser("verify", help="compare the source with what the vault makes of it")
    for action in (plan, load, verify):
        action.add_argument("mapping", metavar="MAPPING", help="the mapping file, YAML")
        action.add_argument("--tables", metavar="TABLE,...", help="only these")
        common.add_database(action)
        common.add_json(action)
        common.add_kafka(action, brokers=True)
    _add_load(load)
    _add_verify(verify)


def _add_load(load: argparse.ArgumentParser) -> None:
    load.add_argument("--threads", type=common.number, default=2, metavar="N", help="tables side by side (2)")
    load.add_argument("--workers", type=common.number, metavar="N", help="threads for the partitions of one")
    load.add_argument("--batch-records", type=common.number, metavar="N", help="events a transaction")
    load.add_argument(
        "--max-records", type=common.number, metavar="N", help="stop after so many of each table"
    )
    load.add_argument("--max-seconds", type=common.seconds, metavar="TIME", help="stop after this long")
    load.add_argument(
        "--start",
        choices=["earliest", "latest"],
        default="earliest",
        help="where partitions without a stored offset start (earliest)",
    )
    load.add_argument("--strict", action="store_true", help="exit with 1 when events were rejected")
    load.add_argument("-q", "--quiet", action="store_true", help="do not name the tables that are done")


def _add_verify(verify: argparse.ArgumentParser) -> None:
    verify.add_argument("--source", metavar="CONNINFO", required=True, help="the source database")
    verify.add_argument(
        "--primary", metavar="CONNINFO", help="where the connector's slot is, if the source is a standby"
    )
    verify.add_argument("--lsn", help="the vault as of this LSN, against a source that has stood still since")
    verify.add_argument("--load", action="store_true", help="load what the topics have first")
    verify.add_argument(
        "--patience", type=common.seconds, default=120.0, metavar="TIME", help="wait so long at most (2m)"
    )
    verify.add_argument(
        "--memory", type=common.number, default=256, metavar="MB", help="for each table (256)"
    )
    verify.add_argument("--keep", type=int, default=10, metavar="N", help="show so many of each kind (10)")
    verify.add_argument(
        "--threads", type=common.number, default=1, metavar="N", help="tables side by side (1)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print, plan, load or verify."""
    return {"ddl": _ddl, "plan": _plan, "load": _load, "verify": _verify}[arguments.action](arguments)


def _common(arguments: argparse.Namespace) -> dict[str, Any]:
    common.warn_about_password(arguments.dsn)
    tables = arguments.tables.split(",") if arguments.tables is not None else None
    return {"dsn": arguments.dsn, "kafka": common.kafka_settings(arguments), "tables": tables}


def _ddl(arguments: argparse.Namespace) -> int:
    from headrace.vault import vault_ddl

    print(vault_ddl(arguments.mapping), end="")
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    from headrace.vault import vault_plan

    plan = vault_plan(arguments.mapping, **_common(arguments))
    if arguments.json:
        common.print_json(plan.to_dict())
    else:
        print(plan)
    return common.EXIT_FATAL if plan.problems else 0


def _load(arguments: argparse.Namespace) -> int:
    from headrace.vault import vault_load

    settings = ("workers", "batch_records", "max_records", "max_seconds", "start")
    receipt = vault_load(
        arguments.mapping,
        threads=arguments.threads,
        progress=None if arguments.quiet else lambda table: common.say(f"{table}: loaded"),
        **_common(arguments),
        **{name: getattr(arguments, name) for name in settings},
    )
    common.say(str(receipt))
    if arguments.json:
        common.print_json(receipt.to_dict())
    return common.EXIT_REJECTS if arguments.strict and receipt.rejected else 0


def _verify(arguments: argparse.Namespace) -> int:
    from headrace.vault import vault_verify

    common.warn_about_password(arguments.source)
    common.warn_about_password(arguments.primary)
    found = vault_verify(
        arguments.mapping,
        arguments.source,
        primary=arguments.primary,
        lsn=arguments.lsn,
        load=arguments.load,
        patience=arguments.patience,
        memory=arguments.memory << 20,
        keep=arguments.keep,
        threads=arguments.threads,
        **_common(arguments),
    )
    common.say(str(found))
    if arguments.json:
        common.print_json(found.to_dict())
    return 0 if found.equal else EXIT_DIFFERENCES
