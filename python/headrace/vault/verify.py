"""headrace.vault_verify: the proof that a vault equals its source, row by row."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace._headrace import Connection
from headrace.display import html_table, text_table
from headrace.errors import RetriableError, SchemaError, UsageError
from headrace.vault.ddl import literal, qualified, quote
from headrace.vault.load import kafka_settings
from headrace.vault.mapping import Table, VaultMapping, read_mapping
from headrace.vault.side_by_side import SideBySide

DEFAULT_MEMORY = 256 << 20
DEFAULT_KEEP = 10
DEFAULT_PATIENCE = 120.0
_POLL = 0.2

_LSN = re.compile(r"([0-9a-fA-F]{1,8})/([0-9a-fA-F]{1,8})|(\d{1,19})", re.ASCII)

_AWAKE = "SET idle_in_transaction_session_timeout = 0; "
"""The sessions wait for each other, with their transactions open."""

_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_NOW = """
SELECT pg_catalog.pg_export_snapshot(), s, CASE WHEN standby THEN pg_catalog.pg_last_wal_replay_lsn()
    ELSE pg_catalog.pg_current_wal_insert_lsn() END,
    NOT standby OR pg_catalog.pg_snapshot_xmin(s) = pg_catalog.pg_snapshot_xmax(s)
FROM pg_catalog.pg_current_snapshot() s, pg_catalog.pg_is_in_recovery() standby
"""
_SLOT = """
SELECT confirmed_flush_lsn >= $2::pg_catalog.pg_lsn FROM pg_catalog.pg_replication_slots WHERE slot_name = $1
"""
_COLUMNS = """
SELECT a.attname FROM pg_catalog.pg_attribute a
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum
"""


@dataclass(frozen=True, slots=True)
class TableComparison:
    """One source table against what the vault makes of it."""

    table: str
    source_rows: int
    vault_rows: int
    missing: int
    extra: int
    different: int
    repeated: int
    examples: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    seconds: float

    @property
    def differences(self) -> int:
        """Rows that are not alike in both."""
        return self.missing + self.extra + self.different + self.repeated

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "table": self.table,
            "source_rows": self.source_rows,
            "vault_rows": self.vault_rows,
            "differences": self.differences,
            "missing": self.missing,
            "extra": self.extra,
            "different": self.different,
            "repeated": self.repeated,
            "examples": [dict(example) for example in self.examples],
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """What vault_verify found. `lsn` and `snapshot` say which state of the source it was."""

    tables: Sequence[TableComparison]
    lsn: str
    snapshot: str | None
    seconds: float

    @property
    def rows(self) -> int:
        """Rows of the source that were compared."""
        return sum(t.source_rows for t in self.tables)

    @property
    def differences(self) -> int:
        """Rows that are not alike in both."""
        return sum(t.differences for t in self.tables)

    @property
    def equal(self) -> bool:
        """Whether the vault equals the source."""
        return self.differences == 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "rows": self.rows,
            "differences": self.differences,
            "lsn": self.lsn,
            "snapshot": self.snapshot,
            "seconds": self.seconds,
            "tables": [t.to_dict() for t in self.tables],
        }

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def _rows(self) -> tuple[list[str], list[list[Any]]]:
        header = ["table", "source", "vault", "missing", "extra", "different", "repeated", "seconds"]
        return header, [
            [
                *[t.table, t.source_rows, t.vault_rows, t.missing, t.extra, t.different, t.repeated],
                f"{t.seconds:.1f}",
            ]
            for t in self.tables
        ]

    def _lines(self) -> list[str]:
        lines = [f"note: {t.table}: {note}" for t in self.tables for note in t.notes]
        for table in self.tables:
            for example in table.examples:
                key = ", ".join(f"{k}={v!r}" for k, v in example["key"].items())
                lines.append(f"{table.table} {key}: {_told(example)}")
        return lines

    def _summary(self) -> str:
        verdict = (
            "equals the source" if self.equal else f"differs from the source in {self.differences:,} rows"
        )
        return f"the vault {verdict}: {self.rows:,} rows at {self.lsn}, {self.seconds:.1f} s"

    def __str__(self) -> str:
        return "\n".join([text_table(*self._rows()), *self._lines(), self._summary()])

    def _repr_html_(self) -> str:
        header, rows = self._rows()
        lines = self._lines()
        return html_table(header, rows, self._summary()) + (
            html_table(["differences"], [[line] for line in lines]) if lines else ""
        )


def _told(example: Mapping[str, Any]) -> str:
    if example["kind"] == "missing":
        return "missing in the vault"
    if example["kind"] == "extra":
        return "in the vault, not in the source"
    if example["kind"] == "repeated":
        return "there twice; do the hash keys of two rows meet?"
    return "; ".join(
        f"{name} is {pair['source']!r} in the source, {pair['vault']!r} in the vault"
        for name, pair in example["columns"].items()
    )


def vault_verify(
    mapping: str | os.PathLike[str] | VaultMapping,
    source: str,
    *,
    dsn: str | None = None,
    primary: str | None = None,
    lsn: int | str | None = None,
    tables: Sequence[str] | None = None,
    brokers: str | None = None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    load: bool = False,
    patience: float = DEFAULT_PATIENCE,
    memory: int = DEFAULT_MEMORY,
    keep: int = DEFAULT_KEEP,
    threads: int = 1,
    progress: Callable[[str], object] | None = None,
    **settings: Any,
) -> Verification:
    """Rebuild every source table from the vault and compare it with the source, row by row.

    source: the source database, a conninfo; dsn: the vault's; primary: where the connector's slot is, when
      the source is a standby
    lsn: compare the vault as of this log sequence number ("0/16B3748" or a number) with the source as it is:
      right when the source has stood still since
    brokers, kafka: as in vault_load; then it waits, at most `patience` seconds, until the vault has all that
      the source had committed: first for the connector (the mapping's slot), then for the topics to be
      loaded.
      load: load them now instead of waiting for others; settings: of vault_load then
    memory: bytes for rows that wait for their like, for each table that is compared at once; with less than
      the tables need, both are read several times
    keep: how many examples of each kind of difference to show for a table

    The source may go on changing: a snapshot of it is compared with the events whose transactions that
    snapshot sees. It is held, in a read-only transaction, until the end. Raises RetriableError when the vault
    does not catch up in time; a difference is no exception.
    """
    read = read_mapping(mapping)
    chosen = read.chosen(tables)
    if load and lsn is not None:
        raise UsageError("load and lsn exclude each other: as of an LSN, the vault is compared as it is")
    if load and not kafka_settings(brokers, kafka).get("bootstrap.servers"):
        raise UsageError("to load first, name the brokers: brokers=..., --brokers or $HEADRACE_KAFKA_CONFIG")
    if settings and not load:
        raise UsageError(f"{next(iter(settings))} is a setting of the load, which load=True asks for")
    started = time.monotonic()
    with Connection(source) as holder:
        exported, snapshot, now = _hold(holder, lsn is None, started + patience)
        if lsn is None and (brokers or kafka or load):
            _catch_up(
                read,
                source=primary or source,
                dsn=dsn,
                lsn=now,
                tables=chosen,
                brokers=brokers,
                kafka=kafka,
                load=settings if load else None,
                deadline=started + patience,
            )
        condition = _condition(lsn, snapshot, now)
        begin = f"{_AWAKE}{_READ}; SET TRANSACTION SNAPSHOT {literal(exported)}"
        side = SideBySide(threads, "headrace-verify")
        results: dict[str, TableComparison] = {}

        def one(table: Table) -> None:
            columns, notes = _columns(holder_columns[table.source], table)
            results[table.source] = _compare(
                read,
                table,
                columns=columns,
                source=source,
                begin=begin,
                dsn=dsn,
                condition=condition,
                memory=memory,
                keep=keep,
                notes=notes,
                watch=side.watch,
            )
            if progress is not None:
                progress(table.source)

        holder_columns = {t.source: _source_columns(holder, t) for t in chosen}
        side.run(chosen, one)
    return Verification(
        [results[table.source] for table in chosen],
        str(lsn) if lsn is not None else now,
        None if lsn is not None else snapshot,
        time.monotonic() - started,
    )


def lsn_number(lsn: int | str) -> int:
    """A log sequence number as the bigint that events have. UsageError when it is none."""
    parts = _LSN.fullmatch(str(lsn))
    high, low, number = parts.groups() if parts is not None else ("0", "0", "-1")
    found = int(number) if number is not None else (int(high, 16) << 32) + int(low, 16)
    if not 0 <= found < 1 << 63:
        raise UsageError(f"{lsn!r} is no LSN: write it as 0/16B3748 or as a number")
    return found


def _hold(holder: Connection, exact: bool, deadline: float) -> tuple[str, str, str]:
    """Open the transaction whose snapshot is compared; its exported name, the snapshot, its LSN.

    A standby's snapshots do not name the transactions that are under way (exact: they must be known): it is
    asked again until there are none. RetriableError when that does not happen in time.
    """
    holder.script(_AWAKE)
    while True:
        holder.script(_READ)
        exported, snapshot, now, known = (str(value) for value in holder.query(_NOW)[0])
        if known == "t" or not exact:
            return exported, snapshot, now
        holder.script("ROLLBACK")
        if time.monotonic() >= deadline:
            raise RetriableError(
                "the source is a standby, and transactions are always under way there, of which its "
                "snapshots do not say which they are: verify against the primary, or with more patience"
            )
        time.sleep(_POLL)


def _condition(lsn: int | str | None, snapshot: str, now: str) -> str:
    """The arguments of the functions row_<table>_as_of. Rows that an incremental snapshot read later than
    ours come with a later LSN, and of no transaction.
    """
    if lsn is not None:
        return f"lsn => {lsn_number(lsn)}"
    return f"lsn => {lsn_number(now)}, snapshot => {literal(snapshot)}::pg_catalog.pg_snapshot"


def _source_name(table: Table) -> str:
    schema, _, name = table.source.partition(".")
    return f"{quote(schema)}.{quote(name)}"


def _source_columns(source: Connection, table: Table) -> list[str]:
    found = [str(row[0]) for row in source.query(_COLUMNS, [_source_name(table)])]
    if not found:
        raise SchemaError(f"the source has no table {table.source}, or this role may not see it")
    return found


def _columns(there: Sequence[str], table: Table) -> tuple[list[str], list[str]]:
    """The columns to compare, the key's first, and what to tell about the others."""
    wanted = [c for c in table.columns if c not in table.ignore]
    notes = [f"column {c} is no longer in the source: not compared" for c in wanted if c not in there]
    notes += [f"column {c} of the source is not in the mapping" for c in there if c not in table.columns]
    lost = [c for c in table.key if c not in there]
    if lost:
        raise SchemaError(f"table {table.source} has lost its key column {lost[0]}: change the mapping")
    return [*table.key, *(c for c in wanted if c in there and c not in table.key)], notes


def _compare(
    mapping: VaultMapping,
    table: Table,
    *,
    columns: Sequence[str],
    source: str,
    begin: str,
    dsn: str | None,
    condition: str,
    memory: int,
    keep: int,
    notes: Sequence[str],
    watch: Callable[[str], object],
) -> TableComparison:
    from headrace import _headrace

    started = time.monotonic()
    listed = ", ".join(quote(c) for c in columns)
    function = qualified(mapping, f"row_{table.name}_as_of")
    settings = {
        "left": {"dsn": source, "begin": begin, "query": f"SELECT {listed} FROM {_source_name(table)}"},
        "right": {
            "dsn": dsn or "",
            "begin": f"{_AWAKE}{_READ}; SET LOCAL jit = off; SET LOCAL work_mem = '64MB'",
            "query": f"SELECT {listed} FROM {function}({condition})",
        },
        "key": len(table.key),
        "memory": memory,
        "keep": keep,
    }
    answer = json.loads(_headrace.compare_queries(json.dumps(settings), watch))
    examples = [_example(example, columns, len(table.key)) for example in answer["examples"]]
    return TableComparison(
        table=table.source,
        source_rows=answer["left"],
        vault_rows=answer["right"],
        missing=answer["missing"],
        extra=answer["extra"],
        different=answer["different"],
        repeated=answer["repeated"],
        examples=examples,
        notes=notes,
        seconds=time.monotonic() - started,
    )


def _example(found: Mapping[str, Any], columns: Sequence[str], key: int) -> dict[str, Any]:
    """Values by name; of rows in both, those that differ."""
    left, right = found["left"], found["right"]
    values = left or right or [None] * len(columns)
    named = dict(zip(columns[:key], values[:key], strict=True))
    example: dict[str, Any] = {"kind": found["kind"], "key": named}
    if found["kind"] == "different" and left and right:
        example["columns"] = {
            name: {"source": a, "vault": b} for name, a, b in zip(columns, left, right, strict=True) if a != b
        }
    return example


def _catch_up(
    mapping: VaultMapping,
    *,
    source: str,
    dsn: str | None,
    lsn: str,
    tables: Sequence[Table],
    brokers: str | None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None,
    load: Mapping[str, Any] | None,
    deadline: float,
) -> None:
    """Wait until all that was committed before `lsn` is in the topics, then in the vault. load: do it, with
    these settings.
    """
    from headrace import _lag
    from headrace.vault.load import topics_there, vault_load

    if mapping.slot is not None:
        _wait_for_slot(mapping.slot, source, lsn, deadline)
    settings = kafka_settings(brokers, kafka)
    there = topics_there(settings)
    tables = [table for table in tables if table.topic in there]
    ends: dict[str, dict[int, int]] = {}
    for table in tables:
        found = _lag.lag(mapping.job_of(table), table.topic, kafka=settings, dsn=dsn)
        ends[table.source] = {p.partition: p.end for p in found.partitions}
    if load is not None and tables:
        vault_load(mapping, dsn=dsn, kafka=settings, tables=[t.source for t in tables], **load)
    for table in tables:
        while True:
            found = _lag.lag(mapping.job_of(table), table.topic, kafka=settings, dsn=dsn)
            behind = sum(max(0, ends[table.source].get(p.partition, 0) - p.next) for p in found.partitions)
            if behind <= 0:
                break
            if time.monotonic() >= deadline:
                raise RetriableError(
                    f"the vault is still {behind:,} messages behind topic {table.topic}: load it (headrace "
                    "vault load), or verify with load=True, --load"
                )
            time.sleep(_POLL)


def _wait_for_slot(slot: str, source: str, lsn: str, deadline: float) -> None:
    """Until the connector has sent everything before `lsn` to Kafka, and said so to the source."""
    with Connection(source) as connection:
        while True:
            found = connection.query(_SLOT, [slot, lsn])
            if not found:
                raise SchemaError(
                    f"the source has no replication slot {slot}: start the connector, name its slot in the "
                    "mapping (source: slot), name the primary of a standby, or verify with an LSN"
                )
            if found[0][0] == "t":
                return
            if time.monotonic() >= deadline:
                raise RetriableError(
                    f"the connector has not confirmed {lsn} at slot {slot} yet: is it running, and has it a "
                    "heartbeat (heartbeat.interval.ms and heartbeat.action.query)?"
                )
            time.sleep(_POLL)


__all__ = ["TableComparison", "Verification", "lsn_number", "vault_verify"]
