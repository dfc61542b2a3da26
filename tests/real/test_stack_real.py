"""The servers of stack/, for real: they start, keep their data, stay on loopback, and end when told."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import smtplib
import socket
import subprocess
import time
import uuid
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from stack import kafka, mail, ports, postgres
from stack.airflow import Airflow, ApiError
from stack.process import Process, wait_until
from stack.services import Stack

pytestmark = pytest.mark.real


def listening(*processes: Process | None) -> set[str]:
    """The addresses on which these processes and their children listen."""
    found = set()
    for process in processes:
        assert process is not None
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):  # workers come and go
                connections = member.net_connections("inet")
                found |= {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    return found


def modes(path: Path) -> dict[Path, tuple[int, int]]:
    """Permissions and owner of this path and of every folder above it."""
    return {folder: (folder.stat().st_mode, folder.stat().st_uid) for folder in (path, *path.parents)}


def send(port: int, subject: str) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "a@example.org", "b@example.org"
    message.set_content("ü")
    with smtplib.SMTP(ports.LOOPBACK, port) as client:
        client.send_message(message)


# PostgreSQL


def test_postgres_keeps_its_data_and_its_port(tmp_path: Path) -> None:
    with postgres.Server(tmp_path / "pg", durable=False) as server:
        assert server.create_database("shop")
        assert not server.create_database("shop")
        with server.connect("shop") as connection:
            connection.execute("create table kept as select 42 as answer")
        port = server.port
        server.stop()
        assert server.process is None
        server.start()
        assert server.port == port
        with server.connect("shop") as connection:
            assert connection.execute("select answer from kept").fetchone() == (42,)
        server.kill()
        server.start()
        with server.connect("shop") as connection:
            assert connection.execute("select answer from kept").fetchone() == (42,)
        server.drop_database("shop")
        server.drop_database("shop")
    server.destroy()
    assert not server.data.exists()
    assert not (tmp_path / "pg").exists()


def databases(server: postgres.Server) -> set[str]:
    """Those that were made here."""
    with server.connect() as connection:
        names = {name for (name,) in connection.execute("select datname from pg_database").fetchall()}
    return names - {"postgres", "template0", "template1"}


def test_a_folder_that_is_made_anew_has_new_data(tmp_path: Path) -> None:
    """Root's data lies elsewhere: it stays when the folder goes while the server is dead."""
    folder = tmp_path / "pg"
    with postgres.Server(folder, durable=False, keep=False) as server:
        server.create_database("old")
        server.kill()
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / "notes").write_text("kept")
        with postgres.Server(folder, durable=False) as anew:
            assert databases(anew) == set()
            anew.create_database("new")
            anew.kill()
            anew.start()
            assert databases(anew) == {"new"}
        assert (folder / "notes").read_text() == "kept"


def test_postgres_listens_on_loopback_and_wants_the_password(pg: postgres.Server, database: str) -> None:
    assert listening(pg.process) == {"127.0.0.1"}
    with pg.connect() as connection:
        assert connection.execute("show unix_socket_directories").fetchone() == ("",)
    for password in ("", "wrong"):
        wrong = psycopg.conninfo.make_conninfo(pg.dsn(database), password=password, passfile="/dev/null")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(wrong)
    with psycopg.connect(pg.uri(database)) as connection:
        assert connection.execute("select current_user").fetchone() == (postgres.USER,)


def test_the_password_is_in_no_command_line_and_no_log(pg: postgres.Server) -> None:
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if pg.password in line]
    assert pg.password not in (pg.folder / "postgres.log").read_text()
    assert pg.password not in pg.dsn()
    for name in ("password", "pgpass", "postgres.log"):
        assert (pg.folder / name).stat().st_mode & 0o077 == 0, name


def test_psql_of_the_package_connects_by_environment(pg: postgres.Server, database: str) -> None:
    command = [str(postgres.binaries() / "psql"), "-XAtc", "select current_database(), upper('straße')"]
    env = {**os.environ, **pg.env(database)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == f"{database}|STRAßE\n"


def test_postgres_takes_the_next_port_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as holder:
        holder.bind((ports.LOOPBACK, 0))
        holder.listen()
        taken = holder.getsockname()[1]
        with (
            caplog.at_level(logging.INFO),
            postgres.Server(tmp_path, port=taken, durable=False, keep=False) as server,
        ):
            assert server.port > taken
    assert f"Port {taken} is taken by another program; PostgreSQL uses {server._port}." in caplog.text


def test_postgres_moves_on_when_its_port_is_snatched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The port was free when it was chosen, and is not when the server wants it."""
    with socket.socket() as holder:
        holder.bind((ports.LOOPBACK, 0))
        holder.listen()
        offers = iter([holder.getsockname()[1], ports.pick(None, "a test")])
        monkeypatch.setattr("headrace.embedded.ports.pick", lambda preferred, what: next(offers))
        with postgres.Server(tmp_path, durable=False, keep=False) as server:
            assert server.port != holder.getsockname()[1]


def test_permissions_outside_our_folder_stay_as_they_were(tmp_path: Path) -> None:
    """Run as root, a server must not open the folders above it, nor those of its package, to other users."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    folder = home / "checkout" / "pg"
    folder.mkdir(parents=True, mode=0o700)
    (home / "checkout").chmod(0o700)
    before = {**modes(folder), **modes(postgres.wheel() / "bin" / "postgres")}
    with postgres.Server(folder, durable=False, keep=False) as server:
        process = server.process
        assert process is not None
        user = psutil.Process(process.pid).uids().effective
        assert user != 0
        assert server.data.stat().st_uid == user
        assert server.data.stat().st_mode & 0o077 == 0
        after = {path: (path.stat().st_mode, path.stat().st_uid) for path in before}
        if os.geteuid() == 0:
            room = postgres.root_folder()
            assert room in server.data.parents
            assert (room.stat().st_uid, room.stat().st_mode & 0o022) == (0, 0)
        else:
            assert server.data.parent == folder
    assert after == before
    assert not server.data.exists()


# Kafka


def produce(bootstrap: str, topic: str, values: list[bytes]) -> list[KafkaError]:
    errors: list[KafkaError] = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
    for value in values:
        producer.produce(topic, value, callback=lambda error, _: errors.append(error) if error else None)
    assert producer.flush(60) == 0
    return errors


def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": f"test-{uuid.uuid4()}",
        "auto.offset.reset": "earliest",
        "log_level": 0,
    }
    consumer = Consumer(settings)
    consumer.subscribe([topic])
    values: list[bytes] = []
    end = time.monotonic() + 60
    while len(values) < count and time.monotonic() < end:
        values += [m.value() or b"" for m in consumer.consume(count, 1) if m.error() is None]
    consumer.close()
    return values


def test_kafka_keeps_its_messages_and_stays_on_loopback(tmp_path: Path) -> None:
    with kafka.Broker(tmp_path / "kafka", keep=False, java_options=[kafka.QUICK]) as broker:
        assert listening(broker.nodes[0].process) == {"127.0.0.1"}
        broker.create_topic("t", 1)
        assert produce(broker.bootstrap, "t", [b"1", b"2"]) == []
        bootstrap = broker.bootstrap
        broker.stop()
        assert not broker.running()
        broker.start()
        assert broker.bootstrap == bootstrap
        assert consume(broker.bootstrap, "t", 2) == [b"1", b"2"]
        broker.kill()
        broker.start()
        assert consume(broker.bootstrap, "t", 2) == [b"1", b"2"]
    assert not (tmp_path / "kafka").exists()


def test_a_mistyped_topic_is_an_error(broker: kafka.Broker) -> None:
    topics = broker.admin().list_topics("no-such-topic", timeout=10).topics
    error = topics["no-such-topic"].error
    assert error is not None
    assert error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_a_topic_may_take_large_messages(broker: kafka.Broker, new_topic: Callable[..., str]) -> None:
    topic = new_topic(1, **{"max.message.bytes": str(110 << 20)})
    size = 100 << 20
    settings = {"bootstrap.servers": broker.bootstrap, "message.max.bytes": size + 4096}
    errors: list[KafkaError | None] = []
    producer = Producer(settings)
    producer.produce(topic, bytes(size), callback=lambda error, _: errors.append(error))
    assert producer.flush(60) == 0
    assert errors == [None]


@pytest.mark.slow
def test_three_brokers_survive_the_loss_of_one(tmp_path: Path) -> None:
    with kafka.Broker(tmp_path / "kafka", count=3, keep=False, java_options=[kafka.QUICK]) as cluster:
        cluster.create_topic("t", 1)
        partition = cluster.admin().list_topics("t", timeout=10).topics["t"].partitions[0]
        assert len(partition.replicas) == 3
        leader = cluster.nodes[partition.leader - 1]
        leader.kill()
        assert leader.process is None
        assert produce(cluster.bootstrap, "t", [b"1", b"2"]) == []
        cluster.restart_node(leader)
        assert consume(cluster.bootstrap, "t", 2) == [b"1", b"2"]


def test_kafka_takes_the_next_port_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as holder:
        holder.bind((ports.LOOPBACK, 0))
        holder.listen()
        taken = holder.getsockname()[1]
        with (
            caplog.at_level(logging.INFO),
            kafka.Broker(tmp_path, port=taken, keep=False, java_options=[kafka.QUICK]) as broker,
        ):
            assert broker.nodes[0].port > taken
            with pytest.raises(KafkaException):
                broker.admin().list_topics(timeout=0.0001)
    assert f"Port {taken} is taken by another program; Kafka uses" in caplog.text


# mail


def test_mails_are_kept_in_order(tmp_path: Path) -> None:
    with mail.Sink(tmp_path / "mail", keep=False) as sink:
        assert listening(sink.process) == {"127.0.0.1"}
        for number in range(3):
            send(sink.port, f"mail {number}")
        assert [message["subject"] for message in sink.messages()] == ["mail 0", "mail 1", "mail 2"]
        assert sink.messages()[0].get_content().strip() == "ü"
        sink.stop()
        sink.start()
        send(sink.port, "after a restart")
        assert len(sink.messages()) == 4


# all together


def test_services_outlive_the_command_and_end_with_down(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "stack")
    try:
        stack.up(["postgres", "mail"])
        again = Stack(tmp_path / "stack")  # as a later command sees them
        assert {row.part for row in again.status() if row.up} == {"postgres", "mail"}
        pids = {record.process.pid for record in again.state.records().values()}
        again.up(["postgres", "mail"])
        assert {record.process.pid for record in again.state.records().values()} == pids
        with again.postgres.connect("shop") as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        stack.down()
    assert not any(row.up for row in stack.status())
    assert wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), 10)
    stack.wipe()
    assert not (tmp_path / "stack").exists()
    assert not stack.postgres.data.exists()


@pytest.mark.slow
@pytest.mark.airflow
def test_airflow_comes_up_on_loopback_and_goes(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    # A server of its own: in the shared one another Airflow's database may be.
    with postgres.Server(tmp_path / "postgres", durable=False, keep=False) as pg:
        airflow = Airflow(tmp_path / "airflow", pg, dags=tmp_path / "dags", keep=False)
        with airflow:
            assert airflow.healthy()
            assert listening(*airflow.processes.values()) == {"127.0.0.1"}
            assert airflow.client().request("GET", "/api/v2/dags")["dags"] == []
            with pytest.raises(ApiError, match="401"):
                airflow.client().login("admin", "wrong")
            before = list(airflow.processes.values())
    assert not any(process and process.alive() for process in before)
    assert not (tmp_path / "airflow").exists()
