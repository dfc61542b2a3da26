"""`make demo-airports`: an airline's changes into a Data Vault, and the proof that it equals its source.

Primary, replica, broker, Connect and the vault's database come up; the airline gets data; then it changes all
the time while the vault is loaded again and again, and while it is verified. In the end the terminal shows
the verification, the traffic view read from the replica, and where everything is.

The last line of the standard output is one JSON object; progress goes to the standard error.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg

from stack.airports.__main__ import show, traffic
from stack.airports.capture import CaptureError
from stack.airports.changes import Changes
from stack.airports.generate import Size, generate
from stack.airports.pair import SQL
from stack.airports.system import System
from stack.services import VAULT

log = logging.getLogger(__name__)

MAPPING = SQL / "vault.yaml"
_PAUSE = 1.0


class Traffic(threading.Thread):
    """Changes the airline's data until `end` is called; `done` counts the transactions by kind, `error` says
    what went wrong.
    """

    def __init__(self, connection: psycopg.Connection, seed: int, rate: float) -> None:
        super().__init__(name="airline", daemon=True)
        self._changes = Changes(connection, seed)
        self._rate = rate
        self._ending = threading.Event()
        self.error: Exception | None = None

    @property
    def done(self) -> Counter[str]:
        """What was done up to now."""
        return self._changes.done

    def run(self) -> None:
        """Change, and change, at most so often in a second."""
        try:
            while not self._ending.is_set():
                self._changes.run(max(1, int(self._rate / 10)), rate=self._rate)
        except Exception as error:
            self.error = error

    def end(self) -> Counter[str]:
        """Stop and wait; what was done.

        :raises RuntimeError: when a change failed
        """
        self._ending.set()
        self.join(60)
        if self.error is not None:
            raise RuntimeError(f"a change of the airline's data failed: {self.error}") from self.error
        return self.done


def prepare(system: System, size: Size, seed: int) -> None:
    """Start what does not run, fill the airline's database if it is empty, make the vault's tables."""
    import headrace
    from headrace.vault import vault_ddl

    system.stack.up(("postgres", "kafka"))
    system.start_pair()
    with system.pair.connect() as connection:
        if connection.execute("select 1 from bookings.flights limit 1").fetchone() is None:
            rows = generate(connection, size, seed)
            log.info("The airline has %s.", ", ".join(f"{count:,} {table}" for table, count in rows.items()))
    system.start_capture()
    system.stack.postgres.create_database(VAULT)
    headrace.migrations.apply(system.stack.postgres.dsn(VAULT))
    with system.stack.postgres.connect(VAULT) as connection:
        connection.execute(vault_ddl(MAPPING).encode())


def run(system: System, *, seconds: float, rate: float, seed: int, mapping: Path = MAPPING) -> dict[str, Any]:
    """Let the airline change for so long, load and verify meanwhile, and once more when it is quiet; what
    came of it, with both verifications as objects under "during" and "after".
    """
    from headrace.vault import vault_load, vault_verify

    vault = system.stack.postgres.dsn(VAULT)
    source = system.pair.primary.dsn("airports")
    brokers = system.broker.bootstrap
    started = time.monotonic()
    with system.stack.postgres.connect(VAULT) as ledger, system.pair.connect() as connection:
        before = ledger.execute("select clock_timestamp()").fetchone()
        changing = Traffic(connection, seed, rate)
        changing.start()
        loads = 0
        try:
            while time.monotonic() - started < seconds and changing.error is None:
                receipt = vault_load(mapping, dsn=vault, brokers=brokers)
                loads += 1
                if receipt.events:
                    log.info("%s", str(receipt).splitlines()[-1])
                time.sleep(_PAUSE)
            log.info("Verifying while the airline goes on.")
            during = vault_verify(mapping, source, dsn=vault, brokers=brokers, load=True)
            log.info("%s", str(during).splitlines()[-1])
        finally:
            done = changing.end()
        after = vault_verify(mapping, source, dsn=vault, brokers=brokers, load=True)
        found = numbers(ledger, before[0] if before else None)
    return {
        **found,
        "differences": during.differences + after.differences,
        "transactions": sum(done.values()),
        "rows": after.rows,
        "loads": loads,
        "seconds": round(time.monotonic() - started, 1),
        "during": during,
        "after": after,
    }


def numbers(ledger: psycopg.Connection, since: Any) -> dict[str, int]:
    """What the receipts since then say: events read and rejected, and new rows by kind of table."""
    row = ledger.execute(
        "select coalesce(sum(read), 0)::bigint, coalesce(sum(rejected), 0)::bigint from headrace.receipts"
        " where mode = 'vault' and started_at >= %s",
        (since,),
    ).fetchone()
    kinds = {"hubs": "hub", "links": "link", "satellites": "sat"}
    rows: dict[str, int] = dict(
        ledger.execute(
            "select split_part(split_part(replace(relation, '\"', ''), '.', 2), '_', 1),"
            " sum(row_count)::bigint from headrace.receipt_tables join headrace.receipts using (run_id)"
            " where mode = 'vault' and started_at >= %s group by 1",
            (since,),
        ).fetchall()
    )
    events, rejected = row or (0, 0)
    return {
        "events": int(events),
        **{name: int(rows.get(kind, 0)) for name, kind in kinds.items()},
        "rejected": int(rejected),
    }


def main(words: list[str]) -> int:
    """Start, change, load, verify, tell; the exit code, 1 when the vault differs from its source."""
    parser = argparse.ArgumentParser(prog="python -m stack.airports.demo", description=__doc__)
    parser.add_argument("--flights", type=int, default=2_000)
    parser.add_argument("--bookings", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=20, help="how long the airline changes (20)")
    parser.add_argument("--rate", type=float, default=200, help="transactions a second, at most (200)")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000, help="of the changes")
    told = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    system = System()
    from headrace.errors import HeadraceError

    try:
        prepare(system, Size(told.flights, told.bookings), 1)
        found = run(system, seconds=told.seconds, rate=told.rate, seed=told.seed)
        system.pair.wait_replayed()
        busiest = traffic(system.pair)
    except (HeadraceError, CaptureError, RuntimeError, OSError, psycopg.Error) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\nWhile the airline went on:\n{found.pop('during')}\n\nAfter it stopped:\n{found.pop('after')}\n")
    print(f"The busiest airports, read from the replica:\n{busiest}\n")
    show(system)
    print(f"{'vault':<10}{'up':<6}psql {system.stack.postgres.dsn(VAULT)!r}")
    print("\nAll of it keeps running until `make down`.")
    print(json.dumps(found), flush=True)
    return 1 if found["differences"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
