"""A real NiFi with Headrace in it, started when the first test asks for it.

To work on a test without a start of NiFi each time, name the folder of one that runs already in
HEADRACE_TEST_NIFI; it is then left as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from headrace.nifi import flows
from headrace.nifi.install import install

from stack.nifi import USER, NiFi, Rest


@pytest.fixture(scope="session")
def nifi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NiFi]:
    """A running NiFi with the processors. A test that stops or kills one starts it again."""
    kept = os.environ.get("HEADRACE_TEST_NIFI")
    if kept:
        yield NiFi(Path(kept), tied=False).start()
        return
    server = NiFi(tmp_path_factory.mktemp("nifi"), keep=False)
    install(server.prepare())
    with server:
        yield server


@pytest.fixture
def rest(nifi: NiFi) -> Rest:
    """NiFi's REST interface, logged in."""
    return nifi.rest()


@pytest.fixture
def server(nifi: NiFi) -> flows.Server:
    return flows.Server(nifi.url, USER, nifi.password, str(nifi.certificate))


@pytest.fixture
def canvas(nifi: NiFi, rest: Rest) -> Iterator[Rest]:
    """A canvas that is empty before and after, its parameter contexts too."""
    clear(rest)
    yield rest
    clear(nifi.rest())  # a test may have started it anew


def clear(rest: Rest) -> None:
    for group in rest.flow("root")["processGroups"]:
        rest.delete_group(group["id"])
    for context in rest.ask("GET", "/flow/parameter-contexts")["parameterContexts"]:
        version = context["revision"]["version"]
        rest.ask("DELETE", f"/parameter-contexts/{context['id']}?version={version}&clientId=headrace")
