"""headrace.embedded without its servers: which folder, which server, and what is said when something is missing."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headrace import embedded
from headrace.embedded import postgresql
from headrace.embedded.broker import distribution
from headrace.embedded.postgresql import Server, _quoted
from headrace.errors import FatalError


class Fake:
    """A server that writes down what becomes of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.life: list[str] = []

    def start(self) -> None:
        self.life.append("start")

    def stop(self) -> None:
        self.life.append("stop")

    def kill(self) -> None:
        self.life.append("kill")

    def destroy(self) -> None:
        self.life.append("destroy")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Fake]]:
    """The servers that were made; none is known before and after."""
    found: list[Fake] = []

    def make(folder: Path, **_: Any) -> Fake:
        found.append(Fake(folder))
        return found[-1]

    for name in ("Server", "Broker"):
        monkeypatch.setattr(embedded, name, make)
    for name in ("_postgres", "_kafka"):
        monkeypatch.setattr(embedded, name, {})
    yield found
    for fake in found:
        if fake.folder.exists() and not any(fake.folder.iterdir()):
            fake.folder.rmdir()


def test_a_second_call_finds_the_first_server(made: list[Fake], tmp_path: Path) -> None:
    assert embedded.postgres() is embedded.postgres()
    assert embedded.postgres(tmp_path) is embedded.postgres(f"{tmp_path}/../{tmp_path.name}")
    assert embedded.kafka() is embedded.kafka()
    assert len(made) == 3
    assert all(set(fake.life) == {"start"} for fake in made)


def test_only_a_named_folder_keeps_its_data(made: list[Fake], tmp_path: Path) -> None:
    for call in (embedded.postgres, embedded.kafka):
        call()
        call(tmp_path)
    embedded.stop()
    assert [fake.life[2:] for fake in made] == [["destroy"], ["stop"], ["kill", "destroy"], ["stop"]]
    assert made[1].folder == tmp_path
    embedded.postgres()
    assert len(made) == 5, "after stop() it is another server"


def test_a_child_does_not_stop_its_parents_servers(made: list[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    embedded.postgres()
    monkeypatch.setattr(embedded, "_owner", -1)
    embedded.stop()
    assert made[0].life[-1] == "start"


def test_a_server_that_does_not_start_is_forgotten(made: list[Fake], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Fake) -> None:
        raise RuntimeError("there is no `java` here")

    monkeypatch.setattr(Fake, "start", fail)
    with pytest.raises(FatalError, match="no `java` here"):
        embedded.kafka()
    assert not made[0].folder.exists()
    assert embedded._kafka == {}


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    distribution.java.cache_clear()
    with pytest.raises(RuntimeError, match=r"Java 17 or newer .* apt-get install .*kafka://host:port/topic"):
        distribution.java()
    distribution.java.cache_clear()


def test_what_a_fetch_needs_is_in_the_package() -> None:
    assert "kafka_2.13" in distribution._JARS.pom.read_text()
    assert len(distribution._JARS.sums.read_text().splitlines()) > 50
    assert distribution._JARS.pom.with_name("log4j2.yaml").exists()


def test_a_fetch_is_announced(
    made: list[Fake], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for there in (True, False):
        monkeypatch.setattr(distribution, "fetched", lambda there=there: there)
        embedded.kafka()
        assert ("Fetching Kafka's jars" in capsys.readouterr().err) == (not there)


def test_jars_lie_in_the_checkout_or_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(distribution, "_HERE", tmp_path / "lib/python/headrace/embedded/broker")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert distribution._room() == tmp_path / "cache/headrace/kafka"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert distribution._room() == Path.home() / ".cache/headrace/kafka"
    root = tmp_path / "checkout"
    for part in ("stack/kafka", "csrc", "python/headrace/embedded/broker"):
        (root / part).mkdir(parents=True)
    monkeypatch.setattr(distribution, "_HERE", root / "python/headrace/embedded/broker")
    assert distribution._room() == root / "build/kafka"


@pytest.mark.parametrize(
    ("value", "quoted"),
    [("plain/x.1", "plain/x.1"), ("", "''"), ("a b", "'a b'"), ("it's \\", "'it\\'s \\\\'")],
)
def test_values_of_connection_strings(value: str, quoted: str) -> None:
    assert _quoted(value) == quoted


def test_a_stopped_server_says_so(tmp_path: Path) -> None:
    assert repr(Server(tmp_path)).endswith(f", stopped, in {tmp_path}>")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    """A server of root's that has run and is dead: its data lies in a room, its folder has what leads there."""
    room = tmp_path / "room"
    (room / "data").mkdir(parents=True)
    monkeypatch.setattr(postgresql, "account", lambda: pwd.getpwuid(os.geteuid()).pw_name)
    monkeypatch.setattr(postgresql, "root_folder", lambda: room)
    monkeypatch.setattr(postgresql, "binaries", lambda: room / "bin")
    server = Server(tmp_path / "pg")
    server.folder.mkdir()
    server._prepare_home()
    assert server.password
    server.data.mkdir()
    (server.data / "PG_VERSION").write_text("18\n")
    (server.data / "postmaster.pid").write_text(f"{2**22 + 1}\n{server.data}\n")  # no process has this id
    return server


def remake(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def test_data_of_a_folder_that_was_made_anew_is_replaced(served: Server) -> None:
    """As a draft, which the next cluster begins by removing: also that of an earlier one."""
    (served._home / "pgdata.new").mkdir()
    (served._home / "pgdata.new" / "half").touch()
    remake(served.folder)
    served._prepare_home()
    assert not served.data.exists()
    assert sorted(path.name for path in (served._home / "pgdata.new").iterdir()) == [
        "PG_VERSION",
        "postmaster.pid",
    ]
    assert (served.folder / "pgdata").readlink() == served.data


@pytest.mark.parametrize("lost", [("pgdata",), ("password",), ()])
def test_data_stays_while_its_folder_may_be_the_same(served: Server, lost: tuple[str, ...]) -> None:
    for name in lost:
        (served.folder / name).unlink()
    served._prepare_home()
    assert (served.data / "PG_VERSION").exists()
    assert (served.folder / "pgdata").readlink() == served.data


def test_data_that_is_being_made_is_nobody_elses(served: Server) -> None:
    """Another process has made the home, and not yet the link: only whole data can be of a folder before."""
    remake(served.folder)
    (served.data / "PG_VERSION").unlink()
    served._prepare_home()
    assert (served.data / "postmaster.pid").exists()


def test_data_on_which_a_server_runs_is_left_alone(served: Server) -> None:
    remake(served.folder)
    (served.data / "postmaster.pid").write_text(f"{os.getpid()}\n{served.data}\n")
    with pytest.raises(RuntimeError, match=f"as process {os.getpid()} on {served.data}: end it"):
        served._prepare_home()
    assert (served.data / "PG_VERSION").exists()
    assert list(served.folder.iterdir()) == []


def test_data_of_a_folder_whose_disk_is_not_mounted_stays(
    served: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may be on it, and is neither gone nor made anew."""
    assert postgresql._Owner.read(served._home) == postgresql._Owner.of(served.folder)
    postgresql._Owner(str(served.folder), str(tmp_path)).write(served._home)  # where nothing is mounted now
    shutil.rmtree(served.folder)
    other = Server(tmp_path / "other")
    other.folder.mkdir()
    other._prepare_home()
    assert (served.data / "PG_VERSION").exists()
    served.folder.mkdir()
    with pytest.raises(RuntimeError, match=f"a disk that was mounted at {tmp_path}: mount it"):
        served._prepare_home()
    assert (served.data / "PG_VERSION").exists()


def test_data_of_older_versions_is_known(served: Server) -> None:
    (served._home / "folder").write_text(str(served.folder))
    assert postgresql._Owner.read(served._home) == postgresql._Owner(str(served.folder))
    remake(served.folder)
    served._prepare_home()
    assert not served.data.exists()


def test_a_lock_file_that_a_crash_left_empty_keeps_no_data(served: Server, tmp_path: Path) -> None:
    """Of a folder that is gone: the next start of any other server removes it."""
    (served.data / "postmaster.pid").write_text("")
    shutil.rmtree(served.folder)
    other = Server(tmp_path / "other")
    other.folder.mkdir()
    other._prepare_home()
    assert not served._home.exists()
