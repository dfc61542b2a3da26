"""Choosing ports on 127.0.0.1.

Servers that stay up have a preferred port, so that a bookmark works tomorrow too; where it is taken, the next
free one is used and that is said. Servers of tests take random ports below the range from which Linux gives
outgoing connections theirs.
"""

from __future__ import annotations

import logging
import random
import socket

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_RANDOM = range(20000, 32000)
_handed_out: set[int] = set()


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now. Ports in TIME_WAIT count as free, as they do for the
    servers.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something accepts connections on this port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def pick(preferred: int | None, what: str) -> int:
    """A free port for `what`: the preferred one or the next that is free; a random one if none is preferred.

    No port is given twice in one process, so that several servers can be configured before the first one
    listens.
    """
    candidates = random.sample(_RANDOM, 500) if preferred is None else range(preferred, preferred + 100)
    for port in candidates:
        if (preferred is not None or port not in _handed_out) and is_free(port):
            if preferred is not None and port != preferred:
                log.info("Port %d is taken by another program; %s uses %d.", preferred, what, port)
            _handed_out.add(port)
            return port
    raise RuntimeError(f"no free port for {what} among {candidates[0]} to {candidates[-1]}")
