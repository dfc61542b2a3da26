"""An airline's database that changes all day, its replica, and the capture of its changes into Kafka.

`Pair`: primary and streaming replica as processes. `generate`: data of any size from a seed, and changes of
it. `capture`: Debezium's connector, registered from sql/airports/connector.json. `python -m stack.airports`
has the verbs.
"""

from stack.airports.pair import CAPTURE, DATABASE, READER, REPLICA, ROLES, SLOT, Pair, SlotState

__all__ = ["CAPTURE", "DATABASE", "READER", "REPLICA", "ROLES", "SLOT", "Pair", "SlotState"]
