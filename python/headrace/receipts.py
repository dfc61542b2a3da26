"""The receipts that a database keeps (headrace.receipts and its parts)."""

from __future__ import annotations

import builtins
import json

from headrace._headrace import Connection
from headrace.display import html_table
from headrace.errors import UsageError
from headrace.receipt import Receipt

_SQL = """
SELECT json_build_object(
    'run_id', r.run_id, 'job', r.job, 'target', r.target, 'mode', r.mode, 'source', r.source, 'state',
    r.state, 'read', r.read, 'loaded', r.loaded, 'rejected', r.rejected, 'skipped', r.skipped, 'bytes',
    r.bytes, 'seconds', r.seconds, 'started_at', r.started_at, 'finished_at', r.finished_at,
    'offsets', (SELECT json_agg(json_build_object('topic', l.topic, 'partition', l.partition, 'from',
        l.offset_from, 'to', l.offset_to, 'read', l.read, 'loaded', l.loaded, 'rejected', l.rejected,
        'skipped', l.skipped, 'bytes', l.bytes,
        'lost', coalesce((r.detail -> 'lost' ->> (l.topic || '/' || l.partition))::bigint, 0))
        ORDER BY l.topic, l.partition) FROM headrace.receipt_lanes l WHERE l.run_id = r.run_id),
    'tables', (SELECT json_object_agg(t.relation, t.n ORDER BY t.relation) FROM (SELECT relation,
        sum(row_count) AS n FROM headrace.receipt_tables WHERE run_id = r.run_id GROUP BY relation) t),
    'rejects', r.detail -> 'rejects',
    'error', CASE WHEN r.error IS NOT NULL THEN json_build_object('message', r.error) END)
FROM headrace.receipts r
"""


class Receipts(builtins.list[Receipt]):
    """A list that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        rows = [
            [
                r.started_at,
                r.job,
                r.target,
                r.state,
                r.read,
                r.loaded,
                r.rejected,
                r.skipped,
                f"{r.seconds:.2f}",
            ]
            for r in self
        ]
        header = ["started", "job", "target", "state", "read", "loaded", "rejected", "skipped", "seconds"]
        return html_table(header, rows)


def list(job: str | None = None, *, limit: int | None = 100, dsn: str | None = None) -> Receipts:
    """Receipts of one job, or of all, newest first. Of a run that is still going on, or was killed, the
    counts are 0, its offsets and tables tell what it has committed.
    """
    sql = f"{_SQL} WHERE $1::text IS NULL OR r.job = $1 ORDER BY r.started_at DESC, r.run_id LIMIT $2::bigint"
    with Connection(dsn or "") as connection:
        rows = connection.query(sql, [job, limit])
    return Receipts(Receipt.from_dict(json.loads(row[0] or "{}")) for row in rows)


def show(run_id: str, *, dsn: str | None = None) -> Receipt:
    """The receipt of one run. UsageError when there is none."""
    with Connection(dsn or "") as connection:
        rows = connection.query(f"{_SQL} WHERE r.run_id::text = $1", [run_id])
    if not rows:
        raise UsageError(f"there is no receipt of a run {run_id}")
    return Receipt.from_dict(json.loads(rows[0][0] or "{}"))
