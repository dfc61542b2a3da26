"""A real Kafka broker, or a cluster of them, from the jars of Maven: no ZooKeeper, no Docker."""

from stack.kafka.broker import QUICK, Broker, Node
from stack.kafka.distribution import jars

__all__ = ["QUICK", "Broker", "Node", "jars"]
