"""The equality that every fault must leave whole:

    rows in the target + dead letters + skipped = offsets moved = receipt lanes

and: no key twice, none missing, each record either once in the target or once in the dead letters, the lanes of
all receipts side by side without a gap or an overlap, and closed receipts equal to their lanes.

    balance.check(dsn, "purchases", expected=range(5000), rejected={7, 8})
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise

import psycopg

_COUNTS = """
    SELECT
      (SELECT count(*) FROM {target}),
      (SELECT count(DISTINCT {key}) FROM {target}),
      (SELECT count(*) FROM headrace.dead_letters WHERE job = %(job)s),
      (SELECT count(DISTINCT (topic, partition, "offset")) FROM headrace.dead_letters WHERE job = %(job)s),
      l.read, l.loaded, l.rejected, l.skipped,
      (SELECT coalesce(sum(row_count), 0)::bigint FROM headrace.receipt_tables t JOIN headrace.receipts r USING (run_id)
       WHERE r.job = %(job)s)
    FROM (SELECT coalesce(sum(x.read), 0)::bigint AS read, coalesce(sum(x.loaded), 0)::bigint AS loaded,
                 coalesce(sum(x.rejected), 0)::bigint AS rejected, coalesce(sum(x.skipped), 0)::bigint AS skipped
          FROM headrace.receipt_lanes x JOIN headrace.receipts r USING (run_id) WHERE r.job = %(job)s) l
"""
_LANES = """
    SELECT topic, partition, offset_from, offset_to FROM headrace.receipt_lanes JOIN headrace.receipts r USING (run_id)
    WHERE r.job = %s AND offset_to > offset_from ORDER BY topic, partition, offset_from
"""
_OFFSETS = "SELECT topic, partition, next_offset FROM headrace.offsets WHERE job = %s"
_CLOSED = """
    SELECT r.run_id::text, r.state, r.read, r.loaded, r.rejected, r.skipped, l.* FROM headrace.receipts r
    CROSS JOIN LATERAL (SELECT coalesce(sum(read), 0)::bigint, coalesce(sum(loaded), 0)::bigint,
      coalesce(sum(rejected), 0)::bigint, coalesce(sum(skipped), 0)::bigint FROM headrace.receipt_lanes l
      WHERE l.run_id = r.run_id) l(read, loaded, rejected, skipped)
    WHERE r.job = %s AND r.state <> 'running'
      AND (r.read, r.loaded, r.rejected, r.skipped) IS DISTINCT FROM (l.read, l.loaded, l.rejected, l.skipped)
"""


@dataclass(frozen=True)
class Books:
    """What the database says about a job. `moved`: how far the offsets went (bytes, for files)."""

    rows: int
    keys: int
    letters: int
    letter_places: int
    read: int
    loaded: int
    rejected: int
    skipped: int
    tables: int
    moved: int

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in asdict(self).items())


def look(
    connection: psycopg.Connection, job: str, target: str = "shop.purchases", key: str = "purchase_id"
) -> tuple[Books, list[str]]:
    """The books of a job in one snapshot, and what is wrong with the order of its offsets."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        counts = connection.execute(_COUNTS.format(target=target, key=key), {"job": job}).fetchone()
        lanes = connection.execute(_LANES, (job,)).fetchall()
        offsets = connection.execute(_OFFSETS, (job,)).fetchall()
        closed = connection.execute(_CLOSED, (job,)).fetchall()
    assert counts is not None
    complaints = [
        f"the closed receipt {run} ({state}) says {told}, its lanes {told[4:]}"
        for run, state, *told in closed
    ]
    for before, after in pairwise(lanes):
        if before[:2] == after[:2] and before[3] != after[2]:
            complaints.append(
                f"{before[0]}/{before[1]}: a run ended at {before[3]}, the next began at {after[2]}"
            )
    begun: dict[tuple[str, int], int] = {}
    ended: dict[tuple[str, int], int] = {}
    for topic, partition, first, last in lanes:
        begun.setdefault((topic, partition), first)
        ended[topic, partition] = last
    for topic, partition, next_offset in offsets:
        lane = (topic, partition)
        if lane in ended and ended[lane] != next_offset:
            complaints.append(
                f"{topic}/{partition}: the receipts end at {ended[lane]}, the offset is {next_offset}"
            )
    moved = sum(ended[lane] - begun[lane] for lane in ended)
    return Books(*counts, moved), complaints


def _letter_key(key: str) -> Callable[[bytes], int]:
    """Read a record's number from its raw bytes, however broken the record is otherwise."""
    pattern = re.compile(rb'"%s"\s*:\s*"?(-?\d+)' % key.encode())

    def read(raw: bytes) -> int:
        found = pattern.search(raw)
        assert found, f"no {key} in the dead letter {raw[:100]!r}"
        return int(found[1])

    return read


def _compare(what: str, found: Iterable[int], wanted: set[int]) -> list[str]:
    """What is twice, missing, or too much in `found`."""
    counted = Counter(found)
    complaints = []
    for name, keys in (
        ("twice", [key for key, count in counted.items() if count > 1]),
        ("missing", sorted(wanted - counted.keys())),
        ("not expected", sorted(counted.keys() - wanted)),
    ):
        if keys:
            complaints.append(f"{what}: {len(keys)} {name}, the first {keys[:5]}")
    return complaints


def check(
    dsn: str | psycopg.Connection,
    job: str,
    target: str = "shop.purchases",
    *,
    key: str = "purchase_id",
    expected: Iterable[int] | None = None,
    rejected: Iterable[int] = (),
    skipped: int | None = None,
    dense: bool = True,
    unique: bool = True,
    letter_key: Callable[[bytes], int] | None = None,
) -> Books:
    """Fail with everything that is wrong with the job's books; return them.

    expected: the keys of all records (those of `rejected` among them), when the load is complete; None in the
      middle of one, when only the sums are held together.
    rejected: the keys that must be in the dead letters, and nowhere else.
    skipped: how many records are no rows; None: whatever the receipts say.
    dense: one offset a record (a Kafka topic without transactions); False for files, whose offsets are bytes.
    unique: each key comes once, so that rows = loaded; False for upserts of keys that come again.
    letter_key: how the key is read from a dead letter's raw bytes; by default from "<key>": <number>.
    """
    if isinstance(dsn, str):
        with psycopg.connect(dsn, autocommit=True) as connection:
            return check(
                connection, job, target, key=key, expected=expected, rejected=rejected, skipped=skipped,
                dense=dense, unique=unique, letter_key=letter_key,
            )  # fmt: skip
    books, complaints = look(dsn, job, target, key)
    for name, left, right in (
        ("rows and different keys in the target", books.rows if unique else books.keys, books.keys),
        (
            "rows in the target and receipts",
            books.rows,
            books.loaded if unique else min(books.rows, books.loaded),
        ),
        ("dead letters and receipts", books.letters, books.rejected),
        ("dead letters of one record", books.letters, books.letter_places),
        ("read and loaded + rejected + skipped", books.read, books.loaded + books.rejected + books.skipped),
        ("offsets moved and read", books.moved if dense else books.read, books.read),
        (
            "rows per table and receipts",
            books.tables,
            books.loaded if unique else min(books.tables, books.loaded),
        ),
        ("skipped", books.skipped, books.skipped if skipped is None else skipped),
    ):
        if left != right:
            complaints.append(f"{name}: {left} and {right}")
    if expected is not None:
        wanted, bad = set(expected), set(rejected)
        read_key = letter_key or _letter_key(key)
        in_target = [number for (number,) in dsn.execute(f"SELECT {key} FROM {target}")]
        letters = dsn.execute("SELECT raw FROM headrace.dead_letters WHERE job = %s", (job,)).fetchall()
        complaints += _compare("the target", in_target, wanted - bad)
        complaints += _compare("the dead letters", [read_key(bytes(raw)) for (raw,) in letters], bad)
        if unique and books.read != len(wanted) + books.skipped:
            complaints.append(
                f"{books.read} records were read, {len(wanted)} + {books.skipped} skipped were there"
            )
    assert not complaints, f"job {job}: " + "; ".join(complaints) + f". The books: {books}"
    return books
