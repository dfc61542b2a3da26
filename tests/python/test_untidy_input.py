"""Input as it lies about: files of two names, headers that fit nothing, standard streams that are closed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import headrace
import pytest
from headrace import Schema, _source, decode_csv
from headrace.errors import UsageError


@pytest.mark.parametrize("header", ["id;name", "ID,NAME", "7,a"])
def test_a_header_that_names_no_column_is_refused(header: str) -> None:
    """Else every record would be a row of nulls, and the load a success."""
    schema = Schema([("id", "bigint", False, False), ("name", "text", False, False)])
    with pytest.raises(UsageError, match="names no column of the table"):
        decode_csv(f"{header}\n1,2\n".encode(), schema)


def test_a_header_that_names_one_column_is_enough() -> None:
    schema = Schema([("id", "bigint", False, False), ("name", "text", False, False)])
    batch, rejects = decode_csv(b"x,name\n1,2\n", schema)
    assert len(batch) == 1
    assert not rejects


def test_a_file_of_two_names_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "2026.jsonl"
    file.write_text('{"id": 1}\n')
    (tmp_path / "latest.jsonl").symlink_to(file.name)
    assert _source.expand_paths([tmp_path / "*.jsonl"]) == [str(file)]
    again = f"{tmp_path}/../{tmp_path.name}/2026.jsonl"
    assert _source.expand_paths([file, again]) == [str(file)]


@pytest.mark.parametrize(
    "words",
    [["hash", "-", "--key", "h=id"], ["partition", "-", "--column", "at", "--out", "parts"]],
)
def test_a_closed_standard_input_is_no_defect(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "headrace", *words],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 4
    assert "Bad file descriptor" in done.stderr
    assert "defect" not in done.stderr


def test_names_of_two_formats_are_refused(tmp_path: Path) -> None:
    """Else all files would be read as the first one's name says."""
    for first, second in (("a.jsonl", "b.csv"), ("a.csv", "b.tsv.gz"), ("a.csv.gz", "b.json")):
        origin = {"kind": "file", "paths": [first, "A" + first, second]}
        with pytest.raises(UsageError, match=f"{first} and {second} have names of different formats"):
            _source.guess_format(origin)
        assert _source.guess_format(origin, "csv") == _source.guess_format({**origin, "paths": [first]})
    assert _source.guess_format({"kind": "file", "paths": ["a.csv", "B.CSV.gz"]}) == ("csv", {})


@pytest.mark.parametrize(
    ("to", "truth", "complaint"),
    [
        ("x.jsonl.zst", None, "would not hold what its name says"),
        ("x.TSV", None, "would not hold what its name says"),
        ("x.jsonl", "-", "the truth goes into a file"),
        ("x.jsonl", "./x.jsonl", "cannot hold both"),
    ],
)
def test_generate_refuses_names_that_mislead(
    to: str, truth: str | None, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=complaint):
        headrace.generate("frames", 1, to, truth=truth)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["hash", "in.jsonl", "--key", "h=id", "--out"],
        ["generate", "customers", "--count", "1", "--quiet", "--to"],
    ],
)
def test_a_link_to_the_standard_output_is_that(words: list[str], tmp_path: Path) -> None:
    """/dev/stdout is such a link. What is before and after the records in a file stays."""
    (tmp_path / "in.jsonl").write_text('{"id": 1}\n')
    (tmp_path / "link").symlink_to("/proc/self/fd/1")
    (tmp_path / "out").write_text("old\n")
    script = '{ echo head; "$@"; echo tail; } >> out'
    subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "headrace", *words, "link"],
        cwd=tmp_path,
        check=True,
        timeout=60,
    )
    old, head, record, tail = (tmp_path / "out").read_text().splitlines()
    assert (old, head, tail) == ("old", "head", "tail")
    assert record.startswith("{")
    assert (tmp_path / "link").is_symlink()
