"""`python -m stack.nifi fetch` gets NiFi ready, `lock` writes the lists of its sums anew."""

from __future__ import annotations

import logging
import sys

from stack.nifi import distribution


def main(words: list[str]) -> int:
    """Run the verb; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if words == ["fetch"]:
            distribution.made()
        elif words == ["lock"]:
            print(distribution.lock())
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
