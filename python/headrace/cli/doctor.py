"""Check this machine, the database and the brokers, and say what to do about what is not as it should be.

examples:
  headrace doctor
  headrace doctor --dsn 'postgresql://localhost/shop' --brokers localhost:9092
  headrace doctor --no-database --json
"""

from __future__ import annotations

import argparse

from headrace.cli import common


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    common.add_database(parser)
    parser.add_argument("--no-database", action="store_true", help="do not connect to a database")
    common.add_json(parser)
    common.add_kafka(parser, brokers=True)


def run(arguments: argparse.Namespace) -> int:
    """Examine; 4 when there is a problem."""
    from headrace import doctor

    common.warn_about_password(arguments.dsn)
    report = doctor.examine(
        arguments.dsn, kafka=common.kafka_settings(arguments), database=not arguments.no_database
    )
    if arguments.json:
        common.print_json(report.to_dict())
    else:
        for check in report.checks:
            print(f"{check.state.upper() if check.state != 'ok' else 'ok':8} {check.name}: {check.found}")
            if check.todo:
                print(f"{'':8} -> {check.todo}")
    return 0 if report.healthy else common.EXIT_FATAL
