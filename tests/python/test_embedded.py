"""headrace.embedded without its servers: which folder, which server, and what is said when something is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headrace import embedded
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
