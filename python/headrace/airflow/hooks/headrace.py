"""Airflow connections as what Headrace understands: a libpq connection string and librdkafka settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.log import mask_secret

if TYPE_CHECKING:
    from airflow.sdk import Connection

# Extras of a postgres connection that are settings of its Airflow hook and mean nothing to libpq.
_NOT_LIBPQ = {
    "cursor",
    "sqlalchemy_scheme",
    "sqlalchemy_query",
    "aws_conn_id",
    "azure_conn_id",
    "cluster-identifier",
    "workgroup-name",
}
# Ways to log in for which the Airflow hook fetches a token itself.
_TOKEN_LOGINS = ("iam", "redshift", "redshift-serverless")

# Callbacks are Python functions; they cannot run in librdkafka's threads without Python.
_CALLBACKS = ("error_cb", "throttle_cb", "stats_cb", "log_cb", "oauth_cb", "on_commit")
# These would break the exactly-once protocol: headrace.offsets alone says where to read on.
_OWNED = {
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "auto.commit.interval.ms",
    "isolation.level",
    "enable.partition.eof",
    # Connections made for the consumer operators have these; Headrace assigns partitions itself.
    "group.id",
    "group.instance.id",
    "partition.assignment.strategy",
}
_SECRET_WORDS = ("password", "secret", "key.pem", "token", "oauthbearer.config")


def quote_conninfo(value: str) -> str:
    """A value for a libpq connection string, quoted so that spaces and quotes stay part of it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def conninfo(connection: Connection, application_name: str | None = None) -> str:
    """The libpq connection string of a connection of type ``postgres``.

    The extras go to libpq as they are (``sslmode``, ``options``, ``connect_timeout``...), but for those that
    only Airflow's hook knows. The text holds the password: give it to Headrace, never to a log.

    :raises AirflowFailException: for a connection of another type, or one that logs in with a cloud's token.
    """
    if connection.conn_type not in ("postgres", "postgresql"):
        raise AirflowFailException(
            f"Connection {connection.conn_id!r} is of type {connection.conn_type!r}; Headrace needs "
            "one of type 'postgres'."
        )
    extra = connection.extra_dejson
    for name in _TOKEN_LOGINS:
        if extra.get(name):
            raise AirflowFailException(
                f"Connection {connection.conn_id!r} has {name!r} set; Headrace logs in with a password, a "
                "certificate or a pgpass file. Use a connection without it."
            )
    settings: dict[str, Any] = {
        "host": connection.host,
        "port": connection.port,
        "user": connection.login,
        "password": connection.password,
        "dbname": connection.schema,
        "application_name": application_name,
    }
    settings.update(
        {name: value for name, value in extra.items() if name not in _NOT_LIBPQ and name not in _TOKEN_LOGINS}
    )
    return " ".join(
        f"{name}={quote_conninfo(_text(value))}"
        for name, value in settings.items()
        if value not in (None, "")
    )


def librdkafka_settings(connection: Connection, more: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The librdkafka settings in the extra of a connection of type ``kafka``, with ``more`` laid over them.

    All are texts. Settings that belong to Headrace's exactly-once protocol are left out.

    :raises AirflowFailException: for a connection of another type, without ``bootstrap.servers``, or with
        callbacks.
    """
    if connection.conn_type != "kafka":
        raise AirflowFailException(
            f"Connection {connection.conn_id!r} is of type {connection.conn_type!r}; Headrace needs "
            "one of type 'kafka'."
        )
    settings = {**connection.extra_dejson, **(more or {})}
    callbacks = [name for name in _CALLBACKS if settings.get(name)]
    if callbacks:
        raise AirflowFailException(
            f"Connection {connection.conn_id!r} sets {', '.join(callbacks)}: Python callbacks cannot run "
            "inside Headrace. Remove them; for OAUTHBEARER use sasl.oauthbearer.method=oidc and its settings."
        )
    if not settings.get("bootstrap.servers"):
        raise AirflowFailException(
            f"Connection {connection.conn_id!r} has no 'bootstrap.servers' in its extra; add, for example, "
            '{"bootstrap.servers": "broker:9092"}.'
        )
    texts = {
        name: _text(value) for name, value in settings.items() if name not in _OWNED and value is not None
    }
    for name, text in texts.items():
        if text and any(word in name for word in _SECRET_WORDS):
            mask_secret(text)
    return texts


def _text(value: Any) -> str:
    """A setting as libpq and librdkafka write it: ``true`` and ``false`` in small letters."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class HeadraceHook(BaseHook):
    """Turns a ``postgres`` and a ``kafka`` connection into what ``headrace.load`` and its friends take.

    The connection types are those of the postgres and apache-kafka providers. Secrets are never logged.

    :param postgres_conn_id: connection of type ``postgres``: the database of the target table
    :param kafka_conn_id: connection of type ``kafka``: the brokers; its extra holds librdkafka settings
    :param kafka_config: librdkafka settings laid over those of the connection
    :param application_name: how the database's own views (``pg_stat_activity``) name our connections
    """

    conn_name_attr = "postgres_conn_id"
    default_conn_name = "postgres_default"
    hook_name = "Headrace"

    def __init__(
        self,
        postgres_conn_id: str = "postgres_default",
        kafka_conn_id: str = "kafka_default",
        kafka_config: Mapping[str, Any] | None = None,
        application_name: str | None = None,
    ) -> None:
        super().__init__()
        self.postgres_conn_id = postgres_conn_id
        self.kafka_conn_id = kafka_conn_id
        self.kafka_config = dict(kafka_config or {})
        self.application_name = application_name

    def dsn(self, conn_id: str | None = None) -> str:
        """The libpq connection string of the postgres connection, or another one. It holds the password."""
        return conninfo(self.get_connection(conn_id or self.postgres_conn_id), self.application_name)

    def kafka(self) -> dict[str, str]:
        """The librdkafka settings of the kafka connection. They may hold passwords."""
        return librdkafka_settings(self.get_connection(self.kafka_conn_id), self.kafka_config)

    async def adsn(self) -> str:
        """As ``dsn``, for the event loop of a triggerer."""
        return conninfo(await self.aget_connection(self.postgres_conn_id), self.application_name)

    async def akafka(self) -> dict[str, str]:
        """As ``kafka``, for the event loop of a triggerer."""
        return librdkafka_settings(await self.aget_connection(self.kafka_conn_id), self.kafka_config)

    def where(self, conn_id: str | None = None) -> tuple[str, int, str]:
        """Host, port and database of the postgres connection: no secrets; they name its tables in lineage."""
        connection = self.get_connection(conn_id or self.postgres_conn_id)
        return (
            connection.host or "localhost",
            int(connection.port or 5432),
            connection.schema or connection.login or "postgres",
        )

    def brokers(self) -> str:
        """The bootstrap servers of the kafka connection."""
        return self.kafka()["bootstrap.servers"]

    def get_conn(self) -> Any:
        """An open psycopg connection to the target's database, for what a DAG asks around a load."""
        import psycopg

        return psycopg.connect(self.dsn())
