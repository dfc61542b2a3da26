"""Change capture of the airline's database, with a real Connect worker and Debezium's connector."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from stack import connect, kafka
from stack.airports import SLOT, Pair, capture
from stack.airports.changes import Changes
from stack.airports.generate import TABLES, Size, generate
from stack.process import wait_until

pytestmark = [pytest.mark.real, pytest.mark.slow]


@dataclass
class Captured:
    """The airline with Connect beside it."""

    pair: Pair
    broker: kafka.Broker
    worker: connect.Worker

    def events(self, table: str, start: int = 0) -> list[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
        """What lies in the topic of a table: keys and values."""
        topic = f"airports.{table}"
        settings = {
            "bootstrap.servers": self.broker.bootstrap,
            "group.id": "looking",
            "enable.auto.commit": False,
        }
        consumer = Consumer(settings)
        try:
            if topic not in consumer.list_topics(timeout=10).topics:
                return []
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
            consumer.assign([TopicPartition(topic, 0, start)])
            found = []
            while start + len(found) < end:
                for message in consumer.consume(end - start - len(found), 10):
                    assert message.error() is None
                    key, value = message.key(), message.value()
                    found.append((json.loads(key) if key else None, json.loads(value) if value else None))
            return found
        finally:
            consumer.close()

    def rebuilt(self, table: str, keys: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The table as its events say it is."""
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for key, value in self.events(f"bookings.{table}"):
            if value is None:
                continue
            assert key is not None
            place = tuple(key[name] for name in keys)
            if value["op"] == "d":
                del rows[place]
                continue
            old = rows.get(place, {})
            rows[place] = {
                name: old.get(name) if text == "__debezium_unavailable_value" else text
                for name, text in value["after"].items()
            }
        return rows

    def wait_told(self, patience: float = 60) -> None:
        """Wait until Debezium has sent everything that is committed now: a heartbeat from after it tells."""
        with self.pair.connect() as connection:
            row = connection.execute("select (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchone()
        assert row is not None

        seen = 0

        def told() -> bool:
            nonlocal seen
            new = self.events("capture.heartbeat", seen)
            seen += len(new)
            return any(value["source"]["lsn"] > row[0] for _, value in new if value)

        assert wait_until(told, patience, pause=0.5), self.worker.log


def plain(name: str, value: Any) -> Any:
    """A value in one form, whether an event or PostgreSQL's own JSON has it."""
    if value is None:
        return None
    if name in ("amount", "total_amount"):
        return Decimal(str(value))
    if name == "contact_data" and isinstance(value, str):
        return json.loads(value)
    if name.startswith(("scheduled_", "actual_")) or name == "book_date":
        return datetime.fromisoformat(value)
    return value


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory, broker: kafka.Broker) -> Iterator[Captured]:
    folder = tmp_path_factory.mktemp("captured")
    with Pair(folder / "pair", durable=False, keep=False) as pair:
        with pair.connect() as connection:
            generate(connection, Size(flights=40, bookings=60), 2)
        options = [kafka.QUICK]
        with connect.Worker(
            folder / "connect", broker, plugins=connect.plugins(), java_options=options, heap="512m"
        ) as worker:
            yield Captured(pair, broker, worker)


def test_registering_twice_is_registering_once(captured: Captured) -> None:
    pair, worker = captured.pair, captured.worker
    assert capture.state(worker, pair).connector == "missing"
    assert capture.register(worker, pair)
    seen = capture.state(worker, pair)
    assert (seen.connector, seen.slot, seen.failure) == ("RUNNING", "active", "")
    assert not capture.register(worker, pair)
    assert worker.rest.connectors() == [capture.CONNECTOR]
    registered = json.dumps(worker.rest.config(capture.CONNECTOR))
    secret = pair.primary.role_password("airports_capture")
    assert secret not in registered
    assert secret not in worker.log.read_text()
    assert "${file:" in registered


def test_snapshot_and_changes_arrive_and_make_the_tables_again(captured: Captured) -> None:
    capture.register(captured.worker, captured.pair)
    with captured.pair.connect() as connection:
        changes = Changes(connection, 2)
        changes.run(300)
        captured.wait_told()
        keys = {
            "airports": ("airport_code",),
            "aircrafts": ("aircraft_code",),
            "seats": ("aircraft_code", "seat_no"),
            "flights": ("flight_id",),
            "bookings": ("book_ref",),
            "tickets": ("ticket_no",),
            "ticket_flights": ("ticket_no", "flight_id"),
            "boarding_passes": ("ticket_no", "flight_id"),
        }
        ops: Counter[str] = Counter()
        for table in TABLES:
            ops += Counter(value["op"] for _, value in captured.events(f"bookings.{table}") if value)
            names = ", ".join(f"to_jsonb(t) -> '{name}'" for name in keys[table])
            rows = connection.execute(f"select {names}, to_jsonb(t) from bookings.{table} t").fetchall()
            wanted = {tuple(row[:-1]): row[-1] for row in rows}
            found = captured.rebuilt(table, keys[table])
            assert found.keys() == wanted.keys(), table
            for key, row in wanted.items():
                assert {name: plain(name, value) for name, value in found[key].items()} == {
                    name: plain(name, value) for name, value in row.items()
                }
    assert all(ops[op] > 0 for op in "rcud"), ops


def test_the_worker_is_killed_and_nothing_is_lost(captured: Captured) -> None:
    capture.register(captured.worker, captured.pair)
    captured.worker.kill()
    with captured.pair.connect() as connection:
        connection.execute("insert into bookings.aircrafts values ('WW1', 'while it was away', 1)")
    captured.worker.start()
    assert not capture.register(captured.worker, captured.pair)
    captured.wait_told()
    assert any(
        value and value["op"] == "c" and value["after"]["aircraft_code"] == "WW1"
        for _, value in captured.events("bookings.aircrafts")
    )


def test_a_changed_file_changes_the_connector(captured: Captured, tmp_path: Path) -> None:
    capture.register(captured.worker, captured.pair)
    other = tmp_path / "connector.json"
    config = json.loads(capture.CONFIG.read_text())
    other.write_text(json.dumps({**config, "heartbeat.interval.ms": "1000"}))
    assert capture.register(captured.worker, captured.pair, other)
    found = captured.worker.rest.config(capture.CONNECTOR)
    assert found is not None
    assert found["heartbeat.interval.ms"] == "1000"
    assert not capture.register(captured.worker, captured.pair, other)
    assert capture.register(captured.worker, captured.pair)


def test_a_failed_task_is_restarted(captured: Captured) -> None:
    pair, worker = captured.pair, captured.worker
    capture.register(worker, pair)
    with pair.connect() as connection:
        connection.execute("drop publication headrace_airports")

        def failed() -> bool:
            return bool(capture.state(worker, pair).failure)

        worker.rest.restart(capture.CONNECTOR)
        assert wait_until(failed, 60, pause=0.2)
        with pytest.raises(capture.CaptureError, match="headrace_airports"):
            capture.register(worker, pair, patience=20)
        connection.execute(
            "create publication headrace_airports for tables in schema bookings, table capture.heartbeat"
        )
    assert not capture.register(worker, pair)
    assert capture.state(worker, pair).connector == "RUNNING"


def test_dropping_leaves_no_slot_and_registering_again_takes_a_new_snapshot(captured: Captured) -> None:
    pair, worker = captured.pair, captured.worker
    capture.register(worker, pair)
    assert capture.drop(worker, pair)
    assert worker.rest.connectors() == []
    assert SLOT not in [slot.name for slot in pair.slots()]
    assert capture.state(worker, pair).slot == "missing"
    assert not capture.drop(worker, pair)
    with pair.connect() as connection:
        connection.execute("insert into bookings.aircrafts values ('WW2', 'while nobody looked', 1)")
    before = len(captured.events("bookings.aircrafts"))
    assert capture.register(worker, pair)
    captured.wait_told()
    again = [value for _, value in captured.events("bookings.aircrafts", before) if value]
    assert {value["op"] for value in again} == {"r"}
    assert "WW2" in {value["after"]["aircraft_code"] for value in again}


@pytest.mark.parametrize(
    ("text", "words"),
    [("{", "cannot be read as JSON"), ("[]", "one JSON object"), ('{"tasks.max": 1}', "values are texts")],
)
def test_a_broken_file_is_refused_by_name(captured: Captured, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(capture.CaptureError, match=words) as error:
        capture.register(captured.worker, captured.pair, path)
    assert str(path) in str(error.value)


def test_a_setting_that_connect_refuses_is_said_with_its_words(captured: Captured, tmp_path: Path) -> None:
    path = tmp_path / "refused.json"
    config = json.loads(capture.CONFIG.read_text())
    path.write_text(json.dumps({**config, "decimal.handling.mode": "exactly"}))
    with pytest.raises(capture.CaptureError, match=r"decimal\.handling\.mode"):
        capture.register(captured.worker, captured.pair, path)
