"""A worker of Kafka Connect: one Java process in distributed mode, its REST interface on 127.0.0.1."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from stack import kafka, ports
from stack.connect.rest import ConnectError, Rest
from stack.kafka.broker import java_command
from stack.process import NotReady, Process, start, wait_ready
from stack.secrets import write_private
from stack.state import Record, State

_LOG = Path(kafka.__file__).with_name("log4j2.yaml")


class Worker:
    """A Connect worker beside a running broker, in a folder of its own.

    `plugins`: the folder of connectors, `stack.connect.plugins()` for Debezium's; None for what Connect
    brings along. `group`: workers of one group share its connectors and their offsets, which live in three
    topics of the broker, so a worker that was killed goes on where it was. `port`: preferred port of REST,
    None for a random one. `tied`: the worker dies with this process. `keep`: False removes the folder when
    the `with` block ends. `settings`: worker properties that add to or override those made here. `state`:
    where the running process is remembered.
    """

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
        self.folder = folder.resolve()
        self.broker = broker
        self.name = group
        self.heap = heap
        self.properties = self.folder / "worker.properties"
        self.secrets = self.folder / "secrets.properties"
        self.log = self.folder / "connect.log"
        self._plugins = plugins
        self._preferred = port
        self._java_options = java_options
        self._tied = tied
        self._keep = keep
        self._settings = dict(settings or {})
        self._state = state or State(self.folder / "state.json")
        self._port: int | None = None

    @property
    def process(self) -> Process | None:
        """The running process, or None."""
        record = self._state.running(self.name)
        return record.process if record else None

    @property
    def port(self) -> int:
        """The port of REST, of the running worker or the one it had when it last ran under this object."""
        record = self._state.running(self.name)
        if record is not None:
            return int(record.info["port"])
        if self._port is None:
            raise RuntimeError(f"the Connect worker of {self.folder} does not run")
        return self._port

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

    def start(self, patience: float = 120) -> Worker:
        """Start the worker unless it runs. Returns when it takes connectors."""
        if self.process is not None:
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        port = self._port if self._port and ports.is_free(self._port) else None
        for attempt in range(3):
            port = port or ports.pick(self._preferred, "Kafka Connect")
            self._configure(port)
            self._port = port
            process = self._launch()
            try:
                wait_ready(process, self._answers, patience)
                break
            except NotReady as error:
                if attempt == 2 or not error.port_taken:
                    raise
                port = None
        self._state.put(Record(process, {"port": port}))
        return self

    def stop(self, patience: float = 30) -> None:
        """End the worker the orderly way: its tasks flush and commit first."""
        process = self.process
        if process is not None:
            process.stop(signal.SIGTERM, patience)
        self._state.drop(self.name)

    def kill(self) -> None:
        """End the worker as a crash would; the next start goes on from the offsets in the broker."""
        process = self.process
        if process is not None:
            process.kill()
        self._state.drop(self.name)

    def destroy(self) -> None:
        """Stop the worker and remove its folder. What it keeps in the broker stays there."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Worker:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop() if self._keep else self.destroy()

    # -- inside
    # -----------------------------------------------------------------------------------------------

    def _launch(self) -> Process:
        """Start the process; it is not ready yet when this returns."""
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
            tied=signal.SIGTERM if self._tied else None,
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

    def _answers(self) -> bool:
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
