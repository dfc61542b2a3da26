"""What a mapping says its tables are, against what they are: before anything is loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from headrace._headrace import Connection
from headrace.errors import SchemaError
from headrace.vault.ddl import (
    SETTINGS,
    STAGING,
    hash_settings,
    parent_column,
    qualified,
    row_columns,
    tracked_links,
)
from headrace.vault.mapping import Table, VaultMapping

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


def check(connection: Connection, mapping: VaultMapping, tables: Sequence[Table]) -> None:
    """SchemaError when the vault's tables are not those of the mapping: values would be read as others, and
    hashes be other ones.
    """
    found = tables_there(connection, mapping)
    problems = compare(mapping, tables, found) + changed_hashes(connection, mapping, found)
    if problems:
        more = f" (and {len(problems) - 1} more: headrace vault plan names them)" if problems[1:] else ""
        raise SchemaError(f"the vault is not as the mapping says: {problems[0]}{more}")


def tables_there(connection: Connection, mapping: VaultMapping) -> dict[str, dict[str, str]]:
    """The types of the columns of all tables in the vault's schema, as format_type() prints them."""
    found: dict[str, dict[str, str]] = {}
    for name, column, kind in connection.query(_COLUMNS, [mapping.schema]):
        found.setdefault(str(name), {})[str(column)] = str(kind)
    return found


def changed_hashes(connection: Connection, mapping: VaultMapping, found: Mapping[str, object]) -> list[str]:
    """Where the mapping's hashes are not those that the vault has, one sentence each."""
    if SETTINGS not in found:
        return []
    there = {
        str(name): str(value)
        for name, value in connection.query(f"SELECT name, value FROM {qualified(mapping, SETTINGS)}")
    }
    return [
        f"{name} is {value} in the mapping, but the vault was made with {there[name]}: its hashes are "
        "others. Change the mapping back, or make a new vault"
        for name, value in hash_settings(mapping).items()
        if there.get(name, value) != value
    ]


def compare(
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
    if SETTINGS not in found:
        problems.append(f"table {mapping.schema}.{SETTINGS} is missing: {remedy}")
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
        place = {parent: "bytea", "dv_lsn": "bigint", "dv_seq": "smallint"}
        hashes = [f"{link}_hk" for link in tracked_links(table)] + [s.diff for s in table.satellites]
        wanted[table.tracking] = {**place, "dv_txid": "bigint", **dict.fromkeys(hashes, "bytea")}
        for satellite in table.satellites:
            wanted[satellite.table] = place | {c: table.columns[c] for c in satellite.columns}
    return wanted
