"""`make demo`: the services come up, the example runs through Airflow on a million purchases, and then the
terminal tells what came of it and where everything is.

The last line of the standard output is one JSON object; progress goes to the standard error.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

from stack import jobs
from stack.__main__ import show
from stack.services import Stack


def main(words: list[str]) -> int:
    """Start the services, run the DAGs, print what is up and what was done; the exit code."""
    parser = described(__doc__, "demo")
    parser.add_argument("--purchases", type=int, default=1_000_000, help="how many (1,000,000)")
    parser.add_argument("--bad", type=int, default=1_000, help="damaged ones in a million (1,000: 0.1 %%)")
    told = parser.parse_args(words)
    stack = Stack()
    try:
        stack.up()
        total = jobs.run(stack, told.purchases, told.bad)
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    finish(stack, jobs.report(stack, total), jobs.line(total))
    return 0


def described(text: str | None, name: str) -> argparse.ArgumentParser:
    """The parser of a demo, whose words for people go to the standard error from here on."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return argparse.ArgumentParser(prog=f"python -m stack.{name}", description=text)


def finish(stack: Stack, report: str, line: Mapping[str, Any]) -> None:
    """Print what came of a demo, what runs, and the line of JSON."""
    print(f"\n{report}\n")
    show(stack)
    print("\nAll of it keeps running until `make down`.")
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
