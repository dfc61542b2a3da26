"""The operator that counts a topic's frames in event-time windows, exactly once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from headrace.airflow import lineage
from headrace.airflow.operators.base import (
    HeadraceOperator,
    as_plain,
    given,
    names,
    number,
    whole,
    without_nones,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from headrace._window_topic import WindowProgress

COUNTS = ("frames", "counted", "late", "malformed", "future", "results", "windows")
"""What the log, StatsD and the asset events tell of a run."""

_PROGRESS_SECONDS = 15.0


class HeadraceWindowOperator(HeadraceOperator):
    """Count the frames of a Kafka topic in event-time windows: unique users a minute, and more in one pass.

    A run reads up to the end it saw at its start, or to a limit, and puts out the windows that are over; the
    next run goes on there. Results go to a topic, one final message for each window, and into a table on
    request. A try, a killed worker, a run too many: nothing is lost, nothing is put out twice.

    The receipt is returned as XCom, shown in the log, counted in StatsD, added to the events of the task's
    outlet assets and given to OpenLineage. Errors that may pass make the task try again; others fail it at
    once.

    :param topic: topic of the frames, JSON objects (templated)
    :param to: topic of the results (templated); it is made if it is missing
    :param job: name under which the state is kept (templated); by default that of the DAG
    :param time: field with the event time (templated)
    :param time_unit: ``s``, ``ms``, ``us`` or ``ns`` since 1970, or ``text`` (templated)
    :param windows: kinds of windows, a list or a text with commas: ``minute,hour`` (templated)
    :param zone: time zone of days and longer (templated)
    :param distinct: field whose different values are counted, ``column:type`` (templated)
    :param aggregates: more results; see ``headrace.window_topic``
    :param by: fields of the key
    :param lateness: how far behind a frame may come, ``1h`` (templated)
    :param jump: how far ahead a frame is believed at once (templated)
    :param late_topic: where frames go that count nowhere, with the reason (templated)
    :param table: PostgreSQL table for the results, ``schema.table`` (templated); it is made if missing
    :param keyed: users are spread over the partitions by the messages' key: counts of partitions are added,
        not sets merged (templated)
    :param close_all: the input is over for good: put out every window (templated)
    :param start: where a new job begins: ``earliest``, ``latest``, or a time (templated)
    :param workers: threads (templated)
    :param max_records: stop after about so many frames (templated); None for no limit
    :param max_seconds: stop after this time (templated); None for no limit
    :param options: more keyword arguments of ``headrace.window_topic`` (templated)
    :param postgres_conn_id: connection of type ``postgres``: the database of the table
    :param kafka_conn_id: connection of type ``kafka``
    :param kafka_config: librdkafka settings laid over those of the connection

    .. seealso:: ``dags/visitors.py``
    """

    template_fields: Sequence[str] = (
        "topic",
        "to",
        "job",
        "time",
        "time_unit",
        "windows",
        "zone",
        "distinct",
        "lateness",
        "jump",
        "late_topic",
        "table",
        "keyed",
        "close_all",
        "start",
        "workers",
        "max_records",
        "max_seconds",
        "options",
        *HeadraceOperator.template_fields,
    )
    template_fields_renderers = {  # noqa: RUF012 - the form Airflow documents
        "options": "json",
        **HeadraceOperator.template_fields_renderers,
    }

    def __init__(
        self,
        *,
        topic: str,
        to: str,
        job: str | None = None,
        time: str = "ts",
        time_unit: str = "s",
        windows: str | Sequence[str] = "minute",
        zone: str = "UTC",
        distinct: str | Sequence[str] = (),
        aggregates: Mapping[str, Any] | None = None,
        by: str | Sequence[str] = (),
        lateness: str = "1h",
        jump: str | None = "1h",
        late_topic: str | None = None,
        table: str | None = None,
        keyed: bool | str = False,
        close_all: bool | str = False,
        start: str = "earliest",
        workers: int | str | None = None,
        max_records: int | str | None = None,
        max_seconds: float | str | None = None,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.topic = topic
        self.to = to
        self.job = job
        self.time = time
        self.time_unit = time_unit
        self.windows = windows
        self.zone = zone
        self.distinct = distinct
        self.aggregates = aggregates
        self.by = by
        self.lateness = lateness
        self.jump = jump
        self.late_topic = late_topic
        self.table = table
        self.keyed = keyed
        self.close_all = close_all
        self.start = start
        self.workers = workers
        self.max_records = max_records
        self.max_seconds = max_seconds
        self.options = options
        self._last_told = 0.0

    def execute(self, context: Context) -> dict[str, Any]:
        """Count, and return the receipt."""
        import headrace

        arguments = self.arguments()
        receipt = self.call(context, lambda: headrace.window_topic(self.topic, self.to, **arguments))
        plain = as_plain(receipt)
        self.receipt = {"read": plain["frames"], "loaded": plain["results"], "bytes": plain.get("bytes")}
        self.log.info("%s", receipt)
        self._count_in_statsd(plain)
        told = {name: plain[name] for name in ("job", "to", "state", "seconds", *COUNTS)}
        for outlet in self.outlets or []:
            context["outlet_events"][outlet].extra = dict(told)
        if not receipt.balances():
            raise AirflowFailException(f"The receipt does not balance: {receipt}")
        return plain

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of ``headrace.window_topic``, from the rendered fields and the connections.

        :raises AirflowFailException: for settings that cannot be.
        """
        arguments = without_nones(
            aggregates=dict(self.aggregates) if self.aggregates is not None else None,
            late_topic=given(self.late_topic),
            workers=whole("workers", self.workers),
            max_records=whole("max_records", self.max_records),
            max_seconds=number("max_seconds", self.max_seconds),
        )
        if given(self.table) is not None:
            arguments.update(table=self.table, dsn=self.hook.dsn(), create_table=True)
        windows = self.windows.split(",") if isinstance(self.windows, str) else self.windows
        arguments.update(
            job=self.job or self.dag_id,
            time=self.time,
            time_unit=self.time_unit,
            windows=[window.strip() for window in windows if window.strip()],
            zone=self.zone,
            distinct=self.distinct,
            by=names(self.by),
            lateness=self.lateness,
            jump=given(self.jump),
            keyed=flag("keyed", self.keyed),
            close_all=flag("close_all", self.close_all),
            start=place(self.start),
            kafka=self.hook.kafka(),
            progress=self.tell,
        )
        arguments.update(self.options or {})
        return arguments

    def tell(self, now: WindowProgress) -> None:
        """Log how far the run is, every quarter of a minute."""
        moment = time.monotonic()
        if moment - self._last_told >= _PROGRESS_SECONDS:
            self._last_told = moment
            self.log.info(
                "Progress: %s frames, %s results, %s errors, watermark %s, %s frames to go",
                f"{now.frames:,}",
                f"{now.results:,}",
                f"{now.error_rate:.2%}",
                now.watermark or "unknown",
                f"{now.lag:,}",
            )

    @staticmethod
    def _count_in_statsd(plain: Mapping[str, Any]) -> None:
        """Counters ``headrace.<job>.frames``, ``.late`` and so on, as loads have."""
        from airflow.sdk.observability import stats

        job = stats.normalize_name_for_stats(str(plain["job"]), log_warning=False)
        tags = {"job": job}
        for name in COUNTS:
            stats.incr(f"headrace.{job}.{name}", int(plain.get(name) or 0), tags=tags)
        stats.timing(f"headrace.{job}.duration", 1000 * float(plain.get("seconds") or 0), tags=tags)

    def lineage_inputs(self) -> list[lineage.Dataset]:
        """The topic of the frames."""
        return [lineage.topic(self.hook.brokers(), self.topic)]

    def lineage_outputs(self) -> list[lineage.Dataset]:
        """The topic of the results, and the table."""
        outputs = [lineage.topic(self.hook.brokers(), self.to)]
        if given(self.table) is not None:
            outputs.append(lineage.table(*self.hook.where(), str(self.table)))
        return outputs


def flag(name: str, value: bool | str) -> bool:
    """A yes or no from what a template rendered.

    :raises AirflowFailException: when it is neither.
    """
    words = str(value).strip().lower()
    if words in ("true", "yes", "1"):
        return True
    if words in ("false", "no", "0", "", "none", "null"):
        return False
    raise AirflowFailException(f"{name} must be true or false, not {value!r}")


def place(start: str | None) -> Any:
    """Where a new job begins: a word, or a time.

    :raises AirflowFailException: when it is neither.
    """
    from headrace.airflow.operators.results import moment

    text = given(start)
    return text if text in ("earliest", "latest") else moment("start", text) or "earliest"
