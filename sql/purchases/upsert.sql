-- Optional: a target with one row for each purchase, for mode "upsert". A primary key of a partitioned table must hold the
-- partition column, so an event counts as the same purchase when purchase_id and purchased_at are equal; the last one read wins.
CREATE TABLE IF NOT EXISTS shop.purchases_latest (
    LIKE shop.purchases,
    PRIMARY KEY (purchase_id, purchased_at)
) PARTITION BY RANGE (purchased_at);
COMMENT ON TABLE shop.purchases_latest IS 'Purchases, one row each; filled by the DAG purchases with params target and mode "upsert"';
