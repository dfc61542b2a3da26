"""The services of a checkout: real PostgreSQL, Kafka, Airflow and a mail server on 127.0.0.1.

up [PART...]   start postgres, kafka, mail, airflow, or only the named ones; those that run are left alone
down           stop them; data is kept
status         what runs where (exit code 3 if one of these does not run), NiFi of `make demo-nifi` too
env            lines for: eval "$(python -m stack env)"; then psql, headrace and airflow find the services.
               They contain passwords.
wipe           stop them and remove their data, logs and secrets
"""

from __future__ import annotations

import argparse
import logging
import shlex
import sys

from stack import postgres
from stack.services import PARTS, Stack


def main(words: list[str]) -> int:
    """Run one verb; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m stack", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=["up", "down", "status", "env", "wipe"])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"for up, of {', '.join(PARTS)}")
    told = parser.parse_args(words)
    unknown = set(told.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    if told.parts and told.verb != "up":
        parser.error(f"{told.verb} is for all parts together")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    stack = Stack()
    try:
        return run(stack, told.verb, told.parts or PARTS)
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def run(stack: Stack, verb: str, parts: list[str] | tuple[str, ...]) -> int:
    """Do what the verb says; the exit code."""
    if verb == "up":
        stack.up(parts)
        show(stack)
    elif verb == "down":
        stack.down()
    elif verb == "wipe":
        stack.wipe()
        postgres.remove_copy()
    elif verb == "env":
        for key, value in sorted(stack.env().items()):
            print(f"export {key}={shlex.quote(value)}")
    else:
        return 0 if show(stack) else 3
    return 0


def show(stack: Stack) -> bool:
    """Print what runs where; whether every part does."""
    rows = stack.status()
    for row in rows:
        print(f"{row.part:<10}{'up' if row.up else 'down':<6}{row.where if row.up else ''}".rstrip())
    return all(row.up for row in rows if row.part in PARTS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
