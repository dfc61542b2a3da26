"""A mail server for development: it takes every mail, delivers none, and writes each one to a file that
people can open.

`python -m stack.mail FOLDER PORT` is the process; `Sink` starts it and reads what came.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, Envelope, Session

from stack import ports
from stack.paths import ROOT
from stack.process import Process, start
from stack.service import Service
from stack.state import State


class Sink(Service):
    """The mail server with a folder of its own: mails are FOLDER/inbox/*.eml in the order they came."""

    what = "the mail server"
    start_patience = 30
    stop_patience = 5
    pause = 0.05

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        tied: bool = True,
        keep: bool = True,
        state: State | None = None,
    ) -> None:
        super().__init__("mail", folder, port=port, keep=keep, tied=tied, state=state)
        self.inbox = self.folder / "inbox"

    def messages(self) -> list[EmailMessage]:
        """All mails so far, parsed, oldest first."""
        return [
            message_from_bytes(path.read_bytes(), policy=policy.default)
            for path in sorted(self.inbox.glob("*.eml"))
        ]

    def prepare(self) -> None:
        """Make the folder of the mails."""
        self.inbox.mkdir(parents=True, exist_ok=True)

    def _launch(self, port: int) -> Process:
        return start(
            self.name,
            [sys.executable, "-m", "stack.mail", self.inbox, str(port)],
            log=self.folder / "mail.log",
            cwd=ROOT,
            tied=self._tie(),
        )

    def _ready(self, process: Process) -> bool:
        return ports.answers(self.port)


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
