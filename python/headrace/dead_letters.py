"""Dead letters: records that could not go into their target. Look at them, and try them again."""

from __future__ import annotations

import builtins
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace._headrace import Connection
from headrace.display import html_table
from headrace.errors import UsageError
from headrace.receipt import Receipt

_COLUMNS = (
    'id, job, run_id, target, topic, partition, "offset", line, reason, column_name, value, message, '
    "sqlstate,"
    " raw, key, header, record_timestamp, rejected_at, attempts, replayed_at, replayed_run"
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One rejected record, with its reason and its bytes as they came."""

    id: int
    job: str
    run_id: str
    target: str
    topic: str
    partition: int
    offset: int
    line: int | None
    reason: str
    column: str | None
    value: str | None
    message: str
    sqlstate: str | None
    raw: bytes | None
    key: bytes | None
    header: str | None
    record_timestamp: str | None
    rejected_at: str
    attempts: int
    replayed_at: str | None
    replayed_run: str | None

    @property
    def position(self) -> str:
        """Where the record stood: topic, partition and offset, or file and line."""
        if self.line is not None:
            return f"{self.topic}, line {self.line}"
        return f"{self.topic}/{self.partition}@{self.offset}"

    def to_dict(self) -> dict[str, Any]:
        r"""For JSON: bytes as text, what is not UTF-8 in them as \\xNN."""
        data = {name: getattr(self, name) for name in self.__slots__}
        for name in ("raw", "key"):
            if data[name] is not None:
                data[name] = data[name].decode("utf-8", "backslashreplace")
        return data


class DeadLetters(builtins.list[DeadLetter]):
    """A list that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        return html_table(
            ["id", "job", "where", "reason", "column", "value", "message", "attempts"],
            [[d.id, d.job, d.position, d.reason, d.column, d.value, d.message, d.attempts] for d in self],
            f"{len(self):,} dead letters",
        )


def _where(
    job: str | None,
    reason: str | None,
    ids: Sequence[int] | None,
    replayed: bool | None,
) -> tuple[str, builtins.list[Any]]:
    """The conditions and their parameters. replayed: None for all, False for those still open."""
    conditions = ["true"]
    parameters: builtins.list[Any] = []
    for name, value in (("job", job), ("reason", reason)):
        if value is not None:
            parameters.append(value)
            conditions.append(f"{name} = ${len(parameters)}")
    if ids is not None:
        parameters.append("{" + ",".join(str(int(i)) for i in ids) + "}")
        conditions.append(f"id = ANY (${len(parameters)}::bigint[])")
    if replayed is not None:
        conditions.append("replayed_at IS NOT NULL" if replayed else "replayed_at IS NULL")
    return " AND ".join(conditions), parameters


def list(
    job: str | None = None,
    *,
    reason: str | None = None,
    ids: Sequence[int] | None = None,
    replayed: bool | None = False,
    limit: int | None = 100,
    dsn: str | None = None,
) -> DeadLetters:
    """Dead letters, newest first. replayed: False those still open, True those replayed, None all."""
    where, parameters = _where(job, reason, ids, replayed)
    parameters.append(limit)
    sql = (
        f"SELECT {_COLUMNS} FROM headrace.dead_letters WHERE {where} ORDER BY id DESC"
        f" LIMIT ${len(parameters)}::bigint"
    )
    with Connection(dsn or "") as connection:
        return DeadLetters(_from_row(row) for row in connection.query(sql, parameters))


def show(id: int, *, dsn: str | None = None) -> DeadLetter:
    """One dead letter. UsageError when there is none with this id."""
    found = list(ids=[id], replayed=None, dsn=dsn)
    if not found:
        raise UsageError(f"there is no dead letter {id}")
    return found[0]


def count(job: str | None = None, *, replayed: bool | None = False, dsn: str | None = None) -> dict[str, int]:
    """How many there are of each reason, most frequent first."""
    where, parameters = _where(job, None, None, replayed)
    sql = (
        f"SELECT reason, count(*) FROM headrace.dead_letters WHERE {where} GROUP BY reason ORDER BY 2 DESC, 1"
    )
    with Connection(dsn or "") as connection:
        return {str(reason): int(number or 0) for reason, number in connection.query(sql, parameters)}


def replay(
    job: str,
    *,
    target: str | None = None,
    reason: str | None = None,
    ids: Sequence[int] | None = None,
    limit: int | None = None,
    dsn: str | None = None,
    progress: Any = None,
    **settings: Any,
) -> Receipt:
    """Load dead letters of a job again, after the target or the mapping was mended.

    A letter that becomes a row is marked as replayed in the row's transaction, so it is never loaded twice;
    one that is rejected again stays, with its new reason and one more attempt. The job's own settings
    (format, mode, map...) are used as its last receipt remembers them; `settings`, those of headrace.load,
    override them. target: only needed when the letters belong to several.
    """
    from headrace import _load, _settings

    target, ids = _choose(job, target, reason, ids, dsn)
    origin = {
        "kind": "dead_letters",
        "dsn": dsn or "",
        "from_job": job,
        "reason": reason,
        "ids": [int(i) for i in ids] if ids is not None else None,
        "text": f"dead letters of {job}",
    }
    if limit is not None:
        settings["max_records"] = limit
    built = _settings.build(origin, target, dsn=dsn, job=job, **(_remembered(job, target, dsn) | settings))
    return _load.run(built, progress=progress)


def _remembered(job: str, target: str, dsn: str | None) -> dict[str, Any]:
    """How the job's last run made rows of records, as keywords of headrace.load."""
    sql = (
        "SELECT settings FROM headrace.receipts WHERE job = $1 AND target = $2"
        " AND source NOT LIKE 'dead letters of %' ORDER BY started_at DESC LIMIT 1"
    )
    with Connection(dsn or "") as connection:
        found = connection.query(sql, (job, target))
    if not found:
        return {}
    settings: dict[str, Any] = json.loads(str(found[0][0]))
    partition = settings.pop("partition", {})
    names = {"column": "partition_column", "unit": "partition", "zone": "zone", "create": "create_partitions"}
    return settings | {
        names[key]: value for key, value in partition.items() if key in names and value is not None
    }


def _choose(
    job: str, target: str | None, reason: str | None, ids: Sequence[int] | None, dsn: str | None
) -> tuple[str, Sequence[int] | None]:
    """The table to load into, and which letters: those of one target must never go into another's table
    unasked.
    """
    where, parameters = _where(job, reason, ids, False)
    sql = f"SELECT target, array_agg(id ORDER BY id) FROM headrace.dead_letters WHERE {where} GROUP BY target"
    with Connection(dsn or "") as connection:
        found = {str(name): str(numbers) for name, numbers in connection.query(sql, parameters)}
    if not found:
        raise UsageError(f'job "{job}" has no open dead letters that fit')
    if len(found) == 1:
        return target or next(iter(found)), ids
    if target not in found:
        names = ", ".join(sorted(found))
        raise UsageError(f'dead letters of job "{job}" belong to several targets: name one of {names}')
    return target, [int(number) for number in found[target].strip("{}").split(",")]


def _from_row(row: tuple[str | None, ...]) -> DeadLetter:
    """Text of the server to Python's types."""
    v = dict(zip(DeadLetter.__slots__, row, strict=True))
    return DeadLetter(
        id=int(v["id"] or 0),
        job=v["job"] or "",
        run_id=v["run_id"] or "",
        target=v["target"] or "",
        topic=v["topic"] or "",
        partition=int(v["partition"] or 0),
        offset=int(v["offset"] or 0),
        line=int(v["line"]) if v["line"] is not None else None,
        reason=v["reason"] or "",
        column=v["column"],
        value=v["value"],
        message=v["message"] or "",
        sqlstate=v["sqlstate"],
        raw=_bytea(v["raw"]),
        key=_bytea(v["key"]),
        header=v["header"],
        record_timestamp=v["record_timestamp"],
        rejected_at=v["rejected_at"] or "",
        attempts=int(v["attempts"] or 0),
        replayed_at=v["replayed_at"],
        replayed_run=v["replayed_run"],
    )


def _bytea(text: str | None) -> bytes | None:
    r"""The server's hexadecimal form, \\x0a0b."""
    return bytes.fromhex(text[2:]) if text is not None else None
