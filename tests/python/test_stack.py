"""The parts of stack/ that need no server: ports, secrets, processes, the state file, settings."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from stack import kafka, mail, ports, postgres, secrets
from stack.__main__ import main
from stack.airflow import Airflow
from stack.nifi import java
from stack.paths import ROOT
from stack.process import NotReady, Process, identity, start, wait_ready, wait_until
from stack.services import EXTRAS, PARTS, PORTS, Row, Stack
from stack.state import Record, State

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True);"
    "time.sleep(600)",
]


def says_up(path: Path) -> bool:
    return path.exists() and "up" in path.read_text()


# ports


def test_a_taken_port_is_passed_over_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as holder:
        holder.bind((ports.LOOPBACK, 0))
        holder.listen()
        taken = holder.getsockname()[1]
        assert not ports.is_free(taken)
        assert ports.answers(taken)
        with caplog.at_level(logging.INFO):
            port = ports.pick(taken, "Kafka")
    assert taken < port < taken + 100
    assert f"Port {taken} is taken by another program; Kafka uses {port}." in caplog.text
    assert not ports.answers(port)


def test_no_random_port_is_given_twice() -> None:
    given = [ports.pick(None, "a test") for _ in range(50)]
    assert len(set(given)) == 50
    assert all(20000 <= port < 32000 for port in given)


# secrets


def test_a_secret_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "password"
    first = secrets.kept(path, secrets.password)
    assert secrets.kept(path, secrets.password) == first
    assert len(first) == 24
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["password"]


# processes


def test_a_process_is_ended_the_polite_way(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start("sleep", SLEEP, log=log)
    wait_ready(process, lambda: says_up(log), 20)
    assert process.alive()
    assert log.stat().st_mode & 0o777 == 0o600
    begin = time.monotonic()
    process.stop()
    assert time.monotonic() - begin < 5
    assert not process.alive()
    process.stop()  # nothing to do, no error


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start("stubborn", STUBBORN, log=log)
    wait_ready(process, lambda: says_up(log), 20)
    process.stop(patience=0.5)
    assert not process.alive()


def test_children_left_behind_are_ended_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    parent = f"import subprocess, sys, time; subprocess.Popen({STUBBORN!r}); time.sleep(600)"
    process = start("parent", [sys.executable, "-c", parent], log=log)
    wait_ready(process, lambda: says_up(log), 20)
    children = process._session()
    assert len(children) == 2
    process.stop()
    assert wait_until(lambda: all(identity(pid) is None for pid in children), 5)


def test_a_stranger_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    real = start("sleep", SLEEP, log=log)
    boot, ticks = real.started.split(":")
    try:
        for other in (f"{boot}:{int(ticks) - 1}", f"another-boot:{ticks}"):
            # as after a restart of this program: it is not a child that Popen knows
            code = (
                "from stack.process import Process\n"
                f"old = Process('sleep', {real.pid}, {other!r}, '/dev/null')\n"
                "assert not old.alive()\nold.stop()\nold.kill()\n"
            )
            subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
        assert real.alive()
    finally:
        real.kill()


def test_a_server_that_ends_at_once_says_why(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "raise SystemExit('bind: Address already in use')"]
    process = start("broken", words, log=tmp_path / "log")
    with pytest.raises(NotReady, match="broken ended instead of becoming ready") as caught:
        wait_ready(process, lambda: False, 20)
    assert "Address already in use" in str(caught.value)
    assert caught.value.port_taken


def test_a_server_that_never_answers_is_ended(tmp_path: Path) -> None:
    process = start("slow", SLEEP, log=tmp_path / "log")
    with pytest.raises(NotReady, match="was not ready after 0 s"):
        wait_ready(process, lambda: False, 0.3)
    assert not process.alive()


def test_a_tied_process_dies_with_the_one_that_started_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import signal, sys\nfrom pathlib import Path\n"
        "from stack.process import start, wait_until\n"
        f"p = start('sleep', {SLEEP!r}, log=Path({str(log)!r}), tied=signal.SIGTERM)\n"
        f"wait_until(lambda: 'up' in Path({str(log)!r}).read_text(), 20)\n"
        "print(p.pid, p.started, flush=True)\nimport os\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid, started = done.stdout.split()
    assert wait_until(lambda: identity(int(pid)) != started, 5)


# the state file


def test_the_state_file_finds_what_runs_and_forgets_what_ended(tmp_path: Path) -> None:
    state = State(tmp_path / "state.json")
    assert state.records() == {}
    process = start("sleep", SLEEP, log=tmp_path / "log")
    state.put(Record(process, {"port": 4711}))
    again = State(tmp_path / "state.json")
    record = again.running("sleep")
    assert record == Record(process, {"port": 4711})
    process.kill()
    assert again.running("sleep") is None
    assert "sleep" in again.records()
    again.drop("sleep")
    assert again.records() == {}
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


def test_many_writers_lose_no_record(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom stack.process import Process\n"
        "from stack.state import Record, State\nstate = State(Path(sys.argv[1]))\n"
        "for i in range(20): state.put(Record(Process(f'{sys.argv[2]}-{i}', 1, 'x:1', '')))\n"
    )
    path = tmp_path / "state.json"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), str(n)], cwd=ROOT) for n in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    assert len(State(path).records()) == 80


# settings


def test_a_cluster_has_one_broker_or_three(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 or 3 brokers here, not 2"):
        kafka.Broker(tmp_path, count=2)


def test_brokers_keep_three_copies_and_loopback(tmp_path: Path) -> None:
    broker = kafka.Broker(tmp_path, count=3, settings={"num.partitions": "7"})
    broker._choose_ports()
    broker._configure()
    assert len(broker.bootstrap.split(",")) == 3
    for node in broker.nodes:
        properties = dict(line.split("=", 1) for line in node.properties.read_text().splitlines())
        assert properties["default.replication.factor"] == "3"
        assert properties["min.insync.replicas"] == "2"
        assert properties["num.partitions"] == "7"
        assert properties["listeners"].count("://127.0.0.1:") == properties["listeners"].count("://")


def test_a_service_that_does_not_run_says_so(tmp_path: Path) -> None:
    for ask in (postgres.Server(tmp_path).dsn, lambda: mail.Sink(tmp_path).port):
        with pytest.raises(RuntimeError, match="does not run"):
            ask()


def test_airflow_listens_on_loopback_and_its_secrets_stay_in_files(tmp_path: Path) -> None:
    pg = postgres.Server(tmp_path / "pg")
    pg._port = 5432
    airflow = Airflow(tmp_path / "airflow", pg, connections={"shop": {"conn_type": "postgres", "host": "h"}})
    airflow._port = 8080
    env = airflow.env()
    assert env["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert json.loads(env["AIRFLOW_CONN_SHOP"]) == {"conn_type": "postgres", "host": "h"}
    assert len(env["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64
    assert airflow.env() == env, "secrets must not change from one start to the next"
    for name in ("jwt-secret", "fernet-key", "api-secret-key"):
        assert (tmp_path / "airflow" / name).stat().st_mode & 0o777 == 0o600


# the command


def test_nothing_runs_in_a_new_folder(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "stack")
    assert [(row.part, row.up) for row in stack.status()] == [(part, False) for part in (*PARTS, *EXTRAS)]
    stack.down()
    assert len(set(PORTS.values())) == len(PORTS)


def test_a_nifi_that_does_not_run_is_not_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {part: Row(part, True, "here", Path("log")) for part in (*PARTS, *EXTRAS)}
    stack = SimpleNamespace(status=lambda: list(rows.values()))
    monkeypatch.setattr("stack.__main__.Stack", lambda: stack)
    assert main(["status"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["nifi", "up", "here"]
    rows["nifi"] = Row("nifi", False, "", Path("log"))
    assert main(["status"]) == 0
    rows["mail"] = Row("mail", False, "", Path("log"))
    assert main(["status"]) == 3


def test_down_ends_only_what_the_state_file_names(tmp_path: Path) -> None:
    ours = start("something-older", SLEEP, log=tmp_path / "ours")
    stranger = start("stranger", SLEEP, log=tmp_path / "stranger")
    stack = Stack(tmp_path / "stack")
    stack.state.put(Record(ours))
    boot, ticks = stranger.started.split(":")
    stack.state.put(
        Record(Process("kafka-1", os.getpid(), f"{boot}:{ticks}", ""), {"port": 1, "controller_port": 2})
    )
    try:
        stack.down()
        assert not ours.alive()
        assert stranger.alive()
        assert stack.state.records() == {}
    finally:
        stranger.kill()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fly"], "invalid choice: 'fly'"),
        (["up", "zookeeper"], "there is no part zookeeper"),
        (["down", "kafka"], "down is for all parts together"),
    ],
)
def test_a_wrong_word_is_explained(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


# NiFi's Java


def a_java(folder: Path, version: str, *programs: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    for name in programs or ("java", "keytool"):
        (folder / "bin" / name).write_text("#!/bin/sh\n")
        (folder / "bin" / name).chmod(0o755)
    return folder


def test_the_first_java_that_is_new_enough_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = java.java_home.__wrapped__
    monkeypatch.setattr(java, "_JVMS", tmp_path / "jvm")
    monkeypatch.setattr(java, "_installed", lambda: Path("of PyPI"))
    monkeypatch.setenv("JAVA_HOME", str(a_java(tmp_path / "old", "17.0.15")))
    monkeypatch.setenv("PATH", "/no/such/folder")
    assert find() == Path("of PyPI")
    a_java(tmp_path / "jvm" / "a-half", "25", "java")  # no keytool
    a_java(tmp_path / "jvm" / "b-older", "11.0.2")
    assert find() == Path("of PyPI")
    third = a_java(tmp_path / "jvm" / "c-newer", "25.0.3")
    assert find() == third
    second = a_java(tmp_path / "on-path", "21")
    monkeypatch.setenv("PATH", str(second / "bin"))
    assert find() == second
    monkeypatch.setenv("JAVA_HOME", str(third))
    assert find() == third
