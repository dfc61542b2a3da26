"""A server that is one process with a port and a folder: what PostgreSQL, Kafka Connect, NiFi and the mail
server have in common.

Who adds a server writes how it is launched and how it is seen to be ready.
"""

from __future__ import annotations

import abc
import shutil
import signal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from headrace.embedded import ports
from headrace.embedded.process import NotReady, Process, wait_ready
from headrace.embedded.state import Record, State

_ATTEMPTS = 3
"""How many ports are tried before the last error is the caller's."""


class Service(abc.ABC):
    """One process with a folder of its own, remembered in a state file so that a later command finds it.

    `name`: of its record. `what`: in messages to people. `port`: the preferred one, None for a random one.
    `keep`: False removes the folder when the `with` block ends. `tied`: the server dies with this process.
    """

    what: str
    stop_signal: int = signal.SIGTERM
    stop_patience: float = 30
    start_patience: float = 60
    pause: float = 0.1
    """Seconds between two questions whether it is ready."""

    def __init__(
        self, name: str, folder: Path, *, port: int | None, keep: bool, tied: bool, state: State | None
    ) -> None:
        self.name = name
        self.folder = folder.resolve()
        self._preferred = port
        self._keep = keep
        self._tied = tied
        self._state = state or State(self.folder / "state.json")
        self._port: int | None = None

    @property
    def process(self) -> Process | None:
        """The running process, or None."""
        record = self._state.running(self.name)
        return record.process if record else None

    @property
    def port(self) -> int:
        """The port of the running server, or the one it had when it last ran under this object.

        RuntimeError when it never did.
        """
        record = self._state.running(self.name)
        if record is not None:
            return int(record.info["port"])
        if self._port is None:
            raise RuntimeError(f"{self.what} of {self.folder} does not run")
        return self._port

    def start(self, patience: float | None = None) -> Self:
        """Start the server unless it runs. Returns when it is ready; NotReady, with the end of its log, when
        it is not after `patience` seconds. A port that somebody took in the meantime is replaced.
        """
        if self.process is not None:
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        port = self._port if self._port and ports.is_free(self._port) else None
        for attempt in range(_ATTEMPTS):
            port = port or ports.pick(self._preferred, self.what)
            self._port = port
            process = self._launch(port)
            try:
                wait_ready(
                    process,
                    partial(self._ready, process),
                    self.start_patience if patience is None else patience,
                    self.pause,
                )
                break
            except NotReady as error:
                if attempt == _ATTEMPTS - 1 or not error.port_taken:
                    raise
                port = None
        self._state.put(Record(process, {"port": port}))
        return self

    def stop(self, patience: float | None = None) -> None:
        """End the server the orderly way, and kill it when it has not gone after `patience` seconds; its data
        is kept.
        """
        process = self.process
        if process is not None:
            process.stop(self.stop_signal, self.stop_patience if patience is None else patience)
        self._state.drop(self.name)

    def kill(self) -> None:
        """End the server as a crash would."""
        process = self.process
        if process is not None:
            process.kill()
        self._state.drop(self.name)

    def destroy(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop() if self._keep else self.destroy()

    # -- what each server has of its own

    def prepare(self) -> object:
        """Make what the server needs before its first start; called before each one."""
        return None

    @abc.abstractmethod
    def _launch(self, port: int) -> Process:
        """Configure the server for this port and start the process; it is not ready yet when this returns."""

    @abc.abstractmethod
    def _ready(self, process: Process) -> bool:
        """Whether this very server takes its clients."""

    def _tie(self) -> int | None:
        """The signal that is to reach the server when this process dies, or None."""
        return self.stop_signal if self._tied else None
