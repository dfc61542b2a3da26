"""Headrace as an archive that NiFi 2 loads: its processors, and the library with everything it needs.

NiFi unpacks the archive itself, makes no environment of its own for it and downloads nothing. Because the
library is compiled, the archive is for one version of Python on one kind of machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import headrace
from headrace._version import __version__
from headrace.errors import UsageError

GROUP = "headrace"
NAME = "headrace-nifi-nar"
_BUNDLED = "NAR-INF/bundled-dependencies/"
_COMMAND = re.compile(r"^[ \t]*nifi\.python\.command[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_VERSION = "import sys, sysconfig; print(sysconfig.get_config_var('SOABI'))"
_LEFT_OUT = {"__pycache__", "airflow"}


@dataclass(frozen=True)
class Installed:
    """What was done: the archive, the Python that NiFi runs, whether its settings were changed for that."""

    archive: Path
    python: str
    changed: bool

    def __str__(self) -> str:
        note = " (written to conf/nifi.properties: restart NiFi)" if self.changed else ""
        return f"{self.archive}: processors of headrace {__version__}, for {self.python}{note}"


def install(home: str | os.PathLike[str], python: str | None = None) -> Installed:
    """Put the processors into a NiFi 2 home: the archive to `extensions`, Python's path to its settings.

    A running NiFi whose Python is set already finds new processors within seconds. python: the interpreter
    that NiFi is to run; the one that runs this, unless NiFi's settings name another. UsageError for a folder
    that is no NiFi home, and for a Python that cannot load the library.
    """
    folder = Path(home).resolve()
    properties = folder / "conf" / "nifi.properties"
    if not properties.is_file() or not (folder / "lib").is_dir():
        raise UsageError(f"{folder} is no NiFi 2 home: conf/nifi.properties and lib are not both there")
    text = properties.read_text(encoding="utf-8")
    named = _COMMAND.search(text)
    chosen = python or (named[1] if named and named[1] else sys.executable)
    _check(chosen, folder)
    for older in (folder / "extensions").glob(f"{NAME}-*.nar"):
        older.unlink()
    archive = write_archive(folder / "extensions" / f"{NAME}-{__version__}.nar")
    if named and named[1] == chosen:
        return Installed(archive, chosen, changed=False)
    line = f"nifi.python.command={chosen}"
    if named:
        start, end = named.span()
        text = text[:start] + line + text[end:]
    else:
        text = text.rstrip("\n") + "\n" + line + "\n"
    draft = properties.with_name("nifi.properties.new")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.chmod(properties.stat().st_mode & 0o777)
    os.replace(draft, properties)
    return Installed(archive, chosen, changed=True)


def write_archive(path: Path) -> Path:
    """Write the archive, whole or not at all; its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    entries = dict(_entries())
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
            for folder in sorted({parent for name in entries for parent in _parents(name)}):
                archive.writestr(folder, b"")
            archive.writestr("META-INF/MANIFEST.MF", _manifest())
            for name, file in sorted(entries.items()):
                archive.write(file, name)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def processors() -> list[Path]:
    """The files of the processors."""
    return sorted(
        file for file in (Path(__file__).parent / "processors").glob("*.py") if file.name != "__init__.py"
    )


def _entries() -> Iterator[tuple[str, Path]]:
    """(name in the archive, file) of everything in it but the manifest."""
    for file in processors():
        yield file.name, file
    package = Path(headrace.__file__).resolve().parent
    yield from _files(package, f"{_BUNDLED}headrace/")
    migrations = package / "sql"
    if migrations.is_symlink():  # a checkout
        yield from _files(migrations.resolve(), f"{_BUNDLED}headrace/sql/")
    libraries = package.parent / "headrace.libs"  # what a wheel carries along
    if libraries.is_dir():
        yield from _files(libraries, f"{_BUNDLED}headrace.libs/")


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        place = Path(parent).relative_to(folder)
        for name in files:
            if not name.endswith((".pyc", ".pyi")):
                yield prefix + (place / name).as_posix(), Path(parent) / name


def _parents(name: str) -> list[str]:
    """The folders of an entry: NiFi wants to see them before what is in them."""
    steps = name.split("/")[:-1]
    return ["META-INF/", *("/".join(steps[: depth + 1]) + "/" for depth in range(len(steps)))]


def _manifest() -> str:
    return f"Manifest-Version: 1.0\nNar-Id: {NAME}\nNar-Group: {GROUP}\nNar-Version: {__version__}\n"


def _check(python: str, home: Path) -> None:
    """UsageError unless this Python can load the compiled library as it is installed here."""
    import sysconfig

    own = sysconfig.get_config_var("SOABI")
    try:
        done = subprocess.run(
            [python, "-c", _VERSION], capture_output=True, text=True, timeout=60, check=False, cwd=home
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"nifi.python.command is {python}, which cannot be run: {error}") from error
    if done.returncode != 0 or done.stdout.strip() != own:
        raise UsageError(
            f"NiFi runs {python}, which is {done.stdout.strip() or 'no Python'}, but this headrace is "
            f"compiled for {own}: install headrace for that Python and run the command there, or say "
            f"--python {sys.executable}"
        )
