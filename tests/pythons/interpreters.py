"""Interpreters of other versions, made once below build/pythons and used from there; nothing is installed.

With the GIL they are Debian's own packages of a newer suite, taken out of the same archive that this machine's apt
uses, unpacked into a folder with the C library they were made for. Free-threaded ones, which Debian does not package,
are compiled from Debian's source package. apt checks the signatures of both with the keyring of Debian's archive.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stack.paths import BUILD

FOLDER = BUILD / "pythons"
_APT = FOLDER / "apt"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SUITES = ("testing", "unstable", "stable")
"""Where newer versions are looked for, in this order."""

_OLDEST = 11


class Missing(Exception):
    """An interpreter that cannot be had here; says why."""


@dataclass(frozen=True, order=True)
class Version:
    """3.`minor`, free-threaded ("3.14t") or not ("3.14")."""

    minor: int
    free: bool = False

    def __str__(self) -> str:
        return f"3.{self.minor}{'t' if self.free else ''}"

    @classmethod
    def parse(cls, text: str) -> Version:
        """From "3.14" or "3.14t". ValueError for anything else."""
        found = re.fullmatch(r"3\.([1-9][0-9])(t?)", text)
        if not found or int(found[1]) < _OLDEST:
            raise ValueError(
                f"{text} is no version that Headrace runs with: 3.{_OLDEST} or newer, 3.14t for free-threaded"
            )
        return cls(int(found[1]), bool(found[2]))


def run(*command: str | Path, cwd: Path | None = None, log: Path | None = None) -> str:
    """The output of a command. Missing, with the end of what it said, when it fails."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if log:
        log.write_text(done.stdout)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-5:])
        raise Missing(
            f"{' '.join(map(str, command[:4]))}... failed:\n{tail}{f' (all of it: {log})' if log else ''}"
        )
    return done.stdout


class Archive:
    """The Debian archive that this machine's apt is configured for, with newer suites beside its own.

    All of apt's state is below build/pythons/apt, and no package counts as installed: whoever runs this needs no
    rights, and the machine's own packages are neither used nor changed.
    """

    def __init__(self) -> None:
        if shutil.which("apt-get") is None:
            raise Missing("this machine has no apt-get")
        for folder in ("lists/partial", "cache/archives/partial"):
            (_APT / folder).mkdir(parents=True, exist_ok=True)
        (_APT / "status").touch()
        where = {
            "Dir::Etc::sourcelist": _APT / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": _APT / "lists",
            "Dir::State::status": _APT / "status",
            "Dir::Cache": _APT / "cache",
            "Debug::NoLocking": "1",
            "APT::Sandbox::User": "",
            "APT::Get::List-Cleanup": "0",
        }
        self._options = [word for name, value in where.items() for word in ("-o", f"{name}={value}")]
        mirror = self._mirror()
        lines = [
            f"{kind} [signed-by={_KEYRING}] {mirror} {suite} main\n"
            for suite in _SUITES
            for kind in ("deb", "deb-src")
        ]
        (_APT / "sources.list").write_text("".join(lines))
        run("apt-get", *self._options, "-q", "update")

    @staticmethod
    def _mirror() -> str:
        """The address of the archive of this machine's own Debian."""
        wanted = "$(REPO_URI)|$(ORIGIN)|$(LABEL)"
        for line in run("apt-get", "indextargets", "--format", wanted, "Created-By: Packages").splitlines():
            address, _, names = line.partition("|")
            if names == "Debian|Debian":
                return address
        raise Missing("apt knows no Debian archive here (was `apt-get update` ever run?)")

    def versions(self, kind: str) -> dict[int, list[tuple[str, str]]]:
        """minor version -> [(suite, package version)] of what there is, "Packages" or "Sources"."""
        found: dict[int, list[tuple[str, str]]] = {}
        names = [f"python3.{minor}" for minor in range(_OLDEST + 1, _OLDEST + 20)]
        for line in run("apt-cache", *self._options, "madison", *names).splitlines():
            name, version, place = (part.strip() for part in line.split("|"))
            suite, last = _place(place)
            if last == kind:
                found.setdefault(int(name.removeprefix("python3.")), []).append((suite, version))
        for candidates in found.values():
            candidates.sort(key=lambda one: _SUITES.index(one[0]) if one[0] in _SUITES else len(_SUITES))
        return found

    def packages(self, minor: int, suite: str, into: Path) -> None:
        """Unpack Python 3.`minor` with all it needs to run, and its headers, into a folder."""
        archives = _APT / "cache/archives"
        for old in archives.glob("*.deb"):
            old.unlink()
        name = f"python3.{minor}"
        install = ("install", "-q", "-y", "--download-only", "--no-install-recommends", "-t", suite)
        run("apt-get", *self._options, *install, f"{name}-minimal", f"lib{name}-stdlib")
        run("apt-get", *self._options, "-q", "download", f"lib{name}-dev/{suite}", cwd=archives)
        for package in sorted(archives.glob("*.deb")):
            run("dpkg-deb", "-x", package, into)

    def source(self, minor: int, version: str, into: Path) -> Path:
        """Download a source package and unpack the original source in it; the source's folder."""
        into.mkdir(parents=True, exist_ok=True)
        options = ("source", "-q", "--download-only", "--only-source")
        run("apt-get", *self._options, *options, f"python3.{minor}={version}", cwd=into)
        archive = next(iter(into.glob("*.orig.tar.*z")))
        run("tar", "-xf", archive, cwd=into)
        return next(path for path in into.iterdir() if path.is_dir())


def _place(text: str) -> tuple[str, str]:
    """The suite and the kind of index in `ADDRESS testing/main amd64 Packages`."""
    _, suite, *rest = text.split()
    return suite.partition("/")[0], rest[-1]


def python_of(version: Version) -> Path:
    """Where the interpreter is once it was made."""
    return FOLDER / str(version) / "python"


def on_path(version: Version) -> str | None:
    """An interpreter of this version on the PATH, or made by pyenv, that extensions can be built for."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    suffix = "t" if version.free else ""
    found = [
        shutil.which(f"python{version}"),
        *sorted(map(str, pyenv.glob(f"3.{version.minor}.*{suffix}/bin/python{version}"))),
    ]
    program = "import os, sysconfig; print(os.path.exists(sysconfig.get_path('include') + '/Python.h'))"
    for python in filter(None, found):
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
        if done.stdout.strip() == "True":
            return python
    return None


def make(version: Version, archive: Archive) -> Path:
    """Make an interpreter below build/pythons, or find the one that was made before."""
    python = python_of(version)
    if python.exists():
        return python.resolve()
    folder = python.parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        made = _compile(version, archive, folder) if version.free else _unpack(version, archive, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    run(made, "-c", "import ssl, ctypes, zlib, hashlib, _posixsubprocess")
    python.symlink_to(made)
    return made


def _unpack(version: Version, archive: Archive, folder: Path) -> Path:
    candidates = archive.versions("Packages").get(version.minor)
    if not candidates:
        raise Missing(
            f"Debian's archive has no Python {version}, and there is no python{version} on the PATH"
        )
    root = folder / "root"
    root.mkdir()
    archive.packages(version.minor, candidates[0][0], root)
    python = root / f"usr/bin/python{version}"
    libraries = next((root / "usr/lib").glob("*-linux-gnu"))
    loader = next(libraries.glob("ld-linux*.so.*"))
    # it runs with the C library it was made for, wherever it is started from
    run("patchelf", "--set-interpreter", loader, "--force-rpath", "--set-rpath", libraries, python)
    # Debian's pyconfig.h only points to /usr/include/<machine>
    headers = root / f"usr/include/python{version}"
    (headers / "pyconfig.h").unlink()
    shutil.copy(root / "usr/include" / libraries.name / f"python{version}/pyconfig.h", headers)
    return python


def _compile(version: Version, archive: Archive, folder: Path) -> Path:
    candidates = archive.versions("Sources").get(version.minor, [])
    if not candidates:
        raise Missing(f"Debian's archive has no source of Python 3.{version.minor}")
    problem: Missing | None = None
    source = None
    for _, number in candidates:
        try:
            source = archive.source(version.minor, number, folder / "source" / number)
            break
        except Missing as error:
            problem = error
    if source is None:
        assert problem
        raise Missing(f"the source of Python 3.{version.minor} could not be had: {problem}")
    wanted = ("--disable-gil", "--without-ensurepip", "--disable-test-modules", "--without-static-libpython")
    run("./configure", "-q", f"--prefix={folder}", *wanted, cwd=source, log=folder / "configure.log")
    jobs = os.environ.get("HEADRACE_JOBS", "2")
    run("make", "-s", f"-j{jobs}", cwd=source, log=folder / "make.log")
    run("make", "-s", "install", cwd=source, log=folder / "install.log")
    shutil.rmtree(folder / "source")
    return folder / f"bin/python{version}"
