"""The servers of a benchmark, tuned, and the CPU time that processes take.

Both sides of every comparison use the same running servers with the same settings. fsync and
synchronous_commit stay on: what is measured is a load that survives a power cut.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from headrace.nifi.install import install

from stack import connect, kafka, nifi, postgres

POSTGRES: Mapping[str, str] = {
    "shared_buffers": "1GB",
    "maintenance_work_mem": "256MB",
    "work_mem": "64MB",
    "wal_buffers": "16MB",
    "max_wal_size": "16GB",
    "min_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "jit": "off",
}
"""Beside those of stack/postgres.py. Write-ahead log is recycled and no checkpoint or vacuum falls into the
time of one side only; wal_level, full_page_writes and the like are PostgreSQL's defaults.
"""

KAFKA: Mapping[str, str] = {
    "num.network.threads": "2",
    "num.io.threads": "2",
    "group.initial.rebalance.delay.ms": "100",
}
"""Beside those of stack/kafka: as many threads as cores; members of a group that start together meet in one
assignment (Kafka's default waits 3 s for it, stack/kafka not at all, and then they disturb each other for a
second or two); all else is Kafka's defaults.
"""

CONNECT_JAVA: tuple[str, ...] = ("-XX:-UseSerialGC", "-XX:+UseG1GC")
"""The collector that Connect's own start script chooses; its heap of 2 GB, too."""

NIFI_JAVA: tuple[str, ...] = ("-XX:+UseG1GC",)
"""NiFi's own settings of Java start like this, with a heap of 1 GB; it has 2 GB here."""

_S = TypeVar("_S", postgres.Server, kafka.Broker, connect.Worker, nifi.NiFi)
_TICK = os.sysconf("SC_CLK_TCK")


def start_postgres(folder: Path) -> postgres.Server:
    """A fresh server in this folder; it ends, and its data goes, with `destroy()`."""
    return _fresh(postgres.Server(folder, keep=False, settings=POSTGRES)).start()


def start_kafka(folder: Path) -> kafka.Broker:
    """A fresh broker in this folder; it ends, and its data goes, with `destroy()`."""
    return _fresh(kafka.Broker(folder, heap="1g", keep=False, settings=KAFKA)).start()


def start_connect(folder: Path, broker: kafka.Broker) -> connect.Worker:
    """A fresh worker with Debezium's connectors; it ends, and its folder goes, with `destroy()`."""
    plugins = connect.plugins()
    worker = connect.Worker(folder, broker, plugins=plugins, heap="2g", java_options=CONNECT_JAVA, keep=False)
    return _fresh(worker).start()


def start_nifi(folder: Path) -> nifi.NiFi:
    """A fresh NiFi with Headrace's processors; it ends, and its folder goes, with `destroy()`."""
    server = _fresh(nifi.NiFi(folder, heap="2g", java_options=NIFI_JAVA, keep=False))
    install(server.prepare())
    return server.start()


def _fresh(server: _S) -> _S:
    """The server without what a benchmark that was killed has left in its folder."""
    running = server.running() if isinstance(server, kafka.Broker) else server.process is not None
    if running:
        raise RuntimeError(f"another benchmark runs in {server.folder}; wait for its end")
    server.destroy()
    return server


def _fields(pid: str) -> list[str]:
    """/proc/PID/stat from the state on; empty when the process has gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def cpu_of_tree(pid: int) -> float:
    """Seconds of CPU that a process, its children and those it has buried have taken so far."""
    while True:
        own = _fields(str(pid))[11:15]  # utime, stime, and both of the buried children
        children = 0
        for entry in os.listdir("/proc"):
            fields = _fields(entry) if entry.isdigit() else []
            if fields and int(fields[1]) == pid:
                children += int(fields[11]) + int(fields[12])
        if (
            _fields(str(pid))[13:15] == own[2:4]
        ):  # nobody was buried while we counted, so nobody is missing or counted twice
            return (children + sum(int(n) for n in own)) / _TICK


def cpu_of_machine() -> float:
    """Seconds of CPU that everything on the machine has taken so far, with what other guests of the host
    stole.
    """
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    line = Path("/proc/stat").read_text().splitlines()[0].split()[1 : len(names) + 1]
    return sum(int(n) for name, n in zip(names, line, strict=True) if name not in ("idle", "iowait")) / _TICK
