"""The Kafka broker of headrace.embedded, with confluent_kafka as a client that is not ours."""

from __future__ import annotations

import time

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic
from headrace.embedded.broker import cluster
from headrace.embedded.broker.cluster import QUICK, Node, java_command

__all__ = ["QUICK", "Broker", "Node", "java_command"]


class Broker(cluster.Broker):
    """A Kafka cluster of 1 or 3 brokers: headrace.embedded.broker.cluster has the parameters."""

    def start(self, patience: float = 90) -> Broker:
        """Start the brokers that do not run. Returns when all answer."""
        super().start(patience)
        return self

    def __enter__(self) -> Broker:
        return self.start()

    def admin(self, **settings: str) -> AdminClient:
        """A client to make and look at topics with."""
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": "2", **settings})

    def create_topic(self, name: str, partitions: int = 4, **config: str) -> None:
        """Make a topic with a copy on every broker; config as in Kafka, **{"max.message.bytes": ...}.

        Returns when all its partitions are led: a topic is there a moment before they are.
        """
        admin = self.admin()  # its answers end with it
        admin.create_topics([NewTopic(name, partitions, self.count, config=config)])[name].result(30)
        ends = {TopicPartition(name, number): OffsetSpec.latest() for number in range(partitions)}  # type: ignore[no-untyped-call]

        end = time.monotonic() + 30
        while True:
            try:
                for answer in admin.list_offsets(ends, request_timeout=5).values():
                    answer.result(10)
                return
            except KafkaException:  # in half a dozen ways: no leader, not the leader, an epoch from before
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def delete_topic(self, name: str) -> None:
        """Delete a topic with its messages."""
        admin = self.admin()
        admin.delete_topics([name])[name].result(30)

    def _complete(self) -> bool:
        """Whether the cluster tells clients of all its brokers."""
        try:
            return len(self.admin().list_topics(timeout=2).brokers) == self.count
        except KafkaException:
            return False
