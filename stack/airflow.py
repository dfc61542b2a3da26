"""Airflow 3 as four processes: API server with the UI, scheduler, DAG processor and triggerer.

Its metadata is in a database of the embedded PostgreSQL. Connections come to it as environment variables, so
that nothing has to be clicked together. Every secret is made here, kept in files only their owner can read,
and handed on through the environment. The scheduler and the triggerer do not serve logs over HTTP: they would
listen on every interface, and the API server finds the log files beside it anyway.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

from stack import ports, postgres, secrets
from stack.paths import ROOT
from stack.process import NotReady, Process, start, wait_until
from stack.state import Record, State

USER = "admin"
"""The one user of the UI and the REST API, with all rights."""

DATABASE = "airflow"
"""The database of Airflow's metadata."""

_COMPONENTS = {
    "airflow-api-server": ["api-server"],
    "airflow-scheduler": ["scheduler", "--skip-serve-logs"],
    "airflow-dag-processor": ["dag-processor"],
    "airflow-triggerer": ["triggerer", "--skip-serve-logs"],
}
_REPORTING = ("scheduler", "triggerer", "dag_processor")


class Airflow:
    """The four processes, with AIRFLOW_HOME as their folder.

    `pg`: a running server, for the metadata. `dags`: the folder with the DAGs. `connections`: Airflow
    connections by id, each as a dict with conn_type, host and so on. `settings` adds to or overrides the
    environment made here (AIRFLOW__SECTION__KEY). `port`, `tied`, `keep` and `state` are as in the other
    servers.
    """

    def __init__(
        self,
        folder: Path,
        pg: postgres.Server,
        *,
        dags: Path = ROOT / "dags",
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        settings: Mapping[str, str] | None = None,
        port: int | None = None,
        tied: bool = True,
        keep: bool = True,
        state: State | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.dags = dags.resolve()
        self._pg = pg
        self._connections = dict(connections or {})
        self._settings = dict(settings or {})
        self._preferred = port
        self._tied = tied
        self._keep = keep
        self._state = state or State(self.folder / "state.json")
        self._port = 0

    # -- what a client needs
    # ----------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The address of the UI; the REST API is below it at /api/v2."""
        return f"http://{ports.LOOPBACK}:{self.port}"

    @property
    def port(self) -> int:
        """The port of the API server."""
        record = self._state.running("airflow-api-server")
        if record is not None:
            return int(record.info["port"])
        if not self._port:
            raise RuntimeError(f"the Airflow of {self.folder} does not run")
        return self._port

    @property
    def passfile(self) -> Path:
        """The file with the password of USER."""
        return self.folder / "password"

    @property
    def password(self) -> str:
        """The password of USER, made on first use."""
        return secrets.kept(self.passfile, secrets.password)

    @property
    def processes(self) -> dict[str, Process | None]:
        """The components by name; None for one that does not run."""
        records = {name: self._state.running(name) for name in _COMPONENTS}
        return {name: record.process if record else None for name, record in records.items()}

    def log(self, component: str) -> Path:
        """The log file of a component such as "airflow-scheduler"."""
        return self.folder / f"{component}.log"

    def env(self) -> dict[str, str]:
        """The environment of the components, and of any `airflow` command that shall talk to them."""
        home = self.folder
        conn = self._pg.uri(DATABASE, "postgresql+psycopg2")
        own = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
            "AIRFLOW__CORE__FERNET_KEY": secrets.kept(home / "fernet-key", secrets.fernet),
            "AIRFLOW__API__HOST": ports.LOOPBACK,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": secrets.kept(home / "api-secret-key", secrets.key),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.kept(home / "jwt-secret", secrets.key),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": conn,
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
            "AIRFLOW__METRICS__STATSD_ON": "False",
        }
        for name, connection in self._connections.items():
            own[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(connection)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
        inherited["PATH"] = f"{Path(sys.executable).parent}:{inherited.get('PATH', '/usr/bin:/bin')}"
        return {**inherited, **own, **self._settings}

    def client(self) -> Client:
        """A client of the REST API, logged in."""
        return Client(self.port).login(USER, self.password)

    # -- life
    # -------------------------------------------------------------------------------------------------

    def start(self, patience: float = 240) -> Airflow:
        """Start the components that do not run; returns when all are healthy."""
        missing = [name for name, process in self.processes.items() if process is None]
        if not missing:
            return self
        self.stop()  # half an Airflow is started anew as a whole
        self.folder.mkdir(parents=True, exist_ok=True)
        secrets.write_private(self.folder / "passwords.json", json.dumps({USER: self.password}))
        if not (self._port and ports.is_free(self._port)):
            self._port = ports.pick(self._preferred, "Airflow")
        self._migrate()
        begin = datetime.now(UTC)
        for name, words in _COMPONENTS.items():
            process = start(
                name,
                [sys.executable, "-m", "airflow", *words],
                log=self.log(name),
                env=self.env(),
                cwd=self.folder,
                tied=signal.SIGTERM if self._tied else None,
            )
            self._state.put(Record(process, {"port": self._port} if name == "airflow-api-server" else {}))
        self._wait_healthy(begin, patience)
        return self

    def stop(self, patience: float = 30) -> None:
        """Stop all components at once; running tasks are told to end. Metadata and logs are kept."""
        running = [process for process in self.processes.values() if process is not None]
        for process in running:
            process.send(signal.SIGTERM)
        end = time.monotonic() + patience
        for process in running:
            process.stop(signal.SIGTERM, max(1.0, end - time.monotonic()))
        for name in _COMPONENTS:
            self._state.drop(name)

    def destroy(self) -> None:
        """Stop the components and remove the folder (the metadata database belongs to `pg`)."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Airflow:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop() if self._keep else self.destroy()

    # -- inside
    # -----------------------------------------------------------------------------------------------

    def _migrate(self) -> None:
        """Bring the metadata database to this Airflow's version; skipped (8 s) where that was done before."""
        fresh = self._pg.create_database(DATABASE)
        stamp = self.folder / "migrated"
        wanted = version("apache-airflow-core")
        if not fresh and stamp.exists() and stamp.read_text() == wanted:
            return
        with open(self.log("airflow-migrate"), "ab") as output:
            done = subprocess.run(
                [sys.executable, "-m", "airflow", "db", "migrate"],
                env=self.env(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=0o077,
                check=False,
            )
        if done.returncode != 0:
            raise RuntimeError(
                f"Airflow could not set up its database; the reason is in {self.log('airflow-migrate')}"
            )
        stamp.write_text(wanted)

    def _wait_healthy(self, begin: datetime, patience: float) -> None:
        """Wait until every component has reported itself since `begin`; raise if one ends before."""

        def ended() -> list[str]:
            return [name for name, process in self.processes.items() if process is None]

        healthy = wait_until(lambda: bool(ended()) or self.healthy(begin), patience, pause=0.5)
        if healthy and not ended():
            return
        names = ended()
        self.stop()
        if names:
            tail = self.log(names[0]).read_text(errors="replace").splitlines()[-12:]
            raise NotReady(f"{names[0]} ended; the end of {self.log(names[0])}:\n" + "\n".join(tail))
        raise NotReady(
            f"Airflow was not healthy after {patience:.0f} s; its logs are {self.folder}/airflow-*.log"
        )

    def healthy(self, since: datetime | None = None) -> bool:
        """Whether Airflow calls every component healthy, by a sign of life not older than `since`."""
        try:
            health = Client(self.port).request("GET", "/api/v2/monitor/health")
            parts = [health["metadatabase"], *(health[part] for part in _REPORTING)]
            beats = [health[part][f"latest_{part}_heartbeat"] for part in _REPORTING]
        except (OSError, HTTPException, ValueError, KeyError, TypeError, ApiError):
            return False  # not up yet, or not yet able to tell
        if any(part["status"] != "healthy" for part in parts):
            return False
        return since is None or all(beat and datetime.fromisoformat(beat) >= since for beat in beats)


class ApiError(RuntimeError):
    """Airflow's REST API refused a request."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"Airflow answered {status}: {text}")
        self.status = status


class Client:
    """Airflow's REST API as plain calls: client.request("GET", "/api/v2/dags")."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._token = ""

    def login(self, user: str, password: str) -> Client:
        """Send a token of this user with every later request."""
        answer = self.request("POST", "/auth/token", {"username": user, "password": password})
        self._token = answer["access_token"]
        return self

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request with a JSON body; the answer as Python values, None if it is empty."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        with contextlib.closing(HTTPConnection(ports.LOOPBACK, self._port, timeout=60)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status >= 400:
            raise ApiError(answer.status, text.decode(errors="replace")[:2000])
        return json.loads(text) if text else None
