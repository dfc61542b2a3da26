"""The books of a DAG run: what the database says was read, loaded and rejected, and whether it all adds up.

`open_account` notes the time and the rows of the target before a run; `close_account` reads the receipts that
were written since (also those of tries that failed half-way and of workers that were killed), sums them and
checks them against the table and the offsets. Both take an open psycopg connection to the target's database.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from headrace.airflow import receipts

_RECEIPTS = """
SELECT r.run_id::text, r.job, r.target, r.mode, r.source, r.state, r.error,
       coalesce(extract(epoch FROM r.finished_at - r.started_at), 0)::float8,
       r.started_at::text, r.finished_at::text
FROM headrace.receipts r
WHERE r.job = %(job)s AND r.target = %(target)s AND r.started_at >= %(since)s::timestamptz
ORDER BY r.started_at, r.run_id
"""
_LANES = """
SELECT run_id::text, topic, partition, offset_from, offset_to, read, loaded, rejected, skipped, bytes
FROM headrace.receipt_lanes WHERE run_id = ANY(%(runs)s::uuid[]) ORDER BY topic, partition, offset_from
"""
_TABLES = """
SELECT run_id::text, relation, sum(row_count)::bigint
FROM headrace.receipt_tables WHERE run_id = ANY(%(runs)s::uuid[]) GROUP BY 1, 2
"""
_REASONS = """
SELECT run_id::text, reason, count(*)
FROM headrace.dead_letters WHERE run_id = ANY(%(runs)s::uuid[]) GROUP BY 1, 2
"""
_EXAMPLES = """
SELECT * FROM (
    SELECT DISTINCT ON (reason, column_name)
           id, reason, column_name, value, message, topic, partition, "offset", line,
           encode(substring(raw FOR 300), 'escape') AS raw
    FROM headrace.dead_letters WHERE run_id = ANY(%(runs)s::uuid[])
    ORDER BY reason, column_name, id
) AS examples ORDER BY id LIMIT %(limit)s
"""
_RECEIPT_NAMES = (
    "run_id", "job", "target", "mode", "source", "state", "error", "seconds", "started_at", "finished_at",
)  # fmt: skip
_LANE_NAMES = ("topic", "partition", "from", "to", "read", "loaded", "rejected", "skipped", "bytes")
_EXAMPLE_NAMES = (
    "id", "reason", "column_name", "value", "message", "topic", "partition", "offset", "line", "raw",
)  # fmt: skip


def quote_name(name: str) -> str:
    """A table's name with each part quoted, so that it means this table and nothing else.

    :raises ValueError: when it is no ``table`` or ``schema.table``.
    """
    parts = name.split(".")
    if len(parts) > 2 or not all(parts):
        raise ValueError(f"{name!r} is no name of a table; write schema.table")
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def open_account(conn: Any, job: str, topic: str, target: str, count_rows: bool = True) -> dict[str, Any]:
    """Note the database's time and, unless told not to, the rows of the target before a run."""
    rows = count(conn, target) if count_rows else None
    return {"job": job, "topic": topic, "target": target, "since": now(conn), "rows": rows}


def now(conn: Any) -> str:
    """The database's time."""
    return str(conn.execute("SELECT clock_timestamp()::text").fetchone()[0])


def count(conn: Any, table: str) -> int:
    """The number of rows of a table."""
    return int(conn.execute(f"SELECT count(*) FROM {quote_name(table)}").fetchone()[0])


def receipts_since(conn: Any, job: str, target: str, since: str) -> list[dict[str, Any]]:
    """The receipts of a job's runs since a moment, exact even for runs that were killed."""
    found: dict[str, dict[str, Any]] = {
        row[0]: {**dict(zip(_RECEIPT_NAMES, row, strict=True)), "offsets": [], "tables": {}, "rejects": {}}
        for row in conn.execute(_RECEIPTS, {"job": job, "target": target, "since": since})
    }
    runs = {"runs": list(found)}
    for run_id, *lane in conn.execute(_LANES, runs):
        found[run_id]["offsets"].append(dict(zip(_LANE_NAMES, lane, strict=True)))
    for run_id, relation, rows in conn.execute(_TABLES, runs):
        found[run_id]["tables"][relation] = rows
    for run_id, reason, number in conn.execute(_REASONS, runs):
        found[run_id]["rejects"][reason] = number
    for receipt in found.values():
        for name in receipts.COUNTS:
            receipt[name] = sum(lane[name] for lane in receipt["offsets"])
    return list(found.values())


def close_account(conn: Any, account: Mapping[str, Any], seen: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Sum and check what a run did.

    A replay of the job's dead letters may have gone on at the same time: its rows count for the table, but it
    is no part of the sum.

    :param account: what `open_account` returned
    :param seen: the receipts that the run's tasks returned; each must be in the database, with equal counts
    :return: the sum of all receipts, with ``runs`` (their ids), ``rows_before``, ``rows_after``, ``tries``
        and ``faults``: one sentence for each thing that does not add up, empty when all is well
    """
    everything = receipts_since(conn, account["job"], account["target"], account["since"])
    written = [receipt for receipt in everything if receipt["source"].endswith(f"/{account['topic']}")]
    total = receipts.combine(written)
    total.update(job=account["job"], target=account["target"], tries=len(written), since=account["since"])
    total["runs"] = [receipt["run_id"] for receipt in written]
    total["seconds"] = seconds(conn, total["runs"])
    faults = [f"receipt {r['run_id']} does not balance" for r in written if not receipts.balances(r)]
    faults += _missing(written, seen)
    faults += _offset_faults(conn, account["job"], written)
    total["rows_before"], total["rows_after"] = account.get("rows"), None
    if account.get("rows") is not None:
        total["rows_after"] = count(conn, account["target"])
        grown = total["rows_after"] - total["rows_before"]
        loaded = sum(receipt["loaded"] for receipt in everything)
        if all(receipt["mode"] == "append" for receipt in everything) and grown != loaded:
            faults.append(f"{account['target']} has {grown:,} rows more, but {loaded:,} were loaded")
    total["faults"] = faults
    return total


def partitions(conn: Any, table: str) -> dict[str, int]:
    """The leaf partitions of a table by name, with the number of rows of each."""
    names = conn.execute(
        "SELECT format('%%s.%%s', n.nspname, c.relname) FROM pg_partition_tree(%s::regclass) t "
        "JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE t.isleaf ORDER BY 1",
        (quote_name(table),),
    ).fetchall()
    return {name: count(conn, name) for (name,) in names}


def dead_letter_report(conn: Any, job: str, runs: Sequence[str], examples: int = 3) -> dict[str, Any]:
    """Why records were rejected in these runs: counts by reason, examples, the command to replay them."""
    reasons: dict[str, int] = defaultdict(int)
    for _, reason, number in conn.execute(_REASONS, {"runs": list(runs)}):
        reasons[reason] += number
    shown = conn.execute(_EXAMPLES, {"runs": list(runs), "limit": examples}).fetchall()
    return {
        "job": job,
        "reasons": dict(sorted(reasons.items(), key=lambda item: -item[1])),
        "examples": [dict(zip(_EXAMPLE_NAMES, row, strict=True)) for row in shown],
        "replay": f"headrace dead-letters replay {shlex.quote(job)}",
    }


def _missing(written: list[dict[str, Any]], seen: Iterable[Mapping[str, Any]]) -> list[str]:
    """Receipts that tasks returned and the database does not know, or knows with other counts."""
    known = {receipt["run_id"]: receipt for receipt in written}
    faults = []
    for receipt in seen:
        there = known.get(str(receipt.get("run_id")))
        if there is None:
            faults.append(f"receipt {receipt.get('run_id')} is not in headrace.receipts")
            continue
        faults += [
            f"receipt {receipt['run_id']}: {name} is {receipt[name]:,} for the task, but {there[name]:,} in "
            "the database"
            for name in ("read", "loaded", "rejected", "skipped")
            if int(receipt[name]) != there[name]
        ]
    return faults


def _offset_faults(conn: Any, job: str, written: list[dict[str, Any]]) -> list[str]:
    """Ranges of a partition that overlap, leave a gap, or do not end where the job's offset stands."""
    ranges: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    for receipt in written:
        for lane in receipt["offsets"]:
            ranges[lane["topic"], lane["partition"]].append((lane["from"], lane["to"]))
    stand = {
        (topic, partition): offset
        for topic, partition, offset in conn.execute(
            "SELECT topic, partition, next_offset FROM headrace.offsets WHERE job = %s", (job,)
        )
    }
    faults = []
    for (topic, partition), parts in sorted(ranges.items()):
        parts.sort()
        for (_, end), (begin, _) in pairwise(parts):
            if begin != end:
                what = "overlap" if begin < end else "leave a gap"
                faults.append(f"{topic}/{partition}: the ranges to {end} and from {begin} {what}")
        if stand.get((topic, partition)) != parts[-1][1]:
            faults.append(
                f"{topic}/{partition}: loaded to {parts[-1][1]}, but the job's offset is "
                f"{stand.get((topic, partition))}"
            )
    return faults


def seconds(conn: Any, runs: list[str]) -> float:
    """From the start of the first of the runs to the end of the last."""
    row = conn.execute(
        "SELECT coalesce(extract(epoch FROM max(coalesce(finished_at, clock_timestamp())) "
        "- min(started_at)), 0)::float8 FROM headrace.receipts WHERE run_id = ANY(%s::uuid[])",
        (runs,),
    ).fetchone()
    return round(float(row[0]), 3)
