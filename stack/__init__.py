"""The real servers that Headrace works with, started from registry packages and without Docker.

Each server is a class with a folder of its own, used by `python -m stack` for the services that stay up and
by tests as a context manager that lives as long as the `with` block:

    with postgres.Server(folder) as pg:     pg.dsn("shop")
    with kafka.Broker(folder) as broker:    broker.bootstrap
    with mail.Sink(folder) as sink:         sink.messages()

Everything listens on 127.0.0.1 only. docker-compose.yml has the same parts for people with Docker.
"""
