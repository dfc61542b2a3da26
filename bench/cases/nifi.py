"""JSON lines from a file into weekly partitions, from NiFi: Headrace's two ways in against NiFi's own.

All sides run in the same NiFi, load the same file into the same empty table without an index, and are told in
bench/peers/nifi.py. NiFi's own side is the faster of one flow file and of one for each worker.
"""

from __future__ import annotations

import sys
import uuid
from functools import partial
from pathlib import Path

from bench.data import TABLE, Data
from bench.harness import Bench, Figure, Results, Run, Side, median_rate
from stack.nifi import USER, jdbc_driver

WAYS = ("native", "command", "record", "parallel")


def _against(results: Results, way: str) -> float:
    own = max(median_rate(results["record"]), median_rate(results["parallel"]))
    return median_rate(results[way]) / own


FIGURES = (
    Figure(
        "nifi_vs_putdatabaserecord",
        "from NiFi, by reference and by a pipe: the lower of both against PutDatabaseRecord",
        lambda results: min(_against(results, "native"), _against(results, "command")),
        5,
    ),
    Figure(
        "nifi_native_vs_putdatabaserecord",
        "LoadFilesToPostgres, which is handed a path",
        lambda results: _against(results, "native"),
        5,
    ),
    Figure(
        "nifi_command_vs_putdatabaserecord",
        "ExecuteStreamCommand with headrace load, which is handed the content",
        lambda results: _against(results, "command"),
        5,
    ),
)


def load(bench: Bench, data: Data, way: str) -> Run:
    """Load the file once."""
    data.create_table(bench.postgres)
    nifi = bench.nifi
    process = nifi.process
    if process is None:
        raise RuntimeError(f"NiFi has ended; see {nifi.log}")
    variables = bench.postgres.env()
    asked = {
        "url": nifi.url,
        "certificate": str(nifi.certificate),
        "user": USER,
        "password": nifi.password,
        "pid": process.pid,
        "way": way,
        "path": str(data.lines()),
        "table": TABLE,
        "workers": bench.options.workers,
        "dsn": bench.dsn,
        "server": {
            "host": variables["PGHOST"],
            "port": variables["PGPORT"],
            "database": variables["PGDATABASE"],
            "user": variables["PGUSER"],
            "password": bench.postgres.password,
        },
        "driver": str(jdbc_driver()),
        "headrace": str(Path(sys.executable).with_name("headrace")),
        "job": f"bench-{uuid.uuid4()}",
    }
    run = bench.program("bench.peers.nifi", asked)
    data.check(bench.postgres)
    return run


def sides(bench: Bench) -> dict[str, Side]:
    """One for each way."""
    data = Data(bench.options.nifi_records, bench.options.weeks)
    data.lines()
    data.binary(bench.postgres)
    return {way: partial(load, bench, data, way) for way in WAYS}
