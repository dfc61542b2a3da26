"""PartitionRecords: one flow file for each week, day or month."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nifiapi.properties import ExpressionLanguageScope, PropertyDescriptor, StandardValidators

from headrace.nifi import base, work


class PartitionRecords(base.Records):
    """Records in, the same records out, one flow file a period."""

    class Java:
        """What NiFi looks for."""

        implements = ["org.apache.nifi.python.processor.RecordTransform"]

    class ProcessorDetails:
        """What the palette shows."""

        version = "0.1.0"
        description = (
            "Splits records by the ISO week, day or month of their event time: one flow file for each "
            "period, whose name is unique (input-2026-W47-uuid.json), with the period in "
            "headrace.partition. Records without a readable time go to rejects, with the reason in "
            "headrace.reason. NiFi asks for each record by itself, some thousands a second: for many of "
            "them use ExecuteStreamCommand with headrace partition."
        )
        tags = ["headrace", "partition", "week", "split", "records", "event time"]

    TIME = PropertyDescriptor(
        name="Time Column",
        description="Where the event's time is: a field or a path (order.created).",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
    )
    PROPERTIES = (TIME, base.UNIT, base.ZONE, base.NUMBERS)

    def getPropertyDescriptors(self) -> list[Any]:
        """The properties, in the order of the dialog."""
        return list(self.PROPERTIES)

    def getRelationships(self) -> list[Any]:
        """Those beside original and failure."""
        return base.TRANSFORMED

    def answers(
        self, context: Any, records: list[tuple[str, dict[str, Any]]], schema: Any, attributes: Any
    ) -> Iterator[base.Answer]:
        """Every record, with its period; wrong settings raise."""
        found = work.periods(
            [text for text, _ in records],
            base.text(context, self.TIME, attributes),
            base.text(context, base.UNIT),
            base.text(context, base.ZONE, attributes),
            base.chosen(context, base.NUMBERS, "none"),
        )
        filename, uuid = (attributes.getAttribute(name) for name in ("filename", "uuid"))
        for period, why, texts in found:
            unique = work.part_name(filename, uuid, period, why)
            told = {"headrace.reason": why} if why else {"headrace.partition": period}
            part = base.java_map({"filename": unique, **told})
            for text in texts:
                yield base.Answer(text, schema, "rejects" if why else "success", part)
