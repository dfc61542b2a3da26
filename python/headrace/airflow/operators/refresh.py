"""The operator that brings a PostgreSQL table up to date from another one, by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from headrace.airflow import lineage
from headrace.airflow.accounts import quote_name
from headrace.airflow.operators.base import HeadraceOperator, names, whole, without_nones

if TYPE_CHECKING:
    from airflow.sdk import Context


class HeadraceRefreshOperator(HeadraceOperator):
    """Upsert the rows of a PostgreSQL table or query into a PostgreSQL table: for dictionaries.

    New keys are inserted, known ones updated; rows that are gone from the source stay in the target, so
    that facts that refer to them keep their name. Source and target may be in different databases: rows
    stream through the worker in batches.

    :param target: table to bring up to date, ``schema.table`` (templated)
    :param source_table: table to read, ``schema.table`` (templated); or ``query``, not both
    :param query: query to read (templated; ``.sql`` files too)
    :param source_postgres_conn_id: connection of the source; by default that of the target (templated)
    :param job: name of the job on the receipt (templated); by default DAG and task
    :param mode: ``upsert``, or ``replace`` to make the target equal to the source (templated)
    :param key: columns of the key; by default the target's primary key
    :param map: target column to source column, where they differ (templated)
    :param workers: threads (templated)
    :param batch_records: records a transaction (templated)
    :param options: more keyword arguments of ``headrace.load`` (templated)
    :param postgres_conn_id: connection of type ``postgres``: the database of the target

    .. seealso:: ``dags/dictionaries.py``
    """

    template_fields: Sequence[str] = (
        "target",
        "source_table",
        "query",
        "source_postgres_conn_id",
        "job",
        "mode",
        "map",
        "workers",
        "batch_records",
        "options",
        *HeadraceOperator.template_fields,
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {  # noqa: RUF012 - the form Airflow documents
        "query": "sql",
        "map": "json",
        "options": "json",
        **HeadraceOperator.template_fields_renderers,
    }

    def __init__(
        self,
        *,
        target: str,
        source_table: str | None = None,
        query: str | None = None,
        source_postgres_conn_id: str | None = None,
        job: str | None = None,
        mode: str = "upsert",
        key: Sequence[str] | None = None,
        map: Mapping[str, Any] | None = None,
        workers: int | str | None = None,
        batch_records: int | str | None = None,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.target = target
        self.source_table = source_table
        self.query = query
        self.source_postgres_conn_id = source_postgres_conn_id
        self.job = job
        self.mode = mode
        self.key = key
        self.map = map
        self.workers = workers
        self.batch_records = batch_records
        self.options = options

    def execute(self, context: Context) -> dict[str, Any]:
        """Refresh, and return the receipt."""
        import headrace

        if bool(self.source_table) == bool(self.query):
            raise AirflowFailException(
                "Give HeadraceRefreshOperator either a source_table or a query, not both."
            )
        sql = self.query or f"SELECT * FROM {quote_name(self.source_table or '')}"
        arguments = without_nones(
            key=names(self.key) if self.key is not None else None,
            map=dict(self.map) if self.map is not None else None,
            workers=whole("workers", self.workers),
            batch_records=whole("batch_records", self.batch_records),
        )
        arguments.update(
            dsn=self.hook.dsn(),
            job=self.job or f"{self.dag_id}.{self.task_id}",
            mode=self.mode,
            progress=self.progress,
        )
        arguments.update(self.options or {})
        source = headrace.Query(self.hook.dsn(self.source_postgres_conn_id), sql)
        receipt = self.call(context, lambda: headrace.load(source, self.target, **arguments))
        return self.finish(context, receipt)

    def lineage_inputs(self) -> list[lineage.Dataset]:
        """The source table; a query's tables are not taken apart."""
        if not self.source_table:
            return []
        return [lineage.table(*self.hook.where(self.source_postgres_conn_id), self.source_table)]

    def lineage_outputs(self) -> list[lineage.Dataset]:
        """The target table."""
        return [lineage.table(*self.hook.where(), self.target)]
