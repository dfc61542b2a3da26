"""NiFi's side of the processors: the properties and relationships they share, results from outcomes, and
records in batches.

Only NiFi itself, or a test that stands in for it, can import this module: it needs NiFi's package nifiapi.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from nifiapi.__jvm__ import JvmHolder
from nifiapi.flowfiletransform import FlowFileTransformResult
from nifiapi.properties import (
    ExpressionLanguageScope,
    PropertyDependency,
    PropertyDescriptor,
    StandardValidators,
    ValidationResult,
)
from nifiapi.recordtransform import CachingAttributeMap, RecordTransform, RecordTransformResult
from nifiapi.relationship import Relationship

from headrace import dsn as dsns
from headrace.errors import UsageError
from headrace.nifi import work

_ONE_ATTRIBUTE = re.compile(r"\$\{[\w.-]+\}")
_EL = ExpressionLanguageScope.FLOWFILE_ATTRIBUTES
_FILLED = [StandardValidators.NON_EMPTY_VALIDATOR]

DATABASE = PropertyDescriptor(
    name="Database",
    description="The PostgreSQL database, as libpq's connection string or URI, without its password: "
    "host=db dbname=shop user=loader. What is left out comes from PG* variables and ~/.pgpass "
    "as in psql.",
    required=True,
    validators=_FILLED,
    expression_language_scope=_EL,
)
PASSWORD = PropertyDescriptor(
    name="Password",
    description="The database user's password. Empty: a password file or a certificate does.",
    sensitive=True,
)
TARGET = PropertyDescriptor(
    name="Table",
    description="The table to load into, as schema.table. Its definition is the contract: types, NOT NULL, "
    "keys and partitioning are read from it.",
    required=True,
    validators=_FILLED,
    expression_language_scope=_EL,
)
JOB = PropertyDescriptor(
    name="Job",
    description="The load's name, to which its offsets belong: records are loaded once by a job. Empty: the "
    "table.",
    expression_language_scope=_EL,
)
MODE = PropertyDescriptor(
    name="Mode",
    description="append keeps every record; upsert updates rows of the same key; replace deletes them first.",
    required=True,
    default_value="append",
    allowable_values=["append", "upsert", "replace"],
)
KEY = PropertyDescriptor(
    name="Key Columns",
    description="The columns that identify a row, with commas between. Empty: the primary key.",
    dependencies=[PropertyDependency(MODE, "upsert", "replace")],
)
COLUMNS = PropertyDescriptor(
    name="Columns",
    description="Where columns come from, one COLUMN=PATH a line (customer.city, $raw, $offset, PATH@ms). "
    "Columns that are not named take the key of their own name.",
)
FORMAT = PropertyDescriptor(
    name="Format",
    description="How records are written: automatic goes by the file's name, and is JSON lines without one.",
    required=True,
    default_value="automatic",
    allowable_values=["automatic", "json", "csv"],
)
UNIT = PropertyDescriptor(
    name="Partition By",
    description="The period of the partitions that are made when they are missing.",
    required=True,
    default_value="week",
    allowable_values=["week", "day", "month"],
)
ZONE = PropertyDescriptor(
    name="Time Zone",
    description="The time zone of periods, such as Europe/Warsaw.",
    required=True,
    default_value="UTC",
    validators=_FILLED,
    expression_language_scope=_EL,
)
NUMBERS = PropertyDescriptor(
    name="Unit of Numbers",
    description="Read numbers as times since 1970 in this unit; none: times are text.",
    required=True,
    default_value="none",
    allowable_values=["none", "s", "ms", "us", "ns"],
)
WORKERS = PropertyDescriptor(
    name="Workers",
    description="Threads, each with a database connection of its own.",
    required=True,
    default_value="1",
    validators=[StandardValidators.POSITIVE_INTEGER_VALIDATOR],
)
BATCH = PropertyDescriptor(
    name="Records a Transaction",
    description="More is faster, up to a point; less holds locks for a shorter time.",
    required=True,
    default_value="50000",
    validators=[StandardValidators.POSITIVE_INTEGER_VALIDATOR],
)

LOADED = [
    Relationship(name="success", description="Receipts of loads that loaded every record they read"),
    Relationship(
        name="rejects", description="Receipts of loads that rejected records: these are dead letters now"
    ),
    Relationship(
        name="retry", description="Flow files whose load may succeed later: a server is away or busy"
    ),
]
TRANSFORMED = [
    Relationship(name="success", description="What became of the records"),
    Relationship(name="rejects", description="Records that were rejected, or results without them"),
]


def text(context: Any, descriptor: Any, flow_file: Any = None) -> str:
    """A property's value with its expressions evaluated; empty when it is not set."""
    value = context.getProperty(descriptor)
    if value is None:
        return ""
    found = value.getValue()
    if flow_file is not None and descriptor.expressionLanguageScope is not ExpressionLanguageScope.NONE:
        if found is None or _ONE_ATTRIBUTE.fullmatch(found):
            found = value.evaluateAttributeExpressions(flow_file).getValue()
        elif value.isExpressionLanguagePresent():
            # NiFi 2.3 takes "${a}/${b}" for "${a}" in Python, so Java is asked itself
            java = value.property_value.evaluateAttributeExpressions(flow_file.getAttributes())
            found = java.getValue()
    return "" if found is None else str(found)


def whole(context: Any, descriptor: Any) -> int | None:
    """A whole number, None when the property is not set."""
    found = text(context, descriptor)
    return int(found) if found else None


def chosen(context: Any, descriptor: Any, none: str) -> str | None:
    """One of the allowed values, None for the one that means nothing."""
    found = text(context, descriptor)
    return None if found in ("", none) else found


def database(context: Any, flow_file: Any) -> str:
    """The connection string with its password, for libpq only."""
    return work.conninfo(text(context, DATABASE, flow_file), text(context, PASSWORD) or None)


def result(processor: Any, job: Any) -> Any:
    """Do a processor's job; its outcome as NiFi wants it."""
    outcome = work.guarded(job, processor.logger.error)
    return FlowFileTransformResult(
        outcome.relationship, attributes=dict(outcome.attributes), contents=outcome.contents
    )


def checks(context: Any, *descriptors: Any) -> list[Any]:
    """What NiFi's own validators cannot tell: a password in a wrong place, a line that is no mapping."""
    found = []
    for descriptor in descriptors:
        value = context.getProperty(descriptor)
        given = None if value is None else value.getValue()
        if not given or value.isExpressionLanguagePresent():
            continue
        fault = _fault(descriptor, given)
        if fault:
            # the value is not shown: there may be a password in it
            found.append(ValidationResult(subject=descriptor.name, explanation=fault, valid=False, input=""))
    return found


def _fault(descriptor: Any, given: str) -> str:
    """What is wrong with a value, or nothing."""
    if descriptor is DATABASE and dsns.has_password(given):
        return "it holds a password that everybody can read: move it to the property Password"
    if descriptor is COLUMNS:
        try:
            work.column_map(given)
        except UsageError as error:
            return str(error)
    return ""


class Answer:
    """What became of one record. NiFi asks for each part by a call of its own: all are there before it asks.

    text: the record as JSON; partition: attributes of the flow file it goes to, a map of Java's or None.
    """

    class Java:
        """What NiFi looks for."""

        implements: ClassVar = ["org.apache.nifi.python.processor.RecordTransformResult"]

    def __init__(self, text: str, schema: Any, relationship: str, partition: Any = None) -> None:
        self.text = text
        self.schema = schema
        self.relationship = relationship
        self.partition = partition

    def getRecordJson(self) -> str:
        """The record."""
        return self.text

    def getSchema(self) -> Any:
        """Its schema."""
        return self.schema

    def getRelationship(self) -> str:
        """Where it goes."""
        return self.relationship

    def getPartition(self) -> Any:
        """With which records it goes there."""
        return self.partition


class Records(RecordTransform):
    """A processor of records that takes them a batch at a time, as many as NiFi hands over: a megabyte."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()

    @abstractmethod
    def answers(
        self, context: Any, records: list[tuple[str, dict[str, Any]]], schema: Any, attributes: Any
    ) -> Iterator[Answer]:
        """What becomes of these records, each told as its JSON text and as it reads; every processor has its
        own. What it raises sends the flow file to failure.
        """

    def transformRecord(self, jsonarray: str, schema: Any, attributemap: Any) -> Any:
        """A batch; NiFi calls this."""
        attributes = CachingAttributeMap(attributemap)
        results = self.arrayList()
        for answer in self.answers(self.process_context, work.split(jsonarray), schema, attributes):
            results.add(answer)
        return results

    def transform(self, context: Any, record: Any, schema: Any, attributemap: Any) -> Any:
        """One record, for whoever asks so: a batch of one."""
        (found,) = self.answers(context, [(json.dumps(record), record)], schema, attributemap)
        return RecordTransformResult(
            record=json.loads(found.text),
            schema=found.schema,
            relationship=found.relationship,
            partition=None if found.partition is None else dict(found.partition),
        )


def java_map(values: Mapping[str, str]) -> Any:
    """A map of Java's."""
    made = JvmHolder.jvm.java.util.HashMap()
    for key, value in values.items():
        made.put(key, value)
    return made
