"""Headrace: Kafka topics and files into PostgreSQL at COPY speed, exactly once, with every rejected record
kept.

    import headrace
    receipt = headrace.load("kafka://localhost:9092/purchases", "shop.purchases",
    dsn="postgresql://localhost/shop") print(receipt)

Importing this package is cheap: everything below is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from headrace._version import __version__

if TYPE_CHECKING:
    from headrace import dead_letters, doctor, embedded, migrations, offsets, receipts, topics
    from headrace._generate import Generated, generate
    from headrace._hash import hash_check, hash_diff, hash_keys
    from headrace._headrace import Batch, Connection, Schema
    from headrace._lag import Lag, lag
    from headrace._load import load
    from headrace._plan import Plan, plan
    from headrace._produce import Produced, produce
    from headrace._records import Reject, decode_avro, decode_csv, decode_debezium, decode_json, partition
    from headrace._results import Results, results
    from headrace._source import Query
    from headrace._window import WindowReject, window
    from headrace._window_topic import WindowProgress, WindowReceipt, window_topic
    from headrace.errors import (
        BalanceError,
        CancelledError,
        DataError,
        FatalError,
        FencedError,
        HeadraceError,
        RetriableError,
        SchemaError,
        UsageError,
    )
    from headrace.progress import Progress
    from headrace.receipt import Lane, Receipt
    from headrace.vault import vault_ddl, vault_load, vault_plan, vault_verify

# Where each public name lives; None: it is a module of its own.
_HOMES: dict[str, str | None] = {
    "BalanceError": "errors",
    "Batch": "_headrace",
    "CancelledError": "errors",
    "Connection": "_headrace",
    "DataError": "errors",
    "FatalError": "errors",
    "FencedError": "errors",
    "Generated": "_generate",
    "HeadraceError": "errors",
    "Lag": "_lag",
    "Lane": "receipt",
    "Plan": "_plan",
    "Produced": "_produce",
    "Progress": "progress",
    "Query": "_source",
    "Receipt": "receipt",
    "Reject": "_records",
    "Results": "_results",
    "RetriableError": "errors",
    "Schema": "_headrace",
    "SchemaError": "errors",
    "UsageError": "errors",
    "WindowProgress": "_window_topic",
    "WindowReceipt": "_window_topic",
    "WindowReject": "_window",
    "dead_letters": None,
    "decode_avro": "_records",
    "decode_csv": "_records",
    "decode_debezium": "_records",
    "decode_json": "_records",
    "doctor": None,
    "embedded": None,
    "generate": "_generate",
    "hash_check": "_hash",
    "hash_diff": "_hash",
    "hash_keys": "_hash",
    "lag": "_lag",
    "load": "_load",
    "migrations": None,
    "offsets": None,
    "partition": "_records",
    "plan": "_plan",
    "produce": "_produce",
    "receipts": None,
    "results": "_results",
    "topics": None,
    "vault_ddl": "vault",
    "vault_load": "vault",
    "vault_plan": "vault",
    "vault_verify": "vault",
    "window": "_window",
    "window_topic": "_window_topic",
}

__all__ = [
    "BalanceError",
    "Batch",
    "CancelledError",
    "Connection",
    "DataError",
    "FatalError",
    "FencedError",
    "Generated",
    "HeadraceError",
    "Lag",
    "Lane",
    "Plan",
    "Produced",
    "Progress",
    "Query",
    "Receipt",
    "Reject",
    "Results",
    "RetriableError",
    "Schema",
    "SchemaError",
    "UsageError",
    "WindowProgress",
    "WindowReceipt",
    "WindowReject",
    "__version__",
    "dead_letters",
    "decode_avro",
    "decode_csv",
    "decode_debezium",
    "decode_json",
    "doctor",
    "embedded",
    "generate",
    "hash_check",
    "hash_diff",
    "hash_keys",
    "lag",
    "load",
    "migrations",
    "offsets",
    "partition",
    "plan",
    "produce",
    "receipts",
    "results",
    "topics",
    "vault_ddl",
    "vault_load",
    "vault_plan",
    "vault_verify",
    "window",
    "window_topic",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'headrace' has no attribute {name!r}")
    home = _HOMES[name]
    if home is None:
        return importlib.import_module(f"headrace.{name}")
    value = getattr(importlib.import_module(f"headrace.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
