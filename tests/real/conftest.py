"""A running Airflow for the tests that need all of its components: started once, with the first of them.
And the source database of the tests of vaults.
"""

from __future__ import annotations

import json
import socket
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from headrace.vault import VaultMapping

from stack import kafka, mail, ports, postgres
from stack.airflow import Airflow
from stack.jobs import Jobs
from stack.paths import ROOT
from tests.airflow_env import link_dags
from tests.real.vault_kit import Shop, make_vault

SHOP = "airflow_shop"


class StatsdSink:
    """Counts what comes as StatsD counters over UDP."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ports.LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            for line in self._socket.recv(65536).decode().splitlines():
                name, _, rest = line.partition(":")
                value, _, kind = rest.partition("|")
                if kind.startswith("c"):
                    self.counts[name] += int(float(value))


@dataclass
class Running:
    """The running services, and what a test wants of them."""

    airflow: Airflow
    pg: postgres.Server
    broker: kafka.Broker
    sink: mail.Sink
    statsd: StatsdSink
    lineage: Path
    said: list[str] = field(default_factory=list)

    @property
    def jobs(self) -> Jobs:
        """A client of the REST API."""
        return Jobs(self.airflow.client(), self.said.append)

    def send(self, topic: str, values: list[bytes]) -> None:
        """Send values to a topic of 4 partitions."""
        producer = Producer({"bootstrap.servers": self.broker.bootstrap, "linger.ms": 20})
        for number, value in enumerate(values):
            producer.produce(topic, value, partition=number % 4)
        assert producer.flush(60) == 0

    def mail(self, wanted: Callable[[EmailMessage], bool], patience: float = 60) -> EmailMessage:
        """The first mail of this kind; waits for it."""
        found = wait_for(lambda: next(filter(wanted, self.sink.messages()), None), patience)
        assert found, f"no such mail among {[message['subject'] for message in self.sink.messages()]}"
        return found


def wait_for(look: Callable[[], Any], patience: float = 60, pause: float = 0.5) -> Any:
    """Look until there is something, or the patience is over; what was seen last."""
    end = time.monotonic() + patience
    while not (found := look()) and time.monotonic() < end:
        time.sleep(pause)
    return found


@pytest.fixture(scope="session")
def running(
    pg: postgres.Server, broker: kafka.Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Airflow with the DAGs of the checkout and of tests/real/dags, a mail sink, and a shop to load into."""
    folder = tmp_path_factory.mktemp("airflow")
    dags = folder / "dags"
    link_dags(dags)
    pg.create_database(SHOP)
    with pg.connect(SHOP) as conn:
        for name in ("01_shop.sql", "02_mart.sql"):
            conn.execute((ROOT / "sql/purchases" / name).read_text())
    statsd = StatsdSink()
    lineage = folder / "openlineage.jsonl"
    with mail.Sink(folder / "mail") as sink:
        connections: dict[str, dict[str, Any]] = {
            "headrace_postgres": {
                "conn_type": "postgres", "host": ports.LOOPBACK, "port": pg.port, "login": postgres.USER,
                "password": pg.password, "schema": SHOP,
            },
            "headrace_kafka": {"conn_type": "kafka", "extra": {"bootstrap.servers": broker.bootstrap}},
            "headrace_smtp": {
                "conn_type": "smtp", "host": ports.LOOPBACK, "port": sink.port,
                "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "headrace@example.org"},
            },
        }  # fmt: skip
        settings = {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": ports.LOOPBACK,
            "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
            "AIRFLOW__METRICS__STATSD_PREFIX": "airflow",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(lineage), "append": True}
            ),
            "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
        }
        with Airflow(
            folder / "airflow", pg, dags=dags, connections=connections, settings=settings, keep=False
        ) as airflow:
            yield Running(airflow, pg, broker, sink, statsd, lineage)


@pytest.fixture
def shop(pg: postgres.Server, broker: kafka.Broker, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """A source database of this test's own, and its topics."""
    name = f"shop_{zlib.crc32(request.node.name.encode()):08x}"
    pg.create_database(name)
    made = Shop(pg.dsn(name), name.replace("_", "-"))
    for topic in made.topics:
        broker.create_topic(topic, 3)
    yield made
    made.close()
    pg.drop_database(name)
    for topic in made.topics:
        broker.delete_topic(topic)


@pytest.fixture
def mapping(shop: Shop, dsn: str) -> VaultMapping:
    """The usual mapping, and its tables in the test's database."""
    found = shop.mapping()
    make_vault(dsn, found)
    return found
