"""WindowDistinct: how many different values each window has."""

from __future__ import annotations

from typing import Any

from nifiapi.flowfiletransform import FlowFileTransform
from nifiapi.properties import (
    ExpressionLanguageScope,
    PropertyDependency,
    PropertyDescriptor,
    StandardValidators,
)

from headrace.nifi import base, work


class WindowDistinct(FlowFileTransform):
    """Records in, windows out."""

    class Java:
        """What NiFi looks for."""

        implements = ["org.apache.nifi.python.processor.FlowFileTransform"]

    class ProcessorDetails:
        """What the palette shows."""

        version = "0.1.0"
        description = (
            "Counts the different values of columns in windows of event time, exactly: one JSON line for "
            "each window and key, with the number of records. With rejects, the windows are the content "
            "too, and headrace.rejected and headrace.reasons say which records are not in them."
        )
        tags = ["headrace", "window", "distinct", "count", "event time", "aggregate"]

    SOURCE = PropertyDescriptor(
        name="Source",
        description="path: the file of Path, read in place (fast). content: the flow file's own content.",
        required=True,
        default_value="content",
        allowable_values=["content", "path"],
    )
    PATH = PropertyDescriptor(
        name="Path",
        description="A file on the machine of NiFi.",
        required=True,
        default_value="${absolute.path}/${filename}",
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
        dependencies=[PropertyDependency(SOURCE, "path")],
    )
    RECORDS = PropertyDescriptor(
        name="Records",
        description="How the records are written: JSON lines, or CSV with a header.",
        required=True,
        default_value="json",
        allowable_values=["json", "csv"],
    )
    TIME = PropertyDescriptor(
        name="Time Column",
        description="Where the event's time is: a key, a path (order.created), a column.",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
    )
    DISTINCT = PropertyDescriptor(
        name="Distinct Columns",
        description="The columns whose different values are counted, with commas between.",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
    )
    BY = PropertyDescriptor(
        name="Key Columns",
        description="Count for each value of these columns, with commas between. Empty: over all records.",
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
    )
    WINDOW = PropertyDescriptor(
        name="Window",
        description="The length of a window, of the calendar.",
        required=True,
        default_value="minute",
        allowable_values=["minute", "hour", "day", "week", "month", "year"],
    )
    LATENESS = PropertyDescriptor(
        name="Allowed Lateness",
        description="Records so much behind the latest one before them are rejected as late: 90s, 5m, 1h. "
        "Empty: the records are complete, nothing is late.",
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
    )
    PROPERTIES = (SOURCE, PATH, RECORDS, TIME, base.NUMBERS, DISTINCT, BY, WINDOW, base.ZONE, LATENESS)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()

    def getPropertyDescriptors(self) -> list[Any]:
        """The properties, in the order of the dialog."""
        return list(self.PROPERTIES)

    def getRelationships(self) -> list[Any]:
        """Those beside original and failure."""
        return base.TRANSFORMED

    def transform(self, context: Any, flowfile: Any) -> Any:
        """Count."""

        def job() -> work.Outcome:
            if base.text(context, self.SOURCE) == "path":
                with open(base.text(context, self.PATH, flowfile), "rb") as file:
                    data = file.read()
            else:
                data = bytes(flowfile.getContentsAsBytes())
            return work.windows(
                data,
                time=base.text(context, self.TIME, flowfile),
                unit=base.text(context, self.WINDOW),
                distinct=work.names(base.text(context, self.DISTINCT, flowfile)),
                by=work.names(base.text(context, self.BY, flowfile)),
                format=base.text(context, self.RECORDS),
                numbers=base.chosen(context, base.NUMBERS, "none"),
                zone=base.text(context, base.ZONE, flowfile),
                lateness=base.text(context, self.LATENESS, flowfile) or None,
            )

        return base.result(self, job)
