"""headrace.load: the main job."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from headrace import _settings, _source, migrations
from headrace.errors import HeadraceError
from headrace.progress import Progress, make_callback
from headrace.receipt import Receipt


def load(
    source: _source.Source,
    target: str,
    *,
    dsn: str | None = None,
    progress: bool | Callable[[Progress], object] | Any = None,
    **settings: Any,
) -> Receipt:
    """Load records into a PostgreSQL table, exactly once, and return the receipt.

    source: "kafka://host:port/topic", "kafka://topic" (brokers from `kafka`), a path, a glob or a list of
      them (plain, gzip or zstd), "-" (standard input), "postgresql://...?table=schema.name", or
      headrace.Query(dsn, sql).
    target: the table, "schema.name". Its definition is the contract: types, NOT NULL, keys, partitioning.
    dsn: of the target's database; what it leaves out comes from PG* variables, the service file and
      ~/.pgpass.
    progress: True, a tqdm bar, or a function that takes a Progress, called up to five times a second.

    Keyword settings:
      job: the load's name, to which its offsets belong (default: the target's name)
      mode: "append", "upsert" (INSERT ... ON CONFLICT on the primary key, or on `key`, which needs a unique
        index) or "replace" (delete the rows of the same key, then insert: needs no index, and moves rows
        between partitions)
      key: the columns that identify a row
      format: "json", "csv", "avro", "debezium" or "debezium-avro" (default: by the file's name, else json)
      csv: {"delimiter", "quote", "header", "null"}
      debezium: how values stand in change events that bring no schema: {"time": "adaptive"|
        "adaptive_time_microseconds"|"millis"|"micros"|"nanos", "decimal": "string"|"base64", "binary":
        "base64"|"hex", "unavailable": the unchanged TOAST marker}
      avro: {"registry": the schema registry's http:// or https:// address, "user", "password"}, or {"schema":
        JSON text} for messages that are bodies of one schema. The password may also come from the
        environment: HEADRACE_REGISTRY_PASSWORD
      map: column -> key or path, "$rest", "$raw", "$key", "$topic", "$partition", "$offset", "$timestamp",
        for change events "$op", "$lsn", "$txid", "$source_ts", "$snapshot", "$table", "$unchanged",
        None, or {"path": ..., "unit": "s"|"ms"|"us"|"ns"|"days"}
      unknown: "ignore" or "reject" records with keys that no column names; tombstones: "skip" or "reject"
      partition, zone: the period and time zone of partitions that are made ("week", "day", "month"; UTC);
        partition_column; create_partitions
      kafka: librdkafka's settings as a mapping or the path of a properties file
      partitions: a list of numbers
      start: "earliest", "latest" or a datetime with a zone, for partitions without a stored offset
      group: a consumer group that is told how far the job is, as a courtesy to lag monitors
      lost_offsets: "fail" or "earliest", when the broker has deleted what comes next
      until: "end" or "forever"
      identity: False loads files again although they were loaded before
      workers, batch_records, batch_bytes, linger_ms, max_records, max_seconds, run_id
      commit: "batch" (each batch with its offsets, the default) or "end" (the whole run or nothing; the
        default for standard input and queries, which cannot be continued)
      durable: "run" (a run that has returned is on the server's disk; batches do not wait for it. Should the
        server crash meanwhile, it may lose the last batches with their offsets, and the next run loads them
        again) or "batch" (every commit waits)

    Raises UsageError, SchemaError, FencedError, BalanceError (all FatalError) or RetriableError; `receipt` of
    the exception is the failed run's Receipt, if it got that far. An exception from `progress`, and Ctrl-C,
    roll back what is not committed within a second.
    """
    return run(_settings.build(source, target, dsn=dsn, **settings), progress=progress)


def run(settings: Mapping[str, Any], *, progress: Any = None) -> Receipt:
    """Run a load whose settings have been built; makes or upgrades the schema headrace first."""
    from headrace import _headrace

    migrations.apply(settings["target"]["dsn"])
    callback, finish = make_callback(progress, f"{settings['job']}: ")
    try:
        return Receipt.from_json(_headrace.run_load(json.dumps(settings), callback))
    except HeadraceError as error:
        if isinstance(error.receipt, str):
            error.receipt = Receipt.from_json(error.receipt)
        raise
    finally:
        finish()
