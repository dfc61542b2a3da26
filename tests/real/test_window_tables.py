"""The PostgreSQL table of a window job: its key, the pieces that rows go in, a server that goes away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from headrace.errors import HeadraceError, SchemaError

from stack import kafka, postgres
from tests.real import window_kit as kit
from tests.real.load_kit import execute, rows

COLUMNS = (
    '"window" text NOT NULL, window_start timestamptz NOT NULL, window_end timestamptz NOT NULL, users bigint'
)


@pytest.fixture
def place(broker: kafka.Broker, new_topic: Callable[..., str], tmp_path: Path) -> kit.Place:
    """A job that no other test has."""
    return kit.Place(broker.bootstrap, new_topic(1), tmp_path, new_topic)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (f"{COLUMNS}, final boolean NOT NULL", "no unique key of a window"),
        (f'{COLUMNS}, final boolean NOT NULL, UNIQUE ("window", window_start, users)', "no unique key"),
        (f'{COLUMNS}, UNIQUE ("window", window_start)', "does not fit the results.*final"),
        (
            f'{COLUMNS.replace("bigint", "boolean")}, final boolean, UNIQUE ("window", window_start)',
            "does not fit the results.*users",
        ),
    ],
)
def test_a_table_that_will_not_do_is_refused_at_once(
    place: kit.Place, dsn: str, columns: str, words: str
) -> None:
    """Though the topic is empty, and no row would be written."""
    execute(dsn, f"CREATE TABLE users ({columns})")
    with pytest.raises(SchemaError, match=words) as caught:
        kit.run(**place.settings(place.new_topic(1), table="users", dsn=dsn))
    assert "CREATE TABLE" in str(caught.value)


def test_rows_go_in_pieces(place: kit.Place, dsn: str) -> None:
    """Each statement has so many bytes at most, however many rows a transaction has."""
    frames = place.frames(1, 9000)
    execute(dsn, f'CREATE TABLE users ({COLUMNS}, final boolean, UNIQUE ("window", window_start))')
    execute(dsn, "CREATE TABLE statements (at timestamptz)")
    execute(
        dsn,
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO statements VALUES (now()); RETURN NULL; END $$",
    )
    execute(dsn, "CREATE TRIGGER note AFTER INSERT ON users FOR EACH STATEMENT EXECUTE FUNCTION note()")
    arguments = place.settings(frames, table="users", dsn=dsn, commit_ms=60_000, table_bytes=400)
    kit.run(**arguments, close_all=True)
    place.assert_exact(frames)
    found = rows(dsn, "SELECT window_start, users FROM users")
    assert {kit.stamp(str(start)): users for start, users in found} == frames.truth
    assert len(rows(dsn, "SELECT 1 FROM statements")) > len(frames.truth) // 4


def test_early_rows_of_a_session_that_grows_backwards(place: kit.Place, dsn: str) -> None:
    """Its start is a part of the key: earlier rows stay, and lie within the newest one."""
    topic = place.new_topic(1)
    arguments = place.settings(topic, windows="session 60s", early="1ms", lateness="1h", jump=None)
    arguments |= {"table": "users", "dsn": dsn, "create_table": True}
    newest = (
        "SELECT users, final FROM users t WHERE NOT EXISTS (SELECT FROM users o WHERE "
        'o."window" = t."window" AND o.window_start < t.window_start AND o.window_end >= t.window_end)'
    )
    for second in (100, 180, 140, 60):  # the third joins two sessions
        place.send(topic, 0, [place.frame(second, uid=second)])
        kit.run(**arguments)
    starts = "SELECT to_char(window_start AT TIME ZONE 'UTC', 'MI:SS') FROM users ORDER BY 1"
    assert rows(dsn, starts) == [("01:00",), ("01:40",), ("03:00",)]
    assert rows(dsn, newest) == [(4, False)]
    kit.run(**arguments, close_all=True)
    assert rows(dsn, newest) == [(4, True)]
    assert rows(dsn, "SELECT users FROM users WHERE final") == [(4,)]


def test_a_server_that_is_restarted_is_waited_for(place: kit.Place, tmp_path: Path) -> None:
    """A job that goes on for ever outlives a restart of PostgreSQL, and no row is missing."""
    topic = place.new_topic(1)
    with postgres.Server(tmp_path / "pg", durable=False, keep=False) as server:
        arguments = place.settings(
            topic,
            table="users",
            dsn=server.dsn("postgres"),
            create_table=True,
            until="forever",
            max_seconds=60,
        )
        done: list[object] = []
        thread = threading.Thread(target=lambda: done.append(kit.run(**arguments, max_records=9000)))
        thread.start()
        end = time.monotonic() + 30
        while not rows(server.dsn("postgres"), "SELECT 1 FROM pg_tables WHERE tablename = 'users'"):
            assert time.monotonic() < end
            time.sleep(0.1)
        server.stop()
        frames = kit.make(tmp_path, place.bootstrap, topic, 1, 9000)
        time.sleep(2)
        server.start()
        thread.join(60)
        assert len(done) == 1
        kit.run(**arguments | {"until": "end"}, close_all=True)
        found = rows(server.dsn("postgres"), "SELECT window_start, users FROM users")
        assert {kit.stamp(str(start)): users for start, users in found} == frames.truth
    place.assert_exact(frames)


def test_a_failure_between_the_last_transactions(place: kit.Place, dsn: str) -> None:
    """A run that closes all has closed the last vote, and output some windows: the next one goes on from there."""
    topic = place.new_topic(1)
    arguments = place.settings(topic, table="users", dsn=dsn, create_table=True, transaction_bytes=1)
    frames = [*(place.frame(second, uid=second % 7) for second in range(300)), place.frame(90_000)]
    place.send(topic, 0, frames)
    assert kit.run(**arguments).held == 1
    execute(dsn, "ALTER TABLE users ADD CONSTRAINT enough CHECK (window_start <> '2026-01-01 00:04:00+00')")
    with pytest.raises(HeadraceError, match="enough"):
        kit.run(**arguments, close_all=True)
    whole = [(f"00:0{minute}", 7) for minute in range(5)]
    assert place.minutes() == whole[:4]
    execute(dsn, "ALTER TABLE users DROP CONSTRAINT enough")
    kit.run(**arguments, close_all=True)
    assert place.minutes() == [*whole, ("01:00", 1)]
    assert rows(dsn, "SELECT count(*) FROM users") == [(6,)]


@pytest.mark.parametrize("partitions", [1, 2])
def test_what_comes_after_half_an_end_is_late(place: kit.Place, dsn: str, partitions: int) -> None:
    """For the windows that a run which closes all has output before it failed; the others still take it."""
    topic = place.new_topic(partitions)
    arguments = place.settings(topic, table="users", dsn=dsn, create_table=True, transaction_bytes=1)
    place.send(topic, 0, [place.frame(second, uid=second % 7) for second in range(300)])
    kit.run(**arguments)
    execute(dsn, "ALTER TABLE users ADD CONSTRAINT enough CHECK (window_start <> '2026-01-01 00:04:00+00')")
    with pytest.raises(HeadraceError, match="enough"):
        kit.run(**arguments, close_all=True)
    execute(dsn, "ALTER TABLE users DROP CONSTRAINT enough")
    place.send(topic, 0, [place.frame(200, uid=8), place.frame(290, uid=9)])
    receipt = kit.run(**arguments)
    assert (receipt.counted, receipt.late) == ((1, 1) if partitions == 1 else (0, 2))
    kit.run(**arguments, close_all=True)
    users = [7, 7, 7, 7, 8 if partitions == 1 else 7]
    assert place.minutes() == [(f"00:0{minute}", count) for minute, count in enumerate(users)]
