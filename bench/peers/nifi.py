"""A file of JSON lines into the partitioned parent from a real NiFi 2.3, in one of four ways:

    native    LoadFilesToPostgres: the flow file is a trigger, Headrace reads the file by its path
    command   ExecuteStreamCommand with `headrace load -`: the flow file's content goes through a pipe
    record    NiFi's own PutDatabaseRecord: one flow file, one task
    parallel  the same with the content in as many flow files as there are workers, and as many tasks

PutDatabaseRecord as its documentation and PostgreSQL's advise: JsonTreeReader with the schema written out, so
that nothing is inferred; batches of 10,000 statements, one transaction; the driver's `reWriteBatchedInserts`,
so that a batch becomes INSERTs of many rows; a pool with a connection for each task.

Content is in NiFi's repository and all flow files wait before the clock starts. It starts when the processor
does, and stops when the last flow file has left it: rows are committed then.

{"url", "certificate", "user", "password", "pid", "way", "path", "table", "workers", "dsn", "server",
"driver", "headrace", "job"} -> {"seconds", "records", "cpu"}: `server` has host, port, database, user and
password; `driver` is the file of the JDBC driver.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.data import COLUMNS
from bench.servers import cpu_of_tree
from stack.nifi import Rest

POLL = 0.02
PATIENCE = 1800
BATCH = "10000"

_TYPES: Mapping[str, object] = {
    "bigint": "long",
    "integer": "int",
    "numeric(12,2)": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
    "text": "string",
    "timestamptz": {"type": "long", "logicalType": "timestamp-micros"},
}


def schema() -> str:
    """The schema of a record as JsonTreeReader wants it."""
    fields = [{"name": name, "type": _TYPES[type]} for name, type in COLUMNS]
    return json.dumps({"type": "record", "name": "purchase", "fields": fields})


def reader() -> dict[str, str]:
    """The settings of JsonTreeReader."""
    return {
        "schema-access-strategy": "schema-text-property",
        "schema-text": schema(),
        "Timestamp Format": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSX",
    }


def pool(server: Mapping[str, str], driver: str, tasks: int) -> dict[str, str]:
    """The settings of DBCPConnectionPool."""
    return {
        "Database Connection URL": f"jdbc:postgresql://{server['host']}:{server['port']}/{server['database']}"
        "?reWriteBatchedInserts=true",
        "Database Driver Class Name": "org.postgresql.Driver",
        "database-driver-locations": driver,
        "Database User": server["user"],
        "Password": server["password"],
        "Max Total Connections": str(tasks),
    }


def record(table: str, reader_id: str, pool_id: str) -> dict[str, str]:
    """The settings of PutDatabaseRecord."""
    schema_name, _, name = table.partition(".")
    return {
        "put-db-record-record-reader": reader_id,
        "db-type": "PostgreSQL",
        "put-db-record-statement-type": "INSERT",
        "put-db-record-dcbp-service": pool_id,
        "put-db-record-schema-name": schema_name,
        "put-db-record-table-name": name,
        "put-db-record-max-batch-size": BATCH,
    }


def command(asked: Mapping[str, Any]) -> dict[str, str]:
    """The settings of ExecuteStreamCommand."""
    words = ["load", "-", asked["table"], "--format", "json", "--quiet", "--job", asked["job"]]
    words += ["--dsn", asked["dsn"], "--workers", str(asked["workers"])]
    return {
        "Command Path": asked["headrace"],
        "argumentsStrategy": "Command Arguments Property",
        "Command Arguments": "|".join(words),
        "Argument Delimiter": "|",
        "Ignore STDIN": "false",
    }


def native(asked: Mapping[str, Any]) -> dict[str, str]:
    """The settings of LoadFilesToPostgres."""
    return {
        "Source": "path",
        "Path": asked["path"],
        "Database": asked["dsn"],
        "Table": asked["table"],
        "Job": asked["job"],
        "Workers": str(asked["workers"]),
    }


def made(rest: Rest, group: str, asked: Mapping[str, Any]) -> tuple[str, str]:
    """The processor of the way; its id and the relationship of success."""
    way, workers = asked["way"], int(asked["workers"])
    if way == "native":
        return rest.make_processor(group, "LoadFilesToPostgres", "tested", native(asked)), "success"
    if way == "command":
        settings = command(asked)
        return rest.make_processor(group, "ExecuteStreamCommand", "tested", settings), "output stream"
    tasks = workers if way == "parallel" else 1
    services = [
        rest.make_service(group, "JsonTreeReader", "reader", reader()),
        rest.make_service(group, "DBCPConnectionPool", "pool", pool(asked["server"], asked["driver"], tasks)),
    ]
    rest.set_services(group, "ENABLED")
    settings = record(asked["table"], *services)
    number = rest.make_processor(
        group, "PutDatabaseRecord", "tested", settings, concurrentlySchedulableTaskCount=tasks
    )
    return number, "success"


def fill(rest: Rest, group: str, feeder: str, files: list[Path]) -> None:
    """Let the flow files of these files wait for the processor."""
    for count, file in enumerate(files, 1):
        settings = {
            "Input Directory": str(file.parent),
            "File Filter": file.name.replace(".", "[.]"),
            "Keep Source File": "true",
            "Batch Size": "1",
            "Recurse Subdirectories": "false",
        }
        rest.change(feeder, {"config": {"properties": settings}})
        rest.run_once(feeder, patience=120)
        waiting = rest.queued(group)["feeder", "success"]
        if waiting != count:
            raise RuntimeError(f"{waiting} flow files wait instead of {count}")


def pieces(path: Path, count: int, folder: Path) -> list[Path]:
    """The file's lines in so many files of about the same size, in order."""
    if count == 1:
        return [path]
    lines = path.read_bytes().splitlines(keepends=True)
    files = []
    for number in range(count):
        file = folder / f"piece-{number}.jsonl"
        part = lines[number * len(lines) // count : (number + 1) * len(lines) // count]
        file.write_bytes(b"".join(part))
        files.append(file)
    return files


def run(rest: Rest, asked: Mapping[str, Any], folder: Path) -> tuple[float, float]:
    """Make the flow, run it once, delete it; seconds, and CPU seconds of NiFi and its children."""
    group = rest.make_group(f"bench {asked['way']}")
    try:
        processor, success = made(rest, group, asked)
        content = asked["way"] != "native"
        feeder = rest.make_processor(group, "GetFile" if content else "GenerateFlowFile", "feeder")
        rest.connect(group, feeder, processor, ["success"])
        names = [one["name"] for one in rest.processor(processor)["component"]["relationships"]]
        for name in names:
            sink = rest.make_processor(group, "LogAttribute", f"sink {name}", terminate=["success"])
            rest.connect(group, processor, sink, [name])
        files = [Path(asked["path"])]
        if content:
            files = pieces(files[0], int(asked["workers"]) if asked["way"] == "parallel" else 1, folder)
            fill(rest, group, feeder, files)
        else:
            rest.change(feeder, {"config": {"properties": {"File Size": "0B"}}})
            rest.run_once(feeder)
        rest.wait_valid_one(processor)
        before, start = cpu_of_tree(asked["pid"]), time.perf_counter()
        rest.set_processor(processor, "RUNNING")
        found: dict[str, int] = {}

        def finished() -> bool:
            nonlocal found
            queued = rest.queued(group)
            found = {name: queued.get(("tested", name), 0) for name in names}
            return sum(found[name] for name in names if name != "original") == len(files)

        rest.until(finished, PATIENCE, "the load", pause=POLL)
        seconds, cpu = time.perf_counter() - start, cpu_of_tree(asked["pid"]) - before
        if found[success] != len(files):
            raise RuntimeError(f"{asked['way']} failed: {found}; {rest.bulletins()[-3:]}")
        return seconds, cpu
    finally:
        rest.delete_group(group)


def main() -> None:
    """Load the file once."""
    asked = json.load(sys.stdin)
    rest = Rest(asked["url"], Path(asked["certificate"]))
    rest.login(asked["user"], asked["password"])
    with tempfile.TemporaryDirectory() as folder:
        seconds, cpu = run(rest, asked, Path(folder))
    with Path(asked["path"]).open("rb") as lines:
        records = sum(1 for _ in lines)
    print(json.dumps({"seconds": seconds, "records": records, "cpu": cpu}))


if __name__ == "__main__":
    main()
