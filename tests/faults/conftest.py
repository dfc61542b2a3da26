"""The seed of the session for every test here and its print at the end, and fixtures of the fault tests:

stage        session   scenes.Stage: small loads, played with faults on the wire to PostgreSQL
broker       session   the broker of all tests, with one more door that leads over a wire
kafka_wire   function  that wire: a client of 127.0.0.1:kafka_wire.port talks to the broker through it alone
chance       function  this test's generator of random choices
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from stack import kafka, ports, postgres
from tests.faults import scenes, seeds
from tests.faults.scenes import Stage
from tests.faults.wire import Wire, terminator
from tests.faults.workers import Workers
from tests.real.load_kit import produce


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say the seed, in quiet runs too."""
    terminalreporter.write_line(f"faults: {seeds.replay()} makes the same choices again")


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """This test's generator of random choices."""
    return seeds.chance(request.node.name)


@pytest.fixture(scope="session")
def _two_doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[kafka.Broker, Wire]]:
    """A broker that tells who comes by the wire to stay on it."""
    behind = ports.pick(None, "Kafka behind the wire")
    with Wire(ports.LOOPBACK, behind, kind="kafka") as wire:
        port, controller = ports.pick(None, "Kafka"), ports.pick(None, "Kafka controller")
        front = f"PLAINTEXT://{ports.LOOPBACK}:{port}"
        settings = {
            "listeners": f"{front},WIRE://{ports.LOOPBACK}:{behind},CONTROLLER://{ports.LOOPBACK}:{controller}",
            "advertised.listeners": f"{front},WIRE://{ports.LOOPBACK}:{wire.port}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,WIRE:PLAINTEXT",
        }
        folder = tmp_path_factory.mktemp("kafka")
        server = kafka.Broker(folder, keep=False, java_options=[kafka.QUICK], settings=settings)
        server.nodes[0].port, server.nodes[0].controller_port = port, controller
        with server:
            yield server, wire


@pytest.fixture(scope="session")
def broker(_two_doors: tuple[kafka.Broker, Wire]) -> kafka.Broker:
    """A Kafka broker. A test that stops or kills one starts its own instead."""
    return _two_doors[0]


@pytest.fixture
def kafka_wire(_two_doors: tuple[kafka.Broker, Wire]) -> Iterator[Wire]:
    """The wire to the broker, whole again afterwards."""
    wire = _two_doors[1]
    wire.arm()
    yield wire
    wire.arm()
    wire.refuse(False)


@pytest.fixture(scope="session")
def stage(
    pg: postgres.Server, broker: kafka.Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Where scenes are played."""
    import headrace

    database, topic = "stage", "stage"
    pg.create_database(database)
    broker.create_topic(topic, 1)
    produce(broker.bootstrap, topic, scenes.records())
    file = tmp_path_factory.mktemp("stage") / "purchases.jsonl"
    file.write_bytes(b"".join(record + b"\n" for record in scenes.records()))
    headrace.migrations.apply(pg.dsn(database))
    with Wire(ports.LOOPBACK, pg.port, terminate=terminator(pg)) as wire, Workers() as workers:
        yield Stage(pg, database, f"kafka://{broker.bootstrap}/{topic}", file, wire, workers)
    pg.drop_database(database)
