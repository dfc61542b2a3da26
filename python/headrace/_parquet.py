"""Parquet files and columns of numbers for headrace.window, through pyarrow where it is installed."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from typing import Any

from headrace import _source
from headrace.errors import UsageError

_UNITS = ("s", "ms", "us", "ns")


def _pyarrow(what: str, name: str = "pyarrow") -> Any:
    """A module of pyarrow. UsageError when it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UsageError(
            f"{what} needs pyarrow, which is not installed: pip install pyarrow (or headrace[notebook])"
        ) from None


def read(paths: str | os.PathLike[str], columns: Iterable[str]) -> Any:
    """These columns of the Parquet files of a name or glob, in order of name, as one pyarrow.Table.

    UsageError for files that are missing, are no Parquet, do not go together, or lack a column.
    """
    parquet = _pyarrow("reading a Parquet file", "pyarrow.parquet")
    arrow = _pyarrow("reading a Parquet file")
    wanted = list(columns)
    tables = []
    for path in _source.expand_paths([paths]):
        try:
            with parquet.ParquetFile(path) as file:
                names = file.schema_arrow.names
                missing = [name for name in wanted if name not in names]
                if missing:
                    raise UsageError(f"{path} has no column {missing[0]}; it has {', '.join(names)}")
                tables.append(file.read(columns=wanted))
        except arrow.ArrowException as error:
            raise UsageError(f"{path} cannot be read as Parquet: {error}") from error
    try:
        table = arrow.concat_tables(tables)
    except arrow.ArrowException as error:
        raise UsageError(f"the files {os.fspath(paths)} have different columns: {error}") from error
    for index, field in enumerate(table.schema):
        if arrow.types.is_dictionary(field.type):
            plain = table.column(index).cast(field.type.value_type)
            table = table.set_column(index, field.name, plain)
    return table


def with_times(batch: Any, time: str, unit: str) -> Any:
    """The batch as a pyarrow.Table whose column `time`, whole numbers since 1970, is of type timestamptz.

    UsageError for a column that has no whole numbers.
    """
    if unit not in _UNITS:
        raise UsageError(f"time_unit={unit!r}: it is one of {', '.join(_UNITS)}")
    arrow = _pyarrow("time_unit")
    table = arrow.table(batch)
    index = table.schema.get_field_index(time)
    if index < 0:
        raise UsageError(f"there is no column {time}; there are {', '.join(table.schema.names)}")
    kind = table.schema.field(index).type
    if not arrow.types.is_integer(kind):
        raise UsageError(f"time_unit={unit!r} is for whole numbers, but the column {time} is of type {kind}")
    try:
        numbers = table.column(index).cast(arrow.int64())
        times = numbers.cast(arrow.timestamp(unit, "UTC")).cast(
            arrow.timestamp("us", "UTC"), safe=unit != "ns"
        )
    except arrow.ArrowException as error:
        raise UsageError(f"a number in the column {time} is no time in {unit}: {error}") from error
    return table.set_column(index, time, times)
