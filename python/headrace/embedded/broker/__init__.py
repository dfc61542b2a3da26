"""A real Kafka broker, or a cluster of them, from the jars of Maven: no ZooKeeper, no Docker."""

from headrace.embedded.broker.cluster import QUICK, Broker, Node, java_command
from headrace.embedded.broker.distribution import jars

__all__ = ["QUICK", "Broker", "Node", "jars", "java_command"]
