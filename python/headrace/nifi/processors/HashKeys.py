"""HashKeys: a hash key or hash diff for each record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nifiapi.__jvm__ import JvmHolder
from nifiapi.properties import ExpressionLanguageScope, PropertyDescriptor, StandardValidators

from headrace.nifi import base, work


class HashKeys(base.Records):
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
            "headrace.reason. NiFi asks for each record by itself, some thousands a second: for many of "
            "them use ExecuteStreamCommand with headrace hash."
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

    def getPropertyDescriptors(self) -> list[Any]:
        """The properties, in the order of the dialog."""
        return list(self.PROPERTIES)

    def getRelationships(self) -> list[Any]:
        """Those beside original and failure."""
        return base.TRANSFORMED

    def answers(
        self, context: Any, records: list[tuple[str, dict[str, Any]]], schema: Any, attributes: Any
    ) -> Iterator[base.Answer]:
        """Every record, with its hash; wrong settings raise."""
        name = base.text(context, self.NAME, attributes)
        if not name:
            raise ValueError("Hash Field is empty: does its expression name an attribute that is there?")
        types = {
            column: str(kind)
            for column, kind in (work.column_map(base.text(context, self.TYPES)) or {}).items()
        }
        found = work.hashes(
            [text for text, _ in records],
            work.names(base.text(context, self.COLUMNS, attributes)),
            types,
            recipe=base.text(context, self.RECIPE),
            diff=base.text(context, self.KIND) == "diff",
            zone=base.text(context, base.ZONE, attributes),
        )
        extended = _extended(schema, name)
        reasons = {why: base.java_map({"headrace.reason": why}) for _, why in set(found) if why}
        for (text, record), (value, why) in zip(records, found, strict=True):
            if why:
                yield base.Answer(text, schema, "rejects", reasons[why])
                continue
            if name in record:
                raise ValueError(f'there is a field "{name}" already: give the hash another name')
            yield base.Answer(work.with_field(text, name, value), extended, "success")


def _extended(schema: Any, name: str) -> Any:
    """The schema of the records with their hash."""
    jvm = JvmHolder.jvm
    record = jvm.org.apache.nifi.serialization
    fields = jvm.java.util.ArrayList(schema.getFields())
    fields.add(record.record.RecordField(name, record.record.RecordFieldType.STRING.getDataType()))
    return record.SimpleRecordSchema(fields)
