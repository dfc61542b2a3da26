"""Is everything there that a load needs? Each check says what it found, and what to do when that is not
enough.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from headrace import dsn as dsns
from headrace.display import html_table
from headrace.errors import HeadraceError

OLDEST_SERVER = 130000


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. state: "ok", "warning" or "problem"; todo: what to do about it, or ""."""

    name: str
    state: Literal["ok", "warning", "problem"]
    found: str
    todo: str = ""

    def to_dict(self) -> dict[str, str]:
        """For JSON."""
        return {"name": self.name, "state": self.state, "found": self.found, "todo": self.todo}


@dataclass(frozen=True, slots=True)
class Report:
    """All findings."""

    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether there is no problem; warnings are allowed."""
        return all(check.state != "problem" for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"healthy": self.healthy, "checks": [check.to_dict() for check in self.checks]}

    def _repr_html_(self) -> str:
        return html_table(
            ["check", "state", "found", "to do"], [[c.name, c.state, c.found, c.todo] for c in self.checks]
        )


def examine(
    dsn: str | None = None,
    *,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    database: bool = True,
) -> Report:
    """Look at this machine, the database (unless database=False) and, when `kafka` names brokers, at
    those.
    """
    checks = [*_machine()]
    if database:
        checks += _database(dsn)
    checks += _brokers(kafka)
    return Report(tuple(checks))


def _machine() -> list[Check]:
    from headrace import __version__, _headrace, _settings

    libraries = ", ".join(f"{name} {version}" for name, version in _headrace.versions().items())
    checks = [
        Check("headrace", "ok", f"{__version__} on Python {platform.python_version()}, {platform.machine()}"),
        Check("libraries", "ok", libraries),
    ]
    if _headrace.__version__ != __version__:
        checks.append(
            Check(
                "C module",
                "problem",
                f"it is version {_headrace.__version__}",
                "build or install the package again",
            )
        )
    zones = _settings.zoneinfo_directory() or os.environ.get("TZDIR") or "/usr/share/zoneinfo"
    if os.path.exists(os.path.join(zones, "Europe", "Paris")):
        checks.append(Check("time zones", "ok", zones))
    else:
        checks.append(
            Check("time zones", "warning", "only UTC is known", "install Debian's tzdata or Python's tzdata")
        )
    processors = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    checks.append(Check("processors", "ok", str(processors)))
    return checks


def _database(dsn: str | None) -> list[Check]:
    from headrace._headrace import Connection

    name = dsns.without_password(dsn) or "PG* environment"
    try:
        connection = Connection(dsn or "")
    except HeadraceError as error:
        todo = "check host, port and firewall; try: psql " + repr(dsns.without_password(dsn))
        return [Check("database", "problem", str(error), todo)]
    with connection:
        try:
            return [*_server(connection, name), *_schema(connection)]
        except HeadraceError as error:
            return [Check("database", "problem", str(error), "ask its DBA")]


def _server(connection: Any, name: str) -> list[Check]:
    version, user, database, encoding = connection.query(
        "SELECT current_setting('server_version'), current_user, current_database(), "
        "current_setting('server_encoding')"
    )[0]
    found = f"PostgreSQL {version}, database {database}, role {user} ({name})"
    if connection.server_version < OLDEST_SERVER:
        return [Check("database", "problem", found, "PostgreSQL 13 or newer is needed")]
    checks = [Check("database", "ok", found)]
    if encoding != "UTF8":
        checks.append(
            Check(
                "encoding",
                "warning",
                f"the database is {encoding}",
                "records it cannot hold become rejects; UTF8 holds all",
            )
        )
    return checks


def _schema(connection: Any) -> list[Check]:
    from headrace import migrations

    known = migrations.available()[-1].version
    version = migrations.current(connection)
    if not version:
        return [
            Check(
                "schema headrace",
                "warning",
                "there is none yet",
                "the first load makes it, or: headrace schema apply",
            )
        ]
    if version != known:
        state: Literal["warning", "problem"] = "warning" if version < known else "problem"
        todo = "the next load upgrades it" if version < known else "upgrade Headrace on this machine"
        return [Check("schema headrace", state, f"version {version}, this Headrace knows {known}", todo)]
    checks = [Check("schema headrace", "ok", f"version {version}")]
    letters, running = connection.query(
        "SELECT (SELECT count(*) FROM headrace.dead_letters WHERE replayed_at IS NULL),"
        " (SELECT count(*) FROM headrace.receipts WHERE state = 'running' AND started_at < now() - "
        "interval '1 day')"
    )[0]
    if int(letters or 0):
        checks.append(
            Check("dead letters", "warning", f"{int(letters):,} are open", "headrace dead-letters list")
        )
    if int(running or 0):
        checks.append(
            Check(
                "receipts",
                "warning",
                f"{running} runs of more than a day ago have no end",
                "either they still run, or their workers were killed: the job's next run closes them",
            )
        )
    return checks


def _brokers(kafka: Mapping[str, Any] | str | os.PathLike[str] | None) -> list[Check]:
    from headrace import _source, topics

    try:
        settings = _source.kafka_settings(kafka)
        servers = settings.get("bootstrap.servers")
        if not servers:
            return []
        found = topics.list(settings)
    except HeadraceError as error:
        return [
            Check(
                "brokers", "problem", str(error), "check bootstrap.servers, the credentials and the firewall"
            )
        ]
    return [Check("brokers", "ok", f"{servers}: {len(found)} topics")]
