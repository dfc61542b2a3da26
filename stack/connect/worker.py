"""A worker of Kafka Connect: one Java process in distributed mode, its REST interface on 127.0.0.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stack import kafka, ports
from stack.connect.rest import ConnectError, Rest
from stack.kafka.broker import java_command
from stack.process import Process, start
from stack.secrets import write_private
from stack.service import Service
from stack.state import State

_LOG = Path(kafka.__file__).with_name("log4j2.yaml")


class Worker(Service):
    """A Connect worker beside a running broker, in a folder of its own.

    `plugins`: the folder of connectors, `stack.connect.plugins()` for Debezium's; None for what Connect
    brings along. `group`: workers of one group share its connectors and their offsets, which live in three
    topics of the broker, so a worker that was killed goes on where it was. `port`: preferred port of REST,
    None for a random one. `tied`: the worker dies with this process. `keep`: False removes the folder when
    the `with` block ends. `settings`: worker properties that add to or override those made here. `state`:
    where the running process is remembered.

    A stop lets the tasks flush and commit first; after a kill the next start goes on from the offsets in the
    broker.
    """

    what = "Kafka Connect"
    start_patience = 120

    def __init__(
        self,
        folder: Path,
        broker: kafka.Broker,
        *,
        plugins: Path | None = None,
        group: str = "connect",
        port: int | None = None,
        heap: str = "1g",
        java_options: Sequence[str] = (),
        tied: bool = True,
        keep: bool = True,
        settings: Mapping[str, str] | None = None,
        state: State | None = None,
    ) -> None:
        super().__init__(group, folder, port=port, keep=keep, tied=tied, state=state)
        self.broker = broker
        self.heap = heap
        self.properties = self.folder / "worker.properties"
        self.secrets = self.folder / "secrets.properties"
        self.log = self.folder / "connect.log"
        self._plugins = plugins
        self._java_options = java_options
        self._settings = dict(settings or {})

    @property
    def url(self) -> str:
        """Where REST answers."""
        return f"http://{ports.LOOPBACK}:{self.port}"

    @property
    def rest(self) -> Rest:
        """The worker's REST interface."""
        return Rest(self.url)

    def secret(self, key: str, value: str) -> str:
        """Keep a password in a file of the worker; what to write for it in a connector's settings.

        REST and the logs then show the placeholder only.
        """
        self.keep_secrets({key: value})
        return f"${{file:{self.secrets}:{key}}}"

    def keep_secrets(self, values: Mapping[str, str]) -> bool:
        """Keep several at once beside those that are there; whether any of them was new or another one. A
        connector that runs sees new ones when it is restarted.
        """
        before = self.secrets.read_text(encoding="utf-8") if self.secrets.exists() else ""
        lines = {line.partition("=")[0]: line for line in before.splitlines()}
        lines |= {key: f"{key}={_escape(value)}" for key, value in values.items()}
        text = "".join(f"{lines[key]}\n" for key in sorted(lines))
        if text != before:
            write_private(self.secrets, text)
        return text != before

    # -- inside
    # -----------------------------------------------------------------------------------------------

    def _launch(self, port: int) -> Process:
        self._configure(port)
        options = [
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.net.preferIPv4Stack=true",
            f"-Dlog4j2.configurationFile={_LOG}",
            *self._java_options,
        ]
        command = java_command(self.heap, *options)
        return start(
            self.name,
            [*command, "org.apache.kafka.connect.cli.ConnectDistributed", self.properties],
            log=self.log,
            cwd=self.folder,
            tied=self._tie(),
        )

    def _configure(self, port: int) -> None:
        """Write the worker's properties."""
        copies = str(self.broker.count)
        json_converter = "org.apache.kafka.connect.json.JsonConverter"
        properties = {
            "bootstrap.servers": self.broker.bootstrap,
            "group.id": self.name,
            "listeners": f"http://{ports.LOOPBACK}:{port}",
            "rest.advertised.host.name": ports.LOOPBACK,
            "key.converter": json_converter,
            "value.converter": json_converter,
            "key.converter.schemas.enable": "false",
            "value.converter.schemas.enable": "false",
            "config.storage.topic": f"{self.name}-configs",
            "config.storage.replication.factor": copies,
            "offset.storage.topic": f"{self.name}-offsets",
            "offset.storage.replication.factor": copies,
            "offset.storage.partitions": "1",
            "status.storage.topic": f"{self.name}-status",
            "status.storage.replication.factor": copies,
            "status.storage.partitions": "1",
            "offset.flush.interval.ms": "2000",
            # a worker that comes back gets its tasks at once, not after the five minutes for its return
            "scheduled.rebalance.max.delay.ms": "0",
            # the connectors' own manifests are believed: looking through all jars takes half a minute
            "plugin.discovery": "service_load",
            "config.providers": "file",
            "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
            "config.providers.file.param.allowed.paths": str(self.folder),
            **({"plugin.path": str(self._plugins)} if self._plugins else {}),
            **self._settings,
        }
        self.properties.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))

    def _ready(self, process: Process) -> bool:
        """Whether the worker takes connectors."""
        try:
            Rest(self.url, patience=5).connectors()
        except ConnectError:
            return False
        return True


def _escape(value: str) -> str:
    """A value in the form of Java's properties files; ValueError for what cannot be in one line."""
    if any(ord(letter) < 32 for letter in value):
        raise ValueError("a secret of a connector cannot have control characters in it")
    escaped = value.replace("\\", "\\\\")
    return "\\" + escaped if escaped.startswith(" ") else escaped
