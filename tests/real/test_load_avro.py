"""Loads of Avro and of change events: through a registry's HTTP interface, from a real broker into a real table."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import headrace
import pytest
from confluent_kafka import Producer
from headrace.errors import UsageError

from stack import kafka
from tests.real.load_kit import execute, one, rows

pytestmark = pytest.mark.real

DATA = Path(__file__).resolve().parents[1] / "data" / "debezium"


@contextmanager
def registry(schemas: dict[str, Any], password: str = "") -> Iterator[tuple[str, list[str]]]:
    """(address, paths asked for): answers as a schema registry does."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            login = "Basic " + base64.b64encode(f"me:{password}".encode()).decode()
            number = self.path.rpartition("/")[2]
            status, body = 404, {"error_code": 40403, "message": "Schema not found"}
            if password and self.headers.get("Authorization") != login:
                status, body = 401, {"error_code": 401, "message": "who are you?"}
            elif number in schemas:
                status, body = 200, {"schema": json.dumps(schemas[number])}
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def recorded(form: str, table: str) -> list[tuple[bytes | None, bytes | None]]:
    """(key, value) of the recorded messages."""
    found = []
    for line in (DATA / f"{form}.jsonl").read_text(encoding="utf-8").rstrip("\n").split("\n"):
        entry = json.loads(line)
        if entry["table"] != table:
            continue
        if form.startswith("avro"):
            parts = [entry.get("key_base64"), entry.get("value_base64")]
            found.append(tuple(base64.b64decode(p) if p is not None else None for p in parts))
        else:
            found.append(tuple(p.encode() if p is not None else None for p in (entry["key"], entry["value"])))
    return found  # type: ignore[return-value]


def send(broker: kafka.Broker, topic: str, messages: list[tuple[bytes | None, bytes | None]]) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for key, value in messages:
        producer.produce(topic, value, key, partition=0)
    assert producer.flush(60) == 0


HISTORY = "CREATE TABLE history (id integer, name text, amount numeric(10,2), story text, op text, lsn bigint, same text[])"
MAP = {"op": "$op", "lsn": "$lsn", "same": "$unchanged"}


@pytest.mark.parametrize("form", ["string", "avro-string"])
def test_change_events_become_a_history(form: str, broker: kafka.Broker, topic: str, dsn: str) -> None:
    schemas = json.loads((DATA / "avro-schemas.json").read_text(encoding="utf-8"))
    execute(dsn, HISTORY)
    messages = recorded(form, "small")
    send(broker, topic, messages)
    with registry(schemas, "secret") as (address, asked):
        settings: dict[str, Any] = {"format": "debezium"}
        if form.startswith("avro"):
            send(broker, topic, [(None, b"\0\0\0\x27\x0fx"), (None, b"{}")])
            login = {"registry": address, "user": "me", "password": "secret"}
            settings = {"format": "debezium-avro", "avro": login}
        receipt = headrace.load(
            f"kafka://{broker.bootstrap}/{topic}", "history", dsn=dsn, map=MAP, workers=1, **settings
        )
        if form.startswith("avro"):
            numbers = [path.rpartition("/")[2] for path in asked]
            assert len(numbers) == len(set(numbers))  # each is asked for once
            assert receipt.rejects == {"malformed": 2}
            said = one(dsn, "SELECT message FROM headrace.dead_letters ORDER BY id LIMIT 1")
            assert said == "the schema registry has no schema with number 9999"
            assert "secret" not in one(dsn, "SELECT settings::text FROM headrace.receipts")
            with pytest.raises(UsageError, match="does not let us in"):
                headrace.load(
                    f"kafka://{broker.bootstrap}/{topic}",
                    "history",
                    dsn=dsn,
                    map=MAP,
                    job="second",
                    format="debezium-avro",
                    avro={"registry": address, "user": "me", "password": "wrong"},
                )
        else:
            assert receipt.rejected == 0
    tombstones = sum(value is None for _, value in messages)
    assert (receipt.skipped, receipt.loaded) == (tombstones, len(messages) - tombstones)
    truth = [
        json.loads(x) for x in (DATA / "expected.jsonl").read_text(encoding="utf-8").rstrip("\n").split("\n")
    ]
    wanted = [e for e in truth if e["table"] == "small" and e["op"] != "tombstone"]
    found = rows(dsn, "SELECT id::text, name, amount::text, story, op, same FROM history ORDER BY ctid")
    for (number, name, amount, story, op, same), entry in zip(found, wanted, strict=True):
        row = entry["row"] or (entry["key"] if op == "d" else None) or {}
        assert (op, number, name, amount) == (entry["op"], row.get("id"), row.get("name"), row.get("amount"))
        assert story == (None if same else row.get("story"))


def test_deletes_need_a_place(broker: kafka.Broker, topic: str, dsn: str) -> None:
    execute(dsn, "CREATE TABLE small (id integer PRIMARY KEY, name text, amount numeric(10,2), story text)")
    send(broker, topic, recorded("string", "small"))
    receipt = headrace.load(
        f"kafka://{broker.bootstrap}/{topic}", "small", dsn=dsn, mode="upsert", format="debezium"
    )
    reasons = rows(dsn, "SELECT DISTINCT reason FROM headrace.dead_letters")
    assert reasons == [("operation",)]
    assert receipt.balances()


def test_settings_that_cannot_be(dsn: str) -> None:
    execute(dsn, "CREATE TABLE t (id integer)")
    for settings, words in (
        ({"format": "avro"}, "registry"),
        ({"format": "avro", "avro": {"registry": "ftp://x"}}, "http://"),
        ({"format": "avro", "avro": {"registry": "http://a:b@x"}}, "settings of their own"),
        ({"format": "avro", "avro": {"rgistry": "http://x"}}, "rgistry"),
        ({"format": "json", "avro": {"registry": "http://x"}}, "formats avro"),
        ({"format": "json", "debezium": {"time": "millis"}}, "change events"),
        ({"format": "debezium", "debezium": {"time": "seconds"}}, "must be one of"),
    ):
        with pytest.raises(UsageError, match=words):
            headrace.load("kafka://127.0.0.1:1/t", "t", dsn=dsn, **settings)  # type: ignore[arg-type]
