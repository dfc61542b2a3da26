"""Made-up data for the airline's database: the same for the same seed and size, of any size.

Airports, aircraft and cabins are the CSV files of sql/airports/data; flights, bookings, tickets and boarding
passes come from the seed. Nothing asks the clock: `NOW` is when it is, for the airline.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
from psycopg import sql

from stack.airports.pair import SQL

DATA = SQL / "data"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""Flights before this have been flown."""
TABLES = (
    "airports",
    "aircrafts",
    "seats",
    "flights",
    "bookings",
    "tickets",
    "ticket_flights",
    "boarding_passes",
)
"""In an order in which they can be filled."""

FARES = ("Economy", "Economy", "Economy", "Economy", "Comfort", "Business")
FIRST_NAMES = (
    "Ada", "Ágnes", "Björn", "Chloë", "Dmitri", "Éloïse", "Fatima", "Gökçe",
    "Hana", "İpek", "João", "Krzysztof", "Łucja", "Mårten", "Núria", "Ólafur",
    "Priya", "Quỳnh", "Rúben", "Søren", "Tomáš", "Ulla", "Wei", "Xóchitl",
    "Yuki", "Željko", "明子", "Анна", "نور", "תמר",
)  # fmt: skip
LAST_NAMES = (
    "Andersson", "Brâncuși", "Çelik", "Dvořák", "Eriksen", "Ferreira", "García", "Hölderlin",
    "Ibáñez", "Jónsdóttir", "Kowalczyk", "Lefèvre", "McAllister", "Nguyễn", "O'Neill", "Papadópoulos",
    "Quispe", "Rossi", "Şahin", "Tóth", "Undset", "van der Berg", "Wójcik", "Yılmaz",
    "Zieliński", "佐藤", "Смирнова", "الخوري", "כהן", "d’Arc",
)  # fmt: skip
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True)
class Size:
    """How much to make. A booking has one to four tickets, a ticket one or two flights."""

    flights: int = 300
    bookings: int = 1_000


def generate(connection: psycopg.Connection, size: Size, seed: int = 1) -> dict[str, int]:
    """Fill the empty database in one transaction; rows by table.

    :raises RuntimeError: when there are flights already
    """
    with connection.transaction():
        if connection.execute("select 1 from bookings.flights limit 1").fetchone():
            raise RuntimeError("the airline has flights already; generate fills an empty database")
        airline = _Airline(size, seed)
        return {table: _copy(connection, table, airline.rows(table)) for table in TABLES}


def read_csv(name: str) -> list[dict[str, str]]:
    """The rows of a file in sql/airports/data."""
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def seats_of(cabins: Iterable[dict[str, str]]) -> Iterator[tuple[str, str, str]]:
    """The seats of the cabins: aircraft, seat, fare."""
    for cabin in cabins:
        for row in range(int(cabin["first_row"]), int(cabin["last_row"]) + 1):
            for letter in cabin["letters"]:
                yield cabin["aircraft_code"], f"{row}{letter}", cabin["fare_conditions"]


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Kilometres between two points given as longitude and latitude."""
    lon1, lat1, lon2, lat2 = map(math.radians, (*one, *other))
    part = math.sin((lat2 - lat1) / 2) ** 2
    part += math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 12742 * math.asin(math.sqrt(part))


def reference(random: Random) -> str:
    """A booking reference of six letters and digits."""
    return "".join(random.choice(_LETTERS) for _ in range(6))


def ticket_no(number: int) -> str:
    """The ticket of this number, with the airline's own beginning."""
    return f"0007{number:09d}"


def person(random: Random) -> tuple[str, str]:
    """The id and the name of a passenger."""
    name = f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}"
    return f"{random.randrange(10_000):04d} {random.randrange(1_000_000):06d}", name


def contact(random: Random) -> str | None:
    """What is known of how to reach somebody, as JSON: often little, sometimes nothing, seldom a long story
    that PostgreSQL keeps out of line.
    """
    kind = random.random()
    if kind < 0.1:
        return None
    known: dict[str, Any] = {"phone": f"+{random.randrange(10**11):011d}"}
    if kind < 0.6:
        known["email"] = f"p{random.randrange(10**6)}@example.org"
    if kind < 0.15:
        words = [f"{random.choice(FIRST_NAMES)} {random.choice(LAST_NAMES)}" for _ in range(200)]
        known["remarks"] = words
    return json.dumps(known, ensure_ascii=False)


def price(kilometres: float, fare: str, random: Random) -> Decimal:
    """What a flight costs."""
    cents = int(3000 + kilometres * 9 * {"Economy": 1, "Comfort": 1.7, "Business": 3.1}[fare])
    return Decimal(cents + random.randrange(2000)) / 100


class _Airline:
    """All rows of a size and seed. What one table needs of another is kept, so a million bookings take half a
    gigabyte.
    """

    def __init__(self, size: Size, seed: int) -> None:
        self._size = size
        self._random = Random(f"airports {seed}")  # noqa: S311 -- the same each time, on purpose
        self._airports = read_csv("airports")
        self._aircrafts = read_csv("aircrafts")
        self._seats = list(seats_of(read_csv("cabins")))
        self._flights = [self._flight(number) for number in range(1, size.flights + 1)]
        self._bookings: list[tuple[Any, ...]] = []
        self._tickets: list[tuple[Any, ...]] = []
        self._legs: list[tuple[Any, ...]] = []
        self._passes: list[tuple[Any, ...]] = []
        self._sell()

    def rows(self, table: str) -> Iterable[Sequence[Any]]:
        """The rows of a table, in the order of its columns."""
        if table == "airports":
            return [tuple(row.values()) for row in self._airports]
        if table == "aircrafts":
            return [tuple(row.values()) for row in self._aircrafts]
        return {
            "seats": self._seats,
            "flights": self._flights,
            "bookings": self._bookings,
            "tickets": self._tickets,
            "ticket_flights": self._legs,
            "boarding_passes": self._passes,
        }[table]

    def _flight(self, number: int) -> tuple[Any, ...]:
        random = self._random
        start, end = random.sample(self._airports, 2)
        far = distance(
            (float(start["longitude"]), float(start["latitude"])),
            (float(end["longitude"]), float(end["latitude"])),
        )
        fit = [aircraft for aircraft in self._aircrafts if int(aircraft["range"]) >= far]
        aircraft = random.choice(fit or [max(self._aircrafts, key=lambda found: int(found["range"]))])
        leaves = NOW + timedelta(minutes=5 * random.randrange(-12 * 24 * 30, 12 * 24 * 30))
        lands = leaves + timedelta(minutes=30 + int(far / 13))
        status, left, landed = self._course(leaves, lands)
        return (
            number,
            f"HR{random.randrange(10_000):04d}",
            leaves,
            lands,
            start["airport_code"],
            end["airport_code"],
            status,
            aircraft["aircraft_code"],
            left,
            landed,
        )

    def _course(self, leaves: datetime, lands: datetime) -> tuple[str, datetime | None, datetime | None]:
        """How far a flight has come by NOW."""
        random = self._random
        late = timedelta(minutes=random.choice((0, 0, 0, 1, 2, 5, 10, 45, 200)))
        if random.random() < 0.02:
            return "Cancelled", None, None
        if lands + late < NOW:
            return "Arrived", leaves + late, lands + late
        if leaves + late < NOW:
            return "Departed", leaves + late, None
        return ("On Time" if leaves < NOW + timedelta(days=1) else "Scheduled"), None, None

    def _sell(self) -> None:
        """Bookings with their tickets; who has flown had a boarding pass."""
        random = self._random
        places = {
            row["airport_code"]: (float(row["longitude"]), float(row["latitude"])) for row in self._airports
        }
        seats: dict[str, list[str]] = {}
        for aircraft, seat, _ in self._seats:
            seats.setdefault(aircraft, []).append(seat)
        boarded: dict[int, int] = {}
        references: set[str] = set()
        tickets = 0
        for _ in range(self._size.bookings if self._flights else 0):
            while (ref := reference(random)) in references:
                pass
            references.add(ref)
            total = Decimal(0)
            flights = random.sample(self._flights, min(len(self._flights), random.choice((1, 1, 1, 2))))
            for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
                tickets += 1
                number = ticket_no(tickets)
                self._tickets.append((number, ref, *person(random), contact(random)))
                for flight in flights:
                    fare = random.choice(FARES)
                    cost = price(distance(places[flight[4]], places[flight[5]]), fare, random)
                    total += cost
                    self._legs.append((number, flight[0], fare, cost))
                    order = boarded.get(flight[0], 0)
                    if flight[6] in ("Departed", "Arrived") and order < len(seats[flight[7]]):
                        boarded[flight[0]] = order + 1
                        self._passes.append((number, flight[0], order + 1, seats[flight[7]][order]))
            when = min(flight[2] for flight in flights) - timedelta(seconds=random.randrange(60, 86400 * 60))
            self._bookings.append((ref, when, min(total, Decimal("99999999.99"))))


def _copy(connection: psycopg.Connection, table: str, rows: Iterable[Sequence[Any]]) -> int:
    """COPY rows into a table; how many there were."""
    count = 0
    statement = sql.SQL("copy bookings.{} from stdin").format(sql.Identifier(table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count
