"""Rows of a batch go straight into a leaf that gets many of them, and through the parent into the others: every
row lands, is counted where it landed, and refused rows are found, whichever way they went.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import headrace
import pytest

from tests.real.load_kit import execute, one, rows

pytestmark = pytest.mark.real

TABLE = """
    CREATE SCHEMA shop;
    CREATE TABLE shop.purchases (
        purchase_id bigint NOT NULL,
        amount numeric(12,2) CHECK (amount >= 0),
        channel text DEFAULT 'web',
        purchased_at timestamptz NOT NULL
    ) PARTITION BY RANGE (purchased_at)
"""
MONDAY = datetime(2024, 1, 1, tzinfo=UTC)


def write(path: Path, weeks: list[int], bad: int) -> Counter[str]:
    """One record a week number, in any order; `bad` of them break the check. The rows each leaf should get."""
    expected: Counter[str] = Counter()
    generator = random.Random(7)
    generator.shuffle(weeks)
    refused = set(generator.sample(range(len(weeks)), bad))
    with path.open("w") as out:
        for number, week in enumerate(weeks):
            at = MONDAY + timedelta(weeks=week, seconds=generator.randrange(7 * 86400))
            record = {"purchase_id": number, "purchased_at": at.isoformat()}
            record["amount"] = -1 if number in refused else number % 1000 + 0.25
            if number % 3:
                record["channel"] = "app"
            out.write(json.dumps(record) + "\n")
            if number not in refused:
                year, iso_week, _ = at.isocalendar()
                expected[f"shop.purchases_{year}w{iso_week:02}"] += 1
    return expected


@pytest.mark.parametrize("bad", [0, 3])
def test_every_row_is_counted_where_it_landed(dsn: str, tmp_path: Path, bad: int) -> None:
    execute(dsn, TABLE)
    path = tmp_path / "purchases.jsonl"
    # with the two sets of columns, two leaves get many rows in each set, and 70 get few
    expected = write(path, [0] * 70_000 + [1] * 25_000 + [week % 70 + 2 for week in range(5_000)], bad)
    receipt = headrace.load(
        str(path),
        "shop.purchases",
        dsn=dsn,
        job="ways",
        workers=1,
        batch_records=100_000,
        batch_bytes=1 << 28,
    )
    found = rows(dsn, "SELECT tableoid::regclass::text, count(*) FROM shop.purchases GROUP BY 1")
    assert dict(found) == expected
    assert receipt.tables == expected
    assert (receipt.loaded, receipt.rejected) == (100_000 - bad, bad)
    assert one(dsn, "SELECT sum(purchase_id) FROM shop.purchases WHERE channel = 'web'") == sum(
        number for number in range(0, 100_000, 3)
    ) - one(
        dsn,
        "SELECT coalesce(sum((convert_from(raw, 'UTF8')::json ->> 'purchase_id')::bigint), 0)"
        " FROM headrace.dead_letters WHERE convert_from(raw, 'UTF8')::json ->> 'channel' IS NULL",
    )
    tables = rows(dsn, "SELECT relation, sum(row_count)::bigint FROM headrace.receipt_tables GROUP BY 1")
    assert dict(tables) == expected
    if not bad:
        return
    assert one(dsn, "SELECT count(*) FROM headrace.dead_letters WHERE reason = 'constraint'") == bad


def test_rows_without_a_partition_go_with_the_others(dsn: str, tmp_path: Path) -> None:
    execute(dsn, TABLE)
    execute(dsn, "CREATE TABLE shop.rest PARTITION OF shop.purchases DEFAULT")
    execute(
        dsn,
        "CREATE TABLE shop.first PARTITION OF shop.purchases FOR VALUES FROM ('2024-01-01') TO ('2024-01-08')",
    )
    path = tmp_path / "purchases.jsonl"
    write(path, [0] * 30_000 + [1, 2, 3] * 100, 0)
    receipt = headrace.load(
        str(path), "shop.purchases", dsn=dsn, job="rest", workers=1, create_partitions=False
    )
    assert one(dsn, "SELECT count(*) FROM shop.first") == 30_000
    assert one(dsn, "SELECT count(*) FROM shop.rest") == 300
    assert sum(receipt.tables.values()) == 30_300
    assert receipt.tables["shop.first"] == 30_000
    assert one(dsn, "SELECT count(*) FROM shop.purchases") == receipt.loaded == 30_300
