"""HashKeys: a hash key or hash diff for each record."""

from __future__ import annotations

from typing import Any

from nifiapi.__jvm__ import JvmHolder
from nifiapi.properties import ExpressionLanguageScope, PropertyDescriptor, StandardValidators
from nifiapi.recordtransform import RecordTransform, RecordTransformResult

from headrace.nifi import base, work


class HashKeys(RecordTransform):
    """Records in, the same records out, each with one field more."""

    class Java:
        """What NiFi looks for."""

        implements = ["org.apache.nifi.python.processor.RecordTransform"]

    class ProcessorDetails:
        """What the palette shows."""

        version = "0.1.0"
        description = (
            "Adds a hash key or a hash diff to each record, equal to automate_dv's on PostgreSQL byte for "
            "byte. Records with a value that its SQL type cannot read go to rejects, with the reason in "
            "headrace.reason. Each record passes through NiFi's Python bridge: for many of them use "
            "ExecuteStreamCommand with headrace hash."
        )
        tags = ["headrace", "hash", "md5", "sha256", "data vault", "automate_dv", "records"]

    NAME = PropertyDescriptor(
        name="Hash Field",
        description="The name of the new field.",
        required=True,
        default_value="hash_key",
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
    )
    COLUMNS = PropertyDescriptor(
        name="Hashed Columns",
        description="The fields or paths (user.id) of the business key in its order, with commas between.",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
    )
    KIND = PropertyDescriptor(
        name="Kind",
        description="key: null when all columns are null. diff: columns sorted by name, never null.",
        required=True,
        default_value="key",
        allowable_values=["key", "diff"],
    )
    RECIPE = PropertyDescriptor(
        name="Recipe",
        description="Which bytes are hashed, and how.",
        required=True,
        default_value="automate_dv",
        allowable_values=["automate_dv", "automate_dv_sha256", "automate_dv_cased", "plain", "plain_sha256"],
    )
    TYPES = PropertyDescriptor(
        name="Types",
        description="SQL types of hashed columns, such as amount=numeric(12,2), one a line. Columns without "
        "one are hashed as the text they are.",
    )
    PROPERTIES = (NAME, COLUMNS, KIND, RECIPE, TYPES, base.ZONE)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        self._known: tuple[Any, str, Any] | None = None

    def getPropertyDescriptors(self) -> list[Any]:
        """The properties, in the order of the dialog."""
        return list(self.PROPERTIES)

    def getRelationships(self) -> list[Any]:
        """Those beside original and failure."""
        return base.TRANSFORMED

    def transform(self, context: Any, record: Any, schema: Any, attributemap: Any) -> Any:
        """The hash of one record; wrong settings raise, and the flow file goes to failure."""
        name = base.text(context, self.NAME, attributemap)
        types = {
            column: str(kind)
            for column, kind in (work.column_map(base.text(context, self.TYPES)) or {}).items()
        }
        found, why = work.hash_of(
            record,
            work.names(base.text(context, self.COLUMNS, attributemap)),
            types,
            recipe=base.text(context, self.RECIPE),
            diff=base.text(context, self.KIND) == "diff",
            zone=base.text(context, base.ZONE, attributemap),
        )
        if not why and name in record:
            raise ValueError(f'there is a field "{name}" already: give the hash another name')
        if why:
            part = {"headrace.reason": why}
            return RecordTransformResult(record=record, schema=schema, relationship="rejects", partition=part)
        added = {**record, name: found}
        return RecordTransformResult(
            record=added, schema=self._extended(schema, name), relationship="success"
        )

    def _extended(self, schema: Any, name: str) -> Any:
        """The schema of the records with the hash, made once for each schema that comes in."""
        if self._known is None or self._known[0] is not schema or self._known[1] != name:
            jvm = JvmHolder.jvm
            record = jvm.org.apache.nifi.serialization
            fields = jvm.java.util.ArrayList(schema.getFields())
            fields.add(record.record.RecordField(name, record.record.RecordFieldType.STRING.getDataType()))
            self._known = (schema, name, record.SimpleRecordSchema(fields))
        return self._known[2]
