"""ReplayDeadLetters: rejected records are tried again."""

from __future__ import annotations

from typing import Any

from nifiapi.flowfiletransform import FlowFileTransform
from nifiapi.properties import ExpressionLanguageScope, PropertyDescriptor, StandardValidators

from headrace.nifi import base, work


class ReplayDeadLetters(FlowFileTransform):
    """Every flow file that comes in starts a replay; the receipt goes out."""

    class Java:
        """What NiFi looks for."""

        implements = ["org.apache.nifi.python.processor.FlowFileTransform"]

    class ProcessorDetails:
        """What the palette shows."""

        version = "0.1.0"
        description = (
            "Loads the dead letters of a job again, after the table or the sender was mended, with the "
            "settings of the job's last run. A letter that becomes a row is marked in the row's "
            "transaction, so it is never loaded twice. No open letters is a success with zeros."
        )
        tags = ["headrace", "postgresql", "dead letter", "replay", "reject"]

    LETTERS_OF = PropertyDescriptor(
        name="Dead Letters of Job",
        description="The job whose dead letters are loaded again.",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
    )
    REASON = PropertyDescriptor(
        name="Reason",
        description="Only letters of this reason, such as range or constraint. Empty: all.",
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
    )
    LIMIT = PropertyDescriptor(
        name="Letters at Most",
        description="Stop after so many. Empty: all.",
        validators=[StandardValidators.POSITIVE_LONG_VALIDATOR],
    )
    PROPERTIES = (LETTERS_OF, REASON, LIMIT, base.DATABASE, base.PASSWORD)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()

    def getPropertyDescriptors(self) -> list[Any]:
        """The properties, in the order of the dialog."""
        return list(self.PROPERTIES)

    def getRelationships(self) -> list[Any]:
        """Those beside original and failure."""
        return base.LOADED

    def customValidate(self, context: Any) -> list[Any]:
        """What is wrong with the properties."""
        return base.checks(context, base.DATABASE)

    def transform(self, context: Any, flowfile: Any) -> Any:
        """Replay."""

        def job() -> work.Outcome:
            return work.replay(
                base.text(context, self.LETTERS_OF, flowfile),
                base.database(context, flowfile),
                base.text(context, self.REASON, flowfile) or None,
                base.whole(context, self.LIMIT),
            )

        return base.result(self, job)
