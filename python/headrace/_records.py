"""Records and batches in memory: decode_json, decode_csv, decode_debezium, decode_avro, partition."""

from __future__ import annotations

from typing import Literal, TypedDict

from headrace import _headrace, _settings
from headrace._headrace import Batch, decode_avro, decode_csv, decode_debezium, decode_json

__all__ = ["NO_PERIOD", "Reject", "decode_avro", "decode_csv", "decode_debezium", "decode_json", "partition"]

# What Hive, Spark and Arrow call the folder of rows whose partition value is null.
NO_PERIOD = "__HIVE_DEFAULT_PARTITION__"


class Reject(TypedDict):
    """A record that is no row: why, and where it stood.

    index: its number in the input; line: its first line, None in an iterable; offset: its first byte (in an
    iterable its index); position: where in the record it went wrong.
    """

    index: int
    line: int | None
    offset: int
    reason: str
    column: str | None
    value: str | None
    position: int | None
    message: str
    raw: bytes | None


def partition(
    batch: Batch, column: str, unit: Literal["week", "day", "month"] = "week", zone: str = "UTC"
) -> dict[str, Batch]:
    """The rows of each period as a batch of their own, in order of time.

    column: a date, timestamp or timestamptz column; zone applies to timestamptz.
    Keys are "2026-W47", "2026-11-21" or "2026-11", as in Hive-style paths; rows whose time is null or
    infinite are under "__HIVE_DEFAULT_PARTITION__". Raises UsageError for another column, unit or zone.
    """
    parts = _headrace.partition(batch, column, unit, zone, _settings.zoneinfo_directory())
    return {value if value is not None else NO_PERIOD: rows for _, value, _, _, rows in parts}
