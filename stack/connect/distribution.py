"""The connectors: Debezium's bundles, fetched by Maven, checked against committed sums, then unpacked."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path

from stack.maven import Artifacts
from stack.paths import BUILD

_HERE = Path(__file__).resolve().parent
_FOLDER = BUILD / "connect"
_BUNDLES = Artifacts(
    what="Debezium's connectors",
    cost="63 MB, 5 to 60 s",
    pom=_HERE / "pom.xml",
    sums=_HERE / "plugins.sha256",
    folder=_FOLDER,
    room="stack.connect",
)


@functools.cache
def plugins() -> Path:
    """The folder to name as `plugin.path`: a folder of jars for each connector."""
    _BUNDLES.ready(prepare=_unpack)
    return _FOLDER / "plugins"


def _unpack(lib: Path) -> None:
    """Unpack all bundles anew."""
    folder = _FOLDER / "plugins"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for bundle in sorted(lib.iterdir()):
        subprocess.run(["tar", "-xzf", bundle, "-C", folder, "--no-same-owner"], check=True)


def lock() -> str:
    """Fetch the bundles and write the list of their sums anew; says what it did."""
    return _BUNDLES.lock()
