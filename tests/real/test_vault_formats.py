"""How events are written is said in the mapping, and every verb goes by it: real messages in JSON and Avro."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import headrace
import psycopg
import pytest
from confluent_kafka import Producer
from headrace.cli import main
from headrace.vault import parse_mapping

from stack import kafka, postgres
from tests.real.load_kit import one
from tests.real.test_load_avro import DATA, recorded, registry
from tests.real.vault_kit import Shop, assert_equal, load, make_vault, send, verify

Capture = pytest.CaptureFixture[str]

SMALL = """
vault:
  schema: dv
source:
  topics: "{topic}"
{source}
hubs:
  small: {{id: integer}}
tables:
  forms.small:
    columns: {{id: integer, name: text, amount: "numeric(10,2)", story: text}}
    key: id
    references: {{small: id}}
    parent: small
    satellites:
      small: [name, amount]
      small_story: story
"""


def small(pg: postgres.Server, database: str, upto: list[dict[str, Any]]) -> str:
    """A source with the rows that the recorded events left: keys change, and long values with them."""
    rows: dict[int, dict[str, Any]] = {}
    ended: dict[int, dict[str, Any]] = {}
    for event in upto:
        row, lsn = event["after"], event["source"]["lsn"]
        if event["op"] == "d":
            ended[lsn] = rows.pop(event["before"]["id"])
            continue
        if row["story"] == "__debezium_unavailable_value":
            row["story"] = (rows.get(row["id"]) or ended[lsn])["story"]
        rows[row["id"]] = row
    with psycopg.connect(pg.dsn(database), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA forms")
        connection.execute(
            "CREATE TABLE forms.small (id integer PRIMARY KEY, name text, amount numeric(10,2), story text)"
        )
        for row in rows.values():
            values = [row.get(c) for c in ("id", "name", "amount", "story")]
            connection.execute("INSERT INTO forms.small VALUES (%s, %s, %s, %s)", values)
        # The recorded transactions must be ones that this server has behind it.
        last = max(event["source"]["txId"] for event in upto)
        while connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()[0] <= last:  # type: ignore[index]
            pass
    assert any(len(row["story"] or "") > 2000 for row in rows.values())
    return pg.dsn(database)


def produce(broker: kafka.Broker, topic: str, form: str) -> int:
    """The recorded messages before the truncation, which has no key; how many."""
    messages = recorded(form, "small")
    cut = next(i for i, (key, _) in enumerate(messages) if key is None)
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for key, value in messages[:cut]:
        producer.produce(topic, value, key, partition=0)
    assert producer.flush(60) == 0
    return cut


@pytest.fixture
def forms(pg: postgres.Server) -> Iterator[str]:
    """A source database that the recorded events lead to."""
    plain = [json.loads(value) for _, value in recorded("string", "small") if value is not None]
    end = next(i for i, event in enumerate(plain) if event["op"] == "t")
    pg.create_database("forms_of_small")
    yield small(pg, "forms_of_small", plain[:end])
    pg.drop_database("forms_of_small")


@pytest.mark.parametrize("form", ["string", "avro-string"])
def test_every_verb_reads_what_the_mapping_says(
    form: str, forms: str, broker: kafka.Broker, topic: str, dsn: str, *, tmp_path: Path, capsys: Capture
) -> None:
    cut = produce(broker, topic, form)
    schemas = json.loads((DATA / "avro-schemas.json").read_text(encoding="utf-8"))
    with registry(schemas, "secret") as (address, _), pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_REGISTRY_PASSWORD", "secret")
        avro = f"  format: debezium-avro\n  avro: {{registry: '{address}', user: me}}"
        path = tmp_path / "vault.yaml"
        text = SMALL.format(topic=topic, source=avro if form.startswith("avro") else "")
        path.write_text(text, encoding="utf-8")
        make_vault(dsn, parse_mapping(text))
        where = [str(path), "--dsn", dsn, "--brokers", broker.bootstrap, "--json"]
        assert main(["vault", "plan", *where]) == 0
        assert json.loads(capsys.readouterr().out)["lag"] == cut
        assert main(["vault", "verify", "--source", forms, "--load", *where]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["rows"] > 3, found["differences"]) == (True, 0)
        assert one(dsn, "SELECT count(*) FROM headrace.dead_letters") == 0
        assert "secret" not in one(dsn, "SELECT settings::text FROM headrace.receipts")
        assert main(["vault", "load", *where]) == 0
        assert json.loads(capsys.readouterr().out)["events"] == 0


def test_a_marker_of_the_connectors_own_is_known(shop: Shop, dsn: str, broker: kafka.Broker) -> None:
    mapping = shop.mapping(source=("source:\n", "source:\n  debezium: {unavailable: gone}\n"))
    make_vault(dsn, mapping)
    shop.insert("customers", customer_id=1, name="a", score=None, born=None, notes="n" * 3000, tags=None)
    shop.update("customers", {"customer_id": 1}, "notes", name="b")
    last = shop.events[-1]
    assert last.value is not None
    shop.events[-1] = type(last)(
        last.topic, last.key, last.value.replace(b"__debezium_unavailable_value", b"gone"), 0
    )
    send(broker.bootstrap, shop.events)
    assert verify(mapping, shop, dsn, brokers=broker.bootstrap, load=True, workers=1).equal
    sent = len(shop.events)
    shop.connection.execute("UPDATE shop.customers SET notes = 'gone by itself'")
    shop.update("customers", {"customer_id": 1}, name="c")
    send(broker.bootstrap, shop.events[sent:])
    load(mapping, dsn, broker.bootstrap)
    assert_equal(mapping, shop, dsn)
    with pytest.raises(headrace.UsageError, match="name the brokers"):
        verify(mapping, shop, dsn, load=True)
