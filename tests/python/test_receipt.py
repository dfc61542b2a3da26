"""Receipts: JSON there and back, balance, and how people see them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from headrace import Lane, Progress, Receipt
from headrace.progress import Line, make_callback

DATA: dict[str, Any] = {
    "run_id": "6f0b3c3e-8f4e-4a9c-9d0e-000000000001",
    "job": "purchases",
    "target": "shop.purchases",
    "mode": "append",
    "source": "kafka://localhost:9092/purchases",
    "state": "succeeded",
    "read": 10,
    "loaded": 7,
    "rejected": 2,
    "skipped": 1,
    "bytes": 1000,
    "seconds": 0.5,
    "started_at": "2026-11-21T10:00:00Z",
    "finished_at": "2026-11-21T10:00:01Z",
    "offsets": [
        {
            "topic": "purchases",
            "partition": 0,
            "from": 5,
            "to": 15,
            "read": 10,
            "loaded": 7,
            "rejected": 2,
            "skipped": 1,
            "bytes": 1000,
            "lost": 3,
        }
    ],
    "tables": {"shop.purchases_2026w47": 7},
    "rejects": {"type": 2},
    "error": None,
}


def test_json_there_and_back() -> None:
    receipt = Receipt.from_json(json.dumps(DATA))
    assert receipt.to_dict() == DATA
    assert json.loads(receipt.to_json()) == DATA
    assert Receipt.from_dict(receipt.to_dict()) == receipt
    assert receipt.offsets == (Lane("purchases", 0, 5, 15, 10, 7, 2, 1, 1000, 3),)


def test_what_the_broker_deleted_is_said() -> None:
    assert "purchases/0: 3 records were deleted before they could be read" in str(Receipt.from_dict(DATA))


def test_unknown_members_are_ignored_and_missing_ones_are_zero() -> None:
    needed = ("run_id", "job", "target", "mode", "state")
    receipt = Receipt.from_dict({name: DATA[name] for name in needed} | {"of a later version": 1})
    assert (receipt.read, receipt.tables, receipt.offsets, receipt.error) == (0, {}, (), None)
    with pytest.raises(KeyError):
        Receipt.from_dict({"job": "x"})


def test_a_receipt_cannot_be_changed() -> None:
    receipt = Receipt.from_dict(DATA)
    with pytest.raises(dataclasses.FrozenInstanceError):
        receipt.read = 11  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"loaded": 8}, False),
        ({"offsets": [DATA["offsets"][0] | {"loaded": 8, "rejected": 2}]}, False),
        ({"read": 0, "loaded": 0, "rejected": 0, "skipped": 0, "offsets": []}, True),
    ],
)
def test_balance_of_the_whole_and_of_each_part(change: dict[str, Any], expected: bool) -> None:
    assert Receipt.from_dict(DATA | change).balances() is expected


def test_people_see_numbers_and_reasons() -> None:
    receipt = Receipt.from_dict(DATA | {"read": 1_000_010, "loaded": 1_000_007})
    assert "1,000,010 read = 1,000,007 loaded + 2 rejected + 1 skipped" in str(receipt)
    assert "type 2" in str(receipt)
    failed = Receipt.from_dict(DATA | {"state": "failed", "error": {"code": "server", "message": "gone"}})
    assert "error: gone" in str(failed)
    assert Receipt.from_dict(DATA).rate == 20
    assert Receipt.from_dict(DATA | {"seconds": 0}).rate == 0


def test_html_escapes_what_comes_from_outside() -> None:
    shown = Receipt.from_dict(DATA | {"job": "<b>x</b>"})._repr_html_()
    assert "<b>x</b>" not in shown
    assert "&lt;b&gt;x&lt;/b&gt;" in shown
    assert "shop.purchases_2026w47" in shown


PROGRESS = (
    '{"read":50,"loaded":40,"rejected":10,"skipped":0,"bytes":500,"seconds":2,"total_records":200,'
    '"total_bytes":-1}'
)


def test_progress_is_a_value() -> None:
    progress = Progress.from_json(PROGRESS)
    assert (progress.read, progress.rejected, progress.total_records, progress.total_bytes) == (
        50,
        10,
        200,
        None,
    )
    assert progress.rate == 25
    assert progress.fraction == 0.25
    assert Progress(read=1).fraction is None
    assert Progress(read=1, bytes=4, total_bytes=10).fraction == 0.5  # the line end counts


def test_progress_calls_a_function() -> None:
    seen: list[Progress] = []
    callback, finish = make_callback(seen.append)
    assert callback is not None
    callback(PROGRESS)
    finish()
    assert [progress.loaded for progress in seen] == [40]


@pytest.mark.parametrize("nothing", [None, False])
def test_no_progress(nothing: bool | None) -> None:
    assert make_callback(nothing)[0] is None


def test_progress_moves_a_tqdm_bar() -> None:
    import io

    from tqdm import tqdm

    bar = tqdm(total=1, file=io.StringIO())
    callback, finish = make_callback(bar)
    assert callback is not None
    callback(PROGRESS)
    finish()
    assert (bar.n, bar.total) == (50, 200)


def test_progress_true_shows_something(capsys: pytest.CaptureFixture[str]) -> None:
    callback, finish = make_callback(True, "purchases: ")
    assert callback is not None
    callback(PROGRESS)
    finish()
    out, err = capsys.readouterr()
    assert out == ""
    assert "purchases" in err


def test_progress_of_another_kind_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="progress"):
        make_callback(7)


def test_the_line_draws_over_itself() -> None:
    import io

    out = io.StringIO()
    line = Line(out, "job: ")
    line(Progress.from_json(PROGRESS))
    line(Progress(read=60))
    line.close()
    line.close()
    drawn = out.getvalue().split("\r")
    assert drawn[1].startswith("job: [#####...............]  25% 50 records, 10 rejected, 25/s, 2 s")
    assert drawn[2].rstrip() == "job: 60 records, 0/s, 0 s"
    assert len(drawn[2]) == len(drawn[1])
    assert drawn[3].strip() == ""
