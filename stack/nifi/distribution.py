"""NiFi from Maven Central: fetched once, checked against committed sums, put together to one folder.

Central has NiFi's parts but no complete download. The NAR of the standard processors is made here of its
published jars under its usual name, so that flow definitions stay portable; and a NAR of our own lets one
user in, as the stock single-user login does, which is not published either.
"""

from __future__ import annotations

import fcntl
import functools
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from stack.maven import Artifacts
from stack.nifi.java import OLDEST, java_home
from stack.paths import BUILD

VERSION = "2.3.0"
"""The newest of which Maven Central has the framework, the server and the Python bridge."""

_HERE = Path(__file__).resolve().parent
_FOLDER = BUILD / "nifi"
_JAVA = _HERE / "java"
_PARENT = f"nifi-standard-shared-nar-{VERSION}.nar"


def _artifacts(name: str, what: str, cost: str) -> Artifacts:
    return Artifacts(
        what=what,
        cost=cost,
        pom=_HERE / f"{name}.xml",
        sums=_HERE / f"{name}.sha256",
        folder=_FOLDER / name,
        room="stack.nifi",
    )


_BOOT = _artifacts("boot", "NiFi's first jars", "2 MB, 5 to 30 s")
_NARS = _artifacts("nars", "NiFi's extensions", "129 MB, 10 to 90 s")
_STANDARD = _artifacts("standard", "NiFi's standard processors", "72 MB, 10 to 90 s")
_COMPILER = _artifacts("compiler", "a compiler for NiFi's login", "3 MB, 5 to 20 s")
_JDBC = _artifacts("jdbc", "PostgreSQL's JDBC driver", "1 MB, 3 to 20 s")
_ALL = (_BOOT, _NARS, _STANDARD, _COMPILER)


@functools.cache
def made() -> Path:
    """The folder with `lib` (jars and NARs) and `python` (framework and api), made if it is not there.

    RuntimeError when Maven or Java fail, or a file is not as the committed lists say.
    """
    sources = [path.read_text() for path in sorted(_JAVA.rglob("*.java"))]
    made_from = "".join([*(artifacts.sums.read_text() for artifacts in _ALL), *sources])
    home = _FOLDER / "home"
    stamp = home / "made-from"
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with open(_FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != made_from:
            draft = _FOLDER / "home.new"
            shutil.rmtree(draft, ignore_errors=True)
            _assemble(draft, _BOOT.ready(), _NARS.ready(), _STANDARD.ready())
            (draft / "made-from").write_text(made_from)
            shutil.rmtree(home, ignore_errors=True)
            draft.rename(home)
    return home


def lock() -> str:
    """Fetch everything and write the lists of sums anew; says what it did."""
    return "\n".join(artifacts.lock() for artifacts in (*_ALL, _JDBC))


def jdbc_driver() -> Path:
    """PostgreSQL's driver, which NiFi itself does not bring along. RuntimeError when it cannot be fetched."""
    (jar,) = _JDBC.ready().glob("*.jar")
    return jar


def _assemble(home: Path, boot: Path, nars: Path, standard: Path) -> None:
    """Put the fetched files in the places that NiFi wants them in, and make the two NARs."""
    lib = home / "lib"
    lib.mkdir(parents=True)
    for file in boot.iterdir():
        _link(file, lib / file.name)
    for file in nars.glob("*.nar"):
        _link(file, lib / file.name)
    python = home / "python"
    for jar, place in (("framework", python), ("extension-api", python / "api")):
        place.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(nars / f"nifi-python-{jar}-{VERSION}.jar") as archive:
            archive.extractall(
                place, [name for name in archive.namelist() if not name.startswith("META-INF/")]
            )
    _standard_nar(lib, boot, nars, standard)
    _login_nar(lib, home / "classes")


def _standard_nar(lib: Path, boot: Path, nars: Path, standard: Path) -> None:
    """The NAR of the standard processors, without the jars that it inherits: a class that is there twice is
    two classes to Java.
    """
    inherited = {_artifact(file.name) for file in boot.iterdir()} | _jars_of(nars / _PARENT, nars)
    own = [jar for jar in sorted(standard.glob("*.jar")) if _artifact(jar.name) not in inherited]
    entries = {f"META-INF/bundled-dependencies/{jar.name}": jar.read_bytes() for jar in own}
    manifest = _manifest("org.apache.nifi", "nifi-standard-nar", VERSION, "nifi-standard-shared-nar")
    _write_nar(lib / f"nifi-standard-nar-{VERSION}.nar", manifest, entries)


def _jars_of(nar: Path, nars: Path) -> set[str]:
    """The artifacts in a NAR and in those it depends on."""
    with zipfile.ZipFile(nar) as archive:
        names = {
            _artifact(name.rpartition("/")[2])
            for name in archive.namelist()
            if name.startswith("META-INF/bundled-dependencies/") and name.endswith(".jar")
        }
        manifest = archive.read("META-INF/MANIFEST.MF").decode()
    parent = re.search(r"^Nar-Dependency-Id: (\S+)", manifest, re.MULTILINE)
    return names | (_jars_of(nars / f"{parent[1]}-{VERSION}.nar", nars) if parent else set())


def _artifact(name: str) -> str:
    """A jar's name without its version."""
    return re.sub(r"-\d[\w.+-]*\.jar$", "", name)


def _login_nar(lib: Path, classes: Path) -> None:
    """Compile and pack the login of one user."""
    classes.mkdir()
    (compiler,) = _COMPILER.ready().glob("ecj-*.jar")
    command: list[str | Path] = [java_home() / "bin" / "java", "-jar", compiler]
    # not --release, for which a JDK is needed: a runtime may be all there is
    command += ["-source", str(OLDEST), "-target", str(OLDEST), "-d", classes]
    command += ["-cp", os.pathsep.join(str(jar) for jar in sorted(lib.glob("*.jar")))]
    sources = sorted(_JAVA.rglob("*.java"))
    done = subprocess.run([*command, *sources], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(
            f"NiFi's login could not be compiled:\n{(done.stdout + done.stderr).strip()[-2000:]}"
        )
    jar = classes / "headrace-login.jar"
    with zipfile.ZipFile(jar, "w") as archive:
        for file in sorted(classes.rglob("*.class")):
            archive.write(file, str(file.relative_to(classes)))
        for service, name in (
            ("authentication.LoginIdentityProvider", "OneUserLogin"),
            ("authorization.Authorizer", "OneUserAuthorizer"),
        ):
            archive.writestr(f"META-INF/services/org.apache.nifi.{service}", f"headrace.nifi.{name}\n")
    manifest = _manifest("headrace", "headrace-login-nar", "1", None)
    _write_nar(
        lib / "headrace-login-nar-1.nar",
        manifest,
        {f"META-INF/bundled-dependencies/{jar.name}": jar.read_bytes()},
    )


def _manifest(group: str, name: str, version: str, parent: str | None) -> str:
    lines = ["Manifest-Version: 1.0", f"Nar-Id: {name}", f"Nar-Group: {group}", f"Nar-Version: {version}"]
    if parent:
        lines += [f"Nar-Dependency-Group: {group}", f"Nar-Dependency-Id: {parent}"]
        lines += [f"Nar-Dependency-Version: {version}"]
    return "\n".join([*lines, "Clone-During-Instance-Class-Loading: false", "", ""])


def _write_nar(path: Path, manifest: str, entries: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for folder in _folders(entries):
            archive.writestr(folder, b"")
        archive.writestr("META-INF/MANIFEST.MF", manifest)
        for name, data in entries.items():
            archive.writestr(name, data)


def _folders(names: Iterable[str]) -> list[str]:
    """The folders of these entries, which NiFi wants to see before the files in them."""
    return sorted(
        {"/".join(name.split("/")[:depth]) + "/" for name in names for depth in range(1, name.count("/") + 1)}
    )


def _link(file: Path, place: Path) -> None:
    """The same file at another place, without another copy where the file system can do that."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)
