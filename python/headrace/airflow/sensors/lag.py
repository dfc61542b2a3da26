"""The sensor that waits until a job has something to load."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from headrace.airflow.guard import airflow_errors
from headrace.airflow.hooks.headrace import HeadraceHook
from headrace.airflow.lag import as_event, measure
from headrace.airflow.operators.base import whole
from headrace.airflow.triggers.lag import HeadraceLagTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class HeadraceLagSensor(BaseSensorOperator):
    """Wait until a topic holds at least ``min_records`` that a job has not loaded yet.

    Deferred by default: the triggerer looks, and no worker slot is taken. It only waits; the load that
    follows says itself what it reads. XCom is ``{"job", "topic", "records", "partitions": {"0": lag}}``.

    :param job: job whose offsets count (templated)
    :param topic: topic to look at (templated)
    :param min_records: how many records are worth a load (templated)
    :param deferrable: False to look from a worker every ``poke_interval``
    :param postgres_conn_id: connection of type ``postgres`` of the database that holds ``headrace.offsets``
    :param kafka_conn_id: connection of type ``kafka``
    """

    template_fields: Sequence[str] = ("job", "topic", "min_records", "postgres_conn_id", "kafka_conn_id")
    ui_color = "#dbeafe"

    def __init__(
        self,
        *,
        job: str,
        topic: str,
        min_records: int | str = 1,
        deferrable: bool = True,
        postgres_conn_id: str = "postgres_default",
        kafka_conn_id: str = "kafka_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.topic = topic
        self.min_records = min_records
        self.deferrable = deferrable
        self.postgres_conn_id = postgres_conn_id
        self.kafka_conn_id = kafka_conn_id

    def execute(self, context: Context) -> Any:
        """Look once; if there is not enough yet, leave the looking to the triggerer (or poke on)."""
        if not self.deferrable:
            return super().execute(context)
        found = self.poke(context)
        if found:
            return found.xcom_value
        return self.defer(
            trigger=HeadraceLagTrigger(
                job=self.job,
                topic=self.topic,
                min_records=self._wanted(),
                poll_interval=self.poke_interval,
                postgres_conn_id=self.postgres_conn_id,
                kafka_conn_id=self.kafka_conn_id,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Go on after the trigger has fired."""
        self.log.info("%s records of topic %s wait for job %s", event["records"], self.topic, self.job)
        return event

    def poke(self, context: Context) -> PokeReturnValue:
        """Look at the lag once."""
        hook = HeadraceHook(postgres_conn_id=self.postgres_conn_id, kafka_conn_id=self.kafka_conn_id)
        dsn, kafka = hook.dsn(), hook.kafka()
        with airflow_errors():
            lag = measure(self.job, self.topic, dsn, kafka)
        self.log.info("%s records of topic %s wait for job %s", lag.total, self.topic, self.job)
        return PokeReturnValue(is_done=lag.total >= self._wanted(), xcom_value=as_event(lag))

    def _wanted(self) -> int:
        return whole("min_records", self.min_records) or 1
