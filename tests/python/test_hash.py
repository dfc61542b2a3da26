"""hash_keys and hash_diff against hashlib; the command `headrace hash`."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import headrace
import polars as pl
import pyarrow as pa
import pytest
from headrace import Batch, Schema, _headrace
from headrace.cli import main

MD5 = _headrace.hash_kernels()["md5"]
SHA256 = _headrace.hash_kernels()["sha256"]
KERNELS = [
    *(("plain", hashlib.md5, name) for name in MD5),
    *(("plain_sha256", hashlib.sha256, name) for name in SHA256),
]


def last(batch: Batch) -> list[Any]:
    """The values of the last column."""
    return pa.record_batch(batch).column(batch.num_columns - 1).to_pylist()


def expected(values: Sequence[str | None]) -> bytes | None:
    """The default recipe, written down once more."""
    treated = [None if v is None or not v.strip(" ") else v.strip(" ").upper() for v in values]
    text = "||".join("^^" if v is None else v for v in treated)
    return None if text == "||".join("^^" for _ in values) else hashlib.md5(text.encode()).digest()


@pytest.mark.parametrize(("recipe", "oracle", "kernel"), KERNELS)
def test_every_width(recipe: str, oracle: Any, kernel: str) -> None:
    chance = random.Random(kernel)
    texts = ["".join(chance.choices("abcdefghijklmnop", k=width)) for width in range(4097)]
    for order in (texts, texts[::-1], chance.sample(texts, len(texts))):
        batch = Batch.from_arrow(pa.table({"a": order}))
        made = last(_headrace.hash_rows(batch, ["a"], "h", recipe=recipe, alone=True, kernel=kernel))
        assert made == [oracle(text.encode()).digest() for text in order]


@pytest.mark.parametrize(("recipe", "oracle", "kernel"), KERNELS)
def test_every_number_of_rows(recipe: str, oracle: Any, kernel: str) -> None:
    texts = [f"row {number} " + "x" * (number * 13 % 90) for number in range(1100)]
    for count in [*range(70), 511, 512, 513, 1023, 1024, 1025, 1100]:
        batch = Batch.from_arrow(pa.table({"a": pa.array(texts[:count], pa.string())}))
        made = last(_headrace.hash_rows(batch, ["a"], "h", recipe=recipe, alone=True, kernel=kernel))
        assert made == [oracle(text.encode()).digest() for text in texts[:count]]


@pytest.mark.parametrize("long", [0, 60, 900, 1100, 300_000])
def test_long_rows_among_short_ones(long: int) -> None:
    """The ways by column and by row give the same."""
    chance = random.Random(long)
    numbers = [
        chance.choice([None, 0, -1, 7, 10**9, -(2**31), 2**31 - 1, chance.randint(-9999, 9999)])
        for _ in range(3000)
    ]
    texts = [
        chance.choice([None, "", " ", "^^", " a b ", "Zażółć", "x" * 40, "y" * long]) for _ in range(3000)
    ]
    table = pa.table({"n": pa.array(numbers, pa.int32()), "t": texts})
    made = last(headrace.hash_keys(table, ["n", "t"]))
    assert made == [expected([None if n is None else str(n), t]) for n, t in zip(numbers, texts, strict=True)]


@pytest.mark.parametrize("kind", ["int16", "int32", "int64"])
def test_integers(kind: str) -> None:
    bits = int(kind[3:])
    edges = {sign * (10**power + d) for power in range(20) for d in (-1, 0, 1) for sign in (1, -1)}
    edges |= {2**power + d for power in range(64) for d in (-1, 0, 1)} | {-(2**63), 2**63 - 1}
    values = sorted(v for v in edges if -(2 ** (bits - 1)) <= v < 2 ** (bits - 1))
    made = last(headrace.hash_keys(pa.table({"n": pa.array(values, kind)}), "n"))
    assert made == [hashlib.md5(str(v).encode()).digest() for v in values]


def test_the_documented_rows() -> None:
    """docs/hash-keys.md prints these."""
    table = pa.table(
        {"id": pa.array([42, 42, None, None], pa.int32()), "name": ["  Zażółć gęślą ", None, "", "^^"]}
    )
    assert [h and h.hex() for h in last(headrace.hash_keys(table, ["id", "name"]))] == [
        hashlib.md5("42||ZAŻÓŁĆ GĘŚLĄ".encode()).hexdigest(),
        hashlib.md5(b"42||^^").hexdigest(),
        None,
        None,
    ]
    assert (
        last(headrace.hash_diff(table, ["name", "id"], output="hex"))[2] == hashlib.md5(b"^^||^^").hexdigest()
    )


def test_one_name_alone_and_in_a_list() -> None:
    table = pa.table({"a": [None, "", "  ", "^^", "x"]})
    null, carets, x = None, hashlib.md5(b"^^").digest(), hashlib.md5(b"X").digest()
    assert last(headrace.hash_keys(table, "a")) == [null, null, null, carets, x]
    assert last(headrace.hash_keys(table, ["a"])) == [null, null, null, null, x]
    assert last(headrace.hash_diff(table, "a")) == [null, null, null, carets, x]
    assert last(headrace.hash_diff(table, ["a"])) == [carets, carets, carets, carets, x]


def test_plain() -> None:
    table = pa.table({"a": [None, "", " x", None], "b": [None, None, "Y", "z"]})
    text = [None, b"||", b" x||Y", b"||z"]
    assert last(headrace.hash_keys(table, ["a", "b"], recipe="plain")) == [
        t and hashlib.md5(t).digest() for t in text
    ]
    made = last(headrace.hash_keys(table, ["a", "b"], recipe="plain_sha256"))
    assert made == [t and hashlib.sha256(t).digest() for t in text]
    assert last(headrace.hash_diff(table, ["a", "b"], recipe="plain"))[0] == hashlib.md5(b"||").digest()


def test_recipes_of_automate_dv() -> None:
    table = pa.table({"a": [" aB "], "b": ["c"]})
    assert last(headrace.hash_keys(table, ["a", "b"], recipe="automate_dv_cased")) == [
        hashlib.md5(b"aB||c").digest()
    ]
    made = last(headrace.hash_keys(table, ["a", "b"], recipe="automate_dv_sha256"))
    assert made == [hashlib.sha256(b"AB||C").digest()]


def test_trim_takes_spaces_only() -> None:
    kept = ["\ta\t", "\na", "\u00a0a", "\u3000a\u3000"]
    made = last(headrace.hash_keys(pa.table({"a": kept}), "a"))
    assert made == [hashlib.md5(text.upper().encode()).digest() for text in kept]


def test_a_diff_sorts_by_name_not_minding_case() -> None:
    table = pa.table({"b": ["1"], "A": ["2"], "c": ["3"], "B": ["4"]})
    made = last(headrace.hash_diff(table, ["c", "b", "B", "A"]))
    assert made == [hashlib.md5(b"2||1||4||3").digest()]
    assert last(headrace.hash_keys(table, ["c", "b"])) == [hashlib.md5(b"3||1").digest()]


def test_upper_case_is_pythons_where_that_is_one_character() -> None:
    newer = {0x19B, 0x264}  # got an upper case in Unicode 16
    compared = 0
    for code in range(1, 0x110000):
        letter = chr(code)
        if 0xD800 <= code <= 0xDFFF or unicodedata.category(letter) == "Cn" or code in newer:
            continue
        if len(letter.upper()) == 1:
            assert _headrace.upper_case(letter) == letter.upper(), hex(code)
            compared += letter.upper() != letter
    assert compared > 1300
    assert _headrace.upper_case("straße ŉ ǰ ﬁ ΐ") == "STRAßE ŉ ǰ ﬁ ΐ"
    assert _headrace.upper_case("") == ""


def test_the_other_columns_stay_and_outlive_their_batch() -> None:
    schema = Schema(
        [("id", "int", True), ("tags", "text[]"), ("amount", "numeric(10,2)"), ("note", "text", False, True)]
    )
    batch, _ = headrace.decode_json('{"id":1,"tags":["a",null],"amount":1.5}\n{"id":2,"note":null}', schema)
    before = pa.record_batch(batch).to_pylist()
    wide = headrace.hash_diff(
        headrace.hash_keys(batch, ["id"], name="k"), ["tags", "amount"], name="d", output="hex"
    )
    copy = wide.to_copy()
    names = wide.schema
    del batch
    assert [
        {n: v for n, v in row.items() if n not in "kd"} for row in pa.record_batch(wide).to_pylist()
    ] == before
    assert names.names == ["id", "tags", "amount", "note", "k", "d"]
    assert names.types == ["integer", "text[]", "numeric(10,2)", "text", "bytea", "text"]
    assert names.columns[0] == ("id", "integer", True, False)
    assert Batch.from_copy(copy, names).to_copy() == copy
    array = pa.record_batch(wide)
    del wide
    assert array.column("k")[0].as_py() == hashlib.md5(b"1").digest()
    assert array.column("d")[0].as_py() == hashlib.md5(b"1.50||{A,NULL}").hexdigest()


def test_any_arrow_object() -> None:
    frame = pl.DataFrame({"id": [1, 2], "name": ["a", None]})
    made = pl.DataFrame(headrace.hash_keys(frame, ["id", "name"]))
    assert made.columns == ["id", "name", "hash_key"]
    assert made["hash_key"].to_list() == [hashlib.md5(b"1||A").digest(), hashlib.md5(b"2||^^").digest()]


def test_no_rows() -> None:
    made = headrace.hash_keys(pa.table({"a": pa.array([], pa.string())}), ["a"])
    assert len(made) == 0
    assert made.schema.names == ["a", "hash_key"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"columns": ["x"]}, 'no column "x"'),
        ({"columns": []}, "at least one column"),
        ({"columns": "a", "recipe": "salted"}, 'no recipe "salted": use one of automate_dv, '),
        ({"columns": "a", "name": "a"}, 'has a column "a" already'),
        ({"columns": "a", "output": "base64"}, "use bytea or hex"),
        ({"columns": "a", "zone": "Mars/Olympus"}, "Mars/Olympus"),
    ],
)
def test_what_cannot_be(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(headrace.UsageError) as raised:
        headrace.hash_keys(pa.table({"a": ["x"]}), **arguments)
    assert words in str(raised.value)


def test_wrong_kinds_of_arguments() -> None:
    with pytest.raises(TypeError):
        headrace.hash_keys(3, "a")
    with pytest.raises(TypeError):
        headrace.hash_keys(pa.table({"a": ["x"]}), [1])  # type: ignore[list-item]
    batch = Batch.from_arrow(pa.table({"a": ["x"]}))
    with pytest.raises(headrace.UsageError, match='no kernel "abacus"'):
        _headrace.hash_rows(batch, ["a"], "h", kernel="abacus")
    with pytest.raises(TypeError):
        _headrace.upper_case(b"x")  # type: ignore[arg-type]


def test_threads() -> None:
    """The same batch hashed by several threads at once."""
    table = pa.table({"n": pa.array(range(50_000), pa.int32())})
    batch = Batch.from_arrow(table)
    want = [hashlib.md5(str(n).encode()).digest() for n in range(50_000)]
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda: found.append(last(headrace.hash_keys(batch, "n")) == want))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


# -- the command ------------------------------------------------------------------------------------------


def run(*words: str, text: str = "") -> tuple[int, str, str]:
    """Exit code, stdout, stderr of `headrace hash ...`."""
    done = subprocess.run(
        [sys.executable, "-m", "headrace", "hash", *words],
        input=text.encode(),
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def test_command_json() -> None:
    lines = [
        '{"id": 7, "user": {"name": " Ewa "}, "ok": true}',
        '{"id":null,"user":{}}',
        "{ }",
        "[1]",
        '{"id": 1.50}',
    ]
    code, out, err = run("-", "--key", "hk=id", "--diff", "hd=user.name,id", text="\n".join(lines))
    assert code == 0, err
    made = [json.loads(line) for line in out.splitlines()]
    assert out.splitlines()[0].startswith(lines[0][:-1] + ',"hk":')
    assert [(row["hk"], row["hd"]) for row in made] == [
        (md5("7"), md5("7||EWA")),
        (None, md5("^^||^^")),
        (None, md5("^^||^^")),
        (md5("1.50"), md5("1.50||^^")),
    ]
    assert "5 read = 4 hashed + 1 rejected" in err
    assert "first record left out" in err


def test_command_csv_with_types(tmp_path: Path) -> None:
    source, out, rejects = tmp_path / "in.csv", tmp_path / "out.csv", tmp_path / "rejects.jsonl"
    source.write_text('id,"sum, net",note\r\n007,1.25,"a\nb"\r\n8,,\r\nx,1,\r\n')
    words = ["--key", "k=id,sum, net".replace(", net", " net"), "--type", "id=int", "--out", str(out)]
    code, _, err = run(str(source), *words)
    assert code == 2  # there is no such column
    assert "sum net" in err
    words = [
        "--key",
        "k=id",
        "--key",
        "n=id,note",
        "--type",
        "id=int",
        "--out",
        str(out),
        "--rejects",
        str(rejects),
    ]
    code, said, err = run(str(source), *words, "--strict", "--json")
    assert code == 1, err
    assert json.loads(said) == {
        "read": 3,
        "hashed": 2,
        "rejected": 1,
        "out": str(out),
        "rejects": {"type": 1},
    }
    assert out.read_text().splitlines() == [
        'id,"sum, net",note,k,n',
        '007,1.25,"a',
        f'b",{md5("7")},{md5("7||A" + chr(10) + "B")}',
        f"8,,,{md5('8')},{md5('8||^^')}",
    ]
    assert json.loads(rejects.read_text())["raw"] == "x,1,"


@pytest.mark.parametrize(
    "text",
    [
        "id,t\r1,a\r2,b\r",
        "\r\n\nid,t\n1,a\n2,b\n",
        "\ufeffid,t\n1,a\n2,b\n",
        "\ufeff\n\r\nid,t\r\n1,a\r\n2,b",
    ],
)
def test_command_finds_the_header_of_csv(text: str, tmp_path: Path) -> None:
    """However lines end, and whatever stands before it."""
    source = tmp_path / "in.csv"
    source.write_bytes(text.encode())
    code, out, err = run(str(source), "--key", "hk=id")
    assert code == 0, err
    assert out == f"id,t,hk\n1,a,{md5('1')}\n2,b,{md5('2')}\n"


def test_command_finds_a_header_with_line_breaks(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(b'"i\r\nd",t\n1,a\n')
    code, out, err = run(str(source), "--key", "hk=t")
    assert code == 0, err
    assert out == f'"i\r\nd",t,hk\n1,a,{md5("A")}\n'


def test_command_passes_over_a_byte_order_mark() -> None:
    code, out, err = run("-", "--key", "hk=id", text='\ufeff{"id": 1}\n')
    assert code == 0, err
    assert out == f'{{"id": 1,"hk":"{md5("1")}"}}\n'


def test_command_writes_all_or_nothing(tmp_path: Path) -> None:
    """A name that turns out to be taken in the middle leaves what was there before, or nothing."""
    out, link = tmp_path / "out.jsonl", tmp_path / "link"
    good, bad = '{"id": 1}\n', '{"id": 1}\n{"id": 2, "hk": 3}\n'
    words = ["-", "--key", "hk=id", "--out", str(out)]
    assert run(*words, text=bad)[0] == 2
    assert list(tmp_path.iterdir()) == []
    assert run(*words, text=good)[0] == 0
    before = out.read_bytes()
    out.chmod(0o640)
    assert run(*words, text=bad)[0] == 2
    assert list(tmp_path.iterdir()) == [out]
    assert out.read_bytes() == before
    link.symlink_to(out)
    assert run(*words[:-1], str(link), text='{"id": 5}\n')[0] == 0
    assert json.loads(out.read_bytes())["id"] == 5
    assert (link.is_symlink(), out.stat().st_mode & 0o777) == (True, 0o640)
    code, _, err = run(*words[:-1], str(tmp_path / "none" / "x"), text=good)
    assert (code, "No such file" in err) == (4, True)


@pytest.mark.parametrize("packed", [False, True])
def test_command_does_not_write_over_its_input(packed: bool, tmp_path: Path) -> None:
    """Which opening it would have emptied; under another name too."""
    source, link = tmp_path / "in.jsonl", tmp_path / "link"
    lines = b"".join(b'{"id": %d}\n' % number for number in range(100_000))
    source.write_bytes(gzip.compress(lines) if packed else lines)
    link.hardlink_to(source)
    before = source.read_bytes()
    for option in ("--out", "--rejects"):
        for name in (source, link):
            code, _, err = run(str(source), "--key", "hk=id", option, str(name))
            assert code == 2
            assert f"{option} {name} is the file that is read: give another name" in err
            assert source.read_bytes() == before
    both = tmp_path / "both"
    code, _, err = run(str(source), "--key", "hk=id", "--out", str(both), "--rejects", str(both))
    assert code == 2
    assert f"--out and --rejects are the same file, {both}: give two names" in err
    code, _, err = run(str(source), "--key", "hk=id", "--out", "/dev/null", "--rejects", "/dev/null")
    assert code == 0, err


def test_command_leaves_no_empty_rejects(tmp_path: Path) -> None:
    """A file of rejects is there when there are some; an older one of its name goes, what is no file stays."""
    rejects, aside, link = tmp_path / "made" / "r.jsonl", tmp_path / "aside", tmp_path / "link"
    words = ["-", "--key", "hk=id", "--rejects"]
    assert run(*words, str(rejects), text='{"id": 1}\n[1]\n')[0] == 0
    assert [json.loads(line)["reason"] for line in rejects.read_text().splitlines()] == ["malformed"]
    assert run(*words, str(rejects), text='{"id": 1}\n')[0] == 0
    assert list(rejects.parent.iterdir()) == []
    assert run(*words, str(rejects), text='{"id": 1, "hk": 2}\n')[0] == 2
    assert list(rejects.parent.iterdir()) == []
    assert run(*words, "/dev/null", text='{"id": 1}\n')[0] == 0
    assert Path("/dev/null").is_char_device()
    link.symlink_to(aside)
    assert run(*words, str(link), text='{"id": 1}\n')[0] == 0
    assert (link.is_symlink(), aside.read_text()) == (True, "")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EBUSY, errno.ENOENT])
def test_command_leaves_rejects_that_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """In a folder that others own, or a file that is mounted: nothing was rejected, and that is no failure."""

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(number, os.strerror(number), str(path))

    record, rejects, out = tmp_path / "in.jsonl", tmp_path / "r.jsonl", tmp_path / "out.jsonl"
    record.write_text('{"id": 1}\n')
    rejects.write_text("of an older run")
    monkeypatch.setattr(Path, "unlink", refuse)
    assert main(["hash", str(record), "--key", "hk=id", "--out", str(out), "--rejects", str(rejects)]) == 0
    assert (out.read_text(), rejects.read_text()) == (f'{{"id": 1,"hk":"{md5("1")}"}}\n', "")


@pytest.mark.parametrize(
    ("record", "taken"),
    [
        ('{"id": 1, "hk": null}', True),
        ('{"id": 1, "a": [{"x": "}"}], "\\u0068k" : 2}', True),
        ('{"id": 1, "a": {"hk": 2}, "b": "hk", "c": ["hk"], "d": "\\"hk\\":"}', False),
        ('{"id": 1, "deep": ' + '[{"hk":' * 400 + "1" + "}]" * 400 + ', "x": "hk"}', False),
        ('{"deep": ' + "[" * 900 + "]" * 900 + ', "id": 1, "hk": 2}', True),
    ],
)
def test_command_does_not_give_a_name_twice(record: str, taken: bool) -> None:
    """A record that has the hash's key by itself is the user's to decide upon; keys within it are others."""
    code, out, err = run("-", "--key", "hk=id", text=record)
    assert code == (2 if taken else 0), err
    if taken:
        assert 'there is a column "hk" already: give the hash another name' in err
        assert not out
    else:
        assert out == record[:-1] + f',"hk":"{md5("1")}"}}\n'


@pytest.mark.parametrize("deep", ["", "[" * 100_000 + "]" * 100_000])
def test_the_keys_of_a_large_record_take_no_memory(tmp_path: Path, deep: str) -> None:
    """Not more than some copies of it, and numbers may have any length."""
    record = tmp_path / "large.jsonl"
    text, number = "a" * 8_000_000, "9" * 5000
    record.write_text(f'{{"id": 1, "x": "{text}\\n", "deep": {deep or 0}, "y": {number}}}\n')
    child = (
        "import re, sys\n"
        "from headrace.cli import hash\n"
        # not getrusage, in which a child begins with what its parent had
        "most = lambda: int(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])\n"
        "raw = open(sys.argv[1]).read()\n"
        "before = most()\n"
        "assert hash.json_keys(raw) == {'id', 'x', 'deep', 'y'}\n"
        "print(most() - before)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", child, str(record)],
        capture_output=True,
        text=True,
        check=False,
        # where the tests run under the address sanitizer, it would keep 256 MB of what is free
        env=os.environ | {"ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=1"},
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 100_000, "kilobytes"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "nothing to do"),
        (["--key", "x"], "write it as NAME=COLUMN,..."),
        (["--key", "a=b", "--diff", "a=c"], "same name"),
        (["--key", "a=b,"], "name is empty"),
        (["--key", "b=b"], 'there is a column "b" already: give the hash another name'),
        (["--diff", "c=b", "--key", "x=c"], 'there is a column "c" already'),
        (["--key", "a=b", "--type", "c=int"], "no hash has this column"),
        (["--key", "a=b", "--type", "b=numeric(0)"], "numeric(0)"),
        (["--key", "a=b", "--recipe", "x"], "there is no recipe"),
        (["--key", "a=b", "--json"], "give --out"),
    ],
)
def test_command_refuses(words: list[str], complaint: str) -> None:
    code, out, err = run("-", *words, text='{"b": 1}\n')
    assert code == 2, err
    assert complaint in err
    assert not out or "--json" in words
