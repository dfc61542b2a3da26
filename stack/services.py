"""The services of `make demo`: which there are, how they fit together, how they start and stop as a whole."""

from __future__ import annotations

import fcntl
import json
import logging
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stack import kafka, mail, nifi, postgres
from stack.airflow import USER, Airflow
from stack.paths import SERVICES
from stack.state import State

if TYPE_CHECKING:
    from stack.airports.system import System

log = logging.getLogger(__name__)

PARTS = ("postgres", "kafka", "mail", "airflow")
"""In the order of starting; Airflow wants the other three."""

EXTRAS = ("nifi",)
"""What a demo of its own starts: told by the status where it runs, and not missed where it does not."""

PORTS = {"postgres": 15432, "kafka": 19092, "mail": 18025, "airflow": 18080, "nifi": 8443}
"""Preferred ports; where one is taken, the next free one is used."""

SHOP = "shop"
"""The database that the example DAGs load into."""

VAULT = "vault"
"""The database of the Data Vault that the airline's changes are loaded into."""


@dataclass(frozen=True)
class Row:
    """One line of the status: a part, whether it is up, and where it is to be found."""

    part: str
    up: bool
    where: str
    log: Path


class Stack:
    """All services in one folder. They outlive the command that starts them, until `down`."""

    def __init__(self, folder: Path = SERVICES) -> None:
        self.folder = folder
        self.state = State(folder / "state.json")
        common: dict[str, Any] = {"state": self.state, "tied": False}
        self.postgres = postgres.Server(folder / "postgres", port=PORTS["postgres"], **common)
        self.kafka = kafka.Broker(folder / "kafka", port=PORTS["kafka"], **common)
        self.mail = mail.Sink(folder / "mail", port=PORTS["mail"], **common)
        self.nifi = nifi.NiFi(folder / "nifi", port=PORTS["nifi"], **common)
        self._common = common

    @property
    def airflow(self) -> Airflow:
        """Airflow with connections to the other services, which must run."""
        return Airflow(
            self.folder / "airflow",
            self.postgres,
            connections=self.connections(),
            port=PORTS["airflow"],
            **self._common,
        )

    def connections(self) -> dict[str, dict[str, Any]]:
        """The Airflow connections that the DAGs use, in the form of their environment variables."""
        return {
            "headrace_postgres": {
                "conn_type": "postgres",
                "host": "127.0.0.1",
                "port": self.postgres.port,
                "login": postgres.USER,
                "password": self.postgres.password,
                "schema": SHOP,
            },
            "headrace_vault": {
                "conn_type": "postgres",
                "host": "127.0.0.1",
                "port": self.postgres.port,
                "login": postgres.USER,
                "password": self.postgres.password,
                "schema": VAULT,
            },
            "headrace_airports": self._airline().connection(),
            "headrace_kafka": {"conn_type": "kafka", "extra": {"bootstrap.servers": self.kafka.bootstrap}},
            "headrace_smtp": {
                "conn_type": "smtp",
                "host": "127.0.0.1",
                "port": self.mail.port,
                "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "headrace@example.org"},
            },
        }

    def up(self, parts: Collection[str] = PARTS) -> None:
        """Start these services if they do not run, and say so. `airflow` brings the others along."""
        wanted = PARTS if "airflow" in parts else parts
        with self._alone():
            starters: list[Callable[[], None]] = []
            if "postgres" in wanted:
                starters.append(
                    lambda: self._start("PostgreSQL", "3 s", self._postgres_up, self.postgres.start)
                )
            if "kafka" in wanted:
                starters.append(lambda: self._start("Kafka", "5 s", self.kafka.running, self.kafka.start))
            if "mail" in wanted:
                starters.append(lambda: self._start("the mail server", "1 s", self._mail_up, self.mail.start))
            with ThreadPoolExecutor(len(PARTS)) as pool:
                for started in [pool.submit(starter) for starter in starters]:
                    started.result()
            if "postgres" in wanted:
                self.postgres.create_database(SHOP)
                self.postgres.create_database(VAULT)
            if "airflow" in wanted:
                airflow = self.airflow
                self._start("Airflow", "20 to 100 s", lambda: all(airflow.processes.values()), airflow.start)

    def down(self) -> None:
        """Stop everything that `up` started; data and logs are kept."""
        with self._alone():
            running = [name for name in self.state.records() if self.state.running(name)]
            if not running:
                log.info("Nothing of ours is running.")
                return
            log.info("Stopping %s.", ", ".join(running))
            self._airline().down()
            Airflow(self.folder / "airflow", self.postgres, **self._common).stop()
            self.nifi.stop()
            self.mail.stop()
            self.kafka.stop()
            self.postgres.stop()
            for name in self.state.records():  # what another version of this file may have started
                record = self.state.running(name)
                if record is not None:
                    record.process.stop()
                self.state.drop(name)

    def wipe(self) -> None:
        """Stop everything and remove all data, logs and secrets of the services."""
        self.down()
        self.postgres.destroy()
        self._airline().wipe()
        shutil.rmtree(self.folder, ignore_errors=True)

    def status(self) -> list[Row]:
        """What runs where, in the order of PARTS and EXTRAS."""
        at = dict.fromkeys((*PARTS, *EXTRAS), "")
        if self._postgres_up():
            at["postgres"] = f"psql {self.postgres.dsn(SHOP)!r}"
        if self.kafka.running():
            at["kafka"] = self.kafka.bootstrap
        if self._mail_up():
            at["mail"] = f"127.0.0.1:{self.mail.port}, mails in {self.mail.inbox}"
        if self._postgres_up() and self.kafka.running() and self._mail_up():
            airflow = self.airflow
            if all(airflow.processes.values()):
                at["airflow"] = f"{airflow.url} as {USER}, password in {airflow.passfile}"
        if self.nifi.process is not None:
            at["nifi"] = f"{self.nifi.url}/nifi as {nifi.USER}, password in {self.nifi.passfile}"
        logs = {
            "postgres": self.postgres.folder / "postgres.log",
            "kafka": self.kafka.nodes[0].log,
            "mail": self.mail.folder / "mail.log",
            "airflow": self.folder / "airflow" / "airflow-scheduler.log",
            "nifi": self.nifi.log,
        }
        return [Row(part, bool(where), where, logs[part]) for part, where in at.items()]

    def env(self) -> dict[str, str]:
        """Environment variables for a shell: psql, headrace and airflow then talk to these services."""
        own = {**self.postgres.env(SHOP), "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap}
        own["HEADRACE_POSTGRES_DSN"] = self.postgres.dsn(SHOP)
        for name, connection in self.connections().items():
            own[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(connection)
        airflow = self.airflow
        if all(airflow.processes.values()):
            own.update({key: value for key, value in airflow.env().items() if key.startswith("AIRFLOW")})
        return own

    # -- inside
    # -----------------------------------------------------------------------------------------------

    def _postgres_up(self) -> bool:
        return self.postgres.process is not None

    def _mail_up(self) -> bool:
        return self.state.running(self.mail.name) is not None

    def _airline(self) -> System:
        """The airline of stack/airports, whose processes are remembered beside these."""
        from stack.airports.system import System  # which imports this module

        return System(self)

    @staticmethod
    def _start(what: str, usual: str, up: Callable[[], bool], start: Callable[[], object]) -> None:
        """Start one service and say so, unless it is up."""
        if up():
            log.info("%s is up already.", what[0].upper() + what[1:])
            return
        log.info("Starting %s, usually %s.", what, usual)
        begin = time.monotonic()
        start()
        log.info("%s is up after %.1f s.", what[0].upper() + what[1:], time.monotonic() - begin)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One `up` or `down` at a time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder.parent / f"{self.folder.name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
