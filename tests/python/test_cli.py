"""The command line without servers: help to learn from, wrong usage, exit codes, splitting files."""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from headrace import UsageError
from headrace.cli import VERBS, build_parser, common, load_options, main, offsets

PYTHON = [
    sys.executable,
    "-c",
    f"import sys; sys.path[:] = {sys.path!r}; from headrace.cli import main; sys.exit(main())",
]


def headrace(*words: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own, with no database to be found."""
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("PG", "HEADRACE"))
    } | environment
    return subprocess.run(
        [*PYTHON, *words], input=stdin, capture_output=True, check=False, env=env, timeout=60
    )


def help_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What --help prints."""
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--help"])
    assert stopped.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    shown = help_of(capsys)
    for verb in VERBS:
        assert re.search(rf"^    {verb}\b", shown, re.MULTILINE), verb
    assert "exit codes" in shown


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = help_of(capsys, verb)
    examples = [line.strip() for line in shown.partition("examples:")[2].splitlines() if "headrace " in line]
    assert examples, shown
    assert shown.index("examples:") > shown.index("options:")
    assert shown.splitlines()[0].startswith(f"usage: headrace {verb}")


@pytest.mark.parametrize("verb", VERBS)
def test_examples_of_the_help_are_accepted(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line in help_of(capsys, verb).partition("examples:")[2].splitlines():
        for command in line.split("|"):
            words = shlex.split(command)
            if words[:1] == ["headrace"]:
                parsed = build_parser(verb).parse_args(words[1:])
                assert parsed.verb == verb


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["load"],
        ["load", "only-one"],
        ["load", "a", "b", "--mode", "sideways"],
        ["load", "a", "b", "--max-records", "-1"],
        ["load", "a", "b", "--max-seconds", "soon"],
        ["lag", "job"],
        ["offsets"],
        ["offsets", "reset", "job"],
        ["dead-letters", "show", "x"],
        ["topics", "create"],
        ["partition", "file"],
        ["load", "a", "b", "--no-such-option"],
    ],
    ids=" ".join,
)
def test_wrong_lines_exit_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: headrace" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["load", "/no/such/file", "t"], "there is no file /no/such/file"),
        (["load", "/", "t"], "is a folder"),
        (["load", "ftp://host/x", "t"], "is not a source"),
        (["load", "kafka://host:9092", "t"], "names no topic"),
        (["load", "kafka://topic", "t"], "no broker is known"),
        (["load", "kafka://me:secret@host:9092/topic", "t"], "sasl.username"),
        (["load", "postgresql://host/db", "t"], "?table="),
        (["load", "-", "kafka://host:9092/topic", "t"], "alone"),
        (["load", "-", "t", "--map", "x"], "--map x"),
        (["load", "kafka://h:1/t", "t", "--partitions", "a"], "--partitions a"),
        (["load", "kafka://h:1/t", "t", "-X", "x"], "-X x"),
        (["load", "kafka://h:1/t", "t", "--kafka-config", "/no/such"], "/no/such"),
        (["lag", "job", "kafka://topic"], "no broker is known"),
        (["topics", "list"], "bootstrap.servers"),
        (["topics", "create", "t", "--brokers", "h:1", "--set", "x"], "--set x"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_usage_errors_exit_with_2(words: list[str], said: str) -> None:
    done = headrace(*words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.decode()
    assert done.stdout == b""
    assert b"secret" not in done.stderr
    assert b"Traceback" not in done.stderr


def test_failures_are_json_too() -> None:
    done = headrace("load", "/no/such/file", "t", "--json")
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert told["error"]["code"] == "usage"
    assert told["error"]["fatal"] is True
    assert told["receipt"] is None


def test_a_server_that_is_away_is_retriable() -> None:
    done = headrace("receipts", "--json", "--dsn", "host=127.0.0.1 port=1 user=u dbname=d password=s3cret")
    assert done.returncode == 3
    error = json.loads(done.stdout)["error"]
    assert error["retriable"] is True
    assert error["sqlstate"] == "08001"
    assert b"s3cret" not in done.stdout + done.stderr
    assert b"visible to other users" in done.stderr


def test_no_warning_without_a_password() -> None:
    done = headrace("receipts", "--dsn", "host=127.0.0.1 port=1 user=u dbname=d passfile=/nowhere")
    assert done.returncode == 3
    assert b"visible" not in done.stderr


def test_version() -> None:
    from headrace import __version__

    done = headrace("--version")
    assert done.stdout.decode().strip() == f"headrace {__version__}"


def test_a_defect_exits_with_4(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_: argparse.Namespace) -> int:
        raise ZeroDivisionError("inside")

    assert common.guarded(broken, argparse.Namespace(verb="load", json=False)) == 4
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(MemoryError(), 3), (KeyboardInterrupt(), 130), (OSError("disk"), 4)]
)
def test_exit_codes_of_pythons_own_errors(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: argparse.Namespace) -> int:
        raise error

    assert common.guarded(broken, argparse.Namespace(verb="load", json=False)) == code
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "value"), [("7", 7), ("500k", 500_000), ("2M", 2_000_000), ("1G", 10**9), ("1_000", 1000)]
)
def test_numbers(text: str, value: int) -> None:
    assert common.number(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("0.5", 0.5)]
)
def test_lengths_of_time(text: str, value: float) -> None:
    assert common.seconds(text) == value


@pytest.mark.parametrize("text", ["", "x", "0", "-5", "1.5k", "nan", "inf", "m"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        common.number(text)
    if text not in ("1.5k",):
        with pytest.raises(argparse.ArgumentTypeError):
            common.seconds(text)


def test_map_and_partitions() -> None:
    assert load_options.parse_map(["a=x.y", "t=ts@ms", "u=@s", "n=", "e=a@b", "r=$rest"]) == {
        "a": "x.y",
        "t": {"path": "ts", "unit": "ms"},
        "u": {"path": "u", "unit": "s"},
        "n": None,
        "e": "a@b",
        "r": "$rest",
    }
    assert load_options.parse_map([]) is None
    assert load_options.parse_partitions("0,2,5-7,6") == [0, 2, 5, 6, 7]
    assert load_options.parse_partitions(None) is None
    for wrong in ("a", "1-", "-1", "", "1,,2"):
        with pytest.raises(UsageError):
            load_options.parse_partitions(wrong)


def test_places() -> None:
    assert offsets.parse_place("earliest") == "earliest"
    assert offsets.parse_place("12") == 12
    assert str(offsets.parse_place("2026-11-16T00:00:00+00:00")) == "2026-11-16 00:00:00+00:00"
    with pytest.raises(UsageError):
        offsets.parse_place("tomorrow")


def test_schema_print_is_sql() -> None:
    done = headrace("schema", "print")
    assert done.returncode == 0
    text = done.stdout.decode()
    assert text.startswith("BEGIN;")
    assert text.rstrip().endswith("COMMIT;")
    assert "CREATE TABLE headrace.offsets" in text


def test_doctor_without_database() -> None:
    done = headrace("doctor", "--no-database", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["healthy"] is True
    assert {"headrace", "libraries", "time zones"} <= {check["name"] for check in told["checks"]}


def test_doctor_says_what_is_wrong() -> None:
    done = headrace("doctor", "--dsn", "host=127.0.0.1 port=1", "--brokers", "h:1", "-X", "no.such.setting=1")
    assert done.returncode == 4
    assert b"PROBLEM  database" in done.stdout
    assert b"PROBLEM  brokers" in done.stdout


LINES = (
    b'{"at":"2026-11-16T00:00:00Z","n":1}\n'
    b'{"at":"2026-11-23T00:00:00Z","n":2,  "t":"\xc3\xa9"}\n'
    b"{broken\n"
    b'{"n":3}\n'
    b'{"at":"2026-11-22T23:59:59Z","n":4}'
)


def test_partition_passes_over_a_byte_order_mark(tmp_path: Path) -> None:
    source, out = tmp_path / "x.jsonl", tmp_path / "out"
    source.write_bytes(b"\xef\xbb\xbf" + LINES)
    done = headrace("partition", str(source), "--column", "at", "--out", str(out), "--json")
    assert (json.loads(done.stdout)["written"], json.loads(done.stdout)["rejected"]) == (3, 2)
    assert (out / "at_week=2026-W47/part-00000.jsonl").read_bytes().startswith(LINES[:20])


@pytest.mark.parametrize("how", ["file", "gzip", "stdin"])
def test_partition_splits_json_lines(how: str, tmp_path: Path) -> None:
    source, stdin = tmp_path / "events.jsonl", b""
    if how == "stdin":
        source, stdin = Path("-"), LINES
    else:
        source.write_bytes(gzip.compress(LINES) if how == "gzip" else LINES)
    out = tmp_path / "out"
    done = headrace(
        "partition", str(source), "--column", "at", "--out", str(out), "--json", "--strict", stdin=stdin
    )
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert (told["read"], told["written"], told["rejected"]) == (5, 3, 2)
    lines = LINES.split(b"\n")
    parts = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.jsonl")}
    reasons = parts.pop("_rejects/reasons.jsonl")
    assert parts == {
        "at_week=2026-W47/part-00000.jsonl": lines[0] + b"\n" + lines[4] + b"\n",
        "at_week=2026-W48/part-00000.jsonl": lines[1] + b"\n",
        "_rejects/part-00000.jsonl": lines[2] + b"\n" + lines[3] + b"\n",
    }
    assert [json.loads(line)["reason"] for line in reasons.splitlines()] == ["malformed", "null"]


def test_partition_keeps_the_header_of_csv(tmp_path: Path) -> None:
    source = tmp_path / "x.csv"
    source.write_text('at,t\n2026-11-16,"two\nlines"\n2026-12-01,b\n')
    done = headrace(
        "partition", str(source), "--column", "at", "--by", "month", "--out", str(tmp_path / "out")
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/at_month=2026-11/part-00000.csv").read_text() == 'at,t\n2026-11-16,"two\nlines"\n'
    assert (tmp_path / "out/at_month=2026-12/part-00000.csv").read_text() == "at,t\n2026-12-01,b\n"


@pytest.mark.parametrize(
    ("text", "header", "first", "second"),
    [
        ("at,t\r2026-11-16,a\r2026-12-01,b\r", "at,t", "2026-11-16,a", "2026-12-01,b"),
        ("\n\r\nat,t\n2026-11-16,a\n2026-12-01,b\n", "at,t", "2026-11-16,a", "2026-12-01,b"),
        ("\ufeff\nat,t\n2026-11-16,a\n2026-12-01,b", "at,t", "2026-11-16,a", "2026-12-01,b"),
        ('"i\nd",at\n1,2026-11-16\n2,2026-12-01\n', '"i\nd",at', "1,2026-11-16", "2,2026-12-01"),
        ('"a\r\n""b",at\r\n1,2026-11-16\r\n2,2026-12-01', '"a\r\n""b",at', "1,2026-11-16", "2,2026-12-01"),
    ],
)
def test_partition_finds_the_header_of_csv(
    text: str, header: str, first: str, second: str, tmp_path: Path
) -> None:
    """However lines end, and whatever stands before it or in it."""
    source, out = tmp_path / "x.csv", tmp_path / "out"
    source.write_bytes(text.encode())
    done = headrace("partition", str(source), "--column", "at", "--by", "month", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert {str(path.relative_to(out)): path.read_bytes().decode() for path in out.rglob("*.csv")} == {
        "at_month=2026-11/part-00000.csv": f"{header}\n{first}\n",
        "at_month=2026-12/part-00000.csv": f"{header}\n{second}\n",
    }


def test_partition_of_csv_without_records(tmp_path: Path) -> None:
    for text in (b"", b"\xef\xbb\xbf\n", b"at,t\n"):
        source = tmp_path / "x.csv"
        source.write_bytes(text)
        words = ["partition", str(source), "--column", "at", "--out", str(tmp_path / "out"), "--json"]
        done = headrace(*words)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["read"] == 0
    assert list(tmp_path.rglob("*.csv")) == [source]


def test_partition_does_not_write_into_a_full_folder(tmp_path: Path) -> None:
    source = tmp_path / "x.jsonl"
    source.write_bytes(LINES)
    words = ["partition", str(source), "--column", "at", "--out", str(tmp_path / "out")]
    assert headrace(*words).returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.jsonl")}
    done = headrace(*words)
    assert done.returncode == 2
    assert b"is there already" in done.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.jsonl")} == before


@pytest.mark.parametrize(
    "before", [(), ("keep/x",), ("_rejects/reasons.jsonl",), ("at_week=2026-W48/part-00000.jsonl",)]
)
def test_partition_writes_all_or_nothing(before: tuple[str, ...], tmp_path: Path) -> None:
    """When a part is there already, or the input breaks off, nothing is left but what was there."""
    out = tmp_path / "out"
    for name in before:
        (out / name).parent.mkdir(parents=True)
        (out / name).write_text("old")
    broken = gzip.compress(LINES)[:-6]
    lines = LINES if before and before[0] != "keep/x" else broken
    done = headrace("partition", "-", "--column", "at", "--out", str(out), stdin=lines)
    assert done.returncode != 0
    assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == set(before)
    assert {path for path in out.rglob("*") if path.is_dir()} == {(out / name).parent for name in before}
    assert out.exists() == bool(before)


@pytest.mark.parametrize("verb", ["partition", "hash"])
@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (gzip.compress(LINES)[:-6], 3, b"<stdin>: its gzip stream is cut short"),
        (gzip.compress(LINES)[:40], 3, b"<stdin>: its gzip stream is cut short"),
        (gzip.compress(LINES) + b"rest", 2, b"<stdin>: its gzip stream is damaged (Not a gzipped file"),
        (b"\x1f\x8b\x08\0damage and more", 2, b"<stdin>: its gzip stream is damaged (Error -3"),
    ],
)
def test_damaged_input_is_told(verb: str, data: bytes, code: int, words: bytes, tmp_path: Path) -> None:
    """A file that is cut may still be being copied: that can be tried again."""
    more = ["--column", "at", "--out", str(tmp_path / "out")] if verb == "partition" else ["--key", "hk=at"]
    for form in ("json", "csv"):
        done = headrace(verb, "-", "--format", form, *more, stdin=data)
        assert (done.returncode, words in done.stderr) == (code, True), done.stderr
        assert list(tmp_path.iterdir()) == []


def test_output_to_a_closed_pipe_is_no_error() -> None:
    command = shlex.join(PYTHON) + " schema print | head -c 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, check=False, timeout=60
    )
    assert done.stderr == b""
