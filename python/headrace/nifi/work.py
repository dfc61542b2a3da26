"""What the processors do, without a word of NiFi: settings in, an outcome out.

Nothing here raises what a user could cause: a wrong setting, a server that is away and a record that cannot
be read all have a relationship of their own.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from headrace.errors import HeadraceError, RetriableError, UsageError

if TYPE_CHECKING:
    from headrace import Batch, Schema
    from headrace.receipt import Receipt

SUCCESS = "success"
REJECTS = "rejects"
RETRY = "retry"
FAILURE = "failure"

JSON = "application/json"
NDJSON = "application/x-ndjson"
_UNSAFE = re.compile(r"[^\w.=-]+", re.ASCII)
_NAME = 200
"""Bytes of a spooled file's name: file systems take 255, and a draft has some more."""


@dataclass(frozen=True)
class Outcome:
    """Where a flow file goes, what is added to its attributes, and its new content (None: as it was)."""

    relationship: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    contents: bytes | None = None


def guarded(work: Callable[[], Outcome], log: Callable[[str], object]) -> Outcome:
    """Do the work; an error becomes `retry` or `failure`, is logged, and stands in the attributes.

    The content stays as it was, so that the flow file can be sent through again.
    """
    try:
        return work()
    except HeadraceError as error:
        attributes = {"headrace.error": str(error), "headrace.error.code": error.code}
        if error.sqlstate:
            attributes["headrace.error.sqlstate"] = error.sqlstate
        retriable = isinstance(error, RetriableError)
        if error.receipt is not None and hasattr(error.receipt, "read"):
            attributes |= counts(error.receipt)
        log(str(error))
        return Outcome(RETRY if retriable else FAILURE, attributes)
    except MemoryError:
        text = "out of memory; try fewer workers or smaller batches"
        log(text)
        return Outcome(RETRY, {"headrace.error": text, "headrace.error.code": "memory"})
    except (OSError, ValueError) as error:
        log(str(error))
        return Outcome(FAILURE, {"headrace.error": str(error), "headrace.error.code": "usage"})


def counts(receipt: Receipt) -> dict[str, str]:
    """A receipt as attributes."""
    return {
        "record.count": str(receipt.loaded),
        "headrace.read": str(receipt.read),
        "headrace.loaded": str(receipt.loaded),
        "headrace.rejected": str(receipt.rejected),
        "headrace.skipped": str(receipt.skipped),
        "headrace.job": receipt.job,
        "headrace.target": receipt.target,
        "headrace.run_id": receipt.run_id,
        "headrace.seconds": f"{receipt.seconds:.3f}",
    }


def told(receipt: Receipt) -> Outcome:
    """The outcome of a load: its receipt as content and attributes; `rejects` when records were rejected."""
    where = REJECTS if receipt.rejected else SUCCESS
    return Outcome(where, {**counts(receipt), "mime.type": JSON}, (receipt.to_json() + "\n").encode())


def conninfo(database: str, password: str | None) -> str:
    """The connection string with its password, for libpq only. UsageError where it would be lost or shown."""
    from headrace import dsn as dsns

    if dsns.without_password(database) == dsns.UNREADABLE:
        raise UsageError(
            "the property Database cannot be read as a connection string: write it as host=... dbname=... "
            "user=..., or postgresql://user@host/dbname, and the password into the property Password"
        )
    if dsns.has_password(database):
        raise UsageError(
            "the property Database holds a password that everybody can read: move it to the property Password"
        )
    if not password:
        return database
    if dsns.is_uri(database):
        from urllib.parse import quote

        separator = "&" if "?" in database else "?"
        return f"{database}{separator}password={quote(password, safe='')}"
    escaped = password.replace("\\", "\\\\").replace("'", "\\'")
    return f"{database} password='{escaped}'".strip()


def kafka_settings(
    brokers: str,
    protocol: str,
    *,
    mechanism: str | None,
    user: str | None,
    password: str | None,
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Librdkafka's settings of the properties; those of `more` (dynamic properties) come last."""
    settings = {"bootstrap.servers": brokers}
    if protocol != "PLAINTEXT":
        settings["security.protocol"] = protocol.lower()
    if protocol.startswith("SASL"):
        settings["sasl.mechanism"] = mechanism or "PLAIN"
        settings["sasl.username"] = user or ""
        settings["sasl.password"] = password or ""
    return settings | dict(more or {})


def column_map(text: str | None) -> dict[str, Any] | None:
    """The property Columns, lines of COLUMN=PATH, as the setting `map`. UsageError for another line, and for
    a column that is there twice. Spaces around both are none of them.
    """
    from headrace.cli.load_options import parse_map

    pairs: dict[str, str] = {}
    for line in (line.strip() for line in (text or "").splitlines()):
        column, equals, path = (part.strip() for part in line.partition("="))
        if line and not (column and equals):
            raise UsageError(f'Columns, line "{line}": write it as COLUMN=PATH')
        if column in pairs:
            raise UsageError(f'Columns, line "{line}": column "{column}" is there already')
        if column:
            pairs[column] = path
    return parse_map([f"{column}={path}" for column, path in pairs.items()])


def names(text: str | None) -> list[str]:
    """Names between commas."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def load(source: Any, target: str, database: str, **settings: Any) -> Outcome:
    """Load, and tell it. `settings`: those of headrace.load; None is left to the library."""
    import headrace

    given = {name: value for name, value in settings.items() if value not in (None, "", [])}
    return told(headrace.load(source, target, dsn=database, **given))


@contextmanager
def spooled(folder: str, name: str, content: bytes) -> Iterator[str]:
    """Content as a file of this name while it is loaded, whatever becomes of the load; its path.

    The name must be the same each time, as the file's name and its bytes are what a job remembers of it:
    after a failure, or a kill, the same content is made the same file again, and is not loaded a second time.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    safe = _UNSAFE.sub("_", name)
    if len(safe) > _NAME:  # begins with what makes it unique, and ends with what tells the format
        safe = safe[: _NAME // 2] + safe[-_NAME // 2 :]
    path = os.path.join(folder, safe)
    draft = f"{path}.new"
    made = (draft, path)
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        os.replace(draft, path)
        yield path
    finally:
        for one in made:
            with suppress(OSError):  # what came of the load counts; at most a file of ours stays
                os.unlink(one)


def replay(job: str, database: str, reason: str | None, limit: int | None) -> Outcome:
    """Replay a job's dead letters, or those of one reason; no open ones is a success with zeros."""
    import headrace

    if not job:
        raise UsageError("name the job whose dead letters are loaded again")
    there = headrace.dead_letters.count(job, dsn=database)
    if not (there.get(reason) if reason else there):
        zeros = {f"headrace.{name}": "0" for name in ("read", "loaded", "rejected", "skipped")}
        content = {"job": job, "state": "nothing to replay", "read": 0, "loaded": 0, "rejected": 0}
        attributes = {"record.count": "0", "headrace.job": job, "mime.type": JSON, **zeros}
        return Outcome(SUCCESS, attributes, (json.dumps(content) + "\n").encode())
    return told(headrace.dead_letters.replay(job, dsn=database, reason=reason or None, limit=limit))


def split(array: str) -> list[tuple[str, dict[str, Any]]]:
    """The records of a JSON array, each as it is written there and as it reads."""
    decoder = json.JSONDecoder()
    found: list[tuple[str, dict[str, Any]]] = []
    at = array.index("[") + 1
    while True:
        while array[at] in " \t\r\n,":
            at += 1
        if array[at] == "]":
            return found
        value, end = decoder.raw_decode(array, at)
        found.append((array[at:end], value))
        at = end


@lru_cache(maxsize=64)
def _time_schema(path: str, unit: str | None) -> Schema:
    from headrace import Schema

    where: dict[str, str] = {"path": path}
    if unit:
        where["unit"] = unit
    return Schema([("time", "timestamptz", True), ("raw", "text", True)], {"time": where, "raw": "$raw"})


def periods(
    records: Sequence[str], path: str, unit: str, zone: str, numbers: str | None
) -> Iterator[tuple[str, str, list[str]]]:
    """(period, "", its records) for each period of these records, such as 2026-W47, and ("", reason, records)
    for each reason why records have none. Records are as they came, in their order.

    path: of the time in a record. unit: week, day or month. numbers: read numbers as s, ms, us or ns since
    1970. UsageError for an unknown zone.
    """
    from headrace import decode_json, partition

    lines = [_encoded(record) for record in records]
    batch, rejects = decode_json(lines, _time_schema(path, numbers))
    refused: dict[str, list[str]] = {}
    for reject in rejects:
        refused.setdefault(reject["reason"], []).append(records[reject["index"]])
    for name, part in partition(batch, "time", unit, zone).items():  # type: ignore[arg-type]
        rows = [str(part.column_text(1, row)) for row in range(len(part))]
        if not name.startswith("__"):
            yield name, "", rows
            continue
        for row, record in enumerate(rows):
            reason = "null" if part.column_text(0, row) is None else "range"
            refused.setdefault(reason, []).append(record)
    for reason, rows in refused.items():
        yield "", reason, rows


def part_name(filename: str | None, uuid: str | None, period: str, reason: str) -> str:
    """The name of the flow file that records of a period, or those of none for this reason, go to. No other
    part has it: two of one name in one folder would be one.
    """
    stem, ending = os.path.splitext(filename or "records.json")
    return f"{stem}-{period or f'rejects-{reason}'}-{uuid}{ending}"


@lru_cache(maxsize=64)
def _key_schema(columns: tuple[str, ...], types: tuple[str, ...]) -> Schema:
    from headrace import Schema

    named = dict(zip(columns, types, strict=True))
    return Schema(list(named.items()), {name: name for name in named})


def hashes(
    records: Sequence[str],
    columns: Sequence[str],
    types: Mapping[str, str],
    *,
    recipe: str,
    diff: bool,
    zone: str,
) -> list[tuple[str | None, str]]:
    """For each record (hash in hex or None, ""), or (None, the reason why a value cannot be read).

    types: SQL types of columns; those without one are hashed as the text they are. UsageError for settings
    that cannot be, such as the type of a column that is not hashed: its hashes would be those of text.
    """
    from headrace import decode_json, hash_diff, hash_keys

    if unused := [name for name in types if name not in columns]:
        raise UsageError(f"Types, {unused[0]}={types[unused[0]]}: this column is not hashed")
    schema = _key_schema(tuple(columns), tuple(types.get(name, "text") for name in columns))
    batch, rejects = decode_json([_encoded(record) for record in records], schema)
    chosen: Any = columns[0] if len(columns) == 1 else list(columns)
    make = hash_diff if diff else hash_keys
    hashed = make(batch, chosen, recipe=recipe, name="$hash", output="hex", zone=zone)  # type: ignore[arg-type]
    refused = {reject["index"]: reject["reason"] for reject in rejects}
    column, row = hashed.num_columns - 1, 0
    found: list[tuple[str | None, str]] = []
    for index in range(len(records)):
        if index in refused:
            found.append((None, refused[index]))
        else:
            found.append((hashed.column_text(column, row), ""))
            row += 1
    return found


def with_field(record: str, name: str, value: str | None) -> str:
    """A record, as JSON text, with one field more at its end."""
    start = record[: record.rindex("}")].rstrip()
    comma = "" if start.endswith("{") else ", "
    return f"{start}{comma}{json.dumps(name)}: {json.dumps(value)}}}"


def _encoded(record: str) -> bytes:
    return record.encode("utf-8", "surrogatepass")


def windows(
    data: bytes,
    *,
    time: str,
    unit: str,
    distinct: Sequence[str],
    by: Sequence[str] = (),
    format: str = "json",
    numbers: str | None = None,
    zone: str = "UTC",
    lateness: str | None = None,
) -> Outcome:
    """Count different values in windows of the records: one JSON line for each window and key.

    `rejects`, when records could not be read or came too late: the windows are the content all the same, and
    the attributes say how many records of which reason are not in them. UsageError for wrong settings.
    """
    import headrace

    where: dict[str, Any] = {"path": time}
    if numbers:
        where["unit"] = numbers
    columns = list(dict.fromkeys([*by, *distinct]))
    if "window_time" in columns:
        raise UsageError("a column cannot be named window_time here")
    if not distinct:
        raise UsageError("name a column whose different values are counted")
    if format == "csv":
        _refuse_unnamed(data, [time, *columns])
    schema = headrace.Schema(
        [("window_time", "timestamptz", True), *((name, "text") for name in columns)],
        {"window_time": where, **{name: name for name in columns}},
    )
    decode = headrace.decode_csv if format == "csv" else headrace.decode_json
    batch, unread = decode(data, schema)
    result, missed = headrace.window(
        batch,
        "window_time",
        unit=unit,  # type: ignore[call-overload]
        distinct=list(distinct),
        by=list(by),
        zone=zone,
        lateness=lateness or None,
        aggregates={"records": "count"},
        rejects=True,
    )
    reasons: dict[str, int] = {}
    for reject in (*unread, *missed):
        reasons[reject["reason"]] = reasons.get(reject["reason"], 0) + 1
    rejected = sum(reasons.values())
    content = "".join(_rows(result))
    attributes = {
        "record.count": str(len(result)),
        "headrace.read": str(len(batch) + len(unread)),
        "headrace.loaded": str(len(batch) + len(unread) - rejected),
        "headrace.rejected": str(rejected),
        "headrace.reasons": json.dumps(reasons),
        "mime.type": NDJSON,
    }
    return Outcome(REJECTS if rejected else SUCCESS, attributes, content.encode())


def _refuse_unnamed(data: bytes, columns: Sequence[str]) -> None:
    """UsageError when the header of CSV lacks one of these columns: it would be null, and its count 0."""
    from headrace import _headrace

    header = _headrace.csv_header(data).decode(errors="replace")
    there = next(csv.reader(io.StringIO(header, newline="")), [])
    for column in columns:
        if there and column not in there and column.replace("\\.", ".") not in there:
            raise UsageError(f'there is no column "{column}" in the header: {", ".join(there)}')


def _rows(batch: Batch) -> list[str]:
    """A batch as JSON lines; whole numbers are numbers, all else is text."""
    schema = batch.schema
    numbers = [kind in ("bigint", "integer", "int8", "int4") for kind in schema.types]
    lines = []
    for row in range(len(batch)):
        values: dict[str, Any] = {}
        for column, name in enumerate(schema.names):
            text = batch.column_text(column, row)
            values[name] = int(text) if text is not None and numbers[column] else text
        lines.append(json.dumps(values, ensure_ascii=False) + "\n")
    return lines
