"""The mapping file of a vault: what is read, and that every mistake is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from headrace.errors import UsageError
from headrace.vault import (
    MappingError,
    VaultMapping,
    parse_mapping,
    read_mapping,
    vault_ddl,
    vault_verify,
)
from headrace.vault.contract import server_type
from headrace.vault.load import load_settings
from headrace.vault.mapping import Table
from headrace.vault.settings import column_map, vault_settings
from headrace.vault.verify import lsn_number

AIRPORTS = Path(__file__).resolve().parents[2] / "sql/airports/vault.yaml"

GOOD = """\
vault:
  schema: dv
source:
  topics: "src.{schema}.{table}"
hubs:
  customer: {customer_id: bigint}
  order: {order_id: bigint}
links:
  order_customer: [order, customer]
tables:
  shop.customers:
    columns: {customer_id: bigint, name: text, secret: text}
    key: customer_id
    references: {customer: customer_id}
    parent: customer
    satellites:
      customer: name
    ignore: [secret]
  shop.orders:
    columns: {order_id: bigint, customer_id: bigint, amount: "numeric(10,2)"}
    key: order_id
    references: {order: order_id, customer: customer_id}
    parent: order
    links: order_customer
    satellites:
      order: amount
"""


def test_a_good_mapping_is_read() -> None:
    mapping = parse_mapping(GOOD)
    customers, orders = mapping.tables.values()
    assert (mapping.schema, mapping.recipe, mapping.job) == ("dv", "automate_dv", "dv")
    assert customers.topic == customers.record_source == "src.shop.customers"
    assert customers.ignore == ("secret",)
    assert orders.links == ("order_customer",)
    assert mapping.link_columns(orders, "order_customer") == ["order_id", "customer_id"]
    assert mapping.job_of(orders) == "dv.orders"


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("  schema: dv", "  schema: [", 4, "not YAML"),
        ("  schema: dv", "  schema: dv\n  recpie: plain", 3, "did you mean recipe?"),
        ("  schema: dv", "  schema: dv\n  recipe: automate", 3, "there is no recipe automate"),
        ("  schema: dv", "  schema: DV", 2, "lower case"),
        ("  schema: dv", "  job: dv", 2, "needs the setting schema"),
        ('"src.{schema}.{table}"', '"src.{shema}"', 4, "only {schema} and {table}"),
        ("[order, customer]", "[order, costumer]", 9, "did you mean customer?"),
        ("[order, customer]", "[order]", 9, "two roles or more"),
        ("[order, customer]", "[order, order]", 9, "the role order twice"),
        ("    key: order_id", "    key: oder_id", 21, "did you mean order_id?"),
        ("    key: order_id", "    key: [order_id, order_id]", 21, "names column order_id twice"),
        ("    key: order_id", "    key: amount", 23, "every row needs a hash key of its own"),
        ("    parent: order", "    parent: oder", 23, "did you mean order?"),
        ("    links: order_customer", "    links: order_custom", 24, "did you mean order_customer?"),
        ("      order: amount", "      customer: amount", 26, "belongs to table shop.customers already"),
        ("      order: amount", "      order: amont", 26, "did you mean amount?"),
        (
            "      order: amount",
            "      order: [amount]\n    satelites: {}",
            27,
            "did you mean satellites?",
        ),
        ("  topics:", "  format: debezum\n  topics:", 4, "did you mean debezium?"),
        ("  topics:", "  format: debezium-avro\n  topics:", 4, "needs avro: {registry:"),
        ("  topics:", "  avro: {registry: http://r}\n  topics:", 4, "avro is for format: debezium-avro"),
        (
            "  topics:",
            "  format: debezium-avro\n  avro:\n    registry: http://r\n    password: x\n  topics:",
            7,
            "passwords do not belong in a mapping",
        ),
        (
            "  topics:",
            "  format: debezium-avro\n  avro:\n    registry: https://me:x@r/y\n  topics:",
            6,
            "no part of registry",
        ),
        ("  topics:", "  format: debezium-avro\n  avro: {registry: r:8081}\n  topics:", 5, "begin with http"),
        (
            "  topics:",
            "  format: debezium-avro\n  avro: {registri: x}\n  topics:",
            5,
            "did you mean registry?",
        ),
        ("  topics:", "  debezium:\n    time: milis\n  topics:", 5, "did you mean millis?"),
        ("  topics:", "  debezium:\n    tim: millis\n  topics:", 5, "did you mean time?"),
        ("secret: text}", "secret: text, extra: text}", 12, "column extra goes nowhere"),
        ("secret: text}", "secret: text, dv_lsn: text}", 12, "names beginning with dv_"),
        ("secret: text}", "secret: text, name: text}", 12, "name is named twice"),
        ("secret: text}", "secret: text; drop table x}", 12, "is no type"),
        ("ignore: [secret]", "ignore: [secret, name]", 18, "column name is used"),
        ("customer_id: bigint, amount", "customer_id: integer, amount", 22, "their hashes would differ"),
        ("  shop.orders:", "  shop.customers:", 19, "named twice"),
        ("  shop.orders:", "  other.customers:", 19, "both called customers"),
        ("  shop.orders:", "  orders:", 19, "write it as schema.table"),
        ("  customer: {customer_id: bigint}", "  customer: {}", 6, "at least one business key"),
        (
            "  order: {order_id: bigint}",
            "  order: {order_id: bigint}\n  lonely: {id: bigint}",
            6,
            "no table feeds hub lonely",
        ),
    ],
)
def test_mistakes_are_told_with_their_line(old: str, new: str, line: int, told: str) -> None:
    assert old in GOOD
    with pytest.raises(MappingError) as caught:
        parse_mapping(GOOD.replace(old, new, 1), "my.yaml")
    assert str(caught.value).startswith(f"my.yaml:{line}: "), str(caught.value)
    assert told in str(caught.value)


def test_empty_and_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="the file is empty"):
        parse_mapping("")
    with pytest.raises(UsageError, match=r"cannot be read"):
        read_mapping(tmp_path / "nowhere.yaml")


def test_tables_are_chosen_by_either_name() -> None:
    mapping = parse_mapping(GOOD)
    assert [t.name for t in mapping.chosen(["orders", "shop.customers"])] == ["orders", "customers"]
    with pytest.raises(UsageError, match="did you mean orders"):
        mapping.chosen(["order"])


def test_how_events_are_written_goes_to_the_load() -> None:
    plain = load_settings(*of(GOOD), brokers="b:1")
    assert (plain["format"], plain["debezium"]) == ("debezium", None)
    told = GOOD.replace("  topics:", "  debezium: {time: micros, unavailable: gone}\n  topics:")
    assert load_settings(*of(told), brokers="b:1")["debezium"] == {"time": "micros", "unavailable": "gone"}
    avro = "  format: debezium-avro\n  avro: {registry: http://r:8081, user: me}\n  topics:"
    mapping, table = of(GOOD.replace("  topics:", avro))
    built = load_settings(mapping, table, brokers="b:1", avro={"password": "secret"})
    assert built["format"] == "debezium-avro"
    assert built["avro"] == {"registry": "http://r:8081"}
    assert built["registry_login"] == {"user": "me", "password": "secret"}
    assert "secret" not in repr(mapping)


def of(text: str) -> tuple[VaultMapping, Table]:
    """A mapping and its first table."""
    mapping = parse_mapping(text)
    return mapping, next(iter(mapping.tables.values()))


def test_no_table_is_not_taken_for_all() -> None:
    with pytest.raises(UsageError, match="the list of tables is empty"):
        parse_mapping(GOOD).chosen([])


def test_verify_does_not_leave_out_the_load_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADRACE_KAFKA_CONFIG", raising=False)
    mapping = parse_mapping(GOOD)
    with pytest.raises(UsageError, match="name the brokers"):
        vault_verify(mapping, "dbname=nowhere", load=True)
    with pytest.raises(UsageError, match="load and lsn exclude each other"):
        vault_verify(mapping, "dbname=nowhere", load=True, lsn=1, brokers="b:1")
    with pytest.raises(UsageError, match="batch_records is a setting of the load"):
        vault_verify(mapping, "dbname=nowhere", batch_records=1)


def test_groups_follow_the_order() -> None:
    mapping = parse_mapping(GOOD.replace("    key: customer_id", "    key: customer_id\n    order: 2", 1))
    assert [[t.name for t in group] for group in mapping.groups()] == [["orders"], ["customers"]]


def test_hashes_follow_the_columns() -> None:
    mapping = parse_mapping(GOOD)
    orders = mapping.tables["shop.orders"]
    hashes = {h["name"]: h for h in vault_settings(mapping, orders)["hashes"]}
    assert hashes["order_hk"]["of_deletes"]
    assert not hashes["customer_hk"]["of_deletes"]
    assert hashes["order_customer_hk"]["columns"] == ["order_id", "customer_id"]
    assert not hashes["order_customer_hk"]["of_deletes"]
    assert hashes["order_hd"]["diff"]
    assert column_map(mapping, orders)["dv_op"] == "$op"


def test_hubs_come_in_the_same_order_for_every_table() -> None:
    """Two loads that take the same locks in another order could wait for each other for ever."""
    mapping = read_mapping(AIRPORTS)
    for table in mapping.tables.values():
        names = [r["table"] for r in vault_settings(mapping, table)["relations"] if r["kind"] == "keys"]
        hubs = [n for n in names if n.startswith("vault.hub_")]
        assert names == sorted(hubs) + sorted(n for n in names if n not in hubs)


def test_names_are_quoted_everywhere() -> None:
    hostile = GOOD.replace("amount", "Am''ount")
    assert "\"Am''ount\" numeric(10,2)" in vault_ddl(parse_mapping(hostile))


def test_the_airports_mapping_makes_its_tables() -> None:
    sql = vault_ddl(AIRPORTS)
    mapping = read_mapping(AIRPORTS)
    for table in mapping.tables.values():
        for name in (
            table.staging,
            table.tracking,
            f"row_{table.name}",
            *[s.table for s in table.satellites],
        ):
            assert f'"vault"."{name}"' in sql


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("bigint", "bigint"),
        ("INT8", "bigint"),
        ("varchar(10)", "character varying(10)"),
        ("char", "character(1)"),
        ("numeric(10, 2)", "numeric(10,2)"),
        ("decimal(5)", "numeric(5,0)"),
        ("timestamptz(3)", "timestamp(3) with time zone"),
        ("timestamp", "timestamp without time zone"),
        ("double  precision", "double precision"),
        ("text[]", "text[]"),
        ("varchar(3)[]", "character varying(3)[]"),
    ],
)
def test_types_are_compared_as_the_server_prints_them(written: str, printed: str) -> None:
    assert server_type(written) == printed


def test_lsns_are_read_in_both_forms() -> None:
    assert lsn_number("0/16B3748") == lsn_number("23803720") == lsn_number(23803720) == 0x16B3748
    assert lsn_number("1/0") == 1 << 32
    for wrong in ("zero", "", "-5", -5, "0/-1", "1/123456789", "1_0", 1 << 63, "F0000000/0", "9" * 30):
        with pytest.raises(UsageError, match="is no LSN"):
            lsn_number(wrong)
