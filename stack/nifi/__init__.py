"""Apache NiFi: a real one, of Maven's packages, its canvas and REST interface on 127.0.0.1 by HTTPS.

`NiFi` is the process: prepare a home, start, ready, password, kill, stop. `Rest` speaks to it.
"""

from stack.nifi.distribution import VERSION, jdbc_driver
from stack.nifi.rest import NiFiError, Rest
from stack.nifi.server import USER, NiFi

__all__ = ["USER", "VERSION", "NiFi", "NiFiError", "Rest", "jdbc_driver"]
