"""The REST interface of Kafka Connect, as much as loads and tests need."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from stack.process import wait_until

RUNNING = "RUNNING"
FAILED = "FAILED"
_PATIENT = (HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)  # a rebalance, or a worker that still starts

_PAUSE = 0.2


class ConnectError(RuntimeError):
    """Connect refused a request or could not be reached. `status` is HTTP's, 0 when nothing answered."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Task:
    """One task of a connector. `trace` is the Java exception of a failed one, else empty."""

    number: int
    state: str
    trace: str


@dataclass(frozen=True)
class Status:
    """What Connect says of a connector and its tasks."""

    name: str
    state: str
    trace: str
    tasks: tuple[Task, ...]

    @property
    def failure(self) -> str:
        """Why the connector or one of its tasks has failed; empty while none has."""
        if self.state == FAILED:
            return self.trace or "the connector failed and gave no reason"
        return next((task.trace or f"task {task.number}" for task in self.tasks if task.state == FAILED), "")

    def running(self, tasks: int) -> bool:
        """Whether the connector and at least so many tasks run, and no other task is in another state."""
        states = {self.state, *(task.state for task in self.tasks)}
        return states == {RUNNING} and len(self.tasks) >= tasks


class Rest:
    """Requests to one worker. `patience`: seconds that a request may take, and be repeated while Connect
    rebalances.
    """

    def __init__(self, url: str, patience: float = 60) -> None:
        self.url = url.rstrip("/")
        self.patience = patience
        # straight to the worker, whatever proxy the environment names for the world outside
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request; what was answered as JSON, None for an empty answer. ConnectError when refused."""
        end = time.monotonic() + self.patience
        while True:
            try:
                return self._once(method, path, body)
            except ConnectError as error:
                if error.status not in _PATIENT or time.monotonic() + _PAUSE > end:
                    raise
            time.sleep(_PAUSE)

    def connectors(self) -> list[str]:
        """The names of all connectors."""
        return sorted(self.ask("GET", "/connectors"))

    def plugins(self) -> list[str]:
        """The classes of connectors that the worker can run."""
        return sorted(plugin["class"] for plugin in self.ask("GET", "/connector-plugins"))

    def config(self, name: str) -> dict[str, str] | None:
        """The settings of a connector as it was registered, None if there is none of this name."""
        found = self._find(f"/connectors/{quote(name, safe='')}/config")
        return None if found is None else dict(found)

    def register(self, name: str, config: Mapping[str, str]) -> bool:
        """Make the connector, or give it these settings; whether anything was to be done.

        A connector that has these settings already is left alone: it is not even restarted.
        """
        wanted = {**config, "name": name}
        if self.config(name) == wanted:
            return False
        self.ask("PUT", f"/connectors/{quote(name, safe='')}/config", wanted)
        return True

    def status(self, name: str) -> Status | None:
        """The state of a connector, None if there is none of this name (or none yet)."""
        found = self._find(f"/connectors/{quote(name, safe='')}/status")
        if found is None:
            return None
        tasks = [Task(task["id"], task["state"], task.get("trace", "")) for task in found["tasks"]]
        connector = found["connector"]
        return Status(name, connector["state"], connector.get("trace", ""), tuple(tasks))

    def wait_running(self, name: str, tasks: int = 1, patience: float = 90) -> Status:
        """Wait until the connector and so many of its tasks run. ConnectError when one fails, with Java's
        words, or when it takes too long.
        """
        found: Status | None = None

        def settled() -> bool:
            nonlocal found
            found = self.status(name)
            return found is not None and (bool(found.failure) or found.running(tasks))

        in_time = wait_until(settled, patience, pause=0.1)
        if found is not None and found.failure:
            raise ConnectError(f"connector {name} at {self.url} failed:\n{found.failure.strip()[:4000]}")
        if not in_time or found is None:
            raise ConnectError(
                f"connector {name} at {self.url} does not run with {tasks} tasks"
                f" after {patience:.0f} s: {found}"
            )
        return found

    def restart(self, name: str) -> None:
        """Start a connector and its tasks anew, failed ones too."""
        self.ask("POST", f"/connectors/{quote(name, safe='')}/restart?includeTasks=true")

    def pause(self, name: str) -> None:
        """Let a connector rest: its tasks keep what they hold and do nothing."""
        self.ask("PUT", f"/connectors/{quote(name, safe='')}/pause")

    def resume(self, name: str) -> None:
        """Let a resting connector go on."""
        self.ask("PUT", f"/connectors/{quote(name, safe='')}/resume")

    def delete(self, name: str) -> bool:
        """Delete a connector; whether there was one. The replication slot of a source stays."""
        try:
            self.ask("DELETE", f"/connectors/{quote(name, safe='')}")
        except ConnectError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    # -- inside
    # -----------------------------------------------------------------------------------------------

    def _find(self, path: str) -> Any | None:
        """What is there, None for nothing."""
        try:
            return self.ask("GET", path)
        except ConnectError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        request = urllib.request.Request(  # noqa: S310 -- the address is the worker's own
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=self.patience) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            reason = _reason(error.read())
            raise ConnectError(
                f"{method} {self.url}{path}: {error.code} {error.reason}: {reason}", error.code
            ) from None
        except OSError as error:
            raise ConnectError(f"{method} {self.url}{path}: no answer: {error}") from error
        return json.loads(text) if text else None


def _reason(text: bytes) -> str:
    """Connect's own words in the body of a refusal, or the body."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.decode(errors="replace")[:500]
