"""A NiFi: one Java process with its Python children, HTTPS on 127.0.0.1, one user who logs in."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from stack import ports, secrets
from stack.nifi.distribution import made
from stack.nifi.java import java_home
from stack.nifi.rest import NiFiError, Rest
from stack.process import NotReady, Process, log_text, start
from stack.service import Service
from stack.state import State

USER = "headrace"
QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

_HERE = Path(__file__).resolve().parent


class NiFi(Service):
    """A NiFi in a folder of its own, with everything that it writes.

    `host`: the address it listens on; whatever that is, it is asked at 127.0.0.1. `port`: preferred port of
    HTTPS, None for a random one. `published`: the port under which browsers see it, where that is another.
    `tied`: it dies with this process. `keep`: False removes the folder when the `with` block ends. `heap`: of
    Java. `java_options`: the default takes the least memory and starts soonest. `env`: variables that
    processors see. `state`: where the running process is remembered.
    """

    what = "NiFi"
    start_patience = 240
    stop_patience = 40
    pause = 0.5

    def __init__(
        self,
        folder: Path,
        *,
        host: str = ports.LOOPBACK,
        published: int | None = None,
        port: int | None = None,
        heap: str = "1g",
        java_options: Sequence[str] = QUICK,
        tied: bool = True,
        keep: bool = True,
        env: Mapping[str, str] | None = None,
        python: str = sys.executable,
        state: State | None = None,
    ) -> None:
        super().__init__("nifi", folder, port=port, keep=keep, tied=tied, state=state)
        self.home = self.folder / "home"
        self.conf = self.home / "conf"
        self.log = self.home / "logs" / "nifi-app.log"
        self.output = self.folder / "nifi-stdout.log"
        self.passfile = self.folder / "secrets" / "password"
        self.certificate = self.conf / "nifi.crt"
        self._host = host
        self._published = published
        self._heap = heap
        self._java_options = tuple(java_options)
        self._env = dict(env or {})
        self._python = python

    @property
    def url(self) -> str:
        """Where it answers; the canvas is at /nifi."""
        return f"https://{ports.LOOPBACK}:{self.port}"

    @property
    def password(self) -> str:
        """Of the one user."""
        return secrets.kept(self.passfile, secrets.password)

    def rest(self) -> Rest:
        """The REST interface, logged in."""
        rest = Rest(self.url, self.certificate)
        rest.login(USER, self.password)
        return rest

    def prepare(self) -> Path:
        """Make the home unless it is there, so that something can be installed into it; the home."""
        if not (self.home / "lib").is_symlink():
            parts = made()
            for name in ("conf", "logs", "extensions", "run", "python/extensions"):
                (self.home / name).mkdir(parents=True, exist_ok=True)
            (self.home / "lib").symlink_to(parts / "lib")
            for name in ("framework", "api"):
                (self.home / "python" / name).symlink_to(parts / "python" / name)
            self._keys()
        for name in ("logback.xml", "state-management.xml"):
            shutil.copyfile(_HERE / "conf" / name, self.conf / name)
        self._properties(self._port or 0)
        return self.home

    def start(self, patience: float | None = None) -> Self:
        """Start NiFi unless it runs. Returns when it answers to its user."""
        try:
            return super().start(patience)
        except NotReady as error:
            raise NotReady(f"{error}\n{log_text(self.log)[-2000:]}", error.port_taken) from None

    def kill(self) -> None:
        """End NiFi as a crash would, and its Python children, which have nobody to talk to any more."""
        process = self.process
        super().kill()
        if process is not None:
            process.stop(signal.SIGKILL, 1)

    def saved_state(self, processor: str) -> str | None:
        """What the flow on disk says of a processor: RUNNING or else, None when it is not in it. NiFi writes
        what it was told a moment after it has answered.
        """
        with gzip.open(self.conf / "flow.json.gz", "rt", encoding="utf-8") as file:
            groups = [json.load(file)["rootGroup"]]
        while groups:
            group = groups.pop()
            for one in group["processors"]:
                if one["instanceIdentifier"] == processor:
                    return str(one["scheduledState"])
            groups += group["processGroups"]
        return None

    # -- inside
    # -----------------------------------------------------------------------------------------------

    def _launch(self, port: int) -> Process:
        self._properties(port)
        management = ports.pick(None, "NiFi's management")
        command = [
            str(java_home() / "bin" / "java"),
            "-Xms256m",
            f"-Xmx{self._heap}",
            *self._java_options,
            "-Djava.awt.headless=true",
            "-Djava.net.preferIPv4Stack=true",
            "-Dnifi.properties.file.path=conf/nifi.properties",
            "-Dorg.apache.nifi.bootstrap.config.log.dir=logs",
            f"-Dorg.apache.nifi.management.server.address={ports.LOOPBACK}:{management}",
            "-Dlogback.configurationFile=conf/logback.xml",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            "conf:lib/*",
            "org.apache.nifi.NiFi",
        ]
        return start(
            self.name,
            command,
            log=self.output,
            cwd=self.home,
            env={**os.environ, "JAVA_HOME": str(java_home()), **self._env},
            tied=self._tie(),
        )

    def _ready(self, process: Process) -> bool:
        """Whether NiFi lets its user in and has read its flow."""
        try:
            self.rest().ask("GET", "/flow/process-groups/root")
        except NiFiError:
            return False
        return True

    def _keys(self) -> None:
        """A key and a certificate for 127.0.0.1 and localhost; the password of their file stays in a file."""
        store = secrets.kept(self.folder / "secrets" / "keystore", secrets.password)
        passfile = self.folder / "secrets" / "keystore"
        keytool = str(java_home() / "bin" / "keytool")
        file = ["-storetype", "PKCS12", "-storepass:file", str(passfile)]
        key, trust = str(self.conf / "keystore.p12"), str(self.conf / "truststore.p12")
        names = "san=dns:localhost,ip:127.0.0.1"
        make = ["-genkeypair", "-alias", "nifi", "-keyalg", "RSA", "-keysize", "2048", "-validity", "3650"]
        for words in (
            [*make, "-dname", "CN=localhost", "-ext", names, "-keystore", key, *file],
            [
                "-exportcert",
                "-rfc",
                "-alias",
                "nifi",
                "-keystore",
                key,
                "-file",
                str(self.certificate),
                *file,
            ],
            [
                "-importcert",
                "-noprompt",
                "-alias",
                "nifi",
                "-file",
                str(self.certificate),
                "-keystore",
                trust,
                *file,
            ],
        ):
            done = subprocess.run([keytool, *words], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"keytool failed: {done.stdout.strip()}{done.stderr.strip()}")
        assert store

    def _properties(self, port: int) -> None:
        """Write NiFi's configuration."""
        kept = self.folder / "secrets"
        store = secrets.kept(kept / "keystore", secrets.password)
        values = {
            "nifi.web.https.host": self._host,
            "nifi.web.https.port": str(port),
            "nifi.web.proxy.host": ",".join(
                f"{name}:{number}"
                for number in dict.fromkeys((port, self._published or port))
                for name in (ports.LOOPBACK, "localhost")
            ),
            "nifi.python.command": self._python,
            "nifi.sensitive.props.key": secrets.kept(kept / "sensitive", secrets.password),
            "nifi.security.keystorePasswd": store,
            "nifi.security.keyPasswd": store,
            "nifi.security.truststorePasswd": store,
        }
        text = (_HERE / "conf" / "nifi.properties").read_text()
        lines = "".join(f"{name}={value}\n" for name, value in values.items())
        secrets.write_private(self.conf / "nifi.properties", text + lines)
        user = f'<property name="User">{USER}</property>'
        (self.conf / "login-identity-providers.xml").write_text(
            "<loginIdentityProviders><provider><identifier>one-user</identifier>"
            f"<class>headrace.nifi.OneUserLogin</class>{user}"
            f'<property name="Password File">{self.passfile}</property>'
            "</provider></loginIdentityProviders>\n"
        )
        (self.conf / "authorizers.xml").write_text(
            "<authorizers><authorizer><identifier>one-user</identifier>"
            f"<class>headrace.nifi.OneUserAuthorizer</class>{user}</authorizer></authorizers>\n"
        )
