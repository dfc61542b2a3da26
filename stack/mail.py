"""A mail server for development: it takes every mail, delivers none, and writes each one to a file that
people can open.

`python -m stack.mail FOLDER PORT` is the process; `Sink` starts it and reads what came.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import signal
import sys
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from types import TracebackType

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, Envelope, Session

from stack import ports
from stack.paths import ROOT
from stack.process import NotReady, Process, start, wait_ready
from stack.state import Record, State


class Sink:
    """The mail server with a folder of its own: mails are FOLDER/inbox/*.eml in the order they came."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        tied: bool = True,
        keep: bool = True,
        state: State | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.name = "mail"
        self.inbox = self.folder / "inbox"
        self._preferred = port
        self._tied = tied
        self._keep = keep
        self._state = state or State(self.folder / "state.json")

    @property
    def process(self) -> Process | None:
        """The running server process, or None."""
        record = self._state.running(self.name)
        return record.process if record else None

    @property
    def port(self) -> int:
        """Where the running server takes mail (SMTP, no login, no TLS)."""
        record = self._state.running(self.name)
        if record is None:
            raise RuntimeError(f"the mail server of {self.folder} does not run")
        return int(record.info["port"])

    def messages(self) -> list[EmailMessage]:
        """All mails so far, parsed, oldest first."""
        return [
            message_from_bytes(path.read_bytes(), policy=policy.default)
            for path in sorted(self.inbox.glob("*.eml"))
        ]

    def start(self, patience: float = 30) -> Sink:
        """Start the server unless it runs."""
        if self._state.running(self.name):
            return self
        self.inbox.mkdir(parents=True, exist_ok=True)
        for attempt in range(3):
            port = ports.pick(self._preferred, "the mail server")
            process = start(
                self.name,
                [sys.executable, "-m", "stack.mail", self.inbox, str(port)],
                log=self.folder / "mail.log",
                cwd=ROOT,
                tied=signal.SIGTERM if self._tied else None,
            )
            try:
                wait_ready(process, partial(ports.answers, port), patience, pause=0.05)
                break
            except NotReady as error:
                if attempt == 2 or not error.port_taken:
                    raise
        self._state.put(Record(process, {"port": port}))
        return self

    def stop(self) -> None:
        """Stop the server; the mails are kept."""
        record = self._state.running(self.name)
        if record is not None:
            record.process.stop(signal.SIGTERM, 5)
        self._state.drop(self.name)

    def destroy(self) -> None:
        """Stop the server and remove its folder with the mails."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Sink:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop() if self._keep else self.destroy()


class _Handler:
    """Writes mails to numbered files and goes on after those that are there."""

    def __init__(self, inbox: Path) -> None:
        self._inbox = inbox
        self._numbers = itertools.count(1 + max((int(path.stem) for path in inbox.glob("*.eml")), default=0))

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep one mail; called by aiosmtpd."""
        path = self._inbox / f"{next(self._numbers):06d}.eml"
        draft = path.with_suffix(".new")  # readers look at *.eml only, and so never see half a mail
        draft.write_bytes(envelope.original_content or b"")
        draft.rename(path)
        print(f"mail from {envelope.mail_from} to {', '.join(envelope.rcpt_tos)}: {path.name}", flush=True)
        return "250 kept"


def main(inbox: Path, port: int) -> None:
    """Serve until SIGTERM."""
    loop = asyncio.new_event_loop()
    controller = UnthreadedController(_Handler(inbox), hostname=ports.LOOPBACK, port=port, loop=loop)
    controller.begin()  # type: ignore[no-untyped-call]
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, loop.stop)
    loop.run_forever()
    controller.end()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
