-- The dictionaries as analysts see them: copies of shop.customers and shop.products, brought up to date daily by the DAG dictionaries.
-- A key that is gone from the shop stays here, so that old purchases keep their names.

CREATE SCHEMA IF NOT EXISTS mart;
COMMENT ON SCHEMA mart IS 'Example: dictionaries for analysts';

CREATE TABLE IF NOT EXISTS mart.customers (
    customer_id int         PRIMARY KEY,
    name        text        NOT NULL,
    email       text        NOT NULL,
    city        text,
    country     char(2)     NOT NULL,
    segment     text,
    created_at  timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS mart.products (
    product_id int           PRIMARY KEY,
    name       text          NOT NULL,
    category   text          NOT NULL,
    price      numeric(12,2) NOT NULL
);

CREATE OR REPLACE VIEW mart.purchases AS
SELECT p.purchase_id, p.purchased_at, p.quantity, p.amount, p.currency, p.channel,
       p.customer_id, c.name AS customer, c.country, c.segment,
       p.product_id, d.name AS product, d.category
FROM shop.purchases p
LEFT JOIN mart.customers c USING (customer_id)
LEFT JOIN mart.products d USING (product_id);
COMMENT ON VIEW mart.purchases IS 'Purchases with the names of customers and products; outer joins, because an event may be ahead of its dictionary';
