"""Debezium's connector for the airline's database: registered from a file, watched, and taken away again."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from stack import ports
from stack.airports.pair import CAPTURE, SLOT, SQL, Pair
from stack.connect import ConnectError, Rest, Worker
from stack.process import wait_until

log = logging.getLogger(__name__)

CONNECTOR = "airports"
CONFIG = SQL / "connector.json"
PREFIX = "airports"
"""Topics are named PREFIX.schema.table."""


class CaptureError(RuntimeError):
    """The connector cannot be registered, does not run, or its slot cannot be dropped; the message says why
    and what to do.
    """


@dataclass(frozen=True)
class State:
    """What capture looks like from outside.

    `connector`: its state in Connect, or "missing". `slot`: "active", "idle" or "missing". `behind`: bytes of
    the primary's log that Debezium has not confirmed yet, and that are therefore kept.
    """

    connector: str
    slot: str
    behind: int
    failure: str = ""


def read_config(path: Path = CONFIG, secrets: str = "SECRETS") -> dict[str, str]:
    """The connector's settings from a file; SECRETS in it stands for the file that Connect itself reads
    passwords and addresses from.

    :raises CaptureError: when the file is not one JSON object of texts
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CaptureError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise CaptureError(
            f'{path}: must be one JSON object whose values are texts, like {{"tasks.max": "1"}}'
        )
    return {key: value.replace("${file:SECRETS:", f"${{file:{secrets}:") for key, value in found.items()}


def register(worker: Worker, pair: Pair, path: Path = CONFIG, patience: float = 120) -> bool:
    """Register the connector, and return when it runs and reads the slot; whether its settings were new.

    A connector that has these settings is left alone; one with others is given these; a failed one is
    restarted once. The password goes into a file that Connect reads and REST does not show.

    :raises CaptureError: when it does not run in the end, with Connect's words
    """
    moved = worker.keep_secrets(
        {
            "airports.host": ports.LOOPBACK,
            "airports.port": str(pair.primary.port),
            "airports.password": pair.primary.role_password(CAPTURE),
        }
    )
    config = read_config(path, str(worker.secrets))
    rest = worker.rest
    try:
        changed = rest.register(CONNECTOR, config)
        if not changed:
            status = rest.status(CONNECTOR)
            if moved or (status is not None and status.failure):
                log.info("The primary has moved, or the connector had failed; restarting it.")
                rest.restart(CONNECTOR)
                # the old failure stays visible until the restart reaches the task
                wait_until(lambda: not _failure(rest), 10, pause=0.2)
        rest.wait_running(CONNECTOR, patience=patience)
    except ConnectError as error:
        raise CaptureError(
            f"the connector {CONNECTOR} of {path} does not run; the log is {worker.log}\n{error}"
        ) from error

    def settled() -> bool:
        return _slot(pair)[0] == "active" or bool(_failure(rest))

    in_time = wait_until(settled, patience, pause=0.2)
    failure = _failure(rest)
    if failure or not in_time:
        raise CaptureError(
            f"the connector {CONNECTOR} of {path} has not come to read the slot {SLOT}"
            + ("" if in_time else f" after {patience:.0f} s")
            + f"; the log is {worker.log}\n{failure.strip()[:2000]}".rstrip()
        )
    return changed


def state(worker: Worker | None, pair: Pair) -> State:
    """What capture looks like now; `worker` None when Connect does not run."""
    connector, failure = "missing", ""
    if worker is not None and worker.process is not None:
        status = worker.rest.status(CONNECTOR)
        if status is not None:
            failure = status.failure
            connector = "FAILED" if failure else status.state
    slot, behind = _slot(pair)
    return State(connector, slot, behind, failure)


def drop(worker: Worker | None, pair: Pair, patience: float = 60) -> bool:
    """Take the connector away with what it remembers, and drop the slot, so that the primary keeps no log for
    it; whether there was anything. What lies in the topics stays. Registering again begins with a snapshot.

    :raises CaptureError: when somebody else reads the slot
    """
    found = False
    if worker is not None:
        found = _forget(worker.rest)
    if _slot(pair)[0] == "missing":
        return found
    if not wait_until(lambda: _slot(pair)[0] != "active", patience, pause=0.2):
        raise CaptureError(
            f"the slot {SLOT} is still being read after {patience:.0f} s;"
            " end its reader first: another Connect?"
        )
    with pair.connect() as connection:
        connection.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s",
            (SLOT,),
        )
    return True


def _forget(rest: Rest) -> bool:
    """Stop and delete the connector and its offsets: a new one would go on where no slot is any more, and
    miss what happened in between.
    """
    if rest.config(CONNECTOR) is None:
        return False
    rest.ask("PUT", f"/connectors/{CONNECTOR}/stop")

    def stopped() -> bool:
        status = rest.status(CONNECTOR)
        return status is not None and status.state == "STOPPED" and not status.tasks

    if not wait_until(stopped, 60, pause=0.1):
        raise CaptureError(f"the connector {CONNECTOR} does not stop; its status is {rest.status(CONNECTOR)}")
    rest.ask("DELETE", f"/connectors/{CONNECTOR}/offsets")
    rest.delete(CONNECTOR)
    return True


def _failure(rest: Rest) -> str:
    status = rest.status(CONNECTOR)
    return "" if status is None else status.failure


def _slot(pair: Pair) -> tuple[str, int]:
    """Whether the slot is active, idle or missing, and how much log is kept behind what it has confirmed."""
    with pair.connect() as connection:
        row = connection.execute(
            "select active, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)::bigint"
            " from pg_replication_slots where slot_name = %s",
            (SLOT,),
        ).fetchone()
    if row is None:
        return "missing", 0
    return ("active" if row[0] else "idle"), int(row[1])
