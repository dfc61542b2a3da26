"""Kafka's jars: the code of the package, which notebooks use as well."""

from headrace.embedded.broker.distribution import class_archive, jars, java, lock

__all__ = ["class_archive", "jars", "java", "lock"]
