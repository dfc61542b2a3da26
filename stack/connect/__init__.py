"""Kafka Connect: a real worker from Kafka's own jars, its REST interface, and Debezium's connectors.

`Worker` is the process: start, ready, secrets, stop. `Rest` speaks to it: register a connector, wait until it
runs, look at it, delete it. `plugins()` fetches Debezium's JDBC sink and PostgreSQL source when they are
first asked for.
"""

from stack.connect.distribution import plugins
from stack.connect.rest import ConnectError, Rest, Status, Task
from stack.connect.worker import Worker

__all__ = ["ConnectError", "Rest", "Status", "Task", "Worker", "plugins"]
