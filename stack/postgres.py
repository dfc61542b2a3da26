"""The PostgreSQL server of headrace.embedded, with psycopg as a client that is not ours."""

from __future__ import annotations

import psycopg
from headrace.embedded import postgresql
from headrace.embedded.postgresql import SETTINGS, USER, account, binaries, remove_copy, root_folder, wheel
from psycopg import sql

__all__ = ["SETTINGS", "USER", "Server", "account", "binaries", "remove_copy", "root_folder", "wheel"]


class Server(postgresql.Server):
    """One PostgreSQL server with a folder of its own: headrace.embedded.postgresql has the parameters."""

    def connect(self, database: str = "postgres", autocommit: bool = True) -> psycopg.Connection:
        """A psycopg connection as superuser."""
        return psycopg.connect(self.dsn(database), autocommit=autocommit)

    def create_database(self, name: str) -> bool:
        """Create a database unless it exists; whether it was created."""
        with self.connect() as connection:
            if connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
                return False
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            return True

    def drop_database(self, name: str) -> None:
        """Drop a database with the sessions in it; no error if there is none."""
        with self.connect() as connection:
            connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            )
