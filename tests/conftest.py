"""Fixtures that all tests share. Servers are real, start when the first test asks for them, and end with the
session.

pg          session   stack.postgres.Server: pg.dsn("name"), pg.connect("name"), pg.port ...
broker      session   stack.kafka.Broker: broker.bootstrap, broker.admin() ...
database    function  name of a fresh, empty database, dropped afterwards
dsn         function  libpq connection string of that database
topic       function  name of a fresh topic with 4 partitions, deleted afterwards
new_topic   function  new_topic(partitions=4, **config) -> name, for more or other topics
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from stack import postgres

if TYPE_CHECKING:
    from stack import kafka

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def pg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    """A PostgreSQL server without fsync. A test that stops or kills one starts its own instead."""
    with postgres.Server(tmp_path_factory.mktemp("postgres"), durable=False, keep=False) as server:
        yield server


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka.Broker]:
    """A Kafka broker. A test that stops or kills one starts its own instead."""
    from stack import (
        kafka,
    )  # here, as its client is not yet made for every Python that the other tests run with

    with kafka.Broker(tmp_path_factory.mktemp("kafka"), keep=False, java_options=[kafka.QUICK]) as server:
        yield server


@pytest.fixture
def database(pg: postgres.Server) -> Iterator[str]:
    """The name of an empty database of this test's own."""
    name = f"test_{next(_numbers)}"
    pg.create_database(name)
    yield name
    pg.drop_database(name)


@pytest.fixture
def dsn(pg: postgres.Server, database: str) -> str:
    """A libpq connection string of this test's own database; the password is in a file that it names."""
    return pg.dsn(database)


@pytest.fixture
def new_topic(broker: kafka.Broker) -> Iterator[Callable[..., str]]:
    """Makes topics: new_topic(partitions=4, **{"max.message.bytes": "200000000"}) -> name."""
    made: list[str] = []

    def make(partitions: int = 4, **config: str) -> str:
        name = f"test-{next(_numbers)}"
        broker.create_topic(name, partitions, **config)
        made.append(name)
        return name

    yield make
    for name in made:
        broker.delete_topic(name)


@pytest.fixture
def topic(new_topic: Callable[..., str]) -> str:
    """The name of an empty topic of this test's own, with 4 partitions."""
    return new_topic()
