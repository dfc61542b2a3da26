"""The operator that sends the lines of a file to Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from headrace.airflow import lineage
from headrace.airflow.operators.base import HeadraceOperator, given, number, whole, without_nones

if TYPE_CHECKING:
    from airflow.sdk import Context


class HeadraceProduceOperator(HeadraceOperator):
    """Send each line of a file to a Kafka topic, as it stands: broken ones too, for the reader to judge.

    A try sends the whole file: what a failed try had sent is sent again, so give ``retries=0`` where that
    matters. Without a source (an empty param of a DAG) the task is skipped.

    XCom says what was sent.

    :param source: a file of JSON lines, also gzip or zstd, on the worker's machine (templated)
    :param topic: topic to send to (templated)
    :param key: field whose text is the message's key, such as ``uid`` (templated): messages of one key go to
        one partition, the same that Java's clients choose
    :param rate: messages a second at most (templated); None for as fast as it goes
    :param rounds: how often to send the file (templated)
    :param max_records: stop after so many (templated)
    :param max_seconds: stop after this time (templated)
    :param partitions: partitions of a topic that has to be made (templated)
    :param kafka_conn_id: connection of type ``kafka``
    :param kafka_config: librdkafka settings laid over those of the connection

    .. seealso:: ``dags/visitors.py``
    """

    template_fields: Sequence[str] = (
        "source",
        "topic",
        "key",
        "rate",
        "rounds",
        "max_records",
        "max_seconds",
        "partitions",
        *HeadraceOperator.template_fields,
    )

    def __init__(
        self,
        *,
        source: str,
        topic: str,
        key: str | None = None,
        rate: float | str | None = None,
        rounds: int | str = 1,
        max_records: int | str | None = None,
        max_seconds: float | str | None = None,
        partitions: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.topic = topic
        self.key = key
        self.rate = rate
        self.rounds = rounds
        self.max_records = max_records
        self.max_seconds = max_seconds
        self.partitions = partitions

    def execute(self, context: Context) -> dict[str, Any]:
        """Send, and return what was sent."""
        import headrace

        if given(self.source) is None:
            raise AirflowSkipException("No file was given: there is nothing to send.")
        arguments = without_nones(
            key=self.key,
            rate=number("rate", self.rate),
            max_records=whole("max_records", self.max_records),
            max_seconds=number("max_seconds", self.max_seconds),
            partitions=whole("partitions", self.partitions),
        )
        to, kafka, rounds = f"kafka://{self.topic}", self.hook.kafka(), whole("rounds", self.rounds) or 1
        sent = self.call(
            context,
            lambda: headrace.produce(
                self.source, to, loop=rounds, kafka=kafka, progress=self.progress, **arguments
            ),
        )
        plain: dict[str, Any] = sent.to_dict()
        self.receipt = {"read": sent.messages + sent.blank, "loaded": sent.messages, "bytes": sent.bytes}
        self.log.info("%s", sent)
        for outlet in self.outlets or []:
            context["outlet_events"][outlet].extra = dict(plain)
        return plain

    def lineage_inputs(self) -> list[lineage.Dataset]:
        """The file."""
        return [lineage.file(self.source)]

    def lineage_outputs(self) -> list[lineage.Dataset]:
        """The topic."""
        return [lineage.topic(self.hook.brokers(), self.topic)]
