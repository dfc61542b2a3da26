"""Passwords are in no message, receipt, table, log line or output, whatever is wrong with what they stand in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import headrace
import pytest
from headrace import _load, _settings, doctor

from stack import kafka, ports, postgres
from tests.real.load_kit import execute, produce, rows

pytestmark = pytest.mark.real

PIECES = ("Zq7xW", "k3yH0le", "p1neC")
SECRET = "Zq7xW/k3yH0le p1neC@'\\%:?"
"""Three recognizable pieces, with everything between them that connection strings stumble over."""
QUOTED = "'" + SECRET.replace("\\", "\\\\").replace("'", "\\'") + "'"
ROLE = "keeper"


def assert_kept(*texts: str) -> None:
    """No piece of the secret in any of the texts."""
    for text in texts:
        for piece in (*PIECES, quote(PIECES[1])):
            assert piece not in text, text


@pytest.fixture(scope="module")
def server(pg: postgres.Server) -> Iterator[postgres.Server]:
    """The server with a role whose password is SECRET."""
    literal = SECRET.replace("'", "''")
    with pg.connect() as connection:
        connection.execute(f"CREATE ROLE {ROLE} LOGIN SUPERUSER PASSWORD '{literal}'")
    yield pg
    with pg.connect() as connection:
        connection.execute(f"DROP ROLE {ROLE}")


@pytest.fixture
def shop(server: postgres.Server, database: str, tmp_path: Path) -> tuple[str, str]:
    """(where, file): the end of a connection string without user and password, and a file to load into table t."""
    execute(server.dsn(database), "CREATE TABLE t (id integer)")
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": 1}\n')
    return f"host={ports.LOOPBACK} port={server.port} dbname={database}", str(path)


def told(error: BaseException) -> str:
    """Everything an exception tells: its words, its chain, its attributes, its receipt."""
    text = "".join(traceback.format_exception(error)) + repr(error) + repr(error.args)
    return text + "".join(repr(value) for value in vars(error).values())


def dump(dsn: str) -> str:
    """All that Headrace has written down in the database."""
    tables = ("receipts", "receipt_lanes", "receipt_tables", "dead_letters", "offsets")
    return "".join(str(rows(dsn, f"SELECT x::text FROM headrace.{table} x")) for table in tables)


def command(
    *words: str, env: dict[str, str] | None = None, data: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-m", "headrace", *words],
        input=data, capture_output=True, text=True, check=False, timeout=90, env={**os.environ, **(env or {})},
    )  # fmt: skip


def ways(server: postgres.Server, database: str, passfile: Path) -> dict[str, tuple[str, dict[str, str]]]:
    """Right ways to give the password: (dsn, environment)."""
    where = f"host={ports.LOOPBACK} port={server.port} dbname={database} user={ROLE}"
    bare = f"postgresql://{ROLE}@{ports.LOOPBACK}:{server.port}/{database}"
    escaped = SECRET.replace("\\", "\\\\").replace(":", "\\:")
    passfile.write_text(f"{ports.LOOPBACK}:{server.port}:{database}:{ROLE}:{escaped}\n")
    passfile.chmod(0o600)
    return {
        "conninfo": (f"{where} password={QUOTED}", {}),
        "URI": (bare.replace("@", f":{quote(SECRET, safe='')}@"), {}),
        "URI parameter": (f"{bare}?password={quote(SECRET, safe='')}", {}),
        "PGPASSWORD": (where, {"PGPASSWORD": SECRET}),
        "passfile": (f"{where} passfile={passfile}", {}),
        "PGPASSFILE": (bare, {"PGPASSFILE": str(passfile)}),
    }


def test_right_passwords_work_and_are_not_written_down(
    server: postgres.Server, database: str, shop: tuple[str, str], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    found = ways(server, database, Path(shop[1]).with_name("pgpass"))
    for name, (dsn, environment) in found.items():
        with monkeypatch.context() as patch:
            for key, value in environment.items():
                patch.setenv(key, value)
            receipt = headrace.load(shop[1], "t", dsn=dsn, job=name)
            assert receipt.loaded == 1, name
            again = headrace.load(headrace.Query(dsn, "SELECT 2 AS id"), "t", dsn=dsn, job=f"{name} query")
            assert again.loaded == 1, name
            assert_kept(receipt.to_json(), str(receipt), receipt._repr_html_(), again.to_json(), str(again))
            assert_kept(str(headrace.plan(shop[1], "t", dsn=dsn)), str(headrace.Query(dsn, "SELECT 1")))
            assert_kept(repr(headrace.Query(dsn, "SELECT 1")), str(doctor.examine(dsn)))
    done = command("load", shop[1], "t", "--dsn", found["URI"][0], "--again", "--json")
    assert done.returncode == 0, done.stderr
    assert "warning: the password in --dsn is visible" in done.stderr
    assert json.loads(done.stdout)["loaded"] == 1
    assert_kept(done.stdout, done.stderr, dump(server.dsn(database)), *capfd.readouterr())


def wrong(where: str, server: postgres.Server) -> dict[str, str]:
    """Connection strings that cannot work, each with the secret or a piece of it in it."""
    port, encoded = server.port, quote(SECRET, safe="")
    login = f"user={ROLE} password={QUOTED}"
    return {
        "no such host": f"host=nowhere.invalid dbname=d {login}",
        "nobody listens": f"host={ports.LOOPBACK} port={ports.pick(None, 'nobody')} {login}",
        "wrong password": f"{where} user={ROLE} password='{PIECES[0]}'",
        "wrong password in a URI": f"postgresql://{ROLE}:{PIECES[0]}@{ports.LOOPBACK}:{port}/postgres",
        "no such user": f"{where} user=nobody-{ROLE} password={QUOTED}",
        "no such database": where.replace("dbname=", f"{login} dbname=no-"),
        "wrong sslmode": f"{where} {login} sslmode=always",
        "wrong port": f"host={ports.LOOPBACK} port=99999999 {login}",
        "no ssl there": f"{where} {login} sslmode=require sslpassword={PIECES[1]}",
        "no certificate there": f"{where} {login} sslmode=verify-full sslrootcert=/nowhere/root.crt",
        "unknown keyword": f"{where} {login} pasword={PIECES[0]}",
        "unknown parameter": f"postgresql://{ROLE}@h/d?pasword={PIECES[0]}",
        "blank in the value": f"{where} user={ROLE} password={PIECES[0]} {PIECES[1]}",
        "quote that does not end": f"{where} password='{PIECES[0]}",
        "text after a quote": f"{where} password='{PIECES[0]}'{PIECES[1]}",
        "no equals sign": f"{where} password {PIECES[0]}",
        "a word alone": PIECES[0],
        "no scheme": f"{ROLE}:{PIECES[0]}@{ports.LOOPBACK}/postgres",
        "SQLAlchemy's scheme": f"postgresql+psycopg2://{ROLE}:{encoded}@{ports.LOOPBACK}:{port}/postgres",
        "JDBC's": f"jdbc:postgresql://{ports.LOOPBACK}:{port}/postgres?user={ROLE}&password={encoded}",
        "capitals": f"POSTGRESQL://{ROLE}:{encoded}@{ports.LOOPBACK}:{port}/postgres",
        "slash in the password": f"postgresql://{ROLE}:{PIECES[0]}/{PIECES[1]}@{ports.LOOPBACK}:{port}/postgres",
        "at sign in the password": f"postgresql://{ROLE}:x@{PIECES[0]}@{ports.LOOPBACK}:{port}/postgres",
        "of the second of two hosts": f"postgresql://{ROLE}:x@h,y@{PIECES[1]}@{ports.LOOPBACK}/postgres",
        "no host after the password": f"postgresql://{ROLE}:{PIECES[0]}",
        "percent in the password": f"postgresql://{ROLE}:%zz{PIECES[0]}@{ports.LOOPBACK}:{port}/postgres",
        "bracket": f"postgresql://{ROLE}:{PIECES[0]}@[{PIECES[1]}:{port}/postgres",
        "NUL": f"postgresql://{ROLE}:%00{PIECES[0]}@{ports.LOOPBACK}:{port}/postgres",
    }


def test_wrong_connection_strings_are_not_repeated(
    server: postgres.Server, shop: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    where, path = shop
    for name, dsn in wrong(where, server).items():
        for attempt in (
            lambda dsn=dsn: headrace.load(path, "t", dsn=dsn),
            lambda dsn=dsn: headrace.load(
                headrace.Query(dsn, "SELECT 1 AS id"), "t", dsn=server.dsn("postgres")
            ),
            lambda dsn=dsn: headrace.Connection(dsn),
            lambda dsn=dsn: headrace.receipts.list(dsn=dsn),
        ):
            with pytest.raises(headrace.HeadraceError) as caught:
                attempt()
            assert_kept(told(caught.value))
            assert str(caught.value), name
        assert_kept(doctor.examine(dsn)._repr_html_())
        assert_kept(headrace.dsn.without_password(dsn), str(headrace.Query(dsn, "SELECT 1")))
    assert_kept(*capfd.readouterr())


def test_the_command_does_not_repeat_them_either(server: postgres.Server, shop: tuple[str, str]) -> None:
    where, path = shop
    table = wrong(where, server)
    for name in ("wrong password", "blank in the value", "no scheme", "at sign in the password"):
        done = command("load", path, "t", "--dsn", table[name], "--json")
        assert done.returncode in (2, 3, 4), name
        assert_kept(done.stdout, done.stderr)
    for name in ("SQLAlchemy's scheme", "JDBC's", "capitals"):
        done = command("load", table[name] + "?table=t", "t", "--dsn", server.dsn("postgres"))
        assert done.returncode == 2, name
        assert_kept(done.stdout, done.stderr)


KAFKA: dict[str, dict[str, str]] = {
    "the broker knows no SASL": {
        "security.protocol": "sasl_plaintext", "sasl.mechanisms": "PLAIN", "sasl.username": ROLE, "sasl.password": SECRET,
    },
    "the broker knows no TLS": {
        "security.protocol": "sasl_ssl", "sasl.mechanisms": "SCRAM-SHA-256", "sasl.username": ROLE, "sasl.password": SECRET,
    },
    "a key file that is none": {"security.protocol": "ssl", "ssl.key.location": "/dev/null", "ssl.key.password": SECRET},
    "a key that is none": {"security.protocol": "ssl", "ssl.key.pem": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n"},
    "a certificate that is none": {"security.protocol": "ssl", "ssl.certificate.pem": SECRET},
    "a key store that is none": {"security.protocol": "ssl", "ssl.keystore.location": "/dev/null", "ssl.keystore.password": SECRET},
    "a misspelt name": {"sasl.pasword": SECRET},
    "a token that is none": {
        "security.protocol": "sasl_plaintext", "sasl.mechanisms": "OAUTHBEARER", "sasl.oauthbearer.config": f"principal={SECRET}",
    },
    "no user": {"security.protocol": "sasl_plaintext", "sasl.mechanisms": "PLAIN", "sasl.password": SECRET},
}  # fmt: skip


@pytest.mark.parametrize("name", KAFKA)
def test_kafka_secrets_are_not_repeated(
    name: str, broker: kafka.Broker, topic: str, dsn: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not in errors, and not in librdkafka's own log, be it as talkative as it can."""
    execute(dsn, "CREATE TABLE t (id integer)")
    url = f"kafka://{broker.bootstrap}/{topic}"
    for debug in ({}, {"debug": "all"}):
        settings = _settings.build(url, "t", dsn=dsn, kafka={**KAFKA[name], **debug})
        settings["source"]["timeout_ms"] = 1000
        with pytest.raises(headrace.HeadraceError) as caught:
            _load.run(settings)
        assert_kept(told(caught.value))
    assert_kept(*capfd.readouterr())


def test_kafka_urls_are_not_repeated(broker: kafka.Broker, topic: str, dsn: str) -> None:
    execute(dsn, "CREATE TABLE t (id integer)")
    produce(broker.bootstrap, topic, [{"id": 1}])
    login = f"sasl.username={ROLE}&sasl.password={quote(SECRET)}"
    for url in (
        f"kafka://{ROLE}:{quote(SECRET)}@{broker.bootstrap}/{topic}",
        f"kafka://{ROLE}:{SECRET}@{broker.bootstrap}/{topic}",
        f"kafka://{ROLE}:1/{PIECES[0]}@{broker.bootstrap}/{topic}",
        f"kafka://{ROLE}:1?{PIECES[0]}@{broker.bootstrap}/{topic}",
        f"kafka://{ROLE}:1#{PIECES[0]}@{broker.bootstrap}/{topic}",
        f"kafka://{broker.bootstrap}?{login}",
        f"kafka:///?{login}",
        f"kafka://{broker.bootstrap}/no-such-topic?{login}",
        f"kafkas://{ROLE}:{quote(SECRET)}@{broker.bootstrap}/{topic}",
    ):
        with pytest.raises(headrace.UsageError) as caught:
            headrace.load(url, "t", dsn=dsn)
        assert_kept(told(caught.value))
    receipt = headrace.load(f"kafka://{broker.bootstrap}/{topic}?{login}", "t", dsn=dsn)
    assert receipt.loaded == 1
    assert_kept(receipt.to_json(), dump(dsn))


def test_properties_files_are_not_repeated(tmp_path: Path, dsn: str, broker: kafka.Broker) -> None:
    execute(dsn, "CREATE TABLE t (id integer)")
    path = tmp_path / "client.properties"
    for text in (f"sasl.password {SECRET}", f"={SECRET}", f"sasl.pasword={SECRET}", SECRET):
        path.write_text(f"client.id=x\n{text}\n")
        with pytest.raises(headrace.UsageError) as caught:
            headrace.load(f"kafka://{broker.bootstrap}/t", "t", dsn=dsn, kafka=path)
        assert_kept(told(caught.value))
