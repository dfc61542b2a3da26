"""What a soak watches: processes that go on for the whole time. `python -m tests.soak.work ROLE SETTINGS`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import headrace

COLUMNS = [
    ("purchase_id", "bigint"),
    ("amount", "numeric(12,2)"),
    ("purchased_at", "timestamptz"),
    ("tags", "text[]"),
]
LINES = "".join(
    json.dumps(
        {
            "purchase_id": n,
            "amount": n / 4,
            "purchased_at": f"2026-09-{n % 28 + 1:02}T00:00:00Z",
            "tags": ["a"] * (n % 5),
        }
    )
    + "\n"
    for n in range(3000)
)
REJECTED = 3
BATCH = 2000
"""Records of a batch from the topic: of so few that memory is the same however far a busy machine lets a load fall behind."""


def produce(settings: dict[str, Any]) -> dict[str, Any]:
    """Write to the topic at a steady rate until the time is over."""
    made = headrace.generate(
        "purchases",
        int(settings["rate"] * settings["seconds"]),
        settings["topic"],
        rate=settings["rate"],
        malformed=1000,
        late=2000,
        duplicate=1000,
        unknown=1000,
    )
    return {"records": made.records, "expected": dict(made.expected)}


def forever(settings: dict[str, Any]) -> dict[str, Any]:
    """One load that never ends by itself."""
    receipt = headrace.load(
        settings["topic"],
        "shop.purchases",
        job="forever",
        dsn=settings["dsn"],
        until="forever",
        workers=2,
        max_seconds=settings["seconds"] + settings["rest"],
        batch_records=BATCH,
        progress=lambda progress: None,
    )
    return {
        "state": receipt.state,
        "read": receipt.read,
        "loaded": receipt.loaded,
        "rejected": receipt.rejected,
    }


def fails(kind: type[Exception], work: Callable[[], object]) -> None:
    """Do what must fail in this way."""
    try:
        work()
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was expected")


def again(settings: dict[str, Any]) -> dict[str, Any]:
    """All that a service does over and over in one process: short loads, failures, batches, questions."""
    end = time.monotonic() + settings["seconds"]
    dsn, topic = settings["dsn"], settings["topic"]
    small = Path(settings["folder"]) / "small.jsonl"
    small.write_text(
        LINES
        + '{"purchase_id":"x"}\n{broken\n{"purchase_id":1,"amount":-1,"purchased_at":"2026-09-01T00:00:00Z"}\n'
    )
    made = str(Path(settings["folder"]) / "made.jsonl.gz")
    schema = headrace.Schema(COLUMNS)
    rounds = read = 0
    while time.monotonic() < end:
        begun = time.monotonic()
        read += headrace.load(topic, "again.purchases", job="again", dsn=dsn, batch_records=BATCH).read
        receipt = headrace.load(
            str(small), "small.purchases", job="small", dsn=dsn, identity=False, mode="upsert", commit="end"
        )
        assert receipt.rejected == REJECTED, str(receipt)
        fails(headrace.HeadraceError, lambda: headrace.load(topic, "no.such_table", job="no", dsn=dsn))
        fails(headrace.HeadraceError, lambda: headrace.Connection("host=127.0.0.1 port=1 connect_timeout=2"))
        fails(headrace.HeadraceError, lambda: headrace.load(str(small) + ".none", "small.purchases", dsn=dsn))
        for _ in range(5):
            batch, _ = headrace.decode_json(LINES, schema)
            parts = headrace.partition(batch, "purchased_at", "day")
            assert sum(map(len, parts.values())) == len(batch) == 3000
            assert len(headrace.Batch.from_copy(batch.to_copy(), schema)) == 3000
            batch.__arrow_c_array__()
            headrace.Batch.from_arrow(batch)
        with headrace.Connection(dsn) as connection:
            connection.query("SELECT $1::int, count(*) FROM small.purchases", [rounds])
        headrace.lag("again", topic, dsn=dsn)
        headrace.topics.list(settings["kafka"])
        headrace.generate("purchases", 2000, made)
        rounds += 1
        time.sleep(max(0.0, begun + 1 - time.monotonic()))
    read += headrace.load(topic, "again.purchases", job="again", dsn=dsn, batch_records=BATCH).read
    return {"rounds": rounds, "read": read}


if __name__ == "__main__":
    role, words = sys.argv[1], json.loads(sys.argv[2])
    print(json.dumps({"produce": produce, "forever": forever, "again": again}[role](words)))
