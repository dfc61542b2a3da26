"""headrace.window on Parquet files and on times that are numbers: what a batch of the same rows gives."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import headrace
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

START = datetime(2026, 11, 21, tzinfo=UTC)


def frames(count: int = 3000, unit: str | None = "s") -> pa.Table:
    """Users that come and go over 50 minutes; the times as numbers, or as timestamps when there is no unit."""
    times = [START + timedelta(seconds=number) for number in range(count)]
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9, None: 0}[unit]
    numbers = [int(time.timestamp()) * factor for time in times]
    return pa.table(
        {
            "ts": pa.array(numbers, pa.int64()) if unit else pa.array(times, pa.timestamp("us", "UTC")),
            "uid": pa.array([number * 7 % 90 for number in range(count)], pa.int32()),
            "page": pa.array(["home", "cart", "help"] * (count // 3)).dictionary_encode(),
            "unread": pa.array([{"deep": [number]} for number in range(count)]),
        }
    )


def users(batch: Any, **arguments: Any) -> list[dict[str, Any]]:
    return pa.table(headrace.window(batch, "ts", unit="minute", distinct="uid", **arguments)).to_pylist()


def expected(table: pa.Table) -> list[dict[str, Any]]:
    found: dict[datetime, set[int]] = {}
    for number, uid in enumerate(table["uid"].to_pylist()):
        found.setdefault(START + timedelta(minutes=number // 60), set()).add(uid)
    return [
        {"window_start": start, "window_end": start + timedelta(minutes=1), "distinct_uid": len(uids)}
        for start, uids in found.items()
    ]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", None])
def test_a_file_gives_what_its_rows_give(tmp_path: Path, unit: str | None) -> None:
    table = frames(unit=unit)
    pq.write_table(table, tmp_path / "frames.parquet", row_group_size=500)
    more = {} if unit is None else {"time_unit": unit}
    told = users(tmp_path / "frames.parquet", **more)
    assert told == expected(table)
    assert users(str(tmp_path / "*.parquet"), **more) == told
    assert users(table.select(["ts", "uid"]), **more) == told
    assert users(polars.DataFrame(table.select(["ts", "uid"])), **more) == told


def test_several_files_are_one_batch_in_order_of_name(tmp_path: Path) -> None:
    table = frames()
    for part in range(3):
        pq.write_table(table.slice(part * 1000, 1000), tmp_path / f"{part}.parquet")
    assert users(str(tmp_path / "*.parquet"), time_unit="s", lateness="0s") == expected(table)


def test_keys_and_aggregates_are_read_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "frames.parquet"
    pq.write_table(frames(), path)
    told = pa.table(
        headrace.window(
            path, "ts", time_unit="s", unit="hour", by="page", distinct="uid", aggregates={"n": "count"}
        )
    ).to_pylist()
    assert [(row["page"], row["n"], row["distinct_uid"]) for row in told] == [
        ("cart", 1000, 30), ("help", 1000, 30), ("home", 1000, 30),
    ]  # fmt: skip


def test_times_in_a_batch_of_ours_may_be_numbers() -> None:
    schema = headrace.Schema([("ts", "bigint"), ("uid", "bigint")])
    batch, _ = headrace.decode_json(
        b'{"ts": 0, "uid": 1}\n{"ts": 59, "uid": 1}\n{"ts": 60, "uid": 2}\n', schema
    )
    assert [row["distinct_uid"] for row in users(batch, time_unit="s")] == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"distinct": "uid", "time": "when"}, "no column when; it has ts, uid, page, unread"),
        ({"distinct": "visitor"}, "no column visitor"),
        ({"distinct": "uid", "time_unit": "h"}, "one of s, ms, us, ns"),
        ({"distinct": "uid", "time": "page", "time_unit": "s"}, "for whole numbers"),
        ({"distinct": "uid", "time_unit": None}, "ts"),
    ],
)
def test_columns_that_cannot_be(tmp_path: Path, arguments: dict[str, Any], words: str) -> None:
    path = tmp_path / "frames.parquet"
    pq.write_table(frames(), path)
    settings = {"time": "ts", "time_unit": "s", "unit": "minute", **arguments}
    with pytest.raises(headrace.UsageError, match=words):
        headrace.window(path, **settings)


def test_files_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 or so")
    with pytest.raises(headrace.UsageError, match=r"a.parquet cannot be read as Parquet"):
        users(tmp_path / "a.parquet")
    with pytest.raises(headrace.UsageError, match="no file"):
        users(tmp_path / "nothing.parquet")
    pq.write_table(frames(), tmp_path / "b.parquet")
    pq.write_table(frames().set_column(1, "uid", pa.array(["x"] * 3000)), tmp_path / "c.parquet")
    with pytest.raises(headrace.UsageError, match="different columns"):
        users(str(tmp_path / "[bc].parquet"), time_unit="s")
    table = pa.table({"ts": [2**62], "uid": [1]})
    with pytest.raises(headrace.UsageError, match="no time in s"):
        users(table, time_unit="s")
    with pytest.raises(headrace.UsageError, match="no column ts"):
        users(table.rename_columns(["t", "uid"]), time_unit="s")


def test_without_pyarrow_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(frames(), tmp_path / "frames.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(headrace.UsageError, match="pip install pyarrow"):
        users(tmp_path / "frames.parquet")
