"""`python -m stack.kafka fetch` gets Kafka's jars ready to run, `lock` writes the list of their sums anew."""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

from stack.kafka import distribution
from stack.kafka.broker import Broker


def main(words: list[str]) -> int:
    """Run the verb; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if words == ["fetch"]:
            distribution.jars()
            archive_classes()
        elif words == ["lock"]:
            print(distribution.lock())
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def archive_classes() -> None:
    """Let a broker write down its classes as it ends, for later ones to start quicker."""
    archive = distribution.class_archive()
    if archive.exists():
        return
    logging.info("Starting Kafka once to make its later starts quicker, about 15 s.")
    draft = archive.with_suffix(".new")
    options = [f"-XX:ArchiveClassesAtExit={draft}"]
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder), java_options=options) as broker:
        broker.create_topic("warm-up", 1)
    draft.rename(archive)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
