"""What the tests of vaults share: a source database, change events of it as Debezium writes them, and a mapping.

`Shop` changes a real database and keeps the event of every change, so that the events can be sent in any order, twice, or
broken, and the database asked afterwards whether the vault equals it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Producer
from headrace.vault import VaultMapping, Verification, parse_mapping, vault_ddl, vault_load, vault_verify

from tests.real.load_kit import rows

MARKER = "__debezium_unavailable_value"

SOURCE = """
    CREATE SCHEMA shop;
    CREATE TABLE shop.customers (
        customer_id bigint PRIMARY KEY, name text, score double precision, born date, notes text, tags jsonb);
    CREATE TABLE shop.orders (
        order_id bigint PRIMARY KEY, customer_id bigint, amount numeric(10,2), status varchar(20),
        changed_at timestamptz);
    CREATE TABLE shop.lines (
        order_id bigint, product char(5), quantity integer, PRIMARY KEY (order_id, product));
"""

MAPPING = """
vault:
  schema: dv
source:
  topics: "{prefix}.{{schema}}.{{table}}"
hubs:
  customer: {{customer_id: bigint}}
  order: {{order_id: bigint}}
  product: {{product: char(5)}}
links:
  order_customer: [order, customer]
  line: [order, product]
tables:
  shop.customers:
    columns: {{customer_id: bigint, name: text, score: double precision, born: date, notes: text, tags: jsonb}}
    key: customer_id
    references: {{customer: customer_id}}
    parent: customer
    satellites:
      customer: [name, score, born]
      customer_notes: [notes, tags]
  shop.orders:
    columns:
      order_id: bigint
      customer_id: bigint
      amount: numeric(10,2)
      status: varchar(20)
      changed_at: timestamptz
    key: order_id
    references: {{order: order_id, customer: customer_id}}
    parent: order
    links: order_customer
    satellites:
      order: [amount, status, changed_at]
  shop.lines:
    columns: {{order_id: bigint, product: char(5), quantity: integer}}
    key: [order_id, product]
    references: {{order: order_id, product: product}}
    parent: line
    links: line
    satellites:
      line: quantity
"""

_KEYS = {"customers": ("customer_id",), "orders": ("order_id",), "lines": ("order_id", "product")}
_ROWS = {
    "customers": "customer_id, name, score, born - DATE '1970-01-01', notes, tags::text",
    "orders": "order_id, customer_id, amount::text, status, to_char(changed_at AT TIME ZONE 'UTC',"
    ' \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')',
    "lines": "order_id, product, quantity",
}
_NAMES = {
    "customers": ("customer_id", "name", "score", "born", "notes", "tags"),
    "orders": ("order_id", "customer_id", "amount", "status", "changed_at"),
    "lines": ("order_id", "product", "quantity"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One message."""

    topic: str
    key: bytes | None
    value: bytes | None
    lsn: int


@dataclass
class Shop:
    """The source and the events of its changes."""

    dsn: str
    prefix: str
    events: list[Event] = field(default_factory=list)
    lsn: int = 1_000_000
    connection: Any = None
    known: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {t: [] for t in _KEYS})
    number: int = 0

    def __post_init__(self) -> None:
        self.connection = psycopg.connect(self.dsn, autocommit=True)
        self.connection.execute(SOURCE)

    def close(self) -> None:
        self.connection.close()

    def mapping(self, **changes: str) -> VaultMapping:
        text = MAPPING.format(prefix=self.prefix)
        for old, new in changes.values() if changes else ():
            assert old in text
            text = text.replace(old, new)
        return parse_mapping(text)

    @property
    def topics(self) -> list[str]:
        return [f"{self.prefix}.shop.{table}" for table in _KEYS]

    def row(self, table: str, key: dict[str, Any]) -> dict[str, Any] | None:
        """The row as Debezium would write it, or None."""
        where = " AND ".join(f"{name} = %s" for name in key)
        sql = f"SELECT {_ROWS[table]} FROM shop.{table} WHERE {where}"
        found = self.connection.execute(sql, list(key.values())).fetchone()
        return dict(zip(_NAMES[table], found, strict=True)) if found else None

    def emit(
        self, table: str, op: str, key: dict[str, Any] | None, after: dict[str, Any] | None, *, txid: int
    ) -> None:
        self.lsn += 40
        topic = f"{self.prefix}.shop.{table}"
        source = {"version": "3.7.0.Final", "connector": "postgresql", "name": self.prefix, "db": "shop"}
        source |= {"schema": "shop", "table": table, "txId": txid, "lsn": self.lsn, "xmin": None}
        source |= {"ts_ms": 1_790_000_000_000 + self.lsn, "snapshot": "true" if op == "r" else "false"}
        before = key if op == "d" else None
        value = {"before": before, "after": after, "source": source, "op": op, "ts_ms": source["ts_ms"]}
        message_key = json.dumps(key).encode() if key is not None else None
        self.events.append(Event(topic, message_key, json.dumps(value).encode(), self.lsn))
        if op == "d":
            self.events.append(Event(topic, message_key, None, self.lsn))

    def change(self, table: str, op: str, key: dict[str, Any], sql: str, *values: Any, **hidden: str) -> None:
        """Run a statement that touches one row, and note its event. hidden: columns sent as unchanged.
        PostgreSQL leaves out values that it keeps elsewhere, never a null.
        """
        with self.connection.transaction():
            self.connection.execute(sql, values)
            txid = self.connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()[0]
        after = self.row(table, key) if op != "d" else None
        if after is not None:
            after |= {name: MARKER for name in hidden if after[name] is not None}
        self.emit(table, op, key, after, txid=txid)

    def insert(self, table: str, op: str = "c", **row: Any) -> None:
        names = ", ".join(row)
        marks = ", ".join(["%s"] * len(row))
        key = {name: row[name] for name in _KEYS[table]}
        self.change(table, op, key, f"INSERT INTO shop.{table} ({names}) VALUES ({marks})", *row.values())

    def update(self, table: str, key: dict[str, Any], *hidden: str, **values: Any) -> None:
        sets = ", ".join(f"{name} = %s" for name in values)
        where = " AND ".join(f"{name} = %s" for name in key)
        sql = f"UPDATE shop.{table} SET {sets} WHERE {where}"
        self.change(table, "u", key, sql, *values.values(), *key.values(), **dict.fromkeys(hidden, ""))

    def delete(self, table: str, **key: Any) -> None:
        where = " AND ".join(f"{name} = %s" for name in key)
        self.change(table, "d", key, f"DELETE FROM shop.{table} WHERE {where}", *key.values())

    def move(self, table: str, old: dict[str, Any], new: dict[str, Any], *hidden: str) -> None:
        """An update of the primary key: a delete and a create of one LSN. hidden: columns sent as unchanged."""
        sets = ", ".join(f"{name} = %s" for name in new)
        where = " AND ".join(f"{name} = %s" for name in old)
        with self.connection.transaction():
            self.connection.execute(
                f"UPDATE shop.{table} SET {sets} WHERE {where}", [*new.values(), *old.values()]
            )
            txid = self.connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()[0]
        self.emit(table, "d", old, None, txid=txid)
        self.lsn -= 40
        after = self.row(table, new)
        assert after is not None
        after |= {name: MARKER for name in hidden if after[name] is not None}
        self.emit(table, "c", new, after, txid=txid)

    def truncate(self, table: str) -> None:
        with self.connection.transaction():
            self.connection.execute(f"TRUNCATE shop.{table}")
            txid = self.connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()[0]
        self.emit(table, "t", None, None, txid=txid)

    def live(self, rng: random.Random, changes: int) -> None:
        """Random changes of every kind."""
        for _ in range(changes):
            self.number += 1
            table = rng.choice(["customers", "customers", "orders", "orders", "orders", "lines"])
            keys = self.known[table]
            what = rng.choice("cccuuuuuudkt") if keys else "c"
            if what == "t" and rng.random() > 0.05:
                what = "u"
            if what == "c":
                row = _new_row(rng, table, self.number)
                key = {name: row[name] for name in _KEYS[table]}
                if key not in keys:
                    keys.append(key)
                    self.insert(table, **row)
            elif what == "t":
                keys.clear()
                self.truncate(table)
            else:
                key = rng.choice(keys)
                if what == "d":
                    keys.remove(key)
                    self.delete(table, **key)
                elif what == "k" and table != "lines":
                    new = dict.fromkeys(key, 1_000_000 + self.number)
                    keys[keys.index(key)] = new
                    self.move(table, key, new)
                else:
                    self._touch(rng, table, key)

    def _touch(self, rng: random.Random, table: str, key: dict[str, Any]) -> None:
        row = _new_row(rng, table, 0)
        values = {k: v for k, v in row.items() if k not in key and rng.random() < 0.5}
        hidden: list[str] = []
        if table == "customers":
            if "notes" not in values and rng.random() < 0.7:
                hidden.append("notes")
            values.setdefault("name", row["name"])
        if not values:  # an update that changes nothing
            name = next(n for n in _NAMES[table] if n not in key)
            old = self.connection.execute(
                f"SELECT {name} FROM shop.{table} WHERE {' AND '.join(f'{k} = %s' for k in key)}",
                list(key.values()),
            ).fetchone()[0]
            values = {name: old}
        self.update(table, key, *hidden, **values)


def _new_row(rng: random.Random, table: str, number: int) -> dict[str, Any]:
    texts = ["", " ", "Zażółć gęślą jaźń", "a\tb\nc\\d", "^^", "||", "x" * 40, None, "ſß", "'\";--"]
    if table == "customers":
        return {
            "customer_id": rng.randrange(1 << 40),
            "name": rng.choice(texts),
            "score": rng.choice([None, 0.1, 1e20, -0.0, 2.5]),
            "born": rng.choice([None, "1999-12-31", "2026-02-28"]),
            "notes": rng.choice([None, "n" * rng.randrange(4000), "ü" * 300]),
            "tags": rng.choice([None, '{"a": [1, 2]}', "[]", '"x"']),
        }
    if table == "orders":
        return {
            "order_id": number * 1000 + rng.randrange(1000),
            "customer_id": rng.choice([None, rng.randrange(50)]),
            "amount": rng.choice([None, "0.00", "12.50", "99999999.99"]),
            "status": rng.choice([None, "new", "New", "paid"]),
            "changed_at": rng.choice([None, "2026-11-21 10:00:00.123456+01", "1999-01-01 00:00:00+00"]),
        }
    return {
        "order_id": rng.randrange(30),
        "product": f"P{rng.randrange(40):03}",
        "quantity": rng.choice([None, 1, 2, 3]),
    }


def make_vault(dsn: str, mapping: VaultMapping) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(vault_ddl(mapping))


def send(bootstrap: str, events: Iterable[Event], *, partition: int | None = None) -> int:
    """Produce the events, in their order; keys choose the partitions unless one is given."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
    count = 0
    for event in events:
        where = {} if partition is None else {"partition": partition}
        producer.produce(event.topic, event.value, event.key, **where)
        count += 1
        if count % 1000 == 0:
            producer.poll(0)
    left = producer.flush(60)
    assert left == 0
    return count


def load(mapping: VaultMapping, dsn: str, bootstrap: str, **settings: Any) -> Any:
    return vault_load(mapping, dsn=dsn, brokers=bootstrap, **settings)


def verify(mapping: VaultMapping, shop: Shop, dsn: str, **settings: Any) -> Verification:
    return vault_verify(mapping, shop.dsn, dsn=dsn, **settings)


def assert_equal(mapping: VaultMapping, shop: Shop, dsn: str) -> None:
    found = verify(mapping, shop, dsn)
    assert found.equal, str(found)
    assert found.rows == sum(t.vault_rows for t in found.tables)


def dead(dsn: str) -> list[tuple[Any, ...]]:
    return rows(dsn, "SELECT reason, column_name, message FROM headrace.dead_letters ORDER BY id")


def contents(dsn: str, mapping: VaultMapping) -> dict[str, list[str]]:
    """Every row of hubs, links, satellites and tracking satellites, without when it was loaded."""
    names = [hub.table for hub in mapping.hubs.values()] + [link.table for link in mapping.links.values()]
    for table in mapping.tables.values():
        names += [table.tracking, *(s.table for s in table.satellites)]
    with psycopg.connect(dsn) as connection:
        return {
            name: [
                row[0]
                for row in connection.execute(
                    f"SELECT (to_jsonb(t) - 'dv_load_ts')::text FROM {mapping.schema}.{name} t ORDER BY 1"
                ).fetchall()
            ]
            for name in names
        }


def write_mapping(path: Path, prefix: str) -> Path:
    """The mapping as a file, for the command line."""
    path.write_text(MAPPING.format(prefix=prefix), encoding="utf-8")
    return path
