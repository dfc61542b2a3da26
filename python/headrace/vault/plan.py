"""headrace.vault_plan: what vault_load would do, and what stands in its way. Writes nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace._headrace import Connection
from headrace.display import html_table, text_table
from headrace.errors import HeadraceError, RetriableError
from headrace.vault.ddl import STAGING, parent_column, row_columns
from headrace.vault.load import kafka_settings, load_settings, topics_there
from headrace.vault.mapping import Table, VaultMapping, read_mapping

_COLUMNS = """
SELECT c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')
"""

_ALIASES = {
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "float": "double precision",
    "bool": "boolean",
    "decimal": "numeric",
    "varchar": "character varying",
    "char": "character",
    "bpchar": "character",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "timetz": "time with time zone",
    "time": "time without time zone",
    "varbit": "bit varying",
}
_MODIFIER = re.compile(r"\([^)]*\)")
_BRACKETS = re.compile(r"(\[\d*\])+$")


def server_type(kind: str) -> str:
    """A type as format_type() prints it: aliases resolved, modifiers in their place."""
    text = " ".join(kind.lower().split())
    array = "[]" if text.endswith("]") else ""
    text = _BRACKETS.sub("", text)
    modifiers = _MODIFIER.search(text)
    modifier = modifiers[0].replace(" ", "") if modifiers else ""
    name = " ".join(_MODIFIER.sub(" ", text).split())
    full = _ALIASES.get(name, name)
    if full == "character" and not modifier:
        modifier = "(1)"
    if full == "numeric" and modifier and "," not in modifier:
        modifier = modifier[:-1] + ",0)"
    first, space, last = full.partition(" ")
    if modifier and last in ("with time zone", "without time zone"):
        return f"{first}{modifier}{space}{last}{array}"
    return f"{full}{modifier}{array}"


@dataclass(frozen=True, slots=True)
class VaultPlan:
    """What vault_load would do: lag per table, and what stands in its way."""

    tables: Sequence[Mapping[str, Any]]
    problems: Sequence[str]
    warnings: Sequence[str]

    @property
    def lag(self) -> int:
        """Messages that would be read."""
        return sum(int(table["lag"] or 0) for table in self.tables)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "lag": self.lag,
            "tables": [dict(table) for table in self.tables],
            "problems": list(self.problems),
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def _rows(self) -> tuple[list[str], list[list[Any]]]:
        header = ["table", "topic", "partitions", "lag", "hubs", "links", "satellites"]
        return header, [[", ".join(v) if isinstance(v, list) else v for v in t.values()] for t in self.tables]

    def __str__(self) -> str:
        parts = [text_table(*self._rows())]
        parts += [f"problem: {problem}" for problem in self.problems]
        parts += [f"warning: {warning}" for warning in self.warnings]
        parts.append(f"{self.lag:,} messages would be read")
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        header, rows = self._rows()
        lines = [["problem", p] for p in self.problems] + [["warning", w] for w in self.warnings]
        return html_table(header, rows, f"{self.lag:,} to load") + (
            html_table(["", ""], lines) if lines else ""
        )


def vault_plan(
    mapping: str | os.PathLike[str] | VaultMapping,
    *,
    dsn: str | None = None,
    brokers: str | None = None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    tables: Sequence[str] | None = None,
    **settings: Any,
) -> VaultPlan:
    """Connect, compare the mapping with the tables there are, and say what vault_load would read.

    The arguments are vault_load's. Problems are what vault_load would fail on: missing tables, missing
    columns, other types. Warnings are topics that are not there yet, and where hashes that the database makes
    by itself would differ (headrace.hash_check). Raises RetriableError when the database or the
    brokers cannot be reached.
    """
    from headrace._hash import hash_check

    read = read_mapping(mapping)
    chosen = read.chosen(tables)
    with Connection(dsn or "") as connection:
        found: dict[str, dict[str, str]] = {}
        for name, column, kind in connection.query(_COLUMNS, [read.schema]):
            found.setdefault(str(name), {})[str(column)] = str(kind)
        warnings = hash_check(connection, zone=read.zone)
    problems = _compare(read, chosen, found)
    there = topics_there(kafka_settings(brokers, kafka))
    warnings += [
        f"topic {table.topic} is not there yet: Debezium makes it with the first event of {table.source}"
        for table in chosen
        if table.topic not in there
    ]
    listed = []
    for table in chosen:
        lag, partitions = None, None
        if table.staging in found and table.topic in there:
            built = load_settings(read, table, dsn=dsn, brokers=brokers, kafka=kafka, **settings)
            lag, partitions = _ask(built, table, problems)
        listed.append(
            {
                "table": table.source,
                "topic": table.topic,
                "partitions": partitions,
                "lag": lag,
                "hubs": sorted({r.hub for r in table.references.values()}),
                "links": sorted(table.links),
                "satellites": [s.name for s in table.satellites],
            }
        )
    return VaultPlan(listed, problems, warnings)


def _ask(settings: Mapping[str, Any], table: Table, problems: list[str]) -> tuple[int | None, int | None]:
    from headrace import _headrace

    try:
        lanes = json.loads(_headrace.plan_load(json.dumps(settings)))["lanes"]
    except RetriableError:
        raise
    except HeadraceError as error:
        problems.append(f"{table.source}: {error}")
        return None, None
    return sum(int(lane["lag"] or 0) for lane in lanes), len(lanes)


def _compare(
    mapping: VaultMapping, tables: Sequence[Table], found: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """What is missing or of another type, one sentence each."""
    problems = []
    remedy = f"run headrace vault ddl {mapping.path}"
    for name, columns in _wanted(mapping, tables).items():
        what = f"table {mapping.schema}.{name}"
        if name not in found:
            problems.append(f"{what} is missing: {remedy}")
            continue
        for column, kind in columns.items():
            there = found[name].get(column)
            if there is None:
                problems.append(f"{what} has no column {column}: {remedy}")
            elif there.lower() != server_type(kind):
                problems.append(f"{what}: {column} is {there}, but {server_type(kind)} in the mapping")
    return problems


def _wanted(mapping: VaultMapping, tables: Sequence[Table]) -> dict[str, dict[str, str]]:
    """Every table the loads write to or read as a contract, with its columns."""
    wanted: dict[str, dict[str, str]] = {}
    for table in tables:
        for reference in table.references.values():
            hub = mapping.hubs[reference.hub]
            wanted[hub.table] = {hub.hash: "bytea", **hub.keys}
        for name in table.links:
            link = mapping.links[name]
            wanted[link.table] = {link.hash: "bytea"} | {f"{role}_hk": "bytea" for role in link.roles}
        parent = parent_column(mapping, table)
        ours = {column: kind.removesuffix(" NOT NULL") for column, kind, _ in STAGING}
        wanted[table.staging] = {c: table.columns[c] for c in row_columns(mapping, table)} | ours
        wanted[table.tracking] = {parent: "bytea"} | {s.diff: "bytea" for s in table.satellites}
        for satellite in table.satellites:
            wanted[satellite.table] = {parent: "bytea"} | {c: table.columns[c] for c in satellite.columns}
    return wanted
