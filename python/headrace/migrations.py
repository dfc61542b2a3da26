"""The schema headrace of a target database: made and upgraded here, by numbered SQL files (sql/migrations).

Each file is applied once, in one transaction, under an advisory lock, and noted in headrace.migrations.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from headrace._headrace import Connection
from headrace.errors import HeadraceError, SchemaError

# "headrace" in ASCII: every Headrace takes the same lock before it changes the schema.
LOCK = 0x6865616472616365

_TABLE = """
CREATE TABLE IF NOT EXISTS headrace.migrations (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text        NOT NULL DEFAULT current_user
);
COMMENT ON TABLE headrace.migrations IS 'Which versions of this schema have been applied';
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    sql: str = field(repr=False)

    @property
    def checksum(self) -> str:
        """sha256 of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def available() -> list[Migration]:
    """All migrations this version of Headrace ships, in order."""
    found = []
    for entry in (Path(__file__).parent / "sql").iterdir():
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name)
        if match:
            found.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.version)


def script() -> str:
    """Everything as one SQL script for psql, for a DBA who prefers to run it."""
    parts = ["BEGIN;", "CREATE SCHEMA IF NOT EXISTS headrace;", _TABLE.strip()]
    for migration in available():
        parts.append(f"-- {migration.version:04d}_{migration.name}")
        parts.append(migration.sql.strip())
        parts.append(
            "INSERT INTO headrace.migrations (version, name, checksum) "
            f"VALUES ({migration.version}, '{migration.name}', '{migration.checksum}');"
        )
    return "\n\n".join([*parts, "COMMIT;"]) + "\n"


def current(connection: Connection) -> int | None:
    """The version of the database's schema headrace; 0 when it is empty, None when it does not exist.

    SchemaError when it exists and this role may not look into it.
    """
    rows = connection.query(
        "SELECT has_schema_privilege(n.oid, 'USAGE'), current_user FROM pg_namespace n WHERE n.nspname "
        "= 'headrace'"
    )
    if not rows:
        return None
    if rows[0][0] != "t":
        raise SchemaError(_no_usage(str(rows[0][1])))
    table = connection.query(
        "SELECT has_table_privilege(to_regclass('headrace.migrations'), 'SELECT'), current_user"
        " WHERE to_regclass('headrace.migrations') IS NOT NULL"
    )
    if not table:
        return 0
    if table[0][0] != "t":
        raise SchemaError(_no_usage(str(table[0][1])))
    return int(connection.query("SELECT coalesce(max(version), 0) FROM headrace.migrations")[0][0] or 0)


def apply(dsn: str | None = None) -> list[Migration]:
    """Bring the database's schema headrace to this version. Returns what was applied; usually nothing.

    SchemaError, with the statement for a DBA, when the role may not create the schema or tables in it, and
    when the database's schema is newer than this version of Headrace.
    """
    wanted = available()
    with Connection(dsn or "") as connection:
        version = current(connection)
        newest = wanted[-1].version
        if version is not None and version > newest:
            raise SchemaError(
                f"the schema headrace of this database has version {version}, this Headrace knows {newest}: "
                "upgrade Headrace on this machine"
            )
        if version == newest:
            return []
        _check_may_change(connection, version)
        return _apply_all(connection, wanted)


def _apply_all(connection: Connection, wanted: list[Migration]) -> list[Migration]:
    done = []
    for migration in wanted:
        connection.script("BEGIN")
        try:
            connection.query("SELECT pg_advisory_xact_lock($1)", [LOCK])
            # IF NOT EXISTS would want the right to make schemas even where there is nothing to make
            if not connection.query("SELECT 1 FROM pg_namespace WHERE nspname = 'headrace'"):
                connection.script("CREATE SCHEMA headrace")
            connection.script(_TABLE)
            # Asked under the lock: another worker may have been quicker.
            if not connection.query(
                "SELECT 1 FROM headrace.migrations WHERE version = $1", [migration.version]
            ):
                connection.script(migration.sql)
                connection.query(
                    "INSERT INTO headrace.migrations (version, name, checksum) VALUES ($1, $2, $3)",
                    [migration.version, migration.name, migration.checksum],
                )
                done.append(migration)
            connection.script("COMMIT")
        except BaseException:
            # The connection may be gone, and then so is the transaction; the first error is the one to tell.
            with contextlib.suppress(HeadraceError):
                connection.script("ROLLBACK")
            raise
    return done


def _check_may_change(connection: Connection, version: int | None) -> None:
    """SchemaError, before anything is tried, when the role lacks the right."""
    row = connection.query(
        "SELECT current_user, current_database(), quote_ident(current_user), quote_ident(current_database()),"
        " has_database_privilege(current_database(), 'CREATE'),"
        " coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = "
        "'headrace'), false)"
    )[0]
    role, database, quoted_role, quoted_database, may_create_schema, may_create_table = row
    if version is None and may_create_schema != "t":
        raise SchemaError(
            f'Headrace keeps offsets and receipts in a schema "headrace" of database "{database}", '
            "which does not exist,"
            f' and role "{role}" may not create it. Ask a DBA to run in that database:\n'
            f"    CREATE SCHEMA headrace AUTHORIZATION {quoted_role};\n"
            f"or: GRANT CREATE ON DATABASE {quoted_database} TO {quoted_role};"
        )
    if version is not None and may_create_table != "t":
        raise SchemaError(
            f'the schema "headrace" of database "{database}" has version {version} and must be brought to '
            f'{available()[-1].version}, but role "{role}" may not create tables in it. Ask its owner '
            "to run: "
            "headrace schema apply --dsn ..., or a DBA to run:\n"
            f"    GRANT CREATE ON SCHEMA headrace TO {quoted_role};"
        )


def _no_usage(role: str) -> str:
    quoted = '"' + role.replace('"', '""') + '"'
    return (
        f'role "{role}" may not use the schema "headrace" of this database. Ask its owner to run:\n'
        f"    GRANT USAGE ON SCHEMA headrace TO {quoted};\n"
        f"    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA headrace TO {quoted};"
    )
