"""Workers that are cheap to start and to kill: a server process has imported headrace and forks one for each load,
before it has any thread or connection of its own.

    with Workers() as workers:
        worker = workers.start(source=..., target=..., dsn=...)
        worker.kill()
        outcome = worker.wait()
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

_LONGEST_ORDER = 1 << 17


@dataclass(frozen=True)
class Outcome:
    """How a worker ended: its receipt, or its error, or neither (killed). `output`: all it wrote anywhere."""

    status: int
    output: str
    receipt: dict[str, Any] | None = None
    error: str = ""
    message: str = ""
    retriable: bool = False

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL


class Worker:
    """A process that runs one load."""

    def __init__(self, workers: Workers, pid: int, pipe: int) -> None:
        self.pid = pid
        self._workers = workers
        self._pipe = pipe
        self._output = b""
        self._outcome: Outcome | None = None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal; nothing happens when it has ended (its number is not used again before wait())."""
        if self._outcome is None:
            os.kill(self.pid, number)

    def ended(self, patience: float) -> bool:
        """Whether it ends within so many seconds."""
        end = time.monotonic() + patience
        while self._outcome is None:
            ready, _, _ = select.select([self._pipe], [], [], max(0, end - time.monotonic()))
            if not ready:
                return False
            piece = os.read(self._pipe, 1 << 16)
            if not piece:
                break
            self._output += piece
        return True

    def wait(self, patience: float = 120) -> Outcome:
        """Wait for its end. TimeoutError (and it is killed) when that does not come."""
        if self._outcome is None:
            in_time = self.ended(patience)
            if not in_time:
                os.kill(self.pid, signal.SIGKILL)
            status = self._workers.reap(self.pid)
            os.close(self._pipe)
            text = self._output.decode(errors="replace")
            told = next((line for line in reversed(text.splitlines()) if line.startswith('{"told"')), None)
            self._outcome = Outcome(status, text, **(json.loads(told)["told"] if told else {}))
            if not in_time:
                raise TimeoutError(f"the worker did not end within {patience:.0f} s; it said: {text[-2000:]}")
        return self._outcome


class Workers:
    """The server that forks them. Ends with its `with` block, and kills what still runs."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self._environment = environment or {}

    def __enter__(self) -> Workers:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.workers", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **self._environment},
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        try:
            self._server.wait(30)
        except subprocess.TimeoutExpired:  # it waits for a worker; they die with it
            self._server.kill()
            self._server.wait()

    def start(self, **settings: Any) -> Worker:
        """Start a load with these settings of headrace.load()."""
        order = json.dumps({"load": settings}).encode()
        assert len(order) < _LONGEST_ORDER
        ours, theirs = os.pipe()
        socket.send_fds(self._socket, [order], [theirs])
        os.close(theirs)
        return Worker(self, self._answer(), ours)

    def reap(self, pid: int) -> int:
        """How it ended; its number may be used again from now on."""
        self._socket.send(json.dumps({"reap": pid}).encode())
        return self._answer()

    def _answer(self) -> int:
        answer = self._socket.recv(100)
        if not answer:
            raise RuntimeError("the server of the workers has ended")
        return int(answer)


def _work(settings: dict[str, Any], pipe: int) -> None:
    """In the forked process: run the load and tell how it went. Does not return."""
    import ctypes

    import headrace

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it does not outlive the server
    try:
        os.dup2(pipe, 1)
        os.dup2(pipe, 2)
        try:
            told: dict[str, Any] = {"receipt": json.loads(headrace.load(**settings).to_json())}
        except headrace.HeadraceError as error:
            told = {
                "error": type(error).__name__,
                "message": str(error),
                "retriable": isinstance(error, headrace.RetriableError),
            }
        os.write(pipe, b"\n" + json.dumps({"told": told}).encode() + b"\n")
        os._exit(0)
    except BaseException as error:
        os.write(pipe, f"\n{error!r}\n".encode())
        os._exit(1)


def _serve(connection: socket.socket) -> None:
    """Fork, and reap, as told; when the other end is closed, kill what is left."""
    import headrace._headrace  # so that every worker has it  # noqa: F401

    running: set[int] = set()
    while True:
        order, pipes, _, _ = socket.recv_fds(connection, _LONGEST_ORDER, 1)
        if not order:
            break
        told = json.loads(order)
        if "reap" in told:
            _, status = os.waitpid(told["reap"], 0)
            running.discard(told["reap"])
            connection.send(b"%d" % status)
            continue
        pid = os.fork()
        if pid == 0:
            connection.close()
            _work(told["load"], pipes[0])
        os.close(pipes[0])
        running.add(pid)
        connection.send(b"%d" % pid)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
