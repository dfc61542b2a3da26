"""The operator that loads a Kafka topic or files into a PostgreSQL table, exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from headrace.airflow import lineage
from headrace.airflow.operators.base import HeadraceOperator, names, whole, wholes, without_nones

if TYPE_CHECKING:
    from airflow.sdk import Context


class HeadraceLoadOperator(HeadraceOperator):
    """Load a Kafka topic, or files, into a PostgreSQL table, exactly once.

    The table's definition says how records are read; a record that does not fit is kept in
    ``headrace.dead_letters`` with its reason and never stops the load. Where a run goes on is kept in the
    target's database, in the same transaction as the rows: tries, late runs and catch-ups neither lose nor
    double anything. A run reads up to the end it saw at its start, or to a limit.

    The receipt is returned as XCom, shown in the log, counted in StatsD, added to the events of the task's
    outlet assets and given to OpenLineage. Errors that may pass make the task try again; others fail it at
    once.

    :param target: table to load into, ``schema.table`` (templated)
    :param topic: Kafka topic to load (templated); or ``files``, not both
    :param files: a path or glob, or several, of JSON lines or CSV, also gzip or zstd (templated)
    :param job: name under which offsets are kept (templated); by default that of the DAG
    :param mode: ``append``, ``upsert`` (by the table's primary key or ``key``) or ``replace`` (templated)
    :param key: columns of the key for ``upsert``
    :param format: ``json`` (one document a record), ``csv`` or ``debezium`` (change events)
    :param map: column name to path in the document, where they differ; see ``headrace.load`` (templated)
    :param partitions: Kafka partitions to load, for tasks mapped over shares of a topic; None for all
        (templated)
    :param start: where a new job begins: ``earliest`` or ``latest`` (templated)
    :param unknown: what to do with keys without a column: ``ignore`` or ``reject``
    :param partition: unit of the target's partitions: ``week``, ``day`` or ``month``
    :param zone: time zone in which weeks begin
    :param workers: threads, each with its own connection; None for one a core (templated)
    :param max_records: stop after about this many records (templated); None for no limit
    :param max_seconds: stop after this time (templated); None for no limit
    :param batch_records: records a transaction (templated); None for Headrace's default
    :param options: more keyword arguments of ``headrace.load`` (templated)
    :param postgres_conn_id: connection of type ``postgres``: the database of the target
    :param kafka_conn_id: connection of type ``kafka``
    :param kafka_config: librdkafka settings laid over those of the connection

    .. seealso:: ``dags/purchases.py`` maps this operator over shares of a topic's partitions.
    """

    template_fields: Sequence[str] = (
        "target",
        "topic",
        "files",
        "job",
        "mode",
        "map",
        "partitions",
        "start",
        "workers",
        "max_records",
        "max_seconds",
        "batch_records",
        "options",
        *HeadraceOperator.template_fields,
    )
    template_fields_renderers = {  # noqa: RUF012 - the form Airflow documents
        "map": "json",
        "options": "json",
        **HeadraceOperator.template_fields_renderers,
    }

    def __init__(
        self,
        *,
        target: str,
        topic: str | None = None,
        files: str | Sequence[str] | None = None,
        job: str | None = None,
        mode: str = "append",
        key: Sequence[str] | None = None,
        format: str | None = None,
        map: Mapping[str, Any] | None = None,
        partitions: Sequence[int] | str | None = None,
        start: str = "earliest",
        unknown: str = "ignore",
        partition: str = "week",
        zone: str = "UTC",
        workers: int | str | None = None,
        max_records: int | str | None = None,
        max_seconds: int | str | None = None,
        batch_records: int | str | None = None,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.target = target
        self.topic = topic
        self.files = files
        self.job = job
        self.mode = mode
        self.key = key
        self.format = format
        self.map = map
        self.partitions = partitions
        self.start = start
        self.unknown = unknown
        self.partition = partition
        self.zone = zone
        self.workers = workers
        self.max_records = max_records
        self.max_seconds = max_seconds
        self.batch_records = batch_records
        self.options = options

    def execute(self, context: Context) -> dict[str, Any]:
        """Load, and return the receipt."""
        import headrace

        source, arguments = self.arguments()
        receipt = self.call(context, lambda: headrace.load(source, self.target, **arguments))
        return self.finish(context, receipt)

    def arguments(self) -> tuple[Any, dict[str, Any]]:
        """Source and keyword arguments of ``headrace.load``, from the rendered fields and the connections.

        :raises AirflowFailException: for settings that cannot be.
        """
        if bool(self.topic) == bool(self.files):
            raise AirflowFailException("Give HeadraceLoadOperator either a topic or files, and not both.")
        arguments = without_nones(
            key=names(self.key) if self.key is not None else None,
            format=self.format,
            map=dict(self.map) if self.map is not None else None,
            workers=whole("workers", self.workers),
            max_records=whole("max_records", self.max_records),
            max_seconds=whole("max_seconds", self.max_seconds),
            batch_records=whole("batch_records", self.batch_records),
        )
        arguments.update(
            dsn=self.hook.dsn(),
            job=self.job or self.dag_id,
            mode=self.mode,
            unknown=self.unknown,
            partition=self.partition,
            zone=self.zone,
            progress=self.progress,
        )
        source: Any = self.files
        if self.topic:
            source = f"kafka://{self.topic}"
            arguments.update(kafka=self.hook.kafka(), start=self.start)
            numbers = wholes("partitions", self.partitions)
            if numbers is not None:
                if not numbers:
                    raise AirflowFailException("partitions is empty: there is nothing this task should load.")
                arguments["partitions"] = numbers
        arguments.update(self.options or {})
        return source, arguments

    def lineage_inputs(self) -> list[lineage.Dataset]:
        """The topic or the files."""
        if self.topic:
            return [lineage.topic(self.hook.brokers(), self.topic)]
        return [
            lineage.file(path) for path in ([self.files] if isinstance(self.files, str) else self.files or [])
        ]

    def lineage_outputs(self) -> list[lineage.Dataset]:
        """The target table."""
        return [lineage.table(*self.hook.where(), self.target)]
