"""Batches and polars: it reads ours, and we read its frames. Apart from test_arrow.py, as polars is not made for every
Python that the other tests run with.
"""

from __future__ import annotations

import datetime as dt
import decimal

import polars as pl
from headrace import Batch, Schema, decode_json

from tests.python.test_arrow import COLUMNS, RECORD, text


def test_polars_reads_the_batch() -> None:
    plain = [(name, kind) for name, kind in COLUMNS if name not in ("iv", "j")]
    found, _ = decode_json(RECORD + "{}\n", Schema(plain))
    frame = pl.DataFrame(found)
    assert frame.shape == (2, len(plain))
    assert frame["i8"].to_list() == [9007199254740993, None]
    assert frame["t"].to_list() == ["é", None]
    assert frame["at"].to_list() == [["p", "q"], None]
    assert frame["d"].to_list() == [decimal.Decimal("-12.34"), None]


def test_polars_frames_come_in() -> None:
    frame = pl.DataFrame(
        {"i": [1, None], "s": ["x", "y" * 50], "at": [dt.datetime(2026, 1, 1), None], "c": ["a", "b"]}
    )
    batch = Batch.from_arrow(frame.with_columns(pl.col("c").cast(pl.Categorical)))
    assert text(batch) == [["1", "x", "2026-01-01 00:00:00", "a"], [None, "y" * 50, None, "b"]]
