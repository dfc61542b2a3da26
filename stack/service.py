"""A server that is one process: the code of the package, which notebooks use as well."""

from headrace.embedded.service import Service

__all__ = ["Service"]
