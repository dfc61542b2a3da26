"""Records of other shapes than purchases: so many columns, or so many bytes.

A pool of a few thousand different records goes round, so that any number of them is made quickly and the
caches of the machine do not hold them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Literal

from bench.data import SEED
from stack import postgres
from stack.paths import BUILD

POOL_BYTES = 16 << 20
POOL_RECORDS = 20_000
WORDS = """
    river weir sluice channel water wheel mill race gate spill bank flood drop basin pipe head flow level
    stone timber iron pump valve meter gauge record shift night morning order repair notice clerk ledger
""".split()  # noqa: SIM905 -- easier to read and to add to than a list

_KINDS: tuple[tuple[str, Callable[[random.Random], str]], ...] = (
    ("bigint", lambda r: str(r.randrange(1, 10_000_000_000))),
    ("integer", lambda r: str(r.randrange(1, 100_000))),
    ("text", lambda r: f'"{r.choice(WORDS)}"'),
    ("numeric(12,2)", lambda r: f"{r.randrange(1, 1_000_000) / 100:.2f}"),
    (
        "timestamptz",
        lambda r: (
            f'"2025-{r.randrange(1, 13):02}-{r.randrange(1, 29):02}'
            f'T{r.randrange(24):02}:{r.randrange(60):02}:{r.randrange(60):02}.{r.randrange(1_000_000):06}Z"'
        ),
    ),
)
"""Types of columns, in turn."""


@dataclass(frozen=True)
class Shape:
    """A table and the records for it. `make` makes one record from a random number generator, `after` is what
    ALTER TABLE is to do with the table when it has been made.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    records: int
    make: Callable[[random.Random], str]
    after: str = ""
    folder: Path = BUILD / "bench" / "data"

    @property
    def table(self) -> str:
        """Where the records go."""
        return f"bench.{self.name}"

    def pool(self) -> list[bytes]:
        """The different records."""
        source = random.Random(SEED)  # noqa: S311 -- data to measure with
        pool: list[bytes] = []
        size = 0
        while len(pool) < min(self.records, POOL_RECORDS) and size < POOL_BYTES:
            pool.append(self.make(source).encode())
            size += len(pool[-1])
        return pool

    def messages(self) -> Iterator[bytes]:
        """All records."""
        return islice(cycle(self.pool()), self.records)

    def bytes(self) -> int:
        """The size of all records without their line ends."""
        pool = self.pool()
        rounds, rest = divmod(self.records, len(pool))
        return rounds * sum(map(len, pool)) + sum(map(len, pool[:rest]))

    def lines(self) -> Path:
        """A file of all records, made anew: it is quickly made, and they would fill the disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}.jsonl"
        pool = self.pool()
        whole = b"".join(record + b"\n" for record in pool)
        rounds, rest = divmod(self.records, len(pool))
        with path.open("wb") as out:
            for _ in range(rounds):
                out.write(whole)
            out.write(b"".join(record + b"\n" for record in pool[:rest]))
        return path

    def create_table(self, server: postgres.Server) -> None:
        """Make the table anew, empty."""
        columns = ", ".join(f"{name} {type}" for name, type in self.columns)
        with server.connect() as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
            connection.execute(f"DROP TABLE IF EXISTS {self.table}")
            connection.execute(f"CREATE TABLE {self.table} ({columns})")
            if self.after:
                connection.execute(f"ALTER TABLE {self.table} {self.after}")
            connection.execute("CHECKPOINT")

    def check(self, server: postgres.Server) -> None:
        """RuntimeError unless so many rows are there, without a null."""
        whole = " AND ".join(f"{name} IS NOT NULL" for name, _ in self.columns)
        with server.connect() as connection:
            row = connection.execute(f"SELECT count(*) FILTER (WHERE {whole}) FROM {self.table}").fetchone()
        assert row is not None
        if row[0] != self.records:
            raise RuntimeError(f"{self.table} has {row[0]} whole rows, not {self.records}")


def columns(number: int, records: int) -> Shape:
    """So many columns of five types in turn, about 24 bytes each as JSON."""
    kinds = [_KINDS[i % len(_KINDS)] for i in range(number)]

    def make(source: random.Random) -> str:
        return "{" + ",".join(f'"c{i + 1}":{value(source)}' for i, (_, value) in enumerate(kinds)) + "}"

    return Shape(
        f"columns_{number}", tuple((f"c{i + 1}", type) for i, (type, _) in enumerate(kinds)), records, make
    )


def sized(size: int, records: int, kind: Literal["stored", "external", "over"]) -> Shape:
    """Messages of so many bytes: an id and a body of words. The body is stored as PostgreSQL thinks best, or
    without compression (EXTERNAL), or has no column and is read over.
    """

    def make(source: random.Random) -> str:
        start = f'{{"id":{source.randrange(1_000_000_000, 10_000_000_000)},"body":"'
        left = size - len(start) - 2
        body = " ".join(source.choices(WORDS, k=left // 3 + 1))
        return f'{start}{body[:left]}"}}'

    both = (("id", "bigint"), ("body", "text"))
    after = "ALTER COLUMN body SET STORAGE EXTERNAL" if kind == "external" else ""
    return Shape(f"size_{size}_{kind}", both[:1] if kind == "over" else both, records, make, after)
