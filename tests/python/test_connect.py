"""stack/connect and stack/maven without a worker: what is sent, what is waited for, what is refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from stack.connect import ConnectError, Rest
from stack.connect.worker import _escape
from stack.maven import Artifacts


class FakeConnect(HTTPServer):
    """Answers from a list, in turn: (status, body); remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[str, str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def answer(self) -> None:
        assert isinstance(self.server, FakeConnect)
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        self.server.asked.append((self.command, self.path, body))
        status, value = self.server.answers.pop(0)
        text = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeConnect]:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nothing listens there: it must not be asked
    with FakeConnect() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def status(connector: str, *tasks: str, trace: str = "") -> dict[str, Any]:
    return {
        "name": "sink",
        "connector": {"state": connector, "worker_id": "w"},
        "tasks": [{"id": n, "state": s, "worker_id": "w", "trace": trace} for n, s in enumerate(tasks)],
    }


def test_a_connector_is_registered_once(fake: FakeConnect) -> None:
    config = {"topics": "a", "tasks.max": "2"}
    fake.answers = [(404, {"error_code": 404, "message": "not found"}), (201, {"name": "sink/1"})]
    assert Rest(fake.url).register("sink/1", config)
    assert fake.asked == [
        ("GET", "/connectors/sink%2F1/config", None),
        ("PUT", "/connectors/sink%2F1/config", {**config, "name": "sink/1"}),
    ]
    fake.answers = [(200, {**config, "name": "sink/1"})]
    assert not Rest(fake.url).register("sink/1", config)
    fake.answers = [(200, {**config, "tasks.max": "1", "name": "sink/1"}), (200, {})]
    assert Rest(fake.url).register("sink/1", config)


def test_a_rebalance_is_waited_for(fake: FakeConnect) -> None:
    fake.answers = [(409, {"error_code": 409, "message": "rebalance"}), (503, None), (200, ["b", "a"])]
    assert Rest(fake.url).connectors() == ["a", "b"]
    fake.answers = [(409, {"error_code": 409, "message": "in the middle of a rebalance"})]
    with pytest.raises(ConnectError, match="in the middle of a rebalance") as found:
        Rest(fake.url, patience=0.1).connectors()
    assert found.value.status == 409


def test_a_refusal_has_the_words_of_connect(fake: FakeConnect) -> None:
    fake.answers = [(404, None), (400, {"error_code": 400, "message": "tasks.max must be at least 1"})]
    with pytest.raises(ConnectError, match=r"PUT http.*/connectors/s/config: 400 .*: tasks.max must be"):
        Rest(fake.url).register("s", {})
    fake.answers = [(500, "no object")]
    with pytest.raises(ConnectError, match="no object"):
        Rest(fake.url).plugins()
    with pytest.raises(ConnectError, match="no answer") as found:
        Rest("http://127.0.0.1:9").connectors()
    assert found.value.status == 0


def test_running_means_all_tasks(fake: FakeConnect) -> None:
    fake.answers = [
        (404, None),
        (200, status("RUNNING")),
        (200, status("RUNNING", "RUNNING")),
        (200, status("RUNNING", "RUNNING", "UNASSIGNED")),
        (200, status("RUNNING", "RUNNING", "RUNNING")),
    ]
    found = Rest(fake.url).wait_running("sink", tasks=2)
    assert [task.number for task in found.tasks] == [0, 1]
    assert not fake.answers


def test_a_failed_task_is_not_waited_for(fake: FakeConnect) -> None:
    fake.answers = [(200, status("RUNNING", "RUNNING", "FAILED", trace="java.lang.Error: no table"))]
    with pytest.raises(ConnectError, match="no table"):
        Rest(fake.url).wait_running("sink", tasks=2)
    fake.answers = [(200, status("FAILED"))]
    with pytest.raises(ConnectError, match="gave no reason"):
        Rest(fake.url).wait_running("sink")


def test_nothing_to_delete_is_no_error(fake: FakeConnect) -> None:
    fake.answers = [(204, None), (404, {"error_code": 404, "message": "not found"}), (500, None)]
    assert Rest(fake.url).delete("sink")
    assert not Rest(fake.url).delete("sink")
    with pytest.raises(ConnectError):
        Rest(fake.url).delete("sink")


def test_secrets_survive_properties_files() -> None:
    assert _escape("abc#=: d") == "abc#=: d"
    assert _escape(r"a\b") == r"a\\b"
    assert _escape("  x") == "\\  x"
    with pytest.raises(ValueError, match="control"):
        _escape("a\nb=c")


# what Maven fetches


class FakeMaven:
    """Stands in for subprocess.run: writes files where the command says; counts its calls."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.calls = 0

    def __call__(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.calls += 1
        folder = Path(
            next(word for word in command if word.startswith("-DoutputDirectory=")).partition("=")[2]
        )
        folder.mkdir(parents=True)
        for name, data in self.files.items():
            (folder / name).write_bytes(data)
        return subprocess.CompletedProcess(command, 0, "", "")


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    sums = tmp_path / "some.sha256"
    sums.write_text(f"{sha(b'a')}  a.jar\n{sha(b'b')}  b.jar\n")
    return Artifacts("The jars", "1 s", tmp_path / "pom.xml", sums, tmp_path / "build", "stack.some")


def test_files_are_fetched_once_and_prepared_once(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    maven = FakeMaven({"a.jar": b"a", "b.jar": b"b"})
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("subprocess.run", maven)
    prepared: list[Path] = []
    assert artifacts.ready(prepared.append) == artifacts.lib
    assert artifacts.ready(prepared.append) == artifacts.lib
    assert (maven.calls, len(prepared)) == (1, 1)
    # files in use stay where they are when the list is made anew, and when the stamp is lost
    before = (artifacts.lib / "a.jar").stat().st_ino
    assert artifacts.lock() == "lock: 2 files in some.sha256 of stack.some"
    (artifacts.folder / "checked").unlink()
    assert artifacts.ready(prepared.append) == artifacts.lib
    assert (maven.calls, len(prepared)) == (2, 1)
    assert (artifacts.lib / "a.jar").stat().st_ino == before
    # a changed list means other files
    maven.files["b.jar"] = b"c"
    artifacts.lock()
    assert (artifacts.lib / "b.jar").read_bytes() == b"b"
    artifacts.ready(prepared.append)
    assert (artifacts.lib / "b.jar").read_bytes() == b"c"
    assert (maven.calls, len(prepared)) == (4, 2)


@pytest.mark.parametrize(
    "files",
    [{"a.jar": b"a", "b.jar": b"B"}, {"a.jar": b"a"}, {"a.jar": b"a", "b.jar": b"b", "c.jar": b"c"}],
)
def test_files_that_are_not_of_the_list_are_never_used(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("subprocess.run", FakeMaven(files))
    for _ in range(2):  # nor the second time, when they are there already
        with pytest.raises(RuntimeError, match=r"not those of some\.sha256.*[bc]\.jar"):
            artifacts.ready(lambda lib: pytest.fail("prepared what must not be used"))


def test_a_failed_fetch_says_so(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(RuntimeError, match=r"no `mvn` here: install it"):
        artifacts.ready()
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(
        "subprocess.run", lambda command, **_: subprocess.CompletedProcess(command, 1, "", "no such artifact")
    )
    with pytest.raises(RuntimeError, match="no such artifact"):
        artifacts.ready()
