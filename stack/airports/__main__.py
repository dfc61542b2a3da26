"""An airline whose database changes all day: primary, streaming replica, and capture into Kafka.

up [pair]      start primary and replica, and unless it says `pair`, the broker, Connect and change capture
generate       fill the empty database (--flights, --bookings, --seed)
change         make changes, one transaction after the other (--count or --seconds, --rate, --seed)
traffic        the busiest airports, read from the replica (--top)
register       register the connector of sql/airports/connector.json, or give it what has changed there
drop           delete the connector, and drop its slot, so that the primary keeps no log for it any longer
status         what runs, and how far capture is (exit code 3 if something does not run)
down           stop primary, replica and Connect; data is kept
wipe           stop them and remove their data
"""

from __future__ import annotations

import argparse
import logging
import sys

import psycopg

from stack.airports import capture
from stack.airports.changes import Changes
from stack.airports.generate import Size, generate
from stack.airports.pair import Pair
from stack.airports.system import System
from stack.connect import ConnectError

VERBS = ("up", "generate", "change", "traffic", "register", "drop", "status", "down", "wipe")


def main(words: list[str]) -> int:
    """Run one verb; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m stack.airports",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("part", nargs="?", choices=["pair"], help="for up: no change capture")
    parser.add_argument("--flights", type=int, default=Size.flights)
    parser.add_argument("--bookings", type=int, default=Size.bookings)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, help="transactions")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rate", type=float, help="transactions a second, at most")
    parser.add_argument("--top", type=int, default=10, help="airports to show")
    told = parser.parse_args(words)
    if told.part and told.verb != "up":
        parser.error(f"{told.verb} has no parts")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return run(System(), told)
    except (RuntimeError, OSError, ConnectError, psycopg.Error) as error:
        print(error, file=sys.stderr)
        return 1


def run(system: System, told: argparse.Namespace) -> int:
    """Do what the verb says; the exit code."""
    pair = system.pair
    if told.verb == "up":
        system.start_pair() if told.part else system.up(("kafka",))
        show(system)
    elif told.verb == "generate":
        with pair.connect() as connection:
            for table, rows in generate(connection, Size(told.flights, told.bookings), told.seed).items():
                print(f"{table:<16}{rows:>10}")
    elif told.verb == "change":
        count = 1000 if told.count is None and told.seconds is None else told.count
        with pair.connect() as connection:
            done = Changes(connection, told.seed).run(count, seconds=told.seconds, rate=told.rate)
        for kind, times in sorted(done.items()):
            print(f"{kind:<16}{times:>10}")
    elif told.verb == "traffic":
        print(traffic(pair, told.top))
    elif told.verb == "register":
        changed = capture.register(system.worker, pair)
        print("registered" if changed else "registered already, and runs")
    elif told.verb == "drop":
        running = system.stack.state.running("connect") is not None
        print("dropped" if capture.drop(system.worker if running else None, pair) else "there was none")
    elif told.verb == "status":
        return 0 if show(system) else 3
    elif told.verb == "down":
        system.down()
    else:
        system.wipe()
    return 0


def show(system: System) -> bool:
    """Print what runs; whether everything does."""
    rows = system.status()
    for part, up, words in rows:
        print(f"{part:<10}{'up' if up else 'down':<6}{words}".rstrip())
    return all(up for _, up, _ in rows)


def traffic(pair: Pair, top: int = 10) -> str:
    """The busiest airports as a table, read from the replica."""
    lines = [f"{'':<5}{'city':<24}{'departures':>12}{'passengers':>12}{'arrivals':>12}{'passengers':>12}"]
    with pair.read() as connection:
        for row in connection.execute(
            "select airport_code, city, departures, departing_passengers, arrivals, arriving_passengers"
            " from bookings.airport_traffic order by departures + arrivals desc, airport_code limit %s",
            (top,),
        ):
            lines.append(f"{row[0]:<5}{row[1]:<24}" + "".join(f"{number:>12}" for number in row[2:]))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
