"""The operator that makes up data and sends it to Kafka."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headrace.airflow import lineage, receipts
from headrace.airflow.operators.base import HeadraceOperator, whole, without_nones

if TYPE_CHECKING:
    from airflow.sdk import Context


class HeadraceGenerateOperator(HeadraceOperator):
    """Send made-up records to a Kafka topic: for demos and tests.

    The same settings make the same records, to the byte; records ``first`` to ``first + count`` are one
    stretch of an endless row, so that runs can add to one another. A topic that is missing is made.

    XCom says what was made: how many records of each kind, and what a load of them should give.

    :param data: the data set, such as ``purchases`` (templated)
    :param topic: topic to send to (templated)
    :param count: how many records (templated)
    :param first: from which one on (templated)
    :param settings: settings of the data set, such as ``{"weeks": 8, "malformed": 1000}``; see
        ``headrace generate --help`` (templated)
    :param partitions: partitions of a topic that has to be made (templated)
    :param rate: records a second at most (templated); None for as fast as it goes
    :param truth: of frames: a file for what windows must hold after them (templated); None for none
    :param truth_seconds: the length of these windows (templated)
    :param kafka_conn_id: connection of type ``kafka``
    :param kafka_config: librdkafka settings laid over those of the connection
    """

    template_fields: Sequence[str] = (
        "data",
        "topic",
        "count",
        "first",
        "settings",
        "partitions",
        "rate",
        "truth",
        "truth_seconds",
        *HeadraceOperator.template_fields,
    )
    template_fields_renderers = {  # noqa: RUF012 - the form Airflow documents
        "settings": "json",
        **HeadraceOperator.template_fields_renderers,
    }

    def __init__(
        self,
        *,
        data: str,
        topic: str,
        count: int | str,
        first: int | str = 0,
        settings: Mapping[str, Any] | None = None,
        partitions: int | str | None = None,
        rate: int | str | None = None,
        truth: str | None = None,
        truth_seconds: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.data = data
        self.topic = topic
        self.count = count
        self.first = first
        self.settings = settings
        self.partitions = partitions
        self.rate = rate
        self.truth = truth
        self.truth_seconds = truth_seconds

    def execute(self, context: Context) -> dict[str, Any]:
        """Generate, and return what was made."""
        import headrace

        settings = {name: whole(name, value) for name, value in (self.settings or {}).items()}
        arguments = without_nones(
            first=whole("first", self.first),
            partitions=whole("partitions", self.partitions),
            rate=whole("rate", self.rate),
            truth=self.truth,
            truth_seconds=whole("truth_seconds", self.truth_seconds),
            settings=settings,
        )
        count, to, kafka = whole("count", self.count) or 0, f"kafka://{self.topic}", self.hook.kafka()
        made = self.call(
            context,
            lambda: headrace.generate(self.data, count, to, kafka=kafka, progress=self.progress, **arguments),
        )
        plain: dict[str, Any] = made.to_dict()
        self.log.info(
            "%s records sent to %s\n%s",
            plain["records"],
            self.topic,
            receipts.grid(("kind", "records"), list(plain["kinds"].items())),
        )
        return plain

    def lineage_outputs(self) -> list[lineage.Dataset]:
        """The topic."""
        return [lineage.topic(self.hook.brokers(), self.topic)]
