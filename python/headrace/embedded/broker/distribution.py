"""Kafka's jars: fetched once by Maven, checked against the committed list of their sha256 sums."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path

from headrace.embedded.maven import Artifacts

_HERE = Path(__file__).resolve().parent


def _room() -> Path:
    """Where downloads lie: in a checkout in its build/, else in the user's cache."""
    root = _HERE.parents[3]
    if (root / "stack" / "kafka").is_dir() and (root / "csrc").is_dir():
        return root / "build" / "kafka"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace" / "kafka"


_FOLDER = _room()
_JARS = Artifacts(
    what="Kafka's jars",
    cost="55 MB, 5 to 60 s",
    pom=_HERE / "pom.xml",
    sums=_HERE / "jars.sha256",
    folder=_FOLDER,
    room="stack.kafka",
)


@functools.cache
def jars() -> Path:
    """The folder with Kafka's jars, all of them as they were when the list was made."""
    return _JARS.ready(prepare=lambda _lib: class_archive().unlink(missing_ok=True))


def fetched() -> bool:
    """Whether there are jars already."""
    return _JARS.lib.is_dir()


def class_archive() -> Path:
    """A file in which Java finds Kafka's classes already parsed: half the CPU time of every start.

    It is made by `python -m stack.kafka fetch` in a checkout. Java takes it only if it fits the jars and Java
    itself, and does without it otherwise.
    """
    return _FOLDER / "classes.jsa"


@functools.cache
def java() -> str:
    """The Java to run Kafka with."""
    found = shutil.which("java")
    if found is None:
        raise RuntimeError(
            "Kafka needs Java 17 or newer and there is no `java` here: install it (Debian: apt-get install "
            "default-jre-headless), or use a broker that you have, as kafka://host:port/topic"
        )
    return found


def lock() -> str:
    """Fetch the jars and write the list of their sums anew; says what it did."""
    return _JARS.lock()
