"""Records real change events: PostgreSQL, Kafka Connect with Debezium, and the steps of debezium_scenes.py.

Run it from the checkout: `python -m tests.tools.record_debezium [--avro FOLDER] [FORM...]`. FOLDER has
Apicurio's registry and converter, see tests/data/debezium/README.md. What it writes there is explained there.
"""

from __future__ import annotations

import argparse
import base64
import json
import logging
import os
import shutil
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Consumer, Message, TopicPartition

from stack import kafka, ports, postgres
from stack.connect import Worker, plugins
from stack.process import start, wait_ready, wait_until
from tests.tools.debezium_scenes import FORMS, SCHEMA, SNAPSHOT, STEPS, TABLES, Form, Step

log = logging.getLogger(__name__)

OUT = Path(__file__).resolve().parents[1] / "data" / "debezium"
DATABASE = "forms"
TABLE_NAMES = ("every_type", "small", "two_keys", "keyless", "whole_before")
HANDED_OUT = {"r", "c", "u", "d", "t"}
PATIENCE = 240.0
JAVA = os.environ.get("JAVA_21", "java")
"""Apicurio wants Java 21 or newer, which need not be the Java that Kafka runs with."""


class Expected:
    """The messages that must come, in the order of their table, with the rows as PostgreSQL prints them."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.events: list[dict[str, Any]] = []
        self._connection = connection
        self._images: dict[tuple[str, str], dict[str, str | None]] = {}

    def run(self, step: Step) -> None:
        """Run the transaction and note what its messages must say."""
        with self._connection.transaction():
            for sql, events in step.parts:
                before = {
                    where: self._row(table, where) for table, op, where in events if op == "d" and where
                }
                self._connection.execute(sql)
                for table, op, where in events:
                    row = None if op in "dt" or where is None else self._row(table, where)
                    event: dict[str, Any] = {"table": table, "step": step.name, "op": op}
                    event["key"] = self._key(table, row or before.get(where or ""))
                    event["row"] = row
                    self.events.append(event)
                    if op == "d":
                        self.events.append({**event, "op": "tombstone"})

    def of(self, table: str) -> list[dict[str, Any]]:
        """Those of one table."""
        return [event for event in self.events if event["table"] == table]

    def _key(self, table: str, row: Mapping[str, str | None] | None) -> dict[str, str | None] | None:
        """The primary key's columns of a row, None for a table without and for a truncate."""
        names = {
            "every_type": ["id"],
            "small": ["id"],
            "two_keys": ["code", "number"],
            "whole_before": ["id"],
        }
        return None if row is None or table not in names else {name: row[name] for name in names[table]}

    def _row(self, table: str, where: str) -> dict[str, str | None] | None:
        """A row, each value as the server prints it."""
        columns = [
            name
            for (name,) in self._connection.execute(
                "select attname::text from pg_attribute where attrelid = %s::regclass and attnum > 0"
                " and not attisdropped order by attnum",
                (f"{SCHEMA}.{table}",),
            )
        ]
        # char(n) loses its padding in a cast to text: format() prints what COPY would
        values = ", ".join(f"case when {name} is not null then format('%s', {name}) end" for name in columns)
        found = self._connection.execute(f"select {values} from {SCHEMA}.{table} where {where}").fetchone()  # type: ignore[arg-type]
        return None if found is None else dict(zip(columns, found, strict=True))


def connector(form: Form, server: postgres.Server, worker: Worker, registry: str | None) -> dict[str, str]:
    """The settings of the connector that makes one form."""
    name = form.name.replace("-", "_")
    config = {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "plugin.name": "pgoutput",
        "database.hostname": ports.LOOPBACK,
        "database.port": str(server.port),
        "database.user": postgres.USER,
        "database.password": worker.secret("password", server.password),
        "database.dbname": DATABASE,
        "topic.prefix": form.name,
        "schema.include.list": SCHEMA,
        "slot.name": f"forms_{name}",
        "publication.name": "forms",
        "publication.autocreate.mode": "disabled",
        "snapshot.mode": "initial",
        "skipped.operations": "none",
        "topic.creation.default.replication.factor": "1",
        "topic.creation.default.partitions": "1",
        "slot.drop.on.stop": "true",
        "max.batch.size": "256",
        "max.queue.size": "1024",
        **form.settings,
    }
    if form.tables:
        config["table.include.list"] = ",".join(f"{SCHEMA}.{table}" for table in form.tables)
    if form.avro:
        for side in ("key", "value"):
            config[f"{side}.converter"] = "io.apicurio.registry.utils.converter.AvroConverter"
            settings = {
                "url": f"{registry}/apis/registry/v2",
                "auto-register": "true",
                "find-latest": "true",
                "as-confluent": "true",
                "use-id": "contentId",
                "headers.enabled": "false",
            }
            config |= {f"{side}.converter.apicurio.registry.{key}": value for key, value in settings.items()}
        config["schema.name.adjustment.mode"] = "avro"
    return config


@contextmanager
def apicurio(folder: Path) -> Iterator[str]:
    """A registry in memory; its address."""
    port, management = ports.pick(None, "the registry"), ports.pick(None, "its management")
    home = folder / "registry"
    if not home.exists():
        (bundle,) = (folder / "registry.new").glob("*.tar.gz")
        with tarfile.open(bundle) as archive:
            archive.extractall(home)
    options = {
        "quarkus.http.host": ports.LOOPBACK,
        "quarkus.http.port": port,
        "quarkus.management.host": ports.LOOPBACK,
        "quarkus.management.port": management,
    }
    (jar,) = home.rglob("quarkus-run.jar")
    command = [JAVA, "-Xmx400m", *(f"-D{key}={value}" for key, value in options.items()), "-jar", jar]
    url = f"http://{ports.LOOPBACK}:{port}"

    def ready() -> bool:
        try:
            return bool(get(f"{url}/apis/ccompat/v7/subjects") is not None)
        except OSError:
            return False

    process = start("registry", command, log=folder / "registry.log", tied=15)
    try:
        wait_ready(process, ready, 120)
        yield url
    finally:
        process.stop()


def get(url: str) -> Any:
    """The JSON behind an address."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def read(broker: kafka.Broker, topic: str, wanted: int) -> list[Message]:
    """The messages of a topic of one partition, once there are so many."""
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap, "group.id": "record", "enable.auto.commit": False}
    )
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        found: list[Message] = []
        end = time.monotonic() + PATIENCE
        quiet = 0
        while time.monotonic() < end and (len(found) < wanted or quiet < 2):
            batch = [message for message in consumer.consume(500, 1) if message.error() is None]
            quiet = 0 if batch else quiet + 1
            found += batch
            if len(found) < wanted and quiet > 60:
                break
        return found
    finally:
        consumer.close()


def pairs(message: Message) -> list[tuple[str, bytes | None]]:
    """The headers."""
    return [
        (str(pair[0]), pair[1] if isinstance(pair[1], bytes) else None) for pair in message.headers() or []
    ]


def text(value: bytes | None, avro: bool) -> str | None:
    """Bytes as they stand in a recording."""
    if value is None:
        return None
    return base64.b64encode(value).decode() if avro else value.decode()


def line(message: Message, event: Mapping[str, Any], avro: bool) -> str:
    """A message as one line of a recording."""
    kept: dict[str, Any] = {"table": event["table"], "step": event["step"], "op": event["op"]}
    kept["topic"], kept["offset"] = message.topic(), message.offset()
    for name, value in (("key", message.key()), ("value", message.value())):
        if value is None or not avro:
            kept[name] = None if value is None else value.decode()
        else:
            kept[f"{name}_base64"] = base64.b64encode(value).decode()
    kept["headers"] = [[name, text(value, avro)] for name, value in pairs(message)]
    return json.dumps(kept, ensure_ascii=False)


def write_form(form: Form, broker: kafka.Broker, expected: Expected) -> list[str]:
    """Write the recording of one form; complaints about what did not come as expected."""
    lines: list[str] = []
    complaints: list[str] = []
    for table in form.tables or TABLE_NAMES:
        events = expected.of(table)
        if "transforms" in form.settings:  # deletes are rows then, and a truncate has none
            events = [event for event in events if event["op"] not in ("tombstone", "t")]
        messages = read(broker, f"{form.name}.{SCHEMA}.{table}", len(events))
        if len(messages) != len(events):
            complaints.append(f"{form.name}: {table}: {len(messages)} messages, {len(events)} expected")
        for message, event in zip(messages, events, strict=False):
            value = message.value()
            if not form.avro and value is not None and event["op"] in HANDED_OUT:
                told = json.loads(value)
                told = told.get("payload", told)
                if told.get("op", told.get("__op")) != event["op"]:
                    complaints.append(
                        f"{form.name}: {table}: {event['step']}: op {told} instead of {event['op']}"
                    )
            lines.append(line(message, event, form.avro))
    (OUT / f"{form.name}.jsonl").write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
    return complaints


def write_schemas(registry: str, forms: Sequence[Form]) -> None:
    """Write the schemas of all Avro messages by their number."""
    numbers = set()
    for form in forms:
        for text in (OUT / f"{form.name}.jsonl").read_text(encoding="utf-8").splitlines():
            kept = json.loads(text)
            for side in ("key_base64", "value_base64"):
                if kept.get(side):
                    numbers.add(int.from_bytes(base64.b64decode(kept[side])[1:5], "big"))
    schemas = {
        str(number): json.loads(get(f"{registry}/apis/ccompat/v7/schemas/ids/{number}")["schema"])
        for number in sorted(numbers)
    }
    text = json.dumps(schemas, ensure_ascii=False, separators=(",", ":"))
    (OUT / "avro-schemas.json").write_text(text.replace('},"', '},\n"') + "\n", encoding="utf-8")


def record(forms: Sequence[Form], avro: Path | None) -> list[str]:
    """Start everything, let it happen, write it down; complaints."""
    OUT.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = {"wal_level": "logical", "max_replication_slots": "60", "max_wal_senders": "60"}
        server = stack.enter_context(
            postgres.Server(folder / "postgres", durable=False, keep=False, settings=settings)
        )
        broker = stack.enter_context(kafka.Broker(folder / "kafka", keep=False, java_options=[kafka.QUICK]))
        registry = stack.enter_context(apicurio(avro)) if avro else None
        jars = plugins()
        if avro:
            jars = folder / "plugins"
            shutil.copytree(plugins(), jars)
            shutil.copytree(avro / "plugins" / "apicurio-converter", jars / "apicurio-converter")
        worker = stack.enter_context(
            Worker(
                folder / "connect",
                broker,
                plugins=jars,
                java_options=[kafka.QUICK],
                keep=False,
                settings={"plugin.discovery": "hybrid_warn"} if avro else None,
            )
        )
        server.create_database(DATABASE)
        connection = stack.enter_context(server.connect(DATABASE))
        connection.execute("set timezone = 'UTC'; set bytea_output = 'hex'; set intervalstyle = 'postgres'")
        connection.execute(TABLES)  # type: ignore[arg-type]
        connection.execute("create publication forms for tables in schema forms")
        expected = Expected(connection)
        expected.run(SNAPSHOT)
        for form in forms:
            worker.rest.register(form.name, connector(form, server, worker, registry))
        for form in forms:
            worker.rest.wait_running(form.name, patience=PATIENCE)
            log.info("%s runs", form.name)
        if not wait_until(lambda: active(connection) >= len(forms), PATIENCE):
            raise RuntimeError("not all slots are read")
        for step in STEPS:
            expected.run(step)
        complaints = []
        for form in forms:
            complaints += write_form(form, broker, expected)
            log.info("%s is written", form.name)
            status = worker.rest.status(form.name)
            if status is None or status.failure:
                complaints.append(f"{form.name}: failed: {(status.failure if status else '')[:1500]}")
        if registry:
            write_schemas(registry, [form for form in forms if form.avro])
    text = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in expected.events)
    (OUT / "expected.jsonl").write_text(text, encoding="utf-8")
    return complaints


def active(connection: psycopg.Connection) -> int:
    """How many slots are being read."""
    found = connection.execute("select count(*) from pg_replication_slots where active").fetchone()
    return int(found[0]) if found else 0


def main(words: list[str]) -> int:
    """Record the forms; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.record_debezium", description=__doc__)
    parser.add_argument("forms", nargs="*", metavar="FORM", help="only these")
    parser.add_argument("--avro", type=Path, help="folder of the registry and its converter")
    told = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    forms = [
        form for form in FORMS if (not told.forms or form.name in told.forms) and (told.avro or not form.avro)
    ]
    complaints = record(forms, told.avro)
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
