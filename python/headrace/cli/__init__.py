"""The command `headrace`. Each verb is one file of this package; VERBS is the table of them.

Exit codes: 0 done; 1 done but records were rejected (with --strict); 2 usage; 3 try again later; 4 fatal;
130 Ctrl-C; 143 SIGTERM. The result is printed on stdout only with --json; everything for people goes to
stderr, except listings.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from headrace._version import __version__

# verb: what `headrace --help` says of it. Its module has add_arguments(parser) and run(arguments) -> exit
# code.
VERBS = {
    "load": "load a Kafka topic, files, standard input or a query into a table, exactly once",
    "plan": "say what load would do, without doing it",
    "lag": "how much a job has still to load from a topic",
    "offsets": "list the offsets of jobs; send a job back or forward; let a window job begin anew",
    "receipts": "list what past runs did",
    "dead-letters": "list, show and replay rejected records",
    "vault": "change events into a Data Vault; prove that it equals its source",
    "partition": "split a file by ISO week, day or month of a column",
    "window": "count a topic's frames in event-time windows, exactly once",
    "hash": "add hash keys and hash diffs to records",
    "generate": "make linked customers, products and purchases, or frames of visitors",
    "produce": "send the lines of a file to a Kafka topic",
    "results": "print or plot what a window worker has put out: users a minute",
    "topics": "list, create and delete Kafka topics",
    "schema": "make or upgrade the schema headrace of a database",
    "nifi": "put the processors into a NiFi 2, import and export flows",
    "doctor": "check this machine, the database and the brokers",
}

EPILOG = """examples:
  headrace load kafka://localhost:9092/purchases shop.purchases --dsn 'postgresql://localhost/shop'
  headrace load 'archive/*.jsonl.gz' shop.purchases --job backfill
  zcat old.csv.gz | headrace load - shop.purchases --format csv --json
  headrace plan kafka://localhost:9092/purchases shop.purchases
  headrace dead-letters replay purchases

The database is named by --dsn, or as in psql by PGHOST, PGDATABASE, PGSERVICE and so on. Passwords belong
into ~/.pgpass, a service file or PGPASSFILE, not into --dsn: other users see it in the list of processes.

exit codes: 0 done, 1 done with rejects (--strict), 2 usage, 3 try again later, 4 fatal, 130 or 143 stopped
"""


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser of all verbs, with the arguments of `only` (importing one verb is quicker than all)."""
    parser = argparse.ArgumentParser(
        prog="headrace",
        description="Loads records into PostgreSQL at COPY speed, exactly once, with every rejected "
        "record kept.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"headrace {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, summary in VERBS.items():
        module = module_of(verb) if verb == only else None
        sub = verbs.add_parser(
            verb,
            help=summary,
            description=(module.__doc__ or "").partition("\n\nexamples:")[0] if module else None,
            epilog="examples:" + (module.__doc__ or "").partition("\n\nexamples:")[2] if module else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if module is not None:
            module.add_arguments(sub)
    return parser


def module_of(verb: str):  # type: ignore[no-untyped-def]  # a module with the two functions
    """The module of a verb."""
    return importlib.import_module(f"headrace.cli.{verb.replace('-', '_')}")


def _keep_standard() -> None:
    """Give standard streams that the caller has closed (`<&-`) a descriptor on which reading and writing
    fail. Otherwise the next file or connection would get the number 0, and `-` would read from that.
    """
    for number, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # the lowest free number, which is this one
            if number == 0:
                sys.stdin = open(0, closefd=False)  # noqa: SIM115
            elif number == 1:
                sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
            else:
                sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. argparse itself exits with 2 on a wrong line."""
    _keep_standard()
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = next((word for word in words if word in VERBS), None)
    parsed = build_parser(verb).parse_args(words)
    from headrace.cli import common

    return common.guarded(module_of(parsed.verb).run, parsed)
