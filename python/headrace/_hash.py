"""Hash keys and hash diffs: hash_keys, hash_diff, hash_check. docs/hash-keys.md says what is hashed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from headrace import _headrace, _settings
from headrace._headrace import Batch, Connection
from headrace.errors import UsageError

__all__ = ["hash_check", "hash_diff", "hash_keys"]

Recipe = Literal[
    "automate_dv", "automate_dv_sha256", "automate_dv_cased", "plain", "plain_sha256", "exact", "exact_sha256"
]


def hash_keys(
    batch: Any,
    columns: str | Sequence[str],
    *,
    recipe: Recipe = "automate_dv",
    name: str = "hash_key",
    output: Literal["bytea", "hex"] = "bytea",
    zone: str = "UTC",
) -> Batch:
    """The batch with one more column, the hash of `columns` of each row; its other columns are not copied.

    batch: a Batch, or anything with the Arrow PyCapsule interface (pyarrow, polars, ...).
    columns: the business key's columns, in its order. A single name is hashed alone, as automate_dv does with
        a string: null gives null. A list gives null where all its columns are null (or empty, or "^^").
    recipe: "automate_dv" is what automate_dv gives on PostgreSQL, byte for byte: MD5 of
        UPPER(TRIM(CAST(x AS text))) with "||" between and "^^" for null or empty; "automate_dv_sha256"
        the same with SHA-256, "automate_dv_cased" without UPPER. "plain" is the MD5 of the texts with "||"
        between and nothing for null, "plain_sha256" their SHA-256.
    name: of the new column, which is bytea (16 or 32 bytes), or with output="hex" text in lower case.
    zone: the TimeZone in which timestamptz columns become text.

    Raises UsageError for a column, recipe or zone that is not there, or a name that is taken.
    """
    return _hash(batch, columns, recipe=recipe, name=name, output=output, zone=zone, diff=False)


def hash_diff(
    batch: Any,
    columns: str | Sequence[str],
    *,
    recipe: Recipe = "automate_dv",
    name: str = "hash_diff",
    output: Literal["bytea", "hex"] = "bytea",
    zone: str = "UTC",
) -> Batch:
    """The same for a hash diff: the columns of a list are sorted by name (not minding case, as automate_dv
    does), and a row with nothing but nulls has a hash, too. A single name is hashed as hash_keys does it.
    """
    ordered = columns if isinstance(columns, str) else sorted(columns, key=str.lower)
    return _hash(batch, ordered, recipe=recipe, name=name, output=output, zone=zone, diff=True)


def _hash(
    batch: Any, columns: str | Sequence[str], *, recipe: str, name: str, output: str, zone: str, diff: bool
) -> Batch:
    if output not in ("bytea", "hex"):
        raise UsageError(f'output="{output}": use bytea or hex')
    alone = isinstance(columns, str)
    return _headrace.hash_rows(
        batch if isinstance(batch, Batch) else Batch.from_arrow(batch),
        [columns] if isinstance(columns, str) else columns,
        name,
        recipe=recipe,
        diff=diff,
        alone=alone,
        hex=output == "hex",
        zone=zone,
        zoneinfo=_settings.zoneinfo_directory(),
    )


# Characters whose upper case in this database is not themselves; a database in C knows only the 26 letters.
_UPPER = """
SELECT code, pg_catalog.upper(pg_catalog.chr(code)) FROM pg_catalog.generate_series(1, 131071) code
WHERE code NOT BETWEEN 55296 AND 57343 AND pg_catalog.upper(pg_catalog.chr(code)) <> pg_catalog.chr(code)
"""
_SETTINGS = """
SELECT pg_catalog.current_setting(name)
FROM pg_catalog.unnest(ARRAY['server_encoding', 'DateStyle', 'IntervalStyle', 'bytea_output',
    'extra_float_digits', 'TimeZone']) WITH ORDINALITY s(name, place)
ORDER BY place
"""


def hash_check(database: str | Connection | None = None, *, zone: str = "UTC") -> list[str]:
    """Where hashes that this database computes by itself differ from Headrace's: one sentence each; none is
    good.

    database: a conninfo, or an open Connection (None: as PG* variables say). Compared are the upper case of
    every character under the database's default collation, and the settings that decide how values become
    text. Takes about a second. Raises RetriableError or FatalError when the database cannot be asked.
    """
    if isinstance(database, Connection):
        return _check(database, zone)
    with Connection(database or "") as connection:
        return _check(connection, zone)


def _check(connection: Connection, zone: str) -> list[str]:
    encoding, datestyle, interval, bytea, digits, timezone = (
        str(row[0]) for row in connection.query(_SETTINGS)
    )
    found = []
    if encoding != "UTF8":
        return [
            f"the database's encoding is {encoding}: its md5() hashes those bytes, Headrace the ones of UTF-8"
        ]
    theirs = {chr(int(code or 0)): upper or "" for code, upper in connection.query(_UPPER)}
    letters = [chr(code) for code in range(1, 0x20000) if not 0xD800 <= code <= 0xDFFF]
    other = [c for c in letters if theirs.get(c, c) != _headrace.upper_case(c)]
    if other:
        shown = ", ".join(
            f"{c} -> {theirs.get(c, c)} (here {_headrace.upper_case(c)})" for c in _telling(other)
        )
        found.append(
            f"UPPER() of this database treats {len(other):,} characters differently: {shown}. Keys with them "
            "differ; a database with the builtin locale C.UTF-8 (PostgreSQL 17), or COLLATE pg_c_utf8, agrees"
        )
    if not datestyle.startswith("ISO"):
        found.append(f"DateStyle is {datestyle}: dates and times become other text than in ISO")
    if interval != "postgres":
        found.append(f"IntervalStyle is {interval}: intervals become other text than with postgres")
    if bytea != "hex":
        found.append(f"bytea_output is {bytea}: bytea becomes other text than with hex")
    if int(digits) < 1:
        found.append(f"extra_float_digits is {digits}: real and double precision lose digits; use 1 or more")
    if timezone != zone and not {timezone, zone} <= {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "UCT", "Zulu"}:
        found.append(
            f"TimeZone is {timezone}, but timestamptz columns are hashed in {zone}: make them the same"
        )
    return found


def _telling(letters: list[str]) -> list[str]:
    """The first few, those that a European name may have before others."""
    return sorted(letters, key=lambda c: (c not in "ßäöüéèàçñøåłśżńąęćőűšžřčďťňğışєіїґя", c))[:5]
