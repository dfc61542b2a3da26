"""Kafka's jars: fetched once by Maven, checked against the committed list of their sha256 sums."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import logging
import shutil
import subprocess
from pathlib import Path

from stack.paths import BUILD

log = logging.getLogger(__name__)

_HERE = Path(__file__).resolve().parent
_POM = _HERE / "pom.xml"
_SUMS = _HERE / "jars.sha256"
_FOLDER = BUILD / "kafka"
_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


@functools.cache
def jars() -> Path:
    """The folder with Kafka's jars, all of them as they were when the list was made."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    lib = _FOLDER / "lib"
    stamp = _FOLDER / "checked"
    expected = _SUMS.read_text()
    with open(_FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if lib.is_dir() and stamp.exists() and stamp.read_text() == expected:
            return lib
        log.info("Fetching Kafka's jars with Maven (55 MB), 5 to 60 s.")
        _fetch(lib)
        _check(_sums(lib), expected)
        stamp.write_text(expected)
    return lib


def class_archive() -> Path:
    """A file in which Java finds Kafka's classes already parsed: half the CPU time of every start.

    It is made once by `python -m stack.kafka fetch`. Java takes it only if it fits the jars and Java itself,
    and does without it otherwise.
    """
    return _FOLDER / "classes.jsa"


@functools.cache
def java() -> str:
    """The Java to run Kafka with."""
    found = shutil.which("java")
    if found is None:
        raise RuntimeError(
            "Kafka needs Java 17 or newer and there is no `java` here; `make setup` installs it"
        )
    return found


def _fetch(lib: Path) -> None:
    """Copy the jars of the pom into `lib`, replacing what was there."""
    maven = shutil.which("mvn")
    if maven is None:
        raise RuntimeError(
            "Kafka's jars are fetched by Maven and there is no `mvn` here; `make setup` installs it"
        )
    shutil.rmtree(lib, ignore_errors=True)
    class_archive().unlink(missing_ok=True)
    command = [
        maven,
        "-q",
        "-B",
        "-f",
        str(_POM),
        _GOAL,
        f"-DoutputDirectory={lib}",
        "-DincludeScope=runtime",
    ]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise RuntimeError(
            f"Maven could not fetch Kafka's jars:\n{(done.stdout + done.stderr).strip()[-2000:]}"
        )


def _sums(lib: Path) -> str:
    """A list in the form of sha256sum."""
    return "".join(
        f"{hashlib.sha256(jar.read_bytes()).hexdigest()}  {jar.name}\n" for jar in sorted(lib.iterdir())
    )


def _check(found: str, expected: str) -> None:
    """Raise unless exactly the expected jars are there."""
    if found == expected:
        return
    wrong = sorted({line.split("  ")[1] for line in set(found.splitlines()) ^ set(expected.splitlines())})
    raise RuntimeError(
        f"Kafka's jars are not those of {_SUMS.name}, so they are not used: {', '.join(wrong)}. "
        "If you changed pom.xml on purpose, run `make lock`."
    )


def lock() -> str:
    """Fetch the jars and write the list of their sums anew; says what it did."""
    lib = _FOLDER / "lib"
    _FOLDER.mkdir(parents=True, exist_ok=True)
    _fetch(lib)
    _SUMS.write_text(_sums(lib))
    return f"lock: {len(list(lib.iterdir()))} jars in {_SUMS.name}"
