"""Headrace's side of every comparison, a program: settings of headrace.load as one JSON object on standard
input.

{"source": ..., "table": ..., "dsn": ..., "settings": {...}} -> {"seconds", "records", "cpu", "base_kib",
"peak_kib"}
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import headrace
from headrace import _headrace


def status(name: str) -> int:
    """A line of /proc/self/status, in KiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def main() -> None:
    """Load once and print what it took."""
    asked = json.load(sys.stdin)
    assert _headrace.__version__  # loaded before the memory is looked at
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins now
    base = status("VmRSS")
    start, cpu = time.perf_counter(), time.process_time()
    receipt = headrace.load(asked["source"], asked["table"], dsn=asked["dsn"], **asked["settings"])
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    if receipt.rejected or receipt.skipped:
        raise RuntimeError(f"not everything was loaded: {receipt}")
    result = {
        "seconds": seconds,
        "records": receipt.loaded,
        "cpu": cpu,
        "base_kib": base,
        "peak_kib": status("VmHWM"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
