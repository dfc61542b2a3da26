"""Workers killed at random places: 200 of them, or HEADRACE_KILLS=10000. `HEADRACE_SEED` replays the choices."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from stack import kafka, postgres
from tests.faults.campaign import RECORDS, Campaign, records
from tests.faults.wire import Wire
from tests.faults.workers import Workers
from tests.real.load_kit import produce

pytestmark = pytest.mark.real

KILLS = int(os.environ.get("HEADRACE_KILLS", "200"))


@pytest.mark.timeout(120 + KILLS * 3)
def test_killed_at_random(  # noqa: PLR0917 -- fixtures
    pg: postgres.Server,
    broker: kafka.Broker,
    new_topic: Callable[..., str],
    database: str,
    tmp_path: Path,
    chance: random.Random,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import headrace

    headrace.migrations.apply(pg.dsn(database))
    topic = new_topic(partitions=4)
    file = tmp_path / "purchases.jsonl"
    file.write_bytes(b"".join(record + b"\n" for record in records()))
    assert produce(broker.bootstrap, topic, records()) == RECORDS

    def say(text: str) -> None:
        if KILLS > 1000:
            with capsys.disabled():
                print(text, flush=True)

    with Wire("127.0.0.1", pg.port) as wire, Workers() as workers:
        campaign = Campaign(
            pg,
            database,
            workers=workers,
            wire=wire,
            kafka=f"kafka://{broker.bootstrap}/{topic}",
            file=file,
            chance=chance,
        )
        tally = campaign.run(KILLS, say)
    print(tally)
    assert tally.kills >= KILLS
    assert tally.jobs > 0
