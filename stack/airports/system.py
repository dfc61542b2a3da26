"""The airline as a whole, as it stays up in a checkout: primary, replica, broker, Connect."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from stack import connect, kafka, ports
from stack.airports import capture
from stack.airports.pair import DATABASE, PORTS, READER, Pair
from stack.services import Stack

log = logging.getLogger(__name__)

CONNECT_PORT = 18083
"""Preferred port of Connect's REST interface."""


class System:
    """The airline beside the services of `python -m stack`, whose broker it uses. It outlives us."""

    def __init__(self, stack: Stack | None = None) -> None:
        self.stack = stack or Stack()
        self.folder = self.stack.folder / "airports"
        self.pair = Pair(self.folder, stay=True, state=self.stack.state)

    @property
    def broker(self) -> kafka.Broker:
        """The broker of the services."""
        return self.stack.kafka

    @property
    def worker(self) -> connect.Worker:
        """Connect, with Debezium's connectors, which are fetched when it starts first."""
        common: dict[str, Any] = {"port": CONNECT_PORT, "tied": False, "state": self.stack.state}
        running = self.stack.state.running("connect") is not None
        return connect.Worker(
            self.folder / "connect", self.broker, plugins=None if running else connect.plugins(), **common
        )

    def up(self, parts: tuple[str, ...] = ("postgres", "kafka")) -> None:
        """Start the services named, the pair and Connect, and register the connector; what runs is left
        alone.
        """
        self.stack.up(parts)
        self.start_pair()
        self.start_capture()

    def start_pair(self) -> None:
        """Start primary and replica only."""
        _say("the airline's primary and replica", "5 s", self.pair.start)

    def start_capture(self) -> None:
        """Start Connect and register the connector; the pair and the broker must run."""
        worker = self.worker
        _say("Kafka Connect", "10 to 30 s", worker.start)
        _say("change capture", "5 to 30 s", lambda: capture.register(worker, self.pair))

    def connection(self) -> dict[str, Any]:
        """An Airflow connection that reads the primary, whether it runs now or not."""
        primary = self.pair.primary
        return {
            "conn_type": "postgres",
            "host": ports.LOOPBACK,
            "port": primary.port if primary.process else PORTS["primary"],
            "login": READER,
            "password": primary.role_password(READER),
            "schema": DATABASE,
        }

    def down(self) -> None:
        """Stop Connect and the pair; data, slot and connector are kept. The broker is the services' own."""
        connect.Worker(self.folder / "connect", self.broker, state=self.stack.state).stop()
        self.pair.stop()

    def wipe(self) -> None:
        """Stop them and remove their data."""
        self.down()
        self.pair.destroy()

    def status(self) -> list[tuple[str, bool, str]]:
        """Parts, whether they are up, and what is to be said of them."""
        primary, replica = self.pair.primary, self.pair.replica
        rows = [("primary", primary.process is not None, ""), ("replica", replica.process is not None, "")]
        if rows[0][1]:
            rows[0] = ("primary", True, f"psql {primary.dsn('airports')!r}")
        if rows[1][1] and rows[0][1]:
            rows[1] = ("replica", True, f"psql {self.pair.reader_dsn!r}, {self.pair.lag()} bytes behind")
        up = self.stack.state.running("connect") is not None
        rows.append(("connect", up, self.worker.url if up else ""))
        if rows[0][1]:
            seen = capture.state(self.worker if up else None, self.pair)
            words = f"connector {seen.connector}, slot {seen.slot}, {seen.behind} bytes not confirmed"
            rows.append(("capture", seen.connector == "RUNNING" and seen.slot == "active", words))
        return rows


def _say(what: str, usual: str, start: Callable[[], object]) -> None:
    """Start something and say how long it took."""
    log.info("Starting %s, usually %s.", what, usual)
    begin = time.monotonic()
    start()
    log.info("%s: up after %.1f s.", what[0].upper() + what[1:], time.monotonic() - begin)
