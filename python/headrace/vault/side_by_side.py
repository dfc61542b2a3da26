"""Work on several tables at once, which an interrupt ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from headrace.vault.mapping import Table


class Stopped(Exception):
    """The caller was interrupted while this was under way."""


class SideBySide:
    """Threads for tables. Signals are the main thread's: what the others wait in calls `watch`, and ends with
    what that raises.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._threads = threads
        self._name = name
        self._stop = threading.Event()

    def watch(self, _: object = None) -> None:
        """Raise Stopped when the caller was interrupted."""
        if self._stop.is_set():
            raise Stopped

    def run(self, tables: Sequence[Table], one: Callable[[Table], object]) -> None:
        """Call `one` with each table. The first failure is raised when all have ended; an interrupt of this
        thread stops those that run, waits for their end, and is raised on.
        """
        if len(tables) <= 1 or self._threads <= 1:
            for table in tables:
                one(table)
            return

        def unless_stopped(table: Table) -> None:
            self.watch()
            one(table)

        count = min(self._threads, len(tables))
        with ThreadPoolExecutor(count, thread_name_prefix=self._name) as pool:
            futures = [pool.submit(unless_stopped, table) for table in tables]
            try:
                failures = [e for e in (future.exception() for future in futures) if e is not None]
            except BaseException:
                self._stop.set()
                raise
        if failures:
            raise failures[0]


__all__ = ["SideBySide", "Stopped"]
