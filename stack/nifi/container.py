"""NiFi in a container of docker-compose.yml: it runs in the foreground, with Headrace's processors and flows.

    python -m stack.nifi.container FOLDER

FOLDER holds everything that NiFi writes, and belongs on a volume. NIFI_PASSWORD is the password of the user
`headrace`; NIFI_PARAMETERS is JSON, {"context": {"parameter": "value"}}: what flows get when they are
imported, which happens once for each of nifi-templates. They are left stopped. Both are taken out of the
environment, so that processors do not see them. NIFI_PORT is the port under which browsers see it (8443).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from headrace.nifi.install import install

from stack import secrets
from stack.nifi.rest import Rest
from stack.nifi.server import USER, NiFi
from stack.paths import ROOT
from stack.process import wait_until

PORT = 8443
EVERYWHERE = "0.0.0.0"  # noqa: S104 -- of the container; what is published of it is on 127.0.0.1
TEMPLATES = ROOT / "nifi-templates"


def add_flows(rest: Rest, parameters: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Import the flows that are not on the canvas and give them their parameters; what was new."""
    known = {one["component"]["name"] for one in rest.flow("root")["processGroups"]}
    added: list[str] = []
    for file in sorted(TEMPLATES.glob("*.json")):
        if file.stem in known:
            continue
        rest.upload(file.stem, file.read_bytes(), x=450.0 * len(known | set(added)))
        context = f"headrace {file.stem}"
        values = parameters.get(context, {})
        if values:
            rest.set_parameters(context, values, secret=[name for name in values if "password" in name])
        added.append(file.stem)
    return added


def main(words: list[str]) -> int:
    """Run NiFi until it ends or this process is told to; the exit code."""
    if len(words) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    password = os.environ.pop("NIFI_PASSWORD", "")
    parameters = json.loads(os.environ.pop("NIFI_PARAMETERS", "{}"))
    nifi = NiFi(Path(words[0]), host=EVERYWHERE, port=PORT, published=int(os.environ.get("NIFI_PORT", PORT)))
    if password:
        secrets.write_private(nifi.passfile, password + "\n")
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    install(nifi.prepare())
    nifi.start()
    try:
        added = add_flows(nifi.rest(), parameters)
        print(f"NiFi: port {nifi.port}, user {USER}; new flows: {', '.join(added) or 'none'}", flush=True)
        wait_until(lambda: end.is_set() or nifi.process is None, float("inf"), pause=0.5)
        if not end.is_set():
            print(f"NiFi has ended by itself; see {nifi.log}", file=sys.stderr)
            return 1
        return 0
    finally:
        nifi.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
