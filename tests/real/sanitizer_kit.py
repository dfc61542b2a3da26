"""drive_load (tests/io) under ASan + UBSan or under TSan, as a Python object."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from headrace import _settings, migrations

from tests.real.kafka_kit import Driver
from tests.real.load_kit import one

ROOT = Path(__file__).resolve().parents[2]
SUPPRESSIONS = ROOT / "tests/io/tsan/suppressions"

Sanitizer = Literal["asan", "tsan"]
FOLDERS: Mapping[Sanitizer, str] = {"asan": "build/io", "tsan": "build/tsan"}


@cache
def build(sanitizer: Sanitizer) -> None:
    """Build the driver, once a session."""
    goal = "tsan" if sanitizer == "tsan" else "drivers"
    subprocess.run(["make", "-s", "-j2", "-C", str(ROOT / "tests/io"), goal], check=True)


class LoadDriver(Driver):
    """A running drive_load. When it ends, what the sanitizer found is in `report`, and a failure."""

    def __init__(self, sanitizer: Sanitizer, log: Path, program: str = "drive_load") -> None:
        build(sanitizer)
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [ROOT / FOLDERS[sanitizer] / program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                env=os.environ
                | {
                    "TSAN_OPTIONS": f"suppressions={SUPPRESSIONS} halt_on_error=0 exitcode=66 second_deadlock_stack=1",
                    "ASAN_OPTIONS": "detect_leaks=1",
                    "UBSAN_OPTIONS": "print_stacktrace=1",
                },
            )

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            code = self._process.wait(120)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        said = self._log.read_text(errors="replace")
        assert code == 0, f"the driver ended with {code}: {said[:12000]}"
        assert "WARNING: ThreadSanitizer" not in said, said[:12000]


def settings(source: Any, target: str, dsn: str, job: str, **more: Any) -> dict[str, Any]:
    """A load's settings, as headrace.load would hand them to C."""
    return json.loads(json.dumps(_settings.build(source, target, dsn=dsn, job=job, **more)))


def migrate(dsn: str) -> None:
    """Make the schema headrace."""
    migrations.apply(dsn)


def await_true(look: Callable[[], bool], what: str, patience: float = 60) -> None:
    """Wait until `look` says yes; a failure that names `what` when it does not."""
    end = time.monotonic() + patience
    while not look():
        assert time.monotonic() < end, f"it did not happen: {what}"
        time.sleep(0.02)


def await_no_sessions(dsn: str) -> None:
    """Wait until the server has no session of Headrace in this database."""
    await_true(
        lambda: (
            one(
                dsn,
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'headrace'",
            )
            == 0
        ),
        "the end of the load's sessions",
    )


def blocked(dsn: str, like: str = "%") -> bool:
    """Whether a session of Headrace waits for a lock in a statement like this."""
    return bool(
        one(
            dsn,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'headrace' AND wait_event_type = 'Lock' AND query ILIKE %s",
            like,
        )
    )
