"""The tools themselves: the table of guards is in step with the code, and the balance sees what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import headrace
import pytest

from stack import kafka
from tests.faults import balance, guards
from tests.faults.guards import GUARDS
from tests.real.load_kit import PURCHASES, execute, produce, purchase


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_guards_stand_where_the_table_says(guard: guards.Guard) -> None:
    assert not guards.problems(guard)


@pytest.mark.real
@pytest.mark.parametrize(
    ("mistake", "complaint"),
    [
        ("DELETE FROM shop.purchases WHERE purchase_id = 3", "1 missing, the first [3]"),
        (
            "INSERT INTO shop.purchases SELECT * FROM shop.purchases WHERE purchase_id = 4",
            "1 twice, the first [4]",
        ),
        (
            "DELETE FROM headrace.dead_letters WHERE reason = 'malformed'",
            "dead letters: 1 missing, the first [41]",
        ),
        ("UPDATE shop.purchases SET purchase_id = 7 WHERE purchase_id = 8", "1 not expected, the first [7]"),
        (
            "UPDATE headrace.offsets SET next_offset = next_offset + 1",
            "the receipts end at 50, the offset is 51",
        ),
        ("UPDATE headrace.receipts SET read = read + 1, skipped = skipped + 1", "the closed receipt"),
        (
            "UPDATE headrace.receipt_lanes SET read = read + 1, skipped = skipped + 1",
            "offsets moved and read",
        ),
        ("UPDATE headrace.receipt_tables SET row_count = row_count + 1", "rows per table and receipts"),
    ],
)
def test_the_balance_sees(
    broker: kafka.Broker, new_topic: Callable[..., str], dsn: str, mistake: str, complaint: str
) -> None:
    execute(dsn, PURCHASES)
    topic = new_topic(partitions=1)
    values = [purchase(number, amount=-1 if number == 7 else 1) for number in range(50)]
    produce(broker.bootstrap, topic, [*values[:41], b'{"purchase_id": 41, "amo', *values[42:]])
    headrace.load(f"kafka://{broker.bootstrap}/{topic}", "shop.purchases", dsn=dsn, job="seen")
    told = {"expected": range(50), "rejected": {7, 41}, "skipped": 0}
    balance.check(dsn, "seen", **told)
    execute(dsn, mistake)
    with pytest.raises(AssertionError) as caught:
        balance.check(dsn, "seen", **told)
    assert complaint in str(caught.value)
