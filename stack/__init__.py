"""The real servers that Headrace works with, started from registry packages and without Docker.

Each server is a class with a folder of its own, used by `python -m stack` for the services that stay up and
by tests as a context manager that lives as long as the `with` block:

    with postgres.Server(folder) as pg:     pg.dsn("shop")
    with kafka.Broker(folder) as broker:    broker.bootstrap
    with mail.Sink(folder) as sink:         sink.messages()

Everything listens on 127.0.0.1 only. docker-compose.yml has the same parts for people with Docker.

PostgreSQL, Kafka and what starts processes are those of the package, headrace.embedded: notebooks use them
where there is no checkout.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec("headrace") is None:  # before the first `make build`, when Kafka's jars are fetched
    sys.path.append(str(Path(__file__).resolve().parent.parent / "python"))
