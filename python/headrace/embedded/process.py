"""Starting programs in the background and ending exactly those again.

A process is known by its id and the moment it started. Ids are used again by the kernel, so an id alone could
name a stranger; nothing here sends a signal before both agree.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_children: dict[int, subprocess.Popen[bytes]] = {}
_PORT_TAKEN = re.compile(r"address already in use", re.IGNORECASE)


class NotReady(RuntimeError):
    """A server ended or stayed silent instead of becoming ready."""

    def __init__(self, message: str, port_taken: bool = False) -> None:
        super().__init__(message)
        self.port_taken = port_taken


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state) on; None if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def _ticks(fields: list[str]) -> int:
    """When the process started, in ticks since the machine did."""
    return int(fields[19])


def identity(pid: int) -> str | None:
    """What tells this process from every other that ever had its id on this machine; None if it is gone or a
    zombie.
    """
    fields = _stat(pid)
    # the first thread of a dying program may be a zombie while the others still hold its ports: it is not
    # gone yet
    if fields is None or (fields[0] in "ZX" and int(fields[17]) <= 1):
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{_ticks(fields)}"


@dataclass(frozen=True)
class Process:
    """A program we started: its name, id, identity (see above) and log file."""

    name: str
    pid: int
    started: str
    log: str

    def alive(self) -> bool:
        """Whether this very process runs. Ended children of ours are buried on the way."""
        child = _children.get(self.pid)
        if child is None:
            return identity(self.pid) == self.started
        if child.poll() is None:
            return True
        del _children[self.pid]
        return False

    def send(self, number: int) -> None:
        """Send a signal if the process still runs."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, number: int = signal.SIGTERM, patience: float = 20.0) -> None:
        """Ask the process to end, wait, and kill it if it does not; then kill what is left of its session."""
        self.send(number)
        if not wait_until(lambda: not self.alive(), patience):
            self.kill()
        for pid in self._session():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the process at once, as a crash would, and wait until it is gone."""
        self.send(signal.SIGKILL)
        wait_until(lambda: not self.alive(), 10)

    def _session(self) -> list[int]:
        """Processes of the session that this process led: they started after it, and on this boot of the
        machine.
        """
        boot, ticks = self.started.split(":")
        if Path("/proc/sys/kernel/random/boot_id").read_text().strip() != boot:
            return []
        found = []
        for entry in os.listdir("/proc"):
            fields = _stat(int(entry)) if entry.isdigit() else None
            if (
                fields
                and fields[0] not in "ZX"
                and int(fields[3]) == self.pid
                and _ticks(fields) >= int(ticks)
            ):
                found.append(int(entry))
        # a new process of the same id would lead a session of that id too: it is a stranger, and so are its
        # children
        return [] if self.pid in found and not self.alive() else found

    def log_tail(self, lines: int = 12) -> str:
        """The end of the log, to show beside an error."""
        return "\n".join(log_text(Path(self.log)).splitlines()[-lines:])


def log_text(path: Path) -> str:
    """A log as text, whatever bytes are in it; empty if it does not exist yet."""
    return path.read_text(errors="replace") if path.exists() else ""


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
    tied: int | None = None,
) -> Process:
    """Start a program in a session of its own, its output added to `log`.

    `user`: as whom to run it (only root can). `tied`: the signal that the kernel sends it when the process
    that called `start` dies, so that killed tests leave no server behind; None lets it outlive us.
    """
    argv = [str(part) for part in command]
    if tied is not None:
        argv = [
            str(shutil.which("setpriv") or "/usr/bin/setpriv"),
            "--pdeathsig",
            signal.Signals(tied).name[3:],
            "--",
            *argv,
        ]
    account = pwd.getpwnam(user) if user else None
    log.parent.mkdir(parents=True, exist_ok=True)
    # 0600: a log may quote data of the user
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            start_new_session=True,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            umask=0o077,
        )
    _children[child.pid] = child
    return Process(name, child.pid, identity(child.pid) or "gone:0", str(log))


def wait_until(true: Callable[[], bool], patience: float, pause: float = 0.05) -> bool:
    """Wait until something is true; False if that took longer than `patience` seconds."""
    end = time.monotonic() + patience
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def wait_ready(process: Process, ready: Callable[[], bool], patience: float, pause: float = 0.1) -> None:
    """Wait until a server is ready; raise NotReady with the end of its log if it ends or takes too long."""
    if wait_until(lambda: not process.alive() or ready(), patience, pause) and process.alive():
        return
    died = not process.alive()
    tail = process.log_tail()
    process.kill()
    what = "ended instead of becoming ready" if died else f"was not ready after {patience:.0f} s"
    raise NotReady(
        f"{process.name} {what}; the end of {process.log}:\n{tail}", died and bool(_PORT_TAKEN.search(tail))
    )
