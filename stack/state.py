"""The file of the processes that we started: the code of the package, which notebooks use as well."""

from headrace.embedded.state import Record, State

__all__ = ["Record", "State"]
