"""What a server refuses, or passes over in silence: names that no topic can have, triggers on Headrace's own tables, a
full queue. Each stops the load with its reason before anything is committed, or makes no difference at all.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import headrace
import pytest
from headrace import BalanceError, SchemaError, UsageError
from headrace.vault import VaultMapping

from stack import kafka
from tests.real import vault_kit, window_kit
from tests.real.conftest import wait_for
from tests.real.load_kit import assert_agree, execute, one, produce, rows
from tests.real.sanitizer_kit import migrate
from tests.real.vault_kit import Shop

pytestmark = pytest.mark.real

LONG_NAME = "x" * 600
"""Longer than librdkafka takes; a broker takes 249 bytes."""


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [LONG_NAME, "a b"])
def test_a_name_that_no_topic_can_have(broker: kafka.Broker, dsn: str, name: str) -> None:
    """The first is refused by librdkafka, the second by the broker. The tables of Headrace hear nothing of it."""
    execute(dsn, "CREATE TABLE t (id int)")
    migrate(dsn)
    settings = {"bootstrap.servers": broker.bootstrap}
    said = f'"{name}" cannot be the name of a Kafka topic'
    with pytest.raises(UsageError) as asked:
        headrace.offsets.reset("j", "latest", topic=name, dsn=dsn, kafka=settings)
    assert said in str(asked.value)
    with pytest.raises(UsageError) as loaded:
        headrace.load(f"kafka://{broker.bootstrap}/{quote(name)}", "t", dsn=dsn, job="j")
    assert said in str(loaded.value)
    assert rows(dsn, "SELECT * FROM headrace.offsets") == []


def test_a_topic_that_is_deleted_while_it_is_written_to(broker: kafka.Broker) -> None:
    """It is no topic any more for the next line, which says so; what was sent before is counted."""
    topic = "deleted-meanwhile"
    broker.create_topic(topic, 1)
    program = f"import sys; sys.path[:] = {sys.path!r}; from headrace.cli import main; sys.exit(main())"
    often = ["-X", "topic.metadata.refresh.interval.ms=100", "-X", "message.timeout.ms=10000"]
    words = ["produce", "-", "--to", f"kafka://{broker.bootstrap}/{topic}", *often]
    with subprocess.Popen(
        [sys.executable, "-c", program, *words], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b'{"n": 1}\n' * 10)
        process.stdin.flush()
        wait_for(lambda: len(window_kit.read(broker.bootstrap, topic)) == 10)
        broker.delete_topic(topic)
        time.sleep(2)  # for librdkafka to hear of it
        process.stdin.write(b'{"n": 2}\n' * 10)
        _, told = process.communicate(timeout=60)
    said = rf'line 11: a message cannot be sent to Kafka topic "{topic}": .*10 messages had been sent before'
    assert re.search(said, told.decode())
    assert process.returncode == headrace.RetriableError.exit_code


# -- triggers on Headrace's own tables -------------------------------------------------------------------------------


@contextmanager
def trigger(dsn: str, table: str, when: str, does: str = "RETURN NULL") -> Iterator[None]:
    """A trigger of somebody else's; it goes again at the end."""
    execute(
        dsn,
        f"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; END $$;"
        f"CREATE TRIGGER meddle {when} ON {table} FOR EACH ROW EXECUTE FUNCTION meddle()",
    )
    yield
    execute(dsn, "DROP FUNCTION meddle CASCADE")


@pytest.fixture
def source(dsn: str, broker: kafka.Broker, new_topic: Callable[..., str]) -> str:
    """Three good records and a bad one, for table t."""
    execute(dsn, "CREATE TABLE t (id int)")
    migrate(dsn)
    topic = new_topic(1)
    produce(broker.bootstrap, topic, [b'{"id":1}', b'{"id":"x"}', b'{"id":2}', b'{"id":3}'])
    return f"kafka://{broker.bootstrap}/{topic}"


def assert_nothing(dsn: str) -> None:
    """No row, no dead letter, no offset moved, and no receipt that speaks of success."""
    assert one(dsn, "SELECT count(*) FROM t") == 0
    assert one(dsn, "SELECT count(*) FROM headrace.dead_letters") == 0
    assert one(dsn, "SELECT coalesce(sum(next_offset), 0) FROM headrace.offsets") == 0
    assert one(dsn, "SELECT count(*) FROM headrace.receipt_lanes") == 0
    assert one(dsn, "SELECT count(*) FROM headrace.receipts WHERE state = 'succeeded'") == 0


def assert_all(dsn: str, receipt: headrace.Receipt) -> None:
    """What the same load brings without a trigger."""
    assert (receipt.read, receipt.loaded, receipt.rejected) == (4, 3, 1)
    assert rows(dsn, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]
    assert one(dsn, "SELECT convert_from(raw, 'UTF8') FROM headrace.dead_letters") == '{"id":"x"}'
    assert_agree(dsn, "j", "t")


def test_a_trigger_that_swallows_dead_letters_stops_the_load(dsn: str, source: str) -> None:
    """A bad record must not vanish; nor may the good ones be loaded without it, as they would be again."""
    said = r"1 rejects were sent to headrace\.dead_letters, the server counted 0: .* a trigger"
    with trigger(dsn, "headrace.dead_letters", "BEFORE INSERT"), pytest.raises(BalanceError, match=said):
        headrace.load(source, "t", dsn=dsn, job="j")
    assert_nothing(dsn)
    assert rows(dsn, "SELECT state, read, loaded FROM headrace.receipts") == [("failed", 0, 0)]
    assert_all(dsn, headrace.load(source, "t", dsn=dsn, job="j"))


def test_a_trigger_that_swallows_offsets_stops_the_load(dsn: str, source: str) -> None:
    """Without offsets nobody would know what has been loaded."""
    said = r"headrace\.offsets returned 0 of 1 lanes: is a trigger on it\?"
    with (
        trigger(dsn, "headrace.offsets", "BEFORE INSERT OR UPDATE"),
        pytest.raises(SchemaError, match=said),
    ):
        headrace.load(source, "t", dsn=dsn, job="j")
    assert one(dsn, "SELECT count(*) FROM headrace.offsets") == 0
    assert_nothing(dsn)
    # none that would be running for ever: without its offsets no later run could tell that it is over
    assert one(dsn, "SELECT count(*) FROM headrace.receipts WHERE state = 'running'") == 0
    assert_all(dsn, headrace.load(source, "t", dsn=dsn, job="j"))


@pytest.mark.parametrize("mode", ["upsert", "replace"])
def test_a_trigger_that_swallows_rows_by_key_stops_the_load(dsn: str, tmp_path: Path, mode: str) -> None:
    """The rows come from a stage then, and the server says how many the table took."""
    execute(dsn, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)")
    path = tmp_path / "x.jsonl"
    path.write_text('{"id":1,"n":1}\n{"id":2,"n":2}\n{"id":3,"n":3}\n')
    swallows = "IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW"
    said = r"sent 3 rows to public\.t, the server kept 2: a trigger or rule drops rows"
    with trigger(dsn, "t", "BEFORE INSERT", swallows), pytest.raises(BalanceError, match=said):
        headrace.load(str(path), "t", dsn=dsn, job="j", mode=mode)
    assert rows(dsn, "SELECT id, n FROM t") == [(1, 0)]
    assert one(dsn, "SELECT coalesce(sum(next_offset), 0) FROM headrace.offsets") == 0
    assert headrace.load(str(path), "t", dsn=dsn, job="j", mode=mode).loaded == 3
    assert rows(dsn, "SELECT id, n FROM t ORDER BY id") == [(1, 1), (2, 2), (3, 3)]


def test_a_trigger_that_deletes_from_the_vault_stops_the_load(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    """Values that events left out are read piece by piece, after they were found: one that has gone by then is not
    taken for null.
    """
    notes, row = "n" * 250_000, {"score": None, "born": None, "tags": None}
    shop.insert("customers", customer_id=1, name="a", notes=notes, **row)
    vault_kit.send(broker.bootstrap, shop.events)
    vault_kit.load(mapping, dsn, broker.bootstrap)
    sent = len(shop.events)
    for number in range(200):  # more than the 32 MiB that are filled in at once
        changed = {"customer_id": 1, "name": f"name {number}", "notes": vault_kit.MARKER, **row}
        shop.emit("customers", "u", {"customer_id": 1}, changed, txid=3)
    shop.connection.execute("UPDATE shop.customers SET name = 'name 199'")
    vault_kit.send(broker.bootstrap, shop.events[sent:])
    before = vault_kit.contents(dsn, mapping)
    said = r'a value of column "notes" that an event left out .* does somebody delete rows there\?'
    deletes = "DELETE FROM dv.sat_customer_notes; RETURN NEW"
    with (
        trigger(dsn, "dv.sat_customer", "BEFORE INSERT", deletes),
        pytest.raises(BalanceError, match=said),
    ):
        vault_kit.load(mapping, dsn, broker.bootstrap, workers=1)
    assert vault_kit.contents(dsn, mapping) == before
    assert vault_kit.load(mapping, dsn, broker.bootstrap, workers=1).loaded == 200
    vault_kit.assert_equal(mapping, shop, dsn)


# -- a full queue ----------------------------------------------------------------------------------------------------


def test_a_queue_of_one_message_takes_a_whole_transaction(
    broker: kafka.Broker, new_topic: Callable[..., str], tmp_path: Path
) -> None:
    """Results, state and dead letters (with headers) wait for room, one after the other; none is lost or sent twice."""
    place = window_kit.Place(broker.bootstrap, new_topic(1), tmp_path, new_topic)
    topic = place.new_topic(1)
    good = [place.frame(second, uid=second % 7) for second in range(120)]
    place.send(topic, 0, [*good, *[b"{damaged %d" % number for number in range(20)]])
    settings = place.settings(topic, close_all=True)
    receipt = window_kit.run(**settings, kafka={"queue.buffering.max.messages": 1})
    assert (receipt.counted, receipt.malformed, receipt.late) == (120, 20, 0)
    assert place.minutes() == [("00:00", 7), ("00:01", 7)]
    assert place.reasons() == {"malformed": 20}
    letters = [message.value() for message in window_kit.read(place.bootstrap, f"{place.job}-late")]
    assert sorted(letters) == sorted(b"{damaged %d" % number for number in range(20))
