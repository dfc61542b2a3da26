"""What the processors of NiFi do, without NiFi: outcomes, receipts, errors, settings, the archive."""

from __future__ import annotations

import ast
import errno
import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import headrace
import pytest
from headrace.errors import FatalError, RetriableError, UsageError
from headrace.nifi import flows, install, work
from headrace.receipt import Receipt

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "nifi-templates").glob("*.json"))


def receipt(**changes: Any) -> Receipt:
    told = {"run_id": "r", "job": "j", "target": "s.t", "mode": "append", "source": "x", "state": "succeeded"}
    return Receipt.from_dict({**told, "read": 5, "loaded": 5, "seconds": 1.5, **changes})


# -- outcomes
# ---------------------------------------------------------------------------------------------------


def test_a_receipt_is_content_and_attributes() -> None:
    outcome = work.told(receipt())
    assert outcome.relationship == "success"
    assert outcome.attributes["record.count"] == "5"
    assert [outcome.attributes[f"headrace.{name}"] for name in ("read", "loaded", "rejected")] == [
        "5",
        "5",
        "0",
    ]
    assert Receipt.from_json((outcome.contents or b"").decode()).loaded == 5
    assert work.told(receipt(loaded=4, rejected=1)).relationship == "rejects"
    assert all(isinstance(value, str) for value in outcome.attributes.values())


@pytest.mark.parametrize(
    ("error", "relationship"),
    [
        (RetriableError("away", code="server", sqlstate="57P03"), "retry"),
        (FatalError("no", code="schema"), "failure"),
        (UsageError("what?"), "failure"),
        (MemoryError(), "retry"),
        (FileNotFoundError("gone"), "failure"),
    ],
)
def test_an_error_is_a_relationship_and_keeps_the_content(error: Exception, relationship: str) -> None:
    said: list[str] = []

    def job() -> work.Outcome:
        raise error

    outcome = work.guarded(job, said.append)
    assert outcome.relationship == relationship
    assert outcome.contents is None
    assert said == [outcome.attributes["headrace.error"]]
    assert outcome.attributes["headrace.error.code"]


def test_a_failed_run_tells_what_it_had_done() -> None:
    def job() -> work.Outcome:
        raise RetriableError("lost", receipt=receipt(read=7, loaded=7))

    assert work.guarded(job, lambda _: None).attributes["headrace.loaded"] == "7"


def test_a_defect_is_not_hidden() -> None:
    def job() -> work.Outcome:
        raise AttributeError("a defect")

    with pytest.raises(AttributeError):
        work.guarded(job, lambda _: None)


# -- settings
# ---------------------------------------------------------------------------------------------------


def test_the_password_joins_the_connection_string_quoted() -> None:
    assert work.conninfo("dbname=x", None) == "dbname=x"
    assert work.conninfo("dbname=x", "it's \\ so") == "dbname=x password='it\\'s \\\\ so'"
    assert work.conninfo("postgresql://u@h/x", "a/b@c") == "postgresql://u@h/x?password=a%2Fb%40c"
    assert work.conninfo("postgresql://h/x?sslmode=require", "p").endswith("?sslmode=require&password=p")


@pytest.mark.parametrize(
    ("database", "words"),
    [
        ("dbname=x password=p", "holds a password"),
        ("postgresql://u:p@h/x", "holds a password"),
        ("host=x pass word", "cannot be read as a connection string"),
        ("postgresql://[::1/x", "cannot be read as a connection string"),
        ("h:12x", "cannot be read as a connection string"),
    ],
)
def test_a_password_in_the_open_is_refused_and_not_repeated(database: str, words: str) -> None:
    """What cannot be read may hold one."""
    with pytest.raises(UsageError, match=rf"{words}.*Password") as caught:
        work.conninfo(database, "other")
    assert database not in str(caught.value)


def test_kafka_settings() -> None:
    plain = work.kafka_settings(
        "b:1", "PLAINTEXT", mechanism="PLAIN", user="u", password="p", more={"a": "1"}
    )
    assert plain == {"bootstrap.servers": "b:1", "a": "1"}
    secure = work.kafka_settings("b:1", "SASL_SSL", mechanism="SCRAM-SHA-512", user="u", password="p")
    assert secure["security.protocol"] == "sasl_ssl"
    assert (secure["sasl.username"], secure["sasl.password"]) == ("u", "p")


def test_columns_are_lines() -> None:
    assert work.column_map("") is None
    assert work.column_map("a=b.c\n\n at=time@ms\n") == {"a": "b.c", "at": {"path": "time", "unit": "ms"}}
    with pytest.raises(UsageError, match="COLUMN=PATH"):
        work.column_map("a=b\nnonsense")
    with pytest.raises(UsageError, match="COLUMN=PATH"):
        work.column_map(" = b")
    with pytest.raises(UsageError, match="there already"):
        work.column_map("a=b\na = c")


def test_spaces_around_columns_and_paths_are_none_of_them() -> None:
    """A path with a space before it is in no record: every value would be null."""
    assert work.column_map("city= address.city\n at = time@ms") == {
        "city": "address.city",
        "at": {"path": "time", "unit": "ms"},
    }
    assert work.column_map("a=\nb = ") == {"a": None, "b": None}


def test_spooled_files_have_the_same_name_each_time(tmp_path: Path) -> None:
    with work.spooled(str(tmp_path / "s"), "id-../../x y.jsonl", b"1") as first:
        pass
    with work.spooled(str(tmp_path / "s"), "id-../../x y.jsonl", b"2") as second:
        assert second == first
        assert Path(first).parent == tmp_path / "s"
        assert Path(first).read_bytes() == b"2"
        assert Path(first).stat().st_mode & 0o77 == 0


def test_what_a_killed_load_has_spooled_goes_with_the_next_one(tmp_path: Path) -> None:
    """NiFi hands the flow file over again. The kill may come when half of the content is written."""
    for kill in ("os.replace = lambda draft, path: os._exit(9)", "os.unlink = lambda path: os._exit(9)"):
        child = f"import os; {kill}\nfrom headrace.nifi import work\n"
        child += f"with work.spooled({str(tmp_path)!r}, 'a.jsonl', b'1'): pass"
        assert subprocess.run([sys.executable, "-c", child], check=False).returncode == 9
        assert len(list(tmp_path.iterdir())) == 1
        with work.spooled(str(tmp_path), "a.jsonl", b"1"):
            pass
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [FatalError("no", code="schema"), RetriableError("away"), MemoryError()])
def test_spooled_files_go_when_a_load_fails(tmp_path: Path, error: Exception) -> None:
    """NiFi has the content, and hands it over again: nobody else would ever remove the file."""

    def fails() -> None:
        with work.spooled(str(tmp_path), "a.jsonl", b"1") as path:
            assert Path(path).read_bytes() == b"1"
            raise error

    with pytest.raises(type(error)):
        fails()
    assert list(tmp_path.iterdir()) == []


def test_a_spooled_file_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(draft: str, path: str) -> None:
        raise OSError(28, "No space left on device", draft)

    monkeypatch.setattr("headrace.nifi.work.os.replace", no_room)
    with pytest.raises(OSError, match="No space"), work.spooled(str(tmp_path), "a.jsonl", b"1"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EIO])
def test_a_spooled_file_that_cannot_be_removed_changes_no_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The load is done, or has failed in a way of its own."""

    def refuses(path: str) -> None:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr("headrace.nifi.work.os.unlink", refuses)
    with work.spooled(str(tmp_path), "a.jsonl", b"1"):
        pass
    with pytest.raises(RetriableError, match="away"), work.spooled(str(tmp_path), "a.jsonl", b"1"):
        raise RetriableError("away")


def test_a_spooled_file_may_have_a_long_name(tmp_path: Path) -> None:
    """NiFi's flow files may; what tells files apart and what tells the format stay."""
    for name in ("f" * 255, "ż" * 255):
        with (
            work.spooled(str(tmp_path), f"8b0d4c2e-uuid-{name}.csv.gz", b"1") as path,
            work.spooled(str(tmp_path), f"another-uuid-{name}.csv.gz", b"1") as other,
        ):
            assert path != other
            assert Path(path).name.startswith("8b0d4c2e-uuid-")
            assert path.endswith(".csv.gz")
            assert Path(path).read_bytes() == b"1"


# -- records
# ---------------------------------------------------------------------------------------------------


def test_an_array_is_split_into_what_is_written_there() -> None:
    written = ['{"a": 1.1000000000000000000001, "b": "},{[]"}', "{}", '{"ż": {"c": [1, {}]}}']
    for text in (f"[{','.join(written)}]", f" [ {' , '.join(written)}\n]\n"):
        found = work.split(text)
        assert [text for text, _ in found] == written
        assert [value for _, value in found] == [json.loads(text) for text in written]
    assert work.split("[]") == work.split(" [ ] ") == []


def parted(
    records: list[str], unit: str = "week", zone: str = "UTC", path: str = "at"
) -> dict[str, list[str]]:
    found = list(work.periods(records, path, unit, zone, "ms" if path != "at" else None))
    assert sum(len(rows) for _, _, rows in found) == len(records)
    assert all(bool(period) != bool(why) for period, why, _ in found)
    assert len({(period, why) for period, why, _ in found}) == len(found)
    return {period or f"!{why}": rows for period, why, rows in found}


def test_the_periods_of_records() -> None:
    weeks = {
        "2026-W47": ['{"at": "2026-11-21T10:00:00Z", "n": 1.10}', '{"at":"2026-11-16T00:00:00Z"}'],
        "2026-W53": ['{"at": "2027-01-03T23:30:00+00:00"}'],
        "!null": ['{"at": null}', "{}"],
        "!range": ['{"at": "infinity"}'],
        "!type": ['{"at": "soon"}'],
        "!encoding": ['{"at": "2026-11-21T10:00:00Z", "s": "\ud800"}'],
    }
    mixed = [
        row for rows in zip(*([*rows, ""] for rows in weeks.values()), strict=False) for row in rows if row
    ]
    left = [row for rows in weeks.values() for row in rows if row not in mixed]
    assert parted(mixed + left) == weeks
    assert parted([]) == {}


def test_periods_follow_zone_and_unit() -> None:
    record = '{"order": {"at": 1767225600000}}'  # 2026-01-01T00:00:00Z
    assert parted([record], "day", "America/New_York", "order.at") == {"2025-12-31": [record]}
    assert parted([record], "month", "UTC", "order.at") == {"2026-01": [record]}
    with pytest.raises(UsageError):
        parted([record], "day", "Mars/Base", "order.at")


def test_no_two_parts_have_the_same_name() -> None:
    """A folder that they are put into would keep the last one only."""
    records = [
        '{"at": "2026-01-01"}',
        '{"at": "2026-02-01"}',
        '{"at": "?"}',
        '{"at": null}',
        '{"at": "infinity"}',
    ]
    parts = list(work.periods(records, "at", "week", "UTC", None))
    names = [work.part_name("in.json", "id", period, why) for period, why, _ in parts]
    assert len(parts) == 5
    assert len(set(names)) == 5, names
    assert names[0] == "in-2026-W01-id.json"
    assert work.part_name(None, "id", "2026-01", "") == "records-2026-01-id.json"


def test_hashes_are_those_of_the_library() -> None:
    records = ['{"a": " x ", "b": 7.5}', '{"a": "y"}', "{}"]
    found = work.hashes(records, ["a", "b"], {}, recipe="automate_dv", diff=False, zone="UTC")
    schema = headrace.Schema([("a", "text"), ("b", "text")])
    batch, _ = headrace.decode_json("\n".join(records), schema)
    expected = headrace.hash_keys(batch, ["a", "b"], output="hex")
    assert found == [(expected.column_text(2, row), "") for row in range(3)]
    assert found[2] == (None, "")
    mixed = ['{"b": "x"}', '{"b": 1}', '{"b": []}', '{"b": 1}']
    bad = work.hashes(mixed, ["b"], {"b": "bigint"}, recipe="plain", diff=False, zone="UTC")
    assert [value is None for value, _ in bad] == [bool(why) for _, why in bad] == [True, False, True, False]
    assert bad[1] == bad[3]
    assert work.hashes([], ["b"], {}, recipe="plain", diff=True, zone="UTC") == []


def test_a_type_of_a_column_that_is_not_hashed_is_refused() -> None:
    """What was meant would be hashed as text, which is another hash."""
    with pytest.raises(UsageError, match="amout=numeric"):
        work.hashes(
            ['{"amount": 1.5}'],
            ["amount"],
            {"amout": "numeric(12,2)"},
            recipe="plain",
            diff=False,
            zone="UTC",
        )


@pytest.mark.parametrize("text", ["{}", "{ }", '{"a": 1.10 }', '{"a": "}"}', '{"a": {}}'])
def test_a_field_is_added_and_the_rest_stays_as_written(text: str) -> None:
    added = work.with_field(text, 'h"k', "0a")
    assert json.loads(added) == {**json.loads(text), 'h"k': "0a"}
    assert added.startswith(text.rstrip("} "))
    assert json.loads(work.with_field(text, "hk", None))["hk"] is None


def test_windows_count_each_value_once() -> None:
    lines = b'{"t": "2026-01-01T00:00:01Z", "u": 1}\n{"t": "2026-01-01T00:00:59Z", "u": 1}\n{"t": null, "u": 2}\n?\n'
    outcome = work.windows(lines, time="t", unit="minute", distinct=["u"])
    assert outcome.relationship == "rejects"
    assert json.loads(outcome.attributes["headrace.reasons"]) == {"malformed": 1, "null": 1}
    row = json.loads(outcome.contents or b"")
    assert (row["distinct_u"], row["records"]) == (1, 2)
    assert outcome.attributes["headrace.read"] == "4"
    assert work.windows(b"t,u\n2026-01-01 00:00:00Z,5\n", time="t", unit="day", distinct=["u"], format="csv")


def test_windows_of_columns_that_are_not_there_are_refused() -> None:
    """Their count would be 0, or none at all."""
    csv = b'\xef\xbb\xbft,"u, v"\r\n2026-01-01 00:00:00Z,5\r\n'
    for distinct, by in ((["v"], []), (["u, v"], ["w"])):
        with pytest.raises(UsageError, match=r"no column .* in the header: t, u, v"):
            work.windows(csv, time="t", unit="day", distinct=distinct, by=by, format="csv")
    found = work.windows(csv, time="t", unit="day", distinct=["u, v"], format="csv")
    assert json.loads(found.contents or b"")["distinct_u, v"] == 1
    assert work.windows(b"", time="t", unit="day", distinct=["u"], format="csv").relationship == "success"
    with pytest.raises(UsageError, match="name a column"):
        work.windows(csv, time="t", unit="day", distinct=[], format="csv")


def test_replaying_where_nothing_is_open_is_a_success_with_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    replayed: list[str] = []

    class Letters:
        """A job's dead letters: one, of another reason."""

        def count(self, job: str, dsn: str) -> dict[str, int]:
            return {"type": 1}

        def replay(self, job: str, **settings: Any) -> Receipt:
            replayed.append(job)
            return receipt()

    monkeypatch.setitem(vars(headrace), "dead_letters", Letters())
    outcome = work.replay("j", "", "constraint", None)
    assert (outcome.relationship, outcome.attributes["record.count"], replayed) == ("success", "0", [])
    for reason in ("type", None):
        assert work.replay("j", "", reason, None).attributes["record.count"] == "5"
    assert replayed == ["j", "j"]
    with pytest.raises(UsageError, match="name the job"):
        work.replay("", "", None, None)


# -- the archive
# ---------------------------------------------------------------------------------------------------


def home(folder: Path, properties: str) -> Path:
    (folder / "conf").mkdir(parents=True)
    (folder / "lib").mkdir()
    (folder / "conf" / "nifi.properties").write_text(properties)
    return folder


def test_install_puts_the_archive_and_python_into_a_home(tmp_path: Path) -> None:
    place = home(tmp_path / "nifi", "a=b\n#nifi.python.command=python3\n")
    older = place / "extensions" / "headrace-nifi-nar-0.0.1.nar"
    older.parent.mkdir()
    older.write_bytes(b"")
    done = install.install(place)
    assert done.changed
    assert not older.exists()
    text = (place / "conf" / "nifi.properties").read_text()
    assert text.endswith(f"#nifi.python.command=python3\nnifi.python.command={sys.executable}\n")
    assert not install.install(place).changed
    with zipfile.ZipFile(done.archive) as archive:
        names = set(archive.namelist())
        manifest = archive.read("META-INF/MANIFEST.MF").decode()
    assert f"Nar-Version: {headrace.__version__}" in manifest
    assert {f"{file.stem}.py" for file in install.processors()} <= names
    bundled = "NAR-INF/bundled-dependencies/headrace/"
    assert {f"{bundled}sql/0001_headrace.sql", f"{bundled}nifi/work.py"} <= names
    assert any(name.startswith(f"{bundled}_headrace") for name in names)
    assert not any("__pycache__" in name or "/airflow/" in name for name in names)


def test_what_was_installed_runs_with_nothing_else(tmp_path: Path) -> None:
    archive = install.write_archive(tmp_path / "x.nar")
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path / "unpacked")
    path = tmp_path / "unpacked" / "NAR-INF" / "bundled-dependencies"
    script = (
        f"import sys; sys.path.insert(0, {str(path)!r}); import headrace; from headrace.nifi import work;"
        'print(headrace.__file__, next(work.periods([\'{"at": "2026-11-21T10:00:00Z"}\'], '
        "'at', 'week', 'UTC', None))[0])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(path / "headrace" / "__init__.py"), "2026-W47"]


def test_install_refuses_what_is_no_home_and_no_fitting_python(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no NiFi 2 home"):
        install.install(tmp_path)
    place = home(tmp_path / "nifi", "nifi.python.command=/no/such/python\n")
    with pytest.raises(UsageError, match="cannot be run"):
        install.install(place)
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho cpython-39-sparc\n")
    other.chmod(0o755)
    with pytest.raises(UsageError, match="cpython-39-sparc") as caught:
        install.install(place, str(other))
    assert str(sysconfig.get_config_var("SOABI")) in str(caught.value)
    assert not (place / "extensions").exists()


@pytest.mark.parametrize("file", install.processors(), ids=lambda file: str(file.stem))
def test_a_processor_says_what_nifi_wants_to_know(file: Path) -> None:
    """NiFi reads the files as text, before any of it runs."""
    tree = ast.parse(file.read_text())
    (processor,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert processor.name == file.stem
    inner = {node.name: node for node in processor.body if isinstance(node, ast.ClassDef)}
    details = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in inner["ProcessorDetails"].body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert details["version"] == headrace.__version__
    assert "  " not in details["description"]
    assert "headrace" in details["tags"]
    assert "dependencies" not in details


# -- flow definitions
# ---------------------------------------------------------------------------------------------------


def definition(mark: str, names: tuple[str, ...] = ("a", "b")) -> dict[str, Any]:
    """A flow as NiFi tells it: identifiers differ from one NiFi to the next, and so does the order."""
    processors = [
        {"identifier": f"{mark}-{name}", "instanceIdentifier": f"{mark}-i-{name}", "name": name}
        for name in names
    ]
    link = {
        "identifier": f"{mark}-link",
        "groupIdentifier": f"{mark}-g",
        "source": {"id": f"{mark}-{names[0]}", "name": names[0]},
        "destination": {"id": f"{mark}-{names[-1]}", "name": names[-1]},
        "selectedRelationships": ["success"],
    }
    flow = {"identifier": f"{mark}-g", "name": mark, "processors": processors, "connections": [link]}
    if mark == "two":
        processors.reverse()
        flow["position"] = {"x": 7.0, "y": 8.0}
    return {"flowContents": flow, "latest": mark == "two"}


def test_equal_flows_are_equal_text() -> None:
    one, two = (flows.normalise(definition(mark)) for mark in ("one", "two"))
    one["flowContents"]["name"] = two["flowContents"]["name"] = "x"
    assert flows.text_of(one) == flows.text_of(two)
    link = one["flowContents"]["connections"][0]
    assert link["source"]["id"] == one["flowContents"]["processors"][0]["identifier"]
    assert "instanceIdentifier" not in flows.text_of(one)


def test_two_processors_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match='named "a"'):
        flows.normalise(definition("one", ("a", "a")))


def test_a_file_that_is_no_definition_is_refused(tmp_path: Path) -> None:
    for text in ("", "[]", "{}", '{"flowContents": 1}'):
        file = tmp_path / "x.json"
        file.write_text(text)
        with pytest.raises(UsageError, match=str(file)):
            flows.read(file)


def test_without_nipyapi_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "nipyapi", None)
    file = tmp_path / "x.json"
    file.write_text('{"flowContents": {}}')
    with pytest.raises(UsageError, match="pip install"):
        flows.import_flow(flows.Server("https://127.0.0.1:1"), file)


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.stem))
def test_templates_are_normal_and_hold_no_secret(file: Path) -> None:
    text = file.read_text()
    assert flows.text_of(flows.normalise(json.loads(text))) == text
    for context in json.loads(text)["parameterContexts"].values():
        for parameter in context["parameters"]:
            assert parameter["description"]
            assert not parameter["sensitive"] or not parameter.get("value")


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.stem))
def test_templates_drop_nothing_that_failed(file: Path) -> None:
    """What ends on its own is what was done; what failed goes somewhere, and is counted or kept there."""
    flow = json.loads(file.read_text())["flowContents"]
    for processor in flow["processors"]:
        ended = set(processor.get("autoTerminatedRelationships") or [])
        assert ended <= {"success", "original"}, f"{processor['name']} drops {ended}"


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.stem))
def test_templates_name_no_machine(file: Path) -> None:
    """Hosts, folders and tables of a machine stand in the parameter context alone."""
    flow = json.loads(file.read_text())["flowContents"]
    for processor in flow["processors"]:
        for name, value in processor["properties"].items():
            assert not any(
                word in (value or "") for word in ("127.0.0.1", "localhost", ":90", "/tmp", "/root")
            ), name
