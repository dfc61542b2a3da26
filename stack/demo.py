"""`make demo`: the services come up, and the terminal tells where everything is."""

from __future__ import annotations

import logging
import sys

from stack.__main__ import show
from stack.airflow import USER
from stack.services import Stack


def main() -> int:
    """Start the services and print what is up; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    stack = Stack()
    try:
        stack.up()
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    report(stack)
    return 0


def report(stack: Stack) -> None:
    """Print what is up, how to log in, and how to stop it all."""
    print()
    show(stack)
    print()
    print(f"Airflow   {stack.airflow.url}   user {USER}, password {stack.airflow.password}")
    print("All of it keeps running until `make down`.")


if __name__ == "__main__":
    sys.exit(main())
