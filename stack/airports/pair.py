"""The airline's PostgreSQL: a primary that its applications write to, and a streaming replica for reports."""

from __future__ import annotations

import logging
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from psycopg import sql

from stack import ports, postgres
from stack.paths import ROOT
from stack.process import wait_until
from stack.secrets import kept, password, write_private
from stack.state import State

log = logging.getLogger(__name__)

SQL = ROOT / "sql" / "airports"
DATABASE = "airports"
SLOT = "headrace_airports"
"""The slot that Debezium makes, as in sql/airports/connector.json."""
REPLICA_SLOT = "airports_replica"
REPLICA, CAPTURE, READER = "airports_replica", "airports_capture", "airports_reader"
ROLES = (REPLICA, CAPTURE, READER)

PORTS = {"primary": 15442, "replica": 15443}
"""Preferred ports of a pair that stays up."""

SMALL: Mapping[str, str] = {"shared_buffers": "128MB", "max_connections": "60"}
"""The same on both sides: a replica that may have fewer connections than its primary does not start."""

_PRIMARY: Mapping[str, str] = {
    **SMALL,
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
}


@dataclass(frozen=True)
class SlotState:
    """One replication slot of the primary. `kept` is how many bytes of log it keeps from being removed."""

    name: str
    logical: bool
    active: bool
    kept: int


def _write_for_server(path: Path, text: str) -> None:
    """Write a file that the server's user alone can read."""
    write_private(path, text)
    user = postgres.account()
    if user is not None:
        shutil.chown(path, user)


class Primary(postgres.Server):
    """The server that is written to. Only those of sql/airports/pg_hba.conf get in."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(folder, settings={**_PRIMARY, **(settings or {})}, **options)
        self.name = "airports-primary"

    def _initdb(self) -> None:
        """Make the cluster, and let in whom it is for."""
        super()._initdb()
        _write_for_server(self.data / "pg_hba.conf", (SQL / "pg_hba.conf").read_text(encoding="utf-8"))

    def role_password(self, role: str) -> str:
        """The password of one of ROLES, made on first use."""
        return kept(self.folder / f"{role}-password", password)

    def role_dsn(self, role: str, database: str = DATABASE, port: int | None = None) -> str:
        """A libpq connection string for one of ROLES, with its password in a file of ours."""
        return psycopg.conninfo.make_conninfo(
            "",
            host=ports.LOOPBACK,
            port=str(port or self.port),
            user=role,
            dbname=database,
            passfile=str(self._passfile_of(role)),
        )

    def _passfile_of(self, role: str) -> Path:
        path = self.folder / f"{role}.pgpass"
        text = f"{ports.LOOPBACK}:*:*:{role}:{self.role_password(role)}\n"
        if not path.exists() or path.read_text() != text:
            write_private(path, text)
        return path


class Replica(postgres.Server):
    """A server that follows the primary through a slot of its own, and is read only."""

    def __init__(
        self, folder: Path, primary: Primary, *, settings: Mapping[str, str] | None = None, **options: Any
    ) -> None:
        super().__init__(folder, settings={**SMALL, **(settings or {})}, **options)
        self.name = "airports-replica"
        self._primary = primary

    @property
    def password(self) -> str:
        """The owner's password: a replica has the primary's roles."""
        return self._primary.password

    def prepare(self) -> None:
        """Copy the primary the first time. Both must be of one mind about where the primary is: its port is
        told anew each time.
        """
        self._prepare_home()
        passfile = self._home / "primary.pgpass"
        _write_for_server(
            passfile, f"{ports.LOOPBACK}:*:*:{REPLICA}:{self._primary.role_password(REPLICA)}\n"
        )
        self._settings["primary_conninfo"] = psycopg.conninfo.make_conninfo(
            "",
            host=ports.LOOPBACK,
            port=str(self._primary.port),
            user=REPLICA,
            passfile=str(passfile),
            application_name=REPLICA,
        )
        self._settings["primary_slot_name"] = REPLICA_SLOT
        super().prepare()

    def _initdb(self) -> None:
        """Copy the primary. The slot is made first, so that no log is missed from the copy on."""
        user = postgres.account()
        with self._primary.connect() as connection:
            connection.execute(
                "select pg_create_physical_replication_slot(%s, true) where not exists"
                " (select from pg_replication_slots where slot_name = %s)",
                (REPLICA_SLOT, REPLICA_SLOT),
            )
        draft = self._home / "pgdata.new"  # a half-made copy is never taken for a whole one
        shutil.rmtree(draft, ignore_errors=True)
        command: list[str | Path] = [
            postgres.binaries() / "pg_basebackup",
            f"--pgdata={draft}",
            f"--slot={REPLICA_SLOT}",
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--no-password",
            *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
        ]
        where = {
            "PGHOST": ports.LOOPBACK,
            "PGPORT": str(self._primary.port),
            "PGUSER": REPLICA,
            "PGPASSFILE": str(self._home / "primary.pgpass"),
        }
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=self._home,
            env={**self._server_env(), **where},
            stdin=subprocess.DEVNULL,
            check=False,
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
            umask=0o077,
        )
        if done.returncode != 0:
            raise RuntimeError(f"the replica could not copy the primary into {draft}:\n{done.stderr.strip()}")
        os.rename(draft, self.data)


class Pair:
    """Primary and replica in one folder, with the airline's database in them.

    `stay`: the servers outlive this process and have preferred ports; else they are for a test. `durable`,
    `keep` and `state` as for any server of stack.postgres.
    """

    def __init__(
        self,
        folder: Path,
        *,
        stay: bool = False,
        durable: bool = True,
        keep: bool = True,
        state: State | None = None,
    ) -> None:
        self.folder = folder.resolve()
        state = state or State(self.folder / "state.json")
        common: dict[str, Any] = {"durable": durable, "keep": keep, "tied": not stay, "state": state}
        port: Mapping[str, int | None] = PORTS if stay else dict.fromkeys(PORTS)
        self.primary = Primary(self.folder / "primary", port=port["primary"], **common)
        self.replica = Replica(self.folder / "replica", self.primary, port=port["replica"], **common)
        self._keep = keep

    def start(self) -> Pair:
        """Start both; roles, database and tables are made or brought up to date. Returns when the replica
        answers.
        """
        self.primary.start()
        self.primary.create_database(DATABASE)
        with self.primary.connect(DATABASE) as connection:
            for name in ("01_schema.sql", "02_capture.sql", "03_traffic.sql"):
                connection.execute((SQL / name).read_text(encoding="utf-8").encode())
            for role in ROLES:
                _set_password(connection, role, self.primary.role_password(role))
        self.replica.start()
        return self

    def stop(self) -> None:
        """Stop both; the data is kept. The replica goes first and comes back where it was."""
        self.replica.stop()
        self.primary.stop()

    def destroy(self) -> None:
        """Stop both and remove their data."""
        self.replica.destroy()
        self.primary.destroy()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, autocommit: bool = True) -> psycopg.Connection:
        """A connection to the primary's airline database, as its owner."""
        return self.primary.connect(DATABASE, autocommit)

    def read(self) -> psycopg.Connection:
        """A connection to the replica, as the role for reports."""
        return psycopg.connect(self.reader_dsn, autocommit=True)

    @property
    def reader_dsn(self) -> str:
        """A libpq connection string to the replica, as the role for reports."""
        return self.primary.role_dsn(READER, port=self.replica.port)

    def wait_replayed(self, patience: float = 30) -> None:
        """Wait until the replica shows all that is committed on the primary now.

        :raises RuntimeError: when that takes longer than `patience` seconds
        """
        with self.connect() as connection:
            (lsn,) = _one(connection, "select pg_current_wal_insert_lsn()::text")
        with self.read() as connection:

            def replayed() -> bool:
                return bool(_one(connection, "select pg_last_wal_replay_lsn() >= %s::pg_lsn", lsn)[0])

            if not wait_until(replayed, patience):
                raise RuntimeError(
                    f"the replica has not come to {lsn} after {patience:.0f} s; see {self.replica.folder}"
                )

    def lag(self) -> int:
        """How many bytes of log the replica has still to replay."""
        with self.connect() as connection:
            found = connection.execute(
                "select pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint from pg_stat_replication"
                " where application_name = %s",
                (REPLICA,),
            ).fetchone()
        if found is None:
            raise RuntimeError(f"no replica follows the primary; see {self.replica.folder}/postgres.log")
        return int(found[0] or 0)

    def slots(self) -> list[SlotState]:
        """The replication slots of the primary."""
        with self.connect() as connection:
            rows = connection.execute(
                "select slot_name, slot_type = 'logical', active,"
                " coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint"
                " from pg_replication_slots order by slot_name"
            ).fetchall()
        return [SlotState(*row) for row in rows]

    def __enter__(self) -> Pair:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop() if self._keep else self.destroy()


def _one(connection: psycopg.Connection, query: str, *values: object) -> tuple[object, ...]:
    """The one row of a query."""
    row = connection.execute(query.encode(), values).fetchone()
    if row is None:
        raise RuntimeError(f"no row: {query}")
    return tuple(row)


def _set_password(connection: psycopg.Connection, role: str, secret: str) -> None:
    """Give a role its password: as a verifier, so that it stands in no statement, and only if it changed."""
    verifier = connection.pgconn.encrypt_password(secret.encode(), role.encode(), b"scram-sha-256").decode()
    row = connection.execute("select rolpassword from pg_authid where rolname = %s", (role,)).fetchone()
    if row is None or row[0] is None or not _fits(secret, row[0]):
        connection.execute(
            sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier))
        )


def _fits(secret: str, verifier: str) -> bool:
    """Whether a verifier of the form SCRAM-SHA-256$rounds:salt$stored:server is that of this password."""
    import base64
    import hashlib
    import hmac

    try:
        _, middle, keys = verifier.split("$")
        rounds, salt = middle.split(":")
        stored = base64.b64decode(keys.split(":")[0])
        salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), base64.b64decode(salt), int(rounds))
    except ValueError:
        return False
    client = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client).digest(), stored)
