-- The shop of the example: two dictionaries that its operational system keeps, and the table of purchases that Headrace fills.
-- May be run again at any time: it makes what is missing and changes nothing else.

CREATE SCHEMA IF NOT EXISTS shop;
COMMENT ON SCHEMA shop IS 'Example: customers, products and purchases of a shop';

CREATE TABLE IF NOT EXISTS shop.customers (
    customer_id int         PRIMARY KEY,
    name        text        NOT NULL,
    email       text        NOT NULL,
    city        text,
    country     char(2)     NOT NULL,
    segment     text,
    created_at  timestamptz NOT NULL
);
COMMENT ON TABLE shop.customers IS 'Kept by the operational system; the DAG dictionaries copies it to mart.customers daily';

CREATE TABLE IF NOT EXISTS shop.products (
    product_id int           PRIMARY KEY,
    name       text          NOT NULL,
    category   text          NOT NULL,
    price      numeric(12,2) NOT NULL CHECK (price >= 0)
);
COMMENT ON TABLE shop.products IS 'Kept by the operational system; the DAG dictionaries copies it to mart.products daily';

-- One row for each purchase event, as it was sent. There is no primary key on purpose: at the source, an event sent twice is two
-- records, each with its own offset, and an append keeps both, so that records in Kafka and rows here can be counted against each
-- other. Exactly-once means that Headrace itself adds no copy and loses none. Headrace makes the partitions of the weeks that the
-- events fall into (shop.purchases_2026w47 ...); this definition is all it is told about the events.
-- Who wants one row for each purchase_id instead: use upsert.sql, and mode "upsert" in the params of the DAG.
CREATE TABLE IF NOT EXISTS shop.purchases (
    purchase_id  bigint        NOT NULL,
    customer_id  int           NOT NULL,
    product_id   int           NOT NULL,
    quantity     int           NOT NULL,
    amount       numeric(12,2) NOT NULL,
    currency     char(3)       NOT NULL,
    channel      text          NOT NULL,
    purchased_at timestamptz   NOT NULL
) PARTITION BY RANGE (purchased_at);
COMMENT ON TABLE shop.purchases IS 'Purchase events from Kafka, partitioned by ISO week of purchased_at (UTC); filled by the DAG purchases';

-- What the generator has made, so that the next run makes new purchases, and a task that is tried again makes the same ones.
CREATE TABLE IF NOT EXISTS shop.generated (
    run_id     text        PRIMARY KEY,
    first      bigint      NOT NULL CHECK (first >= 0),
    purchases  bigint      NOT NULL CHECK (purchases > 0),
    until      timestamptz NOT NULL DEFAULT date_trunc('second', now())
);
COMMENT ON TABLE shop.generated IS 'Stretches of made-up purchases handed out to runs of the DAG purchases_data: purchase_id is first + 1 and up';
