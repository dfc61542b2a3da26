"""The trigger that fires when a job has something to load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from headrace.airflow.hooks.headrace import HeadraceHook
from headrace.airflow.lag import as_event, measure, topic_exists


class HeadraceLagTrigger(BaseEventTrigger):
    """Fire when a job's lag is at least ``min_records``.

    The lag is what Kafka holds beyond ``headrace.offsets``. The trigger only wakes: it reads no records and
    commits nothing, so an event that is lost or seen twice loses or doubles nothing. Keep a time schedule as
    a net where assets are driven by it.

    It can be deferred to (the first event ends the wait), or watch an asset (``AssetWatcher``): then it fires
    again each time records have come in since the last event and the lag is still there.

    :param job: job whose offsets count
    :param topic: topic to look at
    :param min_records: fire from this lag on
    :param poll_interval: seconds between two looks
    :param wait_for_topic: look again when there is no such topic, for it will be made later; else that is
        an error
    :param postgres_conn_id: connection of type ``postgres`` of the database that holds ``headrace.offsets``
    :param kafka_conn_id: connection of type ``kafka``
    """

    def __init__(
        self,
        *,
        job: str,
        topic: str,
        min_records: int = 1,
        poll_interval: float = 15.0,
        wait_for_topic: bool = False,
        postgres_conn_id: str = "postgres_default",
        kafka_conn_id: str = "kafka_default",
    ) -> None:
        super().__init__()
        self.job = job
        self.topic = topic
        self.min_records = min_records
        self.poll_interval = poll_interval
        self.wait_for_topic = wait_for_topic
        self.postgres_conn_id = postgres_conn_id
        self.kafka_conn_id = kafka_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments: connection ids, never what is behind them."""
        return (
            "headrace.airflow.triggers.lag.HeadraceLagTrigger",
            {
                "job": self.job,
                "topic": self.topic,
                "min_records": self.min_records,
                "poll_interval": self.poll_interval,
                "wait_for_topic": self.wait_for_topic,
                "postgres_conn_id": self.postgres_conn_id,
                "kafka_conn_id": self.kafka_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, wait, look again; fire when there is enough to load.

        A look that fails for a reason that may pass (a broker restarts) is logged and repeated; any other
        error ends the trigger, and with it the task that waits.
        """
        from headrace import errors

        hook = HeadraceHook(postgres_conn_id=self.postgres_conn_id, kafka_conn_id=self.kafka_conn_id)
        announced: dict[int, int] | None = None
        while True:
            dsn, kafka = await hook.adsn(), await hook.akafka()
            try:
                lag = await asyncio.to_thread(measure, self.job, self.topic, dsn, kafka)
            except errors.RetriableError as error:
                self.log.warning("Could not look at the lag of %s, will look again: %s", self.job, error)
            except errors.UsageError as error:
                if not self.wait_for_topic or await asyncio.to_thread(topic_exists, self.topic, kafka):
                    raise
                self.log.info("%s; will look again", error)
            else:
                ends = {part.partition: part.end for part in lag.partitions}
                if lag.total >= self.min_records and ends != announced:
                    announced = ends
                    yield TriggerEvent(as_event(lag))
            await asyncio.sleep(self.poll_interval)
