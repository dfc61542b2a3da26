"""A load's settings: from keyword arguments to the JSON object that the C module reads
(csrc/io/load/load_config.h).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from headrace import _source
from headrace.errors import UsageError

Mode = Literal["append", "upsert", "replace", "vault"]
ColumnMap = Mapping[str, str | Mapping[str, str] | None]

# Sources that cannot be continued: their offsets are the run's own and are forgotten when it has succeeded.
ONE_OFF = frozenset({"stdin", "postgres", "dead_letters"})

# Sources that cannot be read again from where a failed run stopped: one transaction, all or nothing, unless
# told.
ALL_OR_NOTHING = frozenset({"stdin", "postgres"})


def zoneinfo_directory() -> str | None:
    """Where the time zones are, when the system has none in the usual place: Python's own tzdata package, or
    None.
    """
    if os.environ.get("TZDIR") or os.path.isdir("/usr/share/zoneinfo"):
        return None
    import importlib.util
    from zoneinfo import TZPATH

    for path in TZPATH:
        if os.path.isdir(path):
            return path
    found = importlib.util.find_spec("tzdata")
    if found is not None and found.submodule_search_locations:
        return os.path.join(next(iter(found.submodule_search_locations)), "zoneinfo")
    return None


def _avro(avro: Mapping[str, str] | None) -> dict[str, Any]:
    """The settings "avro" and, apart from them, the registry's user and password: receipts remember the
    former only. UsageError for a name that is no setting.
    """
    if not avro:
        return {}
    unknown = sorted(set(avro) - {"registry", "schema", "user", "password"})
    if unknown:
        raise UsageError(f"avro: {unknown[0]!r} is no setting; there are registry, schema, user, password")
    password = avro.get("password") or os.environ.get("HEADRACE_REGISTRY_PASSWORD")
    login = {"user": avro["user"], "password": password} if "user" in avro else None
    return {
        "avro": {name: avro[name] for name in ("registry", "schema") if name in avro},
        "registry_login": login,
    }


def build(
    source: _source.Source | Mapping[str, Any],
    target: str,
    *,
    dsn: str | None = None,
    job: str | None = None,
    mode: Mode = "append",
    format: Literal["json", "csv", "avro", "debezium", "debezium-avro"] | None = None,
    csv: Mapping[str, Any] | None = None,
    debezium: Mapping[str, str] | None = None,
    avro: Mapping[str, str] | None = None,
    map: ColumnMap | None = None,
    key: Sequence[str] | None = None,
    unknown: Literal["ignore", "reject"] = "ignore",
    tombstones: Literal["skip", "reject"] = "skip",
    partition: Literal["week", "day", "month"] = "week",
    partition_column: str | None = None,
    zone: str = "UTC",
    create_partitions: bool = True,
    start: Literal["earliest", "latest"] | datetime = "earliest",
    lost_offsets: Literal["fail", "earliest"] = "fail",
    until: Literal["end", "forever"] = "end",
    partitions: Sequence[int] | None = None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    group: str | None = None,
    identity: bool = True,
    workers: int | None = None,
    max_records: int | None = None,
    max_seconds: float | None = None,
    batch_records: int | None = None,
    batch_bytes: int | None = None,
    linger_ms: int | None = None,
    commit: Literal["batch", "end"] | None = None,
    durable: Literal["run", "batch"] = "run",
    vault: Mapping[str, Any] | None = None,
    run_id: str | None = None,
) -> dict[str, Any]:
    """The settings as one object; `load` explains each. UsageError for what cannot be."""
    if not target:
        raise UsageError("a target table is needed, such as shop.purchases")
    if isinstance(source, Mapping):
        origin = dict(source)
    else:
        origin = _source.parse(
            source,
            kafka=kafka,
            identity=identity,
            partitions=partitions,
            start=start,
            lost_offsets=lost_offsets,
            until=until,
            group=group,
        )
    if isinstance(key, str):
        key = [key]
    guessed, csv_guess = _source.guess_format(origin, format)
    settings: dict[str, Any] = {
        "job": job or target,
        "run_id": run_id or str(uuid.uuid4()),
        "source": origin,
        "limits": {"max_records": max_records, "max_seconds": max_seconds},
        "format": format or guessed,
        "csv": {**(csv_guess if format in (None, guessed) else {}), **(csv or {})},
        "debezium": dict(debezium) if debezium else None,
        **_avro(avro),
        "target": {"dsn": dsn or "", "table": target},
        "mode": mode,
        "key": list(key) if key is not None else None,
        "map": dict(map) if map is not None else None,
        "unknown": unknown,
        "tombstones": tombstones,
        "partition": {
            "column": partition_column,
            "unit": partition,
            "zone": zone,
            "create": create_partitions,
        },
        "workers": workers,
        "batch_records": batch_records,
        "batch_bytes": batch_bytes,
        "linger_ms": linger_ms,
        "commit": commit or ("end" if origin["kind"] in ALL_OR_NOTHING else "batch"),
        "durable": durable,
        "vault": dict(vault) if vault is not None else None,
        "one_off": origin["kind"] in ONE_OFF
        or (origin["kind"] == "file" and not origin.get("identity", True)),
        "zoneinfo": zoneinfo_directory(),
    }
    return settings
