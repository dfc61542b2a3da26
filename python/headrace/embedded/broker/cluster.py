"""Kafka brokers in KRaft mode: each process is broker and controller, plain text on 127.0.0.1."""

from __future__ import annotations

import base64
import logging
import shutil
import signal
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from headrace.embedded import ports
from headrace.embedded.broker.distribution import class_archive, jars, java
from headrace.embedded.process import NotReady, Process, log_text, start, wait_ready, wait_until
from headrace.embedded.secrets import kept
from headrace.embedded.state import Record, State

log = logging.getLogger(__name__)

QUICK = "-XX:TieredStopAtLevel=1"
"""A Java option for brokers of tests: compile plainly, which starts with a third less CPU."""

_STARTED = "Kafka Server started"


def java_command(heap: str, *options: str) -> list[str]:
    """The beginning of a command that runs one of Kafka's classes."""
    archive = class_archive()
    shared = [f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []
    return [java(), f"-Xmx{heap}", "-XX:+UseSerialGC", *shared, *options, "-cp", f"{jars()}/*"]


def _cluster_id() -> str:
    """A random id in Kafka's own form: 16 bytes in base64 for URLs, not beginning with a dash."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


class Node:
    """One Kafka process. Its number, ports and process are public for tests that kill and restart it."""

    def __init__(
        self, number: int, folder: Path, state: State, tied: bool, java_options: Sequence[str]
    ) -> None:
        self.number = number
        self.name = f"kafka-{number}"
        self.port = 0
        self.controller_port = 0
        self.properties = folder / f"{self.name}.properties"
        self.data = folder / f"{self.name}-data"
        self.log = folder / f"{self.name}.log"
        self._state = state
        self._tied = tied
        self._java_options = java_options
        self._log_from = 0

    @property
    def process(self) -> Process | None:
        """The running process, or None."""
        record = self._state.running(self.name)
        return record.process if record else None

    def start(self, heap: str) -> Process:
        """Start the process; it is not ready yet when this returns."""
        self._log_from = len(log_text(self.log))
        options = [
            "-XX:+ExitOnOutOfMemoryError",
            "-Djava.net.preferIPv4Stack=true",
            f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.yaml')}",
            *self._java_options,
        ]
        process = start(
            self.name,
            [*java_command(heap, *options), "kafka.Kafka", self.properties],
            log=self.log,
            cwd=self.data.parent,
            tied=signal.SIGTERM if self._tied else None,
        )
        self._state.put(Record(process, {"port": self.port, "controller_port": self.controller_port}))
        return process

    def started(self) -> bool:
        """Whether the process said since its start that it is up, and accepts connections."""
        return _STARTED in log_text(self.log)[self._log_from :] and ports.answers(self.port)

    def kill(self) -> None:
        """End the process as a crash would."""
        process = self.process
        if process is not None:
            process.kill()
        self._state.drop(self.name)

    def stop(self, patience: float = 20) -> None:
        """End the process the orderly way; its data is kept."""
        process = self.process
        if process is not None:
            process.stop(signal.SIGTERM, patience)
        self._state.drop(self.name)


class Broker:
    """A Kafka cluster of `count` brokers in one folder: 1, or 3 with three copies and two of them in sync.

    `port`: preferred port of the first broker, None for random ones. `heap` and `java_options` are for each
    Java process. `tied`: the brokers die with this process. `keep`: False removes the data when the `with`
    block ends. `settings`: broker properties that add to or override those made here. `state`: where the
    running processes are remembered.

    Topics are not made by being mentioned: a mistyped name is an error. Nothing is deleted by age, because
    purchases of last year carry the time of last year. Requests of up to 128 MiB are taken; the message size
    is Kafka's default of 1 MiB, and a topic may allow more by `max.message.bytes`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        count: int = 1,
        port: int | None = None,
        heap: str | None = None,
        java_options: Sequence[str] = (),
        tied: bool = True,
        keep: bool = True,
        settings: Mapping[str, str] | None = None,
        state: State | None = None,
    ) -> None:
        if count not in (1, 3):
            raise ValueError(f"a cluster has 1 or 3 brokers here, not {count}")
        self.folder = folder.resolve()
        self.count = count
        self.heap = heap or ("512m" if count == 1 else "256m")
        self._preferred = port
        self._keep = keep
        self._settings = dict(settings or {})
        self._state = state or State(self.folder / "state.json")
        self.nodes = [
            Node(number, self.folder, self._state, tied, java_options) for number in range(1, count + 1)
        ]
        for node in self.nodes:
            record = self._state.running(node.name)
            if record is not None:
                node.port, node.controller_port = record.info["port"], record.info["controller_port"]

    @property
    def bootstrap(self) -> str:
        """What clients take as bootstrap.servers."""
        return ",".join(f"{ports.LOOPBACK}:{node.port}" for node in self.nodes)

    def url(self, topic: str) -> str:
        """What headrace.load, plan and generate take as a source or target: kafka://..., of this topic."""
        return f"kafka://{self.bootstrap}/{topic}"

    def running(self) -> bool:
        """Whether all brokers run."""
        return all(node.process is not None for node in self.nodes)

    def start(self, patience: float = 90) -> Broker:
        """Start the brokers that do not run; the storage is formatted the first time. Returns when all
        answer.
        """
        if self.running():
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        for attempt in range(3):
            self._choose_ports()
            self._configure()
            self._format()
            processes = {node: node.start(self.heap) for node in self.nodes if node.process is None}
            try:
                for node, process in processes.items():
                    wait_ready(process, node.started, patience)
                break
            except NotReady as error:
                self.stop()
                if attempt == 2 or not error.port_taken:
                    raise
        if not wait_until(self._complete, patience):
            raise NotReady(
                f"after {patience:.0f} s not all {self.count} brokers at {self.bootstrap} have joined"
            )
        return self

    def stop(self) -> None:
        """End all brokers the orderly way, all at once; the data is kept."""
        for node in self.nodes:
            process = node.process
            if process is not None:
                process.send(signal.SIGTERM)
        for node in self.nodes:
            node.stop()

    def kill(self) -> None:
        """End all brokers as a crash would."""
        for node in self.nodes:
            node.kill()

    def destroy(self) -> None:
        """Stop the brokers and remove the folder with their data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart_node(self, node: Node, patience: float = 60) -> None:
        """Start a broker that was stopped or killed, at its old port, and wait until it has joined again."""
        wait_ready(node.start(self.heap), node.started, patience)
        if not wait_until(self._complete, patience):
            raise NotReady(
                f"{node.name} has not joined the cluster again after {patience:.0f} s; see {node.log}"
            )

    def __enter__(self) -> Broker:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop() if self._keep else self.destroy()

    # -- inside
    # ---------------------------------------------------------------------------------------------------

    def _choose_ports(self) -> None:
        """Give ports to the nodes; those that a node had are kept while they are free."""
        next_port = self._preferred
        for node in self.nodes:
            if node.process is None and not (node.port and ports.is_free(node.port)):
                node.port = ports.pick(
                    next_port, "Kafka" if self.count == 1 else f"Kafka broker {node.number}"
                )
            if node.process is None and not (node.controller_port and ports.is_free(node.controller_port)):
                node.controller_port = ports.pick(None, f"Kafka controller {node.number}")
            if next_port is not None:
                next_port = node.port + 1

    def _configure(self) -> None:
        """Write each node's properties file."""
        voters = ",".join(f"{node.number}@{ports.LOOPBACK}:{node.controller_port}" for node in self.nodes)
        copies, in_sync = str(self.count), str(max(1, self.count - 1))
        for node in self.nodes:
            address = f"PLAINTEXT://{ports.LOOPBACK}:{node.port}"
            properties = {
                "process.roles": "broker,controller",
                "node.id": str(node.number),
                "controller.quorum.voters": voters,
                "listeners": f"{address},CONTROLLER://{ports.LOOPBACK}:{node.controller_port}",
                "advertised.listeners": address,
                "controller.listener.names": "CONTROLLER",
                "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
                "inter.broker.listener.name": "PLAINTEXT",
                "log.dirs": str(node.data),
                "num.partitions": "4",
                "default.replication.factor": copies,
                "min.insync.replicas": in_sync,
                "offsets.topic.replication.factor": copies,
                "offsets.topic.num.partitions": "4",
                "transaction.state.log.replication.factor": copies,
                "transaction.state.log.min.isr": in_sync,
                "transaction.state.log.num.partitions": "4",
                "share.coordinator.state.topic.replication.factor": copies,
                "share.coordinator.state.topic.min.isr": in_sync,
                "share.coordinator.state.topic.num.partitions": "4",
                "group.initial.rebalance.delay.ms": "0",
                "auto.create.topics.enable": "false",
                "log.retention.ms": "-1",
                "socket.request.max.bytes": str(128 << 20),
                "replica.fetch.max.bytes": str(128 << 20),
                "replica.fetch.response.max.bytes": str(128 << 20),
                **self._settings,
            }
            node.properties.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))

    def _format(self) -> None:
        """Make the storage of the nodes that have none yet, all at once."""
        cluster = kept(self.folder / "cluster-id", _cluster_id)
        tools = {}
        for node in self.nodes:
            if not (node.data / "meta.properties").exists():
                command = java_command("128m", QUICK)
                command += ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(node.properties)]
                tools[node] = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
        for node, tool in tools.items():
            output, _ = tool.communicate()
            if tool.returncode != 0:
                raise RuntimeError(
                    f"Kafka could not make its storage in {node.data}:\n{output.strip()[-2000:]}"
                )

    def _complete(self) -> bool:
        """Whether all brokers are members of the cluster. Each says that it has started when it is one."""
        return all(node.started() for node in self.nodes)

    def __repr__(self) -> str:
        where = self.bootstrap if self.running() else "stopped"
        return f"<Kafka, {self.count} broker{'s' * (self.count > 1)}, {where}, in {self.folder}>"
