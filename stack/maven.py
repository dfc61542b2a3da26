"""What Maven fetches for the services: the code of the package, which notebooks use as well."""

from headrace.embedded.maven import Artifacts

__all__ = ["Artifacts"]
