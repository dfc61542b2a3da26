"""The guards that hold exactly-once together, and the tests that must fail without them. One entry a guard.

`text` stands exactly once in `file`; it is replaced by `replacement`, and every test named must then fail (of a
test with parameters: at least one case). `python -m tests.faults.guards NAME...` tries some of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """One guard: what is taken out of which file, and who must notice."""

    name: str
    file: str
    text: str
    replacement: str
    tests: tuple[str, ...]


GUARDS: tuple[Guard, ...] = (
    Guard(
        "the offset moves only for the holder's generation",
        "csrc/io/ledger.c",
        " AND o.next_offset = p.old AND o.generation = p.generation AND o.run_id = $2::uuid RETURNING 1",
        " RETURNING 1",
        ("tests/real/test_load_kafka.py::test_two_workers_on_one_job_fence_each_other",),
    ),
)
