"""`vault ddl` over a vault that is there already, and loads into one that is not as the mapping says."""

from __future__ import annotations

import headrace
import psycopg
import pytest
from headrace.errors import SchemaError
from headrace.vault import VaultMapping

from stack import kafka
from tests.real.load_kit import execute, one, rows
from tests.real.vault_kit import Shop, assert_equal, load, make_vault, send


def order(shop: Shop) -> None:
    shop.insert("orders", order_id=1, customer_id=1, amount="1.00", status="a", changed_at=None)


@pytest.mark.parametrize(
    ("table", "column", "kind", "told"),
    [
        ("stg_orders", "order_id", "double precision", "order_id is double precision, but bigint"),
        ("sat_order", "amount", "text", "amount is text, but numeric(10,2)"),
        ("hub_order", "order_id", "double precision", "order_id is double precision, but bigint"),
        ("link_order_customer", "customer_hk", "text", "customer_hk is text, but bytea"),
        ("trk_orders", "order_customer_hk", "text", "order_customer_hk is text, but bytea"),
    ],
)
def test_a_load_into_tables_of_other_types_is_refused(
    shop: Shop,
    mapping: VaultMapping,
    dsn: str,
    broker: kafka.Broker,
    *,
    table: str,
    column: str,
    kind: str,
    told: str,
) -> None:
    order(shop)
    send(broker.bootstrap, shop.events)
    execute(
        dsn, "DROP VIEW dv.row_lines, dv.row_orders, dv.current_order, dv.alive_orders, dv.history_orders"
    )
    execute(dsn, f"ALTER TABLE dv.{table} ALTER {column} TYPE {kind} USING NULL")
    with pytest.raises(SchemaError) as caught:
        load(mapping, dsn, broker.bootstrap)
    assert f"table dv.{table}: {told} in the mapping" in str(caught.value)
    assert load(mapping, dsn, broker.bootstrap, tables=["customers"]).events == 0
    assert one(dsn, "SELECT count(*) FROM headrace.offsets WHERE job = 'dv.orders'") == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "  schema: dv",
            "  schema: dv\n  recipe: exact",
            "recipe is exact in the mapping, but the vault was made with automate_dv",
        ),
        ("  schema: dv", "  schema: dv\n  zone: Europe/Warsaw", "zone is Europe/Warsaw"),
        (
            "order_customer: [order, customer]",
            "order_customer: [customer, order]",
            "link order_customer is customer: customer, order",
        ),
    ],
)
def test_another_recipe_is_refused(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker, *, old: str, new: str, told: str
) -> None:
    other = shop.mapping(change=(old, new))
    with pytest.raises(psycopg.errors.RaiseException, match=told):
        make_vault(dsn, other)
    with pytest.raises(SchemaError, match=told):
        load(other, dsn, broker.bootstrap)
    assert told in str(headrace.vault_plan(other, dsn=dsn, brokers=broker.bootstrap).problems)
    make_vault(dsn, mapping)
    assert load(mapping, dsn, broker.bootstrap).events == 0


def grants(dsn: str) -> list[tuple[str, str]]:
    return rows(
        dsn,
        "SELECT c.relname, c.relacl::text FROM pg_class c WHERE c.relnamespace = 'dv'::regnamespace AND c.relkind = 'v'"
        " UNION ALL SELECT p.proname, p.proacl::text FROM pg_proc p WHERE p.pronamespace = 'dv'::regnamespace ORDER BY 1",
    )


def test_what_was_granted_stays_granted(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    role = f"reader_{shop.prefix.replace('-', '_')}"
    execute(dsn, f"CREATE ROLE {role}")
    try:
        execute(dsn, f"GRANT SELECT ON ALL TABLES IN SCHEMA dv TO {role}")
        execute(dsn, f"GRANT UPDATE ON dv.row_orders TO {role} WITH GRANT OPTION")
        execute(dsn, f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA dv TO {role}")
        execute(dsn, "REVOKE ALL ON FUNCTION dv.row_orders_as_of FROM PUBLIC")
        execute(dsn, "CREATE VIEW public.report AS SELECT count(*) AS orders FROM dv.row_customers")
        before = grants(dsn)
        make_vault(dsn, mapping)
        assert grants(dsn) == before
        wider = shop.mapping(  # a column in the middle: views and functions must be made anew
            columns=("      amount: numeric(10,2)\n", "      colour: text\n      amount: numeric(10,2)\n"),
            kept=("order: [amount, status, changed_at]", "order: [colour, amount, status, changed_at]"),
        )
        make_vault(dsn, wider)
        assert grants(dsn) == before
        assert one(dsn, "SELECT orders FROM public.report") == 0
    finally:
        execute(dsn, f"DROP OWNED BY {role}")
        execute(dsn, f"DROP ROLE {role}")


def test_a_satellite_can_be_renamed(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    order(shop)
    send(broker.bootstrap, shop.events)
    load(mapping, dsn, broker.bootstrap)
    renamed = shop.mapping(
        name=("      order: [amount, status, changed_at]", "      order_state: [amount, status, changed_at]")
    )
    execute(dsn, "ALTER TABLE dv.sat_order RENAME TO sat_order_state")
    execute(dsn, "ALTER TABLE dv.trk_orders RENAME order_hd TO order_state_hd")
    make_vault(dsn, renamed)
    assert_equal(renamed, shop, dsn)
    sent = len(shop.events)
    shop.update("orders", {"order_id": 1}, status="b")
    send(broker.bootstrap, shop.events[sent:])
    load(renamed, dsn, broker.bootstrap)
    assert_equal(renamed, shop, dsn)
    assert rows(dsn, "SELECT status FROM dv.current_order_state") == [("b",)]
    assert one(dsn, "SELECT to_regclass('dv.current_order')") is None


def test_a_new_name_alone_makes_a_new_satellite(
    shop: Shop, mapping: VaultMapping, dsn: str, broker: kafka.Broker
) -> None:
    renamed = shop.mapping(
        name=("      order: [amount, status, changed_at]", "      order_state: [amount, status, changed_at]")
    )
    make_vault(dsn, renamed)
    order(shop)
    send(broker.bootstrap, shop.events)
    load(renamed, dsn, broker.bootstrap)
    assert_equal(renamed, shop, dsn)


def test_names_with_dollars_do_not_end_a_body(shop: Shop, dsn: str, broker: kafka.Broker) -> None:
    mapping = shop.mapping(
        columns=("tags: jsonb}", 'tags: jsonb, "a$$b$dv$c": text}'),
        kept=("[notes, tags]", '[notes, tags, "a$$b$dv$c"]'),
    )
    make_vault(dsn, mapping)
    shop.connection.execute('ALTER TABLE shop.customers ADD "a$$b$dv$c" text')
    shop.insert("customers", customer_id=1, name="a", score=None, born=None, notes=None, tags=None)
    send(broker.bootstrap, shop.events)
    load(mapping, dsn, broker.bootstrap)
    assert_equal(mapping, shop, dsn)
