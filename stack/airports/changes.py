"""Changes of the airline's data, one transaction after the other: the same ones for the same data and seed.

They are what makes change capture hard: inserts, updates and deletes of one row in one transaction, changed
keys (with the rows that refer to them), keys that come back, updates that change nothing, long values that
stay as they are, nulls that come and go, letters of many scripts, and transactions that are rolled back.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import psycopg

from stack.airports.generate import FARES, NOW, contact, person, reference, ticket_no


class _Regret(Exception):
    """Thrown inside a transaction to roll it back."""


class Bag:
    """Keys to pick from at random; adding and removing take the same time whatever their number."""

    def __init__(self, keys: list[Any]) -> None:
        self._keys = list(keys)
        self._at = {key: index for index, key in enumerate(self._keys)}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._at

    def pick(self, random: Random) -> Any:
        """One of the keys."""
        return self._keys[random.randrange(len(self._keys))]

    def add(self, key: Any) -> None:
        """Put a key in, unless it is there."""
        if key not in self._at:
            self._at[key] = len(self._keys)
            self._keys.append(key)

    def largest(self) -> Any:
        """The largest key."""
        return max(self._keys)

    def remove(self, key: Any) -> None:
        """Take a key out."""
        index, last = self._at.pop(key), self._keys.pop()
        if last != key:
            self._keys[index] = last
            self._at[last] = index


class Changes:
    """A stream of changes. The connection is in autocommit mode and used by nobody else; so are the rows, for
    the keys are read once. `done` counts the transactions by kind.
    """

    def __init__(self, connection: psycopg.Connection, seed: int = 1) -> None:
        self._sql = connection
        self._random = Random(f"changes {seed}")  # noqa: S311 -- the same each time, on purpose
        self.done: Counter[str] = Counter()
        self._airports = Bag(self._keys("select airport_code from bookings.airports order by 1"))
        self._flights = Bag(self._keys("select flight_id from bookings.flights order by 1"))
        self._bookings = Bag(self._keys("select book_ref from bookings.bookings order by 1"))
        self._tickets = Bag(self._keys("select ticket_no from bookings.tickets order by 1"))
        if not (len(self._flights) and len(self._tickets) and len(self._airports) > 1):
            raise RuntimeError("there is nothing to change: `python -m stack.airports generate` comes first")
        self._next_flight = 1 + int(self._flights.largest())
        self._next_ticket = 1 + int(self._tickets.largest()[4:])
        self._kinds: list[tuple[Callable[[], None], int]] = [
            (self._book, 18),
            (self._check_in, 14),
            (self._advance, 16),
            (self._delay, 6),
            (self._cancel, 2),
            (self._refund, 6),
            (self._rename, 8),
            (self._reach, 6),
            (self._upgrade, 8),
            (self._rebook, 4),
            (self._renumber, 2),
            (self._new_reference, 2),
            (self._schedule, 3),
            (self._unschedule, 2),
            (self._airport, 2),
            (self._cabin, 2),
            (self._regret, 2),
            (self._in_and_out, 2),
            (self._there_and_back, 2),
            (self._nothing, 1),
            (self._come_back, 2),
            (self._storm, 1),
        ]

    def run(
        self, count: int | None = None, *, seconds: float | None = None, rate: float | None = None
    ) -> Counter[str]:
        """Make so many transactions, or those of so many seconds, at most `rate` of them in a second; how
        many of each kind.
        """
        begun = Counter(self.done)
        start = time.monotonic()
        number = 0
        while (count is None or number < count) and (seconds is None or time.monotonic() - start < seconds):
            if rate:
                time.sleep(max(0.0, start + number / rate - time.monotonic()))
            self.step()
            number += 1
        return self.done - begun

    def step(self) -> str:
        """One transaction of a kind drawn by lot; the kind."""
        kinds, weights = zip(*self._kinds, strict=True)
        (change,) = self._random.choices(kinds, weights)
        kind = change.__name__.lstrip("_")
        with self._sql.transaction():
            change()
        self.done[kind] += 1
        return str(kind)

    # -- what passengers do
    # -------------------------------------------------------------------------------------------------

    def _book(self) -> None:
        random = self._random
        while (ref := reference(random)) in self._bookings:
            pass
        flights = {self._flights.pick(random) for _ in range(random.choice((1, 1, 2)))}
        tickets = [ticket_no(self._next_ticket + number) for number in range(random.choice((1, 1, 2, 3)))]
        legs = [
            (ticket, flight, random.choice(FARES), Decimal(random.randrange(3000, 200_000)) / 100)
            for ticket in tickets
            for flight in sorted(flights)
        ]
        when = NOW + timedelta(milliseconds=137 * sum(self.done.values()))
        self._run("insert into bookings.bookings values (%s, %s, %s)", ref, when, sum(leg[3] for leg in legs))
        for ticket in tickets:
            self._run(
                "insert into bookings.tickets values (%s, %s, %s, %s, %s)",
                ticket,
                ref,
                *person(random),
                contact(random),
            )
            self._tickets.add(ticket)
        for leg in legs:
            self._run("insert into bookings.ticket_flights values (%s, %s, %s, %s)", *leg)
        self._next_ticket += len(tickets)
        self._bookings.add(ref)

    def _check_in(self) -> None:
        ticket = self._tickets.pick(self._random)
        for flight in self._keys(
            "select flight_id from bookings.ticket_flights l where ticket_no = %s and not exists (select from"
            " bookings.boarding_passes p where (p.ticket_no, p.flight_id) = (l.ticket_no, l.flight_id))"
            " order by 1",
            ticket,
        ):
            self._run(
                """insert into bookings.boarding_passes
                   select %(ticket)s, %(flight)s,
                          (select coalesce(max(boarding_no), 0) + 1 from bookings.boarding_passes
                            where flight_id = %(flight)s), seat_no
                     from bookings.seats join bookings.flights using (aircraft_code)
                    where flight_id = %(flight)s and seat_no not in
                          (select seat_no from bookings.boarding_passes where flight_id = %(flight)s)
                    order by seat_no limit 1""",
                ticket=ticket,
                flight=flight,
            )

    def _refund(self) -> None:
        if len(self._bookings) < 10:
            return
        ref = self._bookings.pick(self._random)
        tickets = self._keys("select ticket_no from bookings.tickets where book_ref = %s order by 1", ref)
        for table in ("boarding_passes", "ticket_flights", "tickets"):
            self._run(f"delete from bookings.{table} where ticket_no = any(%s)", tickets)
        self._run("delete from bookings.bookings where book_ref = %s", ref)
        self._bookings.remove(ref)
        for ticket in tickets:
            self._tickets.remove(ticket)

    def _rename(self) -> None:
        """Also the update that leaves a long contact_data as it is."""
        ticket = self._tickets.pick(self._random)
        _, name = person(self._random)
        self._run("update bookings.tickets set passenger_name = %s where ticket_no = %s", name, ticket)

    def _reach(self) -> None:
        ticket = self._tickets.pick(self._random)
        self._run(
            "update bookings.tickets set contact_data = %s where ticket_no = %s",
            contact(self._random),
            ticket,
        )

    def _upgrade(self) -> None:
        ticket = self._tickets.pick(self._random)
        extra = Decimal(self._random.randrange(100, 30_000)) / 100
        self._run(
            "update bookings.ticket_flights set fare_conditions = 'Business', amount = amount + %s"
            " where ticket_no = %s",
            extra,
            ticket,
        )
        self._run(
            "update bookings.bookings set total_amount = total_amount + %s where book_ref ="
            " (select book_ref from bookings.tickets where ticket_no = %s)",
            extra,
            ticket,
        )

    def _rebook(self) -> None:
        """A changed key: the ticket is for another flight now; a boarding pass is void then."""
        ticket = self._tickets.pick(self._random)
        other = self._flights.pick(self._random)
        flights = self._keys(
            "select flight_id from bookings.ticket_flights where ticket_no = %s order by 1", ticket
        )
        if not flights or other in flights:
            return
        self._run(
            "delete from bookings.boarding_passes where ticket_no = %s and flight_id = %s", ticket, flights[0]
        )
        self._run(
            "update bookings.ticket_flights set flight_id = %s where ticket_no = %s and flight_id = %s",
            other,
            ticket,
            flights[0],
        )

    def _renumber(self) -> None:
        """A changed key that takes the keys of other tables with it. contact_data is written anew: a change
        event under a new key that lacks a long value could not be understood, see docs/airports.md.
        """
        ticket, new = self._tickets.pick(self._random), ticket_no(self._next_ticket)
        self._run(
            "update bookings.tickets set ticket_no = %s, contact_data = contact_data || '{}'"
            " where ticket_no = %s",
            new,
            ticket,
        )
        self._tickets.remove(ticket)
        self._tickets.add(new)
        self._next_ticket += 1

    def _new_reference(self) -> None:
        old = self._bookings.pick(self._random)
        while (new := reference(self._random)) in self._bookings:
            pass
        self._run("update bookings.bookings set book_ref = %s where book_ref = %s", new, old)
        self._bookings.remove(old)
        self._bookings.add(new)

    # -- what the airline does
    # -------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """The next thing that happens to a flight."""
        flight = self._flights.pick(self._random)
        late = timedelta(minutes=self._random.randrange(30))
        self._run(
            """update bookings.flights set
                   status = case status when 'Scheduled' then 'On Time' when 'On Time' then 'Boarding'
                            when 'Delayed' then 'Boarding' when 'Boarding' then 'Departed' else 'Arrived' end,
                   actual_departure = case when status = 'Boarding' then scheduled_departure + %(late)s
                            else actual_departure end,
                   actual_arrival = case when status = 'Departed' then scheduled_arrival
                            + (actual_departure - scheduled_departure) + %(late)s else actual_arrival end
               where flight_id = %(flight)s and status not in ('Arrived', 'Cancelled')""",
            flight=flight,
            late=late,
        )

    def _delay(self) -> None:
        flight = self._flights.pick(self._random)
        self._run(
            "update bookings.flights set status = 'Delayed', scheduled_departure = scheduled_departure + %s,"
            " scheduled_arrival = scheduled_arrival + %s where flight_id = %s and status in"
            " ('Scheduled', 'On Time', 'Delayed')",
            *(timedelta(seconds=self._random.randrange(60, 7200)),) * 2,
            flight,
        )

    def _cancel(self) -> None:
        """A null comes back, too: a flight that has returned to the gate."""
        self._run(
            "update bookings.flights set status = 'Cancelled', actual_departure = null, actual_arrival = null"
            " where flight_id = %s and status <> 'Arrived'",
            self._flights.pick(self._random),
        )

    def _schedule(self) -> None:
        random = self._random
        start, end = self._airports.pick(random), self._airports.pick(random)
        aircraft = random.choice(self._keys("select aircraft_code from bookings.aircrafts order by 1"))
        leaves = NOW + timedelta(minutes=random.randrange(60 * 24 * 60))
        self._run(
            "insert into bookings.flights values (%s, %s, %s, %s, %s, %s, 'Scheduled', %s)",
            self._next_flight,
            f"HR{random.randrange(10_000):04d}",
            leaves,
            leaves + timedelta(minutes=random.randrange(40, 900)),
            start,
            end,
            aircraft,
        )
        self._flights.add(self._next_flight)
        self._next_flight += 1

    def _unschedule(self) -> None:
        flight = self._flights.pick(self._random)
        gone = self._keys(
            "delete from bookings.flights f where flight_id = %s and not exists (select from"
            " bookings.ticket_flights l where l.flight_id = f.flight_id) returning flight_id",
            flight,
        )
        for key in gone:
            self._flights.remove(key)

    def _airport(self) -> None:
        """An airport without flights comes or goes, moves or changes its name or its code."""
        random = self._random
        code = f"{random.choice('QX')}{random.choice('ABCDEFGH')}{random.choice('ABCDEFGH')}"
        if code not in self._airports:
            place = (random.randrange(-180_000, 180_000) / 1000, random.randrange(-90_000, 90_000) / 1000)
            self._run(
                "insert into bookings.airports values (%s, %s, %s, %s, %s, 'UTC')",
                code,
                f"Flugplatz {code} – Ünïcode",
                person(random)[1],
                *place,
            )
            self._airports.add(code)
            return
        unused = (
            "not exists (select from bookings.flights"
            " where airport_code in (departure_airport, arrival_airport))"
        )
        kind = random.randrange(3)
        if kind == 0:
            gone = self._keys(
                f"delete from bookings.airports where airport_code = %s and {unused} returning airport_code",
                code,
            )
            for key in gone:
                self._airports.remove(key)
        elif kind == 1:
            self._run(
                "update bookings.airports set longitude = longitude / 2, city = city || ' ✈'"
                " where airport_code = %s",
                code,
            )
        else:  # flights refer to it: their rows change with it
            new = f"Z{code[1:]}"
            if new not in self._airports:
                self._run("update bookings.airports set airport_code = %s where airport_code = %s", new, code)
                self._airports.remove(code)
                self._airports.add(new)

    def _cabin(self) -> None:
        """A row of seats goes, another one comes, a seat gets another number or fare."""
        random = self._random
        aircraft = random.choice(self._keys("select aircraft_code from bookings.aircrafts order by 1"))
        row = random.randrange(90, 99)
        if random.random() < 0.2:
            self._run("update bookings.aircrafts set range = range + 1 where aircraft_code = %s", aircraft)
        if self._run(
            "delete from bookings.seats where aircraft_code = %s and seat_no like %s", aircraft, f"{row}_"
        ):
            return
        for letter in "ABC":
            self._run("insert into bookings.seats values (%s, %s, 'Economy')", aircraft, f"{row}{letter}")
        self._run(
            "update bookings.seats set fare_conditions = 'Comfort' where (aircraft_code, seat_no) = (%s, %s)",
            aircraft,
            f"{row}B",
        )
        self._run(
            "update bookings.seats set seat_no = %s where (aircraft_code, seat_no) = (%s, %s)",
            f"{row}K",
            aircraft,
            f"{row}C",
        )

    # -- what is hard to follow
    # -------------------------------------------------------------------------------------------------

    def _regret(self) -> None:
        """Nothing of this may ever be seen."""
        try:
            with self._sql.transaction():
                self._run("insert into bookings.bookings values ('NEVER!', %s, 1)", NOW)
                self._run("update bookings.flights set status = 'Cancelled' where flight_id < 100")
                raise _Regret
        except _Regret:
            return

    def _in_and_out(self) -> None:
        """A row that no other transaction ever sees, though its events come."""
        self._run("insert into bookings.bookings values ('IN+OUT', %s, 0)", NOW)
        self._run("update bookings.bookings set total_amount = 1 where book_ref = 'IN+OUT'")
        self._run("delete from bookings.bookings where book_ref = 'IN+OUT'")

    def _there_and_back(self) -> None:
        """Several versions of a row in one transaction, the last one being the first."""
        ref = self._bookings.pick(self._random)
        for change in ("+ 1", "+ 1", "- 2"):
            self._run(
                f"update bookings.bookings set total_amount = total_amount {change} where book_ref = %s", ref
            )

    def _nothing(self) -> None:
        """An update that changes nothing is an event all the same."""
        flight = self._flights.pick(self._random)
        self._run("update bookings.flights set status = status where flight_id = %s", flight)

    def _come_back(self) -> None:
        """Keys that are deleted and at once there again, with other values, and one that may be new."""
        ticket = self._tickets.pick(self._random)
        flights = self._keys(
            "select flight_id from bookings.ticket_flights where ticket_no = %s order by 1", ticket
        )
        self._run("delete from bookings.boarding_passes where ticket_no = %s", ticket)
        self._run("delete from bookings.ticket_flights where ticket_no = %s", ticket)
        for flight in sorted({*flights[:1], self._flights.pick(self._random)}):
            self._run("insert into bookings.ticket_flights values (%s, %s, 'Comfort', 12.34)", ticket, flight)

    def _storm(self) -> None:
        """Many rows at once."""
        airport = self._airports.pick(self._random)
        self._run(
            "update bookings.flights set status = 'Delayed', scheduled_departure = scheduled_departure +"
            " interval '2 hours', scheduled_arrival = scheduled_arrival + interval '2 hours'"
            " where departure_airport = %s and status in ('Scheduled', 'On Time')",
            airport,
        )

    # -- inside
    # -------------------------------------------------------------------------------------------------

    def _run(self, query: str, *values: Any, **named: Any) -> int:
        """Run a statement; how many rows it changed."""
        return self._sql.execute(query.encode(), named or values).rowcount

    def _keys(self, query: str, *values: Any) -> list[Any]:
        """The first column of a query."""
        return [row[0] for row in self._sql.execute(query.encode(), values).fetchall()]
