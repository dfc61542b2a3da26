"""LoadKafkaToPostgres: a topic into a table, exactly once."""

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


class LoadKafkaToPostgres(FlowFileTransform):
    """Every flow file that comes in starts a load; the receipt goes out."""

    class Java:
        """What NiFi looks for."""

        implements = ["org.apache.nifi.python.processor.FlowFileTransform"]

    class ProcessorDetails:
        """What the palette shows."""

        version = "0.1.0"
        description = (
            "Loads the new records of a Kafka topic into a PostgreSQL table, exactly once, whenever a "
            "flow file comes in. The records do not pass through NiFi: the receipt does, as content and "
            "attributes. Offsets are kept in the database, in the transaction of the rows. Dynamic "
            "properties are librdkafka's settings."
        )
        tags = ["headrace", "kafka", "postgresql", "copy", "load", "exactly-once", "dead letter"]

    BROKERS = PropertyDescriptor(
        name="Kafka Brokers",
        description="Where the cluster is first asked: host:port, with commas between.",
        required=True,
        validators=[StandardValidators.HOSTNAME_PORT_LIST_VALIDATOR],
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
    )
    TOPIC = PropertyDescriptor(
        name="Topic",
        description="The topic to load, one JSON document or CSV line a message.",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        expression_language_scope=ExpressionLanguageScope.FLOWFILE_ATTRIBUTES,
    )
    PROTOCOL = PropertyDescriptor(
        name="Security Protocol",
        description="How brokers are spoken to.",
        required=True,
        default_value="PLAINTEXT",
        allowable_values=["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
    )
    MECHANISM = PropertyDescriptor(
        name="SASL Mechanism",
        description="How the user is proved.",
        required=True,
        default_value="SCRAM-SHA-512",
        allowable_values=["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        dependencies=[PropertyDependency(PROTOCOL, "SASL_PLAINTEXT", "SASL_SSL")],
    )
    USER = PropertyDescriptor(
        name="SASL User",
        description="The user of the brokers.",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        dependencies=[PropertyDependency(PROTOCOL, "SASL_PLAINTEXT", "SASL_SSL")],
    )
    SECRET = PropertyDescriptor(
        name="SASL Password",
        description="The password of that user.",
        required=True,
        sensitive=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        dependencies=[PropertyDependency(PROTOCOL, "SASL_PLAINTEXT", "SASL_SSL")],
    )
    START = PropertyDescriptor(
        name="Start",
        description="Where partitions start that the job has not loaded from yet.",
        required=True,
        default_value="earliest",
        allowable_values=["earliest", "latest"],
    )
    MAX_RECORDS = PropertyDescriptor(
        name="Records at Most",
        description="Stop after about so many; the next run goes on there. Empty: all there are.",
        validators=[StandardValidators.POSITIVE_LONG_VALIDATOR],
    )
    MAX_SECONDS = PropertyDescriptor(
        name="Seconds at Most",
        description="Stop reading after so long; the next run goes on there.",
        required=True,
        default_value="600",
        validators=[StandardValidators.POSITIVE_INTEGER_VALIDATOR],
    )
    PROPERTIES = (
        BROKERS,
        TOPIC,
        PROTOCOL,
        MECHANISM,
        USER,
        SECRET,
        base.DATABASE,
        base.PASSWORD,
        base.TARGET,
        base.JOB,
        base.MODE,
        base.KEY,
        base.COLUMNS,
        base.UNIT,
        base.ZONE,
        START,
        MAX_RECORDS,
        MAX_SECONDS,
        base.WORKERS,
        base.BATCH,
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()

    def getPropertyDescriptors(self) -> list[Any]:
        """The properties, in the order of the dialog."""
        return list(self.PROPERTIES)

    def getDynamicPropertyDescriptor(self, propertyname: str) -> Any:
        """Any other property is a setting of librdkafka."""
        return PropertyDescriptor(
            name=propertyname,
            description="A setting of librdkafka.",
            dynamic=True,
            validators=[StandardValidators.NON_EMPTY_VALIDATOR],
        )

    def getRelationships(self) -> list[Any]:
        """Those beside original and failure."""
        return base.LOADED

    def customValidate(self, context: Any) -> list[Any]:
        """What is wrong with the properties."""
        return base.checks(context, base.DATABASE, base.COLUMNS)

    def transform(self, context: Any, flowfile: Any) -> Any:
        """Load."""

        def job() -> work.Outcome:
            more = {
                one.name: value
                for one, value in context.getProperties().items()
                if getattr(one, "dynamic", False) and value is not None
            }
            return work.load(
                f"kafka://{base.text(context, self.TOPIC, flowfile)}",
                base.text(context, base.TARGET, flowfile),
                base.database(context, flowfile),
                kafka=work.kafka_settings(
                    base.text(context, self.BROKERS, flowfile),
                    base.text(context, self.PROTOCOL),
                    mechanism=base.text(context, self.MECHANISM),
                    user=base.text(context, self.USER),
                    password=base.text(context, self.SECRET),
                    more=more,
                ),
                job=base.text(context, base.JOB, flowfile),
                mode=base.text(context, base.MODE),
                key=work.names(base.text(context, base.KEY)),
                map=work.column_map(base.text(context, base.COLUMNS)),
                partition=base.text(context, base.UNIT),
                zone=base.text(context, base.ZONE, flowfile),
                start=base.text(context, self.START),
                max_records=base.whole(context, self.MAX_RECORDS),
                max_seconds=base.whole(context, self.MAX_SECONDS),
                workers=base.whole(context, base.WORKERS),
                batch_records=base.whole(context, base.BATCH),
            )

        return base.result(self, job)
