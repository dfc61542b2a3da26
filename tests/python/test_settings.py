"""What a user writes, and the settings the C module gets: sources, Kafka settings, connection strings without secrets."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from headrace import Query, UsageError, _settings, _source
from headrace.dsn import UNREADABLE, has_password, take_parameter, without_password


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the machine."""
    monkeypatch.delenv("HEADRACE_KAFKA_CONFIG", raising=False)


@pytest.mark.parametrize(
    ("dsn", "shown", "secret"),
    [
        ("host=h dbname=d", "host=h dbname=d", False),
        ("host=h password=secret dbname=d", "host=h dbname=d", True),
        ("host=h password = 'se cr\\'et' dbname=d", "host=h dbname=d", True),
        ("host='a b' user = u", "host='a b' user = u", False),
        ("password=secret", "", True),
        ("host=h PASSWORD=secret", "host=h", True),
        ("host=h sslpassword=secret user=u", "host=h user=u", True),
        ("host=h pasword=secret", "host=h", False),
        ("host=h password=se\\ cret", "host=h", True),
        ("host=h password=top secret", UNREADABLE, True),
        ("host=h password='secret", UNREADABLE, True),
        ("host=h password='top'secret", UNREADABLE, True),
        ("host=h password secret", UNREADABLE, True),
        ("secret", UNREADABLE, True),
        ("u:secret@h/d", UNREADABLE, True),
        ("postgresql://u:secret@h:5432/d?x=1", "postgresql://u@h:5432/d", True),
        ("postgresql://u:sec%40ret@h/d", "postgresql://u@h/d", True),
        ("postgresql://u:se@cret@h/d", UNREADABLE, True),
        ("postgresql://u:sec/ret?secret@h/d", UNREADABLE, True),
        ("postgresql://h/d?user=u&password=a@secret", UNREADABLE, True),
        ("postgresql://u:secret", UNREADABLE, True),
        ("postgresql://u:secret/d", UNREADABLE, True),
        ("postgresql+psycopg2://u:secret@h/d", UNREADABLE, True),
        ("POSTGRESQL://u:secret@h/d", UNREADABLE, True),
        (" postgresql://u:secret@h/d", UNREADABLE, True),
        ("postgresql://[::1]:5432/d", "postgresql://[::1]:5432/d", False),
        ("postgresql://%2Fvar%2Frun/d", "postgresql://%2Fvar%2Frun/d", False),
        ("postgresql:///d?table=x", "postgresql:///d?table=x", False),
        ("postgresql://u@h1:1,h2:2/d", "postgresql://u@h1:1,h2:2/d", False),
        ("postgres:///d?user=u&password=secret&host=/var/run", "postgres:///d?user=u&host=/var/run", True),
        ("postgresql:///d?p%61ssword=secret&sslmode=require", "postgresql:///d?sslmode=require", True),
        ("postgresql://h/d", "postgresql://h/d", False),
        ("", "", False),
        (None, "", False),
    ],
)
def test_passwords_are_not_shown(dsn: str | None, shown: str, secret: bool) -> None:
    assert without_password(dsn) == shown
    assert "secret" not in without_password(dsn)
    assert has_password(dsn) == secret


def test_our_own_parameters_are_taken_out() -> None:
    assert take_parameter("postgresql://h/d?table=s.t&sslmode=require", "table") == (
        "postgresql://h/d?sslmode=require",
        "s.t",
    )
    assert take_parameter("postgresql://h/d", "table") == ("postgresql://h/d", None)
    assert take_parameter("postgresql:///d?table=a%20b", "table") == ("postgresql:///d", "a b")


@pytest.mark.parametrize(
    ("url", "kafka", "topic", "settings"),
    [
        ("kafka://h:9092/t", None, "t", {"bootstrap.servers": "h:9092"}),
        ("kafka://a:1,b:2/t", {"x": 1}, "t", {"bootstrap.servers": "a:1,b:2", "x": "1"}),
        ("kafka://t", {"bootstrap.servers": "h:1"}, "t", {"bootstrap.servers": "h:1"}),
        ("kafka://[::1]:9/t", None, "t", {"bootstrap.servers": "[::1]:9"}),
        (
            "kafka://h:1/t?sasl.username=a@b&x=c%26d#e",
            None,
            "t",
            {"bootstrap.servers": "h:1", "sasl.username": "a@b", "x": "c&d#e"},
        ),
        ("kafka://h/t", {"bootstrap.servers": "other:1"}, "t", {"bootstrap.servers": "h"}),
        (
            "kafka://h:1/t?client.id=me&a=",
            None,
            "t",
            {"bootstrap.servers": "h:1", "client.id": "me", "a": ""},
        ),
        ("kafka://h:1/my%20topic", None, "my topic", {"bootstrap.servers": "h:1"}),
        ("kafka://t", {"metadata.broker.list": "h:1"}, "t", {"metadata.broker.list": "h:1"}),
    ],
)
def test_kafka_urls(url: str, kafka: Any, topic: str, settings: dict[str, str]) -> None:
    assert _source.parse_kafka(url, kafka) == (topic, settings)


@pytest.mark.parametrize("url", ["kafka://", "kafka://h:1", "kafka://h:1/", "kafka://t", "kafka://u:p@h:1/t"])
def test_kafka_urls_that_cannot_be(url: str) -> None:
    with pytest.raises(UsageError):
        _source.parse_kafka(url, None)


def test_kafka_settings_are_strings() -> None:
    given = {
        "enable.auto.commit": False,
        "fetch.min.bytes": 7,
        "ssl.ca.location": Path("/x"),
        "nothing": None,
        "on": True,
    }
    assert _source.kafka_settings(given) == {
        "enable.auto.commit": "false",
        "fetch.min.bytes": "7",
        "ssl.ca.location": "/x",
        "on": "true",
    }


def test_properties_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kafka.properties"
    path.write_text("# comment\n! too\n\nbootstrap.servers = h:1\nsasl.password=a=b#c\n")
    expected = {"bootstrap.servers": "h:1", "sasl.password": "a=b#c"}
    assert _source.kafka_settings(path) == expected
    assert _source.kafka_settings(str(path)) == expected
    assert _source.kafka_settings(None) == {}
    monkeypatch.setenv("HEADRACE_KAFKA_CONFIG", str(path))
    assert _source.kafka_settings(None) == expected
    path.write_text("nonsense\n")
    with pytest.raises(UsageError, match="line 1"):
        _source.kafka_settings(path)
    with pytest.raises(UsageError, match="cannot be read"):
        _source.kafka_settings(tmp_path / "nothing")


def test_files_and_globs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.jsonl", "a.jsonl", "c.csv", "odd[1].jsonl"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)

    def paths(source: Any) -> list[str]:
        return [os.path.relpath(path, tmp_path) for path in _source.parse(source)["paths"]]

    assert paths("*.jsonl") == ["a.jsonl", "b.jsonl", "odd[1].jsonl"]
    assert paths("odd[1].jsonl") == ["odd[1].jsonl"]
    assert paths(["b.jsonl", Path("a.jsonl"), "*.jsonl"]) == ["b.jsonl", "a.jsonl", "odd[1].jsonl"]
    assert paths(tmp_path / "c.csv") == ["c.csv"]
    assert paths(f"file://{tmp_path}/c.csv") == ["c.csv"]
    assert all(os.path.isabs(path) for path in _source.parse("*.jsonl")["paths"])
    for wrong in ("nothing*", "nothing.jsonl", [], "."):
        with pytest.raises(UsageError):
            _source.parse(wrong)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x.jsonl", ("json", {})),
        ("x.csv", ("csv", {})),
        ("X.CSV.gz", ("csv", {})),
        ("x.tsv.zst", ("csv", {"delimiter": "\t"})),
        ("x", ("json", {})),
        ("x.gz", ("json", {})),
    ],
)
def test_the_format_is_guessed_by_name(name: str, expected: tuple[str, dict[str, str]]) -> None:
    assert _source.guess_format({"kind": "file", "paths": [f"/some.csv/{name}"]}) == expected
    assert _source.guess_format({"kind": "kafka", "topic": "x.csv"}) == ("json", {})


def test_other_databases() -> None:
    source = _source.parse("postgresql://u:secret@h/d?table=s.t")
    assert source["kind"] == "postgres"
    assert (source["dsn"], source["table"]) == ("postgresql://u:secret@h/d", "s.t")
    assert "secret" not in source["text"]
    assert _source.parse("postgresql://h/d?query=SELECT%201+1")["query"] == "SELECT 1+1"
    assert _source.parse(Query("host=h password=secret", "SELECT 1"))["text"] == "host=h: SELECT 1"
    for wrong in ("postgresql://h/d", "postgresql://h/d?table=t&query=q", "mysql://h/d"):
        with pytest.raises(UsageError):
            _source.parse(wrong)


def test_settings_of_a_load() -> None:
    settings = _settings.build(
        "kafka://h:1/t", "s.t", dsn="host=h", key="id", map={"a": "b"}, start=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert settings["job"] == "s.t"
    assert settings["target"] == {"dsn": "host=h", "table": "s.t"}
    assert settings["key"] == ["id"]
    assert settings["source"]["start"] == {"timestamp_ms": 1767225600000}
    assert settings["one_off"] is False
    assert len(settings["run_id"]) == 36
    assert settings["run_id"] != _settings.build("-", "t")["run_id"]
    assert _settings.build("-", "t")["one_off"] is True
    with pytest.raises(UsageError):
        _settings.build("-", "")
    with pytest.raises(TypeError):
        _settings.build("-", "t", no_such_setting=1)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="time zone"):
        _settings.build("kafka://h:1/t", "t", start=datetime(2026, 1, 1))


def test_explicit_formats_win(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.touch()
    assert _settings.build(path, "t")["csv"] == {"delimiter": "\t"}
    assert _settings.build(path, "t", csv={"delimiter": ";"})["csv"] == {"delimiter": ";"}
    built = _settings.build(path, "t", format="json")
    assert (built["format"], built["csv"]) == ("json", {})


def test_zones_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZDIR", "/somewhere")
    assert _settings.zoneinfo_directory() is None
    monkeypatch.delenv("TZDIR")
    monkeypatch.setattr(os.path, "isdir", lambda path: False)
    found = _settings.zoneinfo_directory()
    assert found is None or found.endswith("zoneinfo")
