"""`make demo-nifi`: PostgreSQL, Kafka, mail and NiFi come up, the purchases flow is imported, started and
fed, and what came of it is told: records into every step equal records out of the step before.

The last line of the standard output is one JSON object; progress goes to the standard error.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import headrace
from headrace.nifi import flows
from headrace.nifi.install import install

from stack import ports, postgres
from stack.nifi import USER, NiFi, Rest
from stack.paths import ROOT, SERVICES
from stack.services import SHOP, Stack

log = logging.getLogger(__name__)

TEMPLATE = ROOT / "nifi-templates" / "purchases.json"
GROUP = "purchases"
TOPIC = JOB = "nifi-purchases"
RELATIONSHIPS = ("success", "rejects", "retry", "failure")
# each step of the flow, and the counter of the trigger that feeds it
STEPS = {
    "customers": "every_day.runs",
    "products": "every_day.runs",
    "purchases": "every_15_minutes.runs",
    "replay": "every_night.runs",
}


class Unbalanced(RuntimeError):
    """The counters of the flow do not add up."""


def start(stack: Stack) -> NiFi:
    """Everything that the flow needs, running."""
    stack.up(("postgres", "kafka", "mail"))
    nifi = stack.nifi
    if nifi.process is None:
        log.info("Starting NiFi, usually 40 to 90 s.")
        install(nifi.prepare())
        nifi.start()
    return nifi


def prepare(stack: Stack, nifi: NiFi, rest: Rest) -> str:
    """The tables, the topic, the flow with its parameters, all processors running; the group's id."""
    with stack.postgres.connect(SHOP) as connection:
        for name in ("01_shop.sql", "02_mart.sql"):
            connection.execute((ROOT / "sql" / "purchases" / name).read_text())
    headrace.topics.create(TOPIC, partitions=4, kafka={"bootstrap.servers": stack.kafka.bootstrap})
    known = {one["component"]["name"]: one["id"] for one in rest.flow("root")["processGroups"]}
    if GROUP not in known:
        log.info("Importing %s.", TEMPLATE.name)
        server = flows.Server(nifi.url, USER, nifi.password, str(nifi.certificate))
        known[GROUP] = flows.import_flow(server, TEMPLATE)["id"]
    group = str(known[GROUP])
    rest.set_group(group, "STOPPED")
    rest.until(lambda: not rest.active(group), 60, "the flow to stop")
    where = f"host={ports.LOOPBACK} port={stack.postgres.port} dbname={SHOP} user={postgres.USER}"
    rest.set_parameters(
        "headrace purchases",
        {
            "kafka.brokers": stack.kafka.bootstrap,
            "kafka.topic": TOPIC,
            "purchases.job": JOB,
            "postgres": where,
            "postgres.password": stack.postgres.password,
            "dictionaries.folder": str(folder()),
            "mail.port": str(stack.mail.port),
            "attention.folder": str(SERVICES / "nifi" / "attention"),
        },
        secret=["postgres.password"],
    )
    rest.wait_valid(group)
    rest.set_group(group, "RUNNING")
    return group


def folder() -> Path:
    """Where the dictionaries arrive."""
    return SERVICES / "nifi" / "dictionaries"


def feed(stack: Stack, purchases: int, bad: int, first: int) -> dict[str, Any]:
    """New dictionaries and purchases; what a load of the purchases should make of them."""
    folder().mkdir(parents=True, exist_ok=True)
    headrace.generate("customers", 1_000, folder() / "customers.jsonl")
    headrace.generate("products", 200, folder() / "products.jsonl")
    kafka = {"bootstrap.servers": stack.kafka.bootstrap}
    made = headrace.generate(
        "purchases",
        purchases,
        f"kafka://{TOPIC}",
        kafka=kafka,
        first=first,
        settings={"malformed": bad, "customers": 1_000, "products": 200},
    )
    return {"sent": made.records, **made.expected}


def trigger(rest: Rest, group: str, name: str) -> None:
    """Let what a schedule starts happen now, once."""
    number = rest.processors(group)[name]["id"]
    rest.set_processor(number, "STOPPED")
    rest.until(lambda: rest.processor(number)["component"]["state"] == "STOPPED", 60, f"{name} to stop")
    rest.run_once(number)
    rest.set_processor(number, "RUNNING")
    settle(rest, group)


def settle(rest: Rest, group: str, patience: float = 600) -> None:
    """Wait until nothing waits or works in the flow."""
    quiet = 0

    def still() -> bool:
        nonlocal quiet
        quiet = quiet + 1 if not sum(rest.queued(group).values()) and not rest.active(group) else 0
        return quiet >= 3

    rest.until(still, patience, "the flow to finish", pause=0.5)


def balance(counters: dict[str, int]) -> list[dict[str, Any]]:
    """The books of every step; Unbalanced says what does not add up."""
    books = []
    for step, source in STEPS.items():
        came_in = counters.get(source, 0)
        ways = {name: counters.get(f"{step}.{name}", 0) for name in RELATIONSHIPS}
        records = {name: counters.get(f"{step}.{name}", 0) for name in ("read", "loaded", "rejected")}
        books.append(
            {"step": step, "flowfiles_in": came_in, "flowfiles_out": sum(ways.values()), **ways, **records}
        )
        if came_in != sum(ways.values()):
            raise Unbalanced(f"{step}: {came_in} flow files came in, {ways} went out")
        if records["read"] != records["loaded"] + records["rejected"]:
            raise Unbalanced(f"{step}: {records} does not add up")
    return books


def run(stack: Stack, nifi: NiFi, purchases: int, bad: int) -> dict[str, Any]:
    """Feed the flow once; the sums over its steps."""
    rest = nifi.rest()
    group = prepare(stack, nifi, rest)
    before = rest.counters()
    log.info("Sending %s purchases to %s.", f"{purchases:,}", TOPIC)
    expected = feed(stack, purchases, bad, first=int(time.time()) * 1_000)
    for name in ("every day", "every 15 minutes", "every night"):
        log.info("Now: %s.", name)
        trigger(rest, group, name)
    after = rest.counters()
    books = balance({name: value - before.get(name, 0) for name, value in after.items()})
    for book in books:
        log.info("%s", json.dumps(book))
    loads = next(book for book in books if book["step"] == "purchases")
    if (loads["read"], loads["loaded"]) != (expected["sent"], expected["loaded"]):
        raise Unbalanced(f"sent {expected}, but the flow has {loads}")
    return {
        "read": loads["read"],
        "loaded": loads["loaded"],
        "rejected": loads["rejected"],
        "flowfiles_in": sum(book["flowfiles_in"] for book in books),
        "flowfiles_out": sum(book["flowfiles_out"] for book in books),
        "steps": {book["step"]: {name: book[name] for name in RELATIONSHIPS} for book in books},
    }


def main(words: list[str]) -> int:
    """Start everything, run the flow once, print where it is and what it did; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stack.demo_nifi", description=__doc__)
    parser.add_argument("--purchases", type=int, default=100_000, help="how many (100,000)")
    parser.add_argument("--bad", type=int, default=1_000, help="damaged ones in a million (1,000: 0.1 %%)")
    told = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    stack = Stack()
    try:
        nifi = start(stack)
        line = run(stack, nifi, told.purchases, told.bad)
    except (RuntimeError, OSError, headrace.HeadraceError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"NiFi: {nifi.url}/nifi as {USER}, password in {nifi.passfile}")
    print("All of it keeps running until `make down`.")
    print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
