"""The airline's database: who gets in, what the replica shows, what the generator makes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from stack.airports import CAPTURE, READER, REPLICA, Pair
from stack.airports.changes import Changes
from stack.airports.generate import TABLES, Size, generate

pytestmark = pytest.mark.real

SMALL = Size(flights=60, bookings=120)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Pair(tmp_path_factory.mktemp("airports"), durable=False, keep=False) as started:
        yield started


@pytest.fixture(autouse=True)
def empty(pair: Pair) -> None:
    with pair.connect() as connection:
        tables = ", ".join(f"bookings.{table}" for table in TABLES)
        connection.execute(f"truncate {tables}")


def contents(pair: Pair, tables: tuple[str, ...] = TABLES) -> dict[str, str]:
    """A sum of the rows of each table."""
    with pair.connect() as connection:
        found = {}
        for table in tables:
            rows = connection.execute(f"select t::text from bookings.{table} t order by 1").fetchall()
            found[table] = hashlib.sha256("\n".join(row[0] for row in rows).encode()).hexdigest()
        return found


# primary and replica


def test_the_replica_follows_and_takes_no_writes(pair: Pair) -> None:
    with pair.connect() as connection:
        connection.execute("insert into bookings.aircrafts values ('AT7', 'ATR 72', 1500)")
    pair.wait_replayed()
    with pair.primary.connect("airports") as primary, pair.replica.connect("airports") as replica:
        assert replica.execute("select model from bookings.aircrafts").fetchall() == [("ATR 72",)]
        assert replica.execute("select pg_is_in_recovery()").fetchone() == (True,)
        assert primary.execute("show wal_level").fetchone() == ("logical",)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            replica.execute("delete from bookings.aircrafts")
    assert pair.lag() < 1 << 20


def test_both_come_back_and_the_replica_catches_up(pair: Pair) -> None:
    ports = pair.primary.port, pair.replica.port
    pair.replica.kill()
    with pair.connect() as connection:
        connection.execute("set synchronous_commit = on")  # servers of tests are quicker than safe
        connection.execute("insert into bookings.aircrafts values ('E90', 'written while it was away', 1)")
    pair.primary.kill()
    pair.start()
    assert (pair.primary.port, pair.replica.port) == ports
    pair.wait_replayed()
    with pair.read() as replica:
        assert replica.execute("select model from bookings.aircrafts").fetchall() == [
            ("written while it was away",)
        ]
    assert [(slot.name, slot.logical) for slot in pair.slots()] == [("airports_replica", False)]


def test_the_replica_finds_a_primary_that_has_moved(pair: Pair, tmp_path: Path) -> None:
    pair.stop()
    pair.primary._port = None  # as if another program had taken it
    pair.start()
    with pair.connect() as connection:
        connection.execute("insert into bookings.aircrafts values ('E90', 'after the move', 1)")
    pair.wait_replayed()


def allowed(pair: Pair, role: str, database: str, password: str | None = None, **more: str) -> bool:
    """Whether a role gets in."""
    parts = {"host": "127.0.0.1", "port": str(pair.primary.port), "user": role, "dbname": database, **more}
    if password is not None:
        parts["password"] = password
    where = psycopg.conninfo.make_conninfo("", connect_timeout="5", passfile=os.devnull, **parts)
    try:
        psycopg.connect(where).close()
    except psycopg.OperationalError as error:
        refused = str(error)
    else:
        return True
    assert "no pg_hba.conf entry" in refused or "password" in refused, refused
    return False


@pytest.mark.parametrize(
    ("role", "database", "wanted"),
    [
        (CAPTURE, "airports", True),
        (CAPTURE, "postgres", False),
        (READER, "airports", True),
        (READER, "template1", False),
        (REPLICA, "airports", False),
        (REPLICA, "postgres", False),
    ],
)
def test_who_gets_in_and_where(pair: Pair, role: str, database: str, wanted: bool) -> None:
    assert allowed(pair, role, database, pair.primary.role_password(role)) == wanted


@pytest.mark.parametrize(
    ("role", "wanted"), [(REPLICA, True), (CAPTURE, False), (READER, False), ("headrace", False)]
)
def test_the_log_of_the_whole_server_is_for_the_replica_alone(pair: Pair, role: str, wanted: bool) -> None:
    secret = pair.primary.password if role == "headrace" else pair.primary.role_password(role)
    assert allowed(pair, role, "replication", secret, replication="true") == wanted


def test_nobody_gets_in_without_the_password_or_under_another_name(pair: Pair) -> None:
    assert not allowed(pair, CAPTURE, "airports", "wrong")
    assert not allowed(pair, CAPTURE, "airports")
    assert not allowed(pair, "headrace", "airports", "")
    with pair.connect() as connection:
        connection.execute("create role intruder superuser login password 'known'")
    assert not allowed(pair, "intruder", "airports", "known")


def test_roles_have_the_rights_they_need_and_no_others(pair: Pair) -> None:
    with psycopg.connect(pair.primary.role_dsn(CAPTURE), autocommit=True) as capture:
        capture.execute("select * from bookings.tickets")
        capture.execute("insert into capture.heartbeat values (1, now(), '0/1') on conflict do nothing")
        for forbidden in (
            "insert into bookings.aircrafts values ('X', 'x', 1)",
            "create table bookings.x ()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                capture.execute(forbidden)
    with psycopg.connect(pair.primary.role_dsn(READER), autocommit=True) as reader:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("update bookings.flights set status = 'Cancelled'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("select * from capture.heartbeat")


def test_no_password_is_in_a_log_a_setting_or_a_command_line(pair: Pair) -> None:
    primary, replica = pair.primary, pair.replica
    secrets = [primary.password, *(primary.role_password(role) for role in (REPLICA, CAPTURE, READER))]
    places = [primary.folder / "postgres.log", replica.folder / "postgres.log"]
    places += [server.data / "postgresql.auto.conf" for server in (primary, replica)]
    for server in (primary, replica):
        assert server.process is not None
        places.append(Path(f"/proc/{server.process.pid}/cmdline"))
    for place in places:
        text = place.read_text(errors="replace")
        assert not any(secret in text for secret in secrets), place
    for path in primary.folder.glob("*-password"):
        assert path.stat().st_mode & 0o077 == 0, path


# the traffic view


def traffic(pair: Pair) -> dict[str, tuple[int, ...]]:
    """What the replica says: departures, arrivals, departing and arriving passengers by airport."""
    pair.wait_replayed()
    with pair.read() as connection:
        rows = connection.execute(
            "select airport_code, departures, arrivals, departing_passengers, arriving_passengers"
            " from bookings.airport_traffic"
        ).fetchall()
    found = {row[0]: tuple(row[1:]) for row in rows}
    assert len(found) == len(rows)
    return found


def hand_made(pair: Pair, *statements: str) -> dict[str, tuple[int, ...]]:
    """Four airports, and whatever flies between them."""
    with pair.connect() as connection:
        for code in ("AAA", "BBB", "CCC", "DDD"):
            connection.execute(
                "insert into bookings.airports values (%s, 'name', 'city', 0, 0, 'UTC')", (code,)
            )
        connection.execute("insert into bookings.aircrafts values ('AT7', 'ATR 72', 1500)")
        connection.execute("insert into bookings.bookings values ('REF', '2026-01-01', 0)")
        for number in range(1, 6):
            connection.execute(
                "insert into bookings.tickets values (%s, 'REF', 'id', 'name')", (f"{number}",)
            )
        for statement in statements:
            connection.execute(statement)
    return traffic(pair)


def flight(number: int, start: str, end: str, status: str = "Scheduled") -> str:
    return (
        f"insert into bookings.flights values ({number}, 'HR1', '2026-01-01 10:00Z', '2026-01-01 11:00Z',"
        f" '{start}', '{end}', '{status}', 'AT7')"
    )


def seat(ticket: int, number: int) -> str:
    return f"insert into bookings.ticket_flights values ('{ticket}', {number}, 'Economy', 1)"


def test_airports_without_flights_show_zeros(pair: Pair) -> None:
    assert hand_made(pair) == dict.fromkeys(("AAA", "BBB", "CCC", "DDD"), (0, 0, 0, 0))


def test_an_empty_database_has_no_airports(pair: Pair) -> None:
    assert traffic(pair) == {}


def test_flights_and_passengers_are_counted_at_both_ends(pair: Pair) -> None:
    found = hand_made(
        pair,
        *(
            flight(1, "AAA", "BBB"),
            flight(2, "AAA", "BBB", "Arrived"),
            flight(3, "BBB", "AAA"),
            flight(4, "BBB", "CCC"),
        ),
        *(seat(1, 1), seat(2, 1), seat(3, 2), seat(1, 3), seat(4, 4), seat(5, 4), seat(3, 4)),
    )
    assert found == {"AAA": (2, 1, 3, 1), "BBB": (2, 2, 4, 3), "CCC": (0, 1, 0, 3), "DDD": (0, 0, 0, 0)}


def test_an_empty_flight_is_a_flight(pair: Pair) -> None:
    found = hand_made(pair, flight(1, "CCC", "DDD"))
    assert (found["CCC"], found["DDD"]) == ((1, 0, 0, 0), (0, 1, 0, 0))


def test_a_cancelled_flight_and_its_passengers_are_not_counted(pair: Pair) -> None:
    found = hand_made(
        pair,
        flight(1, "AAA", "BBB", "Cancelled"),
        flight(2, "AAA", "BBB"),
        seat(1, 1),
        seat(2, 1),
        seat(1, 2),
    )
    assert (found["AAA"], found["BBB"]) == ((1, 0, 1, 0), (0, 1, 0, 1))


def test_a_round_trip_counts_twice_at_its_airport(pair: Pair) -> None:
    assert hand_made(pair, flight(1, "AAA", "AAA"), seat(1, 1))["AAA"] == (1, 1, 1, 1)


# the generator


def test_the_same_seed_makes_the_same_data_and_another_one_makes_other_data(pair: Pair) -> None:
    def made(seed: int) -> dict[str, str]:
        with pair.connect() as connection:
            connection.execute("truncate " + ", ".join(f"bookings.{table}" for table in TABLES))
            rows = generate(connection, SMALL, seed)
            assert rows["flights"] == 60
            assert rows["bookings"] == 120
            Changes(connection, seed).run(150)
        return contents(pair)

    first = made(7)
    assert made(7) == first
    other = made(8)
    assert all(first[table] != other[table] for table in ("flights", "bookings", "tickets", "ticket_flights"))


def test_a_database_that_is_not_empty_is_left_alone(pair: Pair) -> None:
    with pair.connect() as connection:
        generate(connection, Size(flights=5, bookings=5))
        before = contents(pair)
        with pytest.raises(RuntimeError, match="has flights already"):
            generate(connection, Size(flights=5, bookings=5))
    assert contents(pair) == before


def test_there_is_nothing_to_change_in_an_empty_database(pair: Pair) -> None:
    with pair.connect() as connection, pytest.raises(RuntimeError, match="generate` comes first"):
        Changes(connection)


@pytest.mark.parametrize("size", [Size(flights=2, bookings=1), Size(flights=40, bookings=3), Size(1, 200)])
def test_any_size_will_do(pair: Pair, size: Size) -> None:
    with pair.connect() as connection:
        rows = generate(connection, size, 3)
        assert (rows["flights"], rows["bookings"]) == (size.flights, size.bookings)
        changes = Changes(connection, 3)
        changes.run(60)
        assert sum(changes.done.values()) == 60


def test_changes_have_everything_that_is_hard_to_follow(pair: Pair) -> None:
    """Read from the log itself: keys that change, long values that are not sent, nulls, other scripts."""
    with pair.connect() as connection:
        generate(connection, Size(flights=80, bookings=300), 5)
        connection.execute("select pg_create_logical_replication_slot('looking', 'test_decoding')")
        changes = Changes(connection, 5)
        done = changes.run(900)
        seen = [
            row[0]
            for row in connection.execute(
                "select data from pg_logical_slot_get_changes('looking', null, null)"
            )
        ]
        connection.execute("select pg_drop_replication_slot('looking')")
        assert connection.execute(
            "select count(*) from bookings.bookings where book_ref = 'NEVER!'"
        ).fetchone() == (0,)
    assert len(done) == 22, "every kind is drawn"
    text = "\n".join(seen)
    for table in TABLES:
        assert f"table bookings.{table}: " in text, table
    for kind in ("INSERT", "UPDATE", "DELETE"):
        assert f": {kind}: " in text
    assert "old-key: " in text
    assert "unchanged-toast-datum" in text
    assert "contact_data[jsonb]:null" in text
    assert "NEVER!" not in text
    assert any(ord(letter) > 0x3000 for letter in text)


def test_as_many_changes_as_asked_or_for_as_long(pair: Pair) -> None:
    with pair.connect() as connection:
        generate(connection, SMALL, 1)
        changes = Changes(connection, 1)
        assert sum(changes.run(25).values()) == 25
        assert sum(changes.run(seconds=0.2, rate=20).values()) <= 6
