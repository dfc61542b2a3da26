"""PartitionRecords: one flow file for each week, day or month."""

from __future__ import annotations

import os
from typing import Any

from nifiapi.properties import ExpressionLanguageScope, PropertyDescriptor, StandardValidators
from nifiapi.recordtransform import RecordTransform, RecordTransformResult

from headrace.nifi import base, work


class PartitionRecords(RecordTransform):
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
            "headrace.reason. Each record passes through NiFi's Python bridge: for many of them use "
            "ExecuteStreamCommand with headrace partition."
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

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()

    def getPropertyDescriptors(self) -> list[Any]:
        """The properties, in the order of the dialog."""
        return list(self.PROPERTIES)

    def getRelationships(self) -> list[Any]:
        """Those beside original and failure."""
        return base.TRANSFORMED

    def transform(self, context: Any, record: Any, schema: Any, attributemap: Any) -> Any:
        """The period of one record; wrong settings raise, and the flow file goes to failure."""
        period, why = work.period(
            record,
            base.text(context, self.TIME, attributemap),
            base.text(context, base.UNIT),
            base.text(context, base.ZONE, attributemap),
            base.chosen(context, base.NUMBERS, "none"),
        )
        stem, ending = os.path.splitext(attributemap.getAttribute("filename") or "records.json")
        unique = f"{stem}-{period or 'rejects'}-{attributemap.getAttribute('uuid')}{ending}"
        if why:
            part = {"filename": unique, "headrace.reason": why}
            return RecordTransformResult(record=record, schema=schema, relationship="rejects", partition=part)
        part = {"filename": unique, "headrace.partition": period}
        return RecordTransformResult(record=record, schema=schema, relationship="success", partition=part)
