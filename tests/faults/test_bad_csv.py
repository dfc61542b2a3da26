"""CSV files that are broken, or look broken: what is loaded, what is rejected and where, through decode_csv, files
and Kafka.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import headrace
import pytest

from stack import kafka
from tests.real.kafka_kit import fill
from tests.real.load_kit import execute, one, rows

COLUMNS = [("id", "integer", True), ("name", "text"), ("note", "text")]
TABLE = "CREATE TABLE t (id integer NOT NULL, name text, note text)"
HEAD = b"id,name,note\n"
BOM = b"\xef\xbb\xbf"

Good = tuple[str | None, ...]
# line, byte, reason, column, value, raw
Reject = tuple[int, int, str, str | None, str | None, bytes]

A, B = ("1", "a", "b"), ("2", "x", "y")

# what comes after the header "id,name,note\n", which has 13 bytes -> rows, rejects
RECORDS: dict[str, tuple[bytes, list[Good], list[Reject]]] = {
    "two good ones": (b"1,a,b\n2,x,y\n", [A, B], []),
    "no line break at the end": (b"1,a,b\n2,x,y", [A, B], []),
    "nothing": (b"", [], []),
    "blank lines": (b"\n1,a,b\n\n\r\n2,x,y\n\n", [A, B], []),
    "CRLF": (b"1,a,b\r\n2,x,y\r\n", [A, B], []),
    "lone CR": (b"1,a,b\r2,x,y\r", [A, B], []),
    "all kinds of line ends": (b"1,a,b\r2,x,y\r\n1,a,b\n2,x,y", [A, B, A, B], []),
    "CR within a field splits it": (
        b"1,a\rb,c\n2,x,y\n", [B], [(2, 13, "malformed", None, None, b"1,a"), (2, 17, "malformed", None, None, b"b,c")],
    ),
    "a quote in the middle of a field": (b'1,a"b,c\n2,x,y\n', [B], [(2, 13, "malformed", None, None, b'1,a"b,c')]),
    "a quote at the end of a field": (b'1,a",c\n2,x,y\n', [B], [(2, 13, "malformed", None, None, b'1,a",c')]),
    "a blank before a quote": (b'1, "a",c\n2,x,y\n', [B], [(2, 13, "malformed", None, None, b'1, "a",c')]),
    "a blank after a quote": (b'1,"a" ,c\n2,x,y\n', [B], [(2, 13, "malformed", None, None, b'1,"a" ,c')]),
    "a quote not doubled": (b'1,"a"b",c\n2,x,y\n', [B], [(2, 13, "malformed", None, None, b'1,"a"b",c')]),
    "a backslash does not escape": (b'1,"a\\"b",c\n2,x,y\n', [B], [(2, 13, "malformed", None, None, b'1,"a\\"b",c')]),
    "a quote that the next one closes": (
        b'1,"abc\n2,"def",y\n2,x,y\n', [B], [(2, 13, "malformed", None, None, b'1,"abc\n2,"def",y')],
    ),
    "a quote that nothing closes takes all that follows": (
        b'1,a,b\n1,"abc\n2,x,y\n2,x,y\n', [A], [(3, 19, "malformed", None, None, b'1,"abc\n2,x,y\n2,x,y\n')],
    ),
    "a quote at the end of the file": (b'1,a,b\n1,a,"', [A], [(3, 19, "malformed", None, None, b'1,a,"')]),
    "the file ends in a quoted field": (b'1,a,b\n1,"a', [A], [(3, 19, "malformed", None, None, b'1,"a')]),
    "the file ends after a doubled quote": (b'1,a,b\n1,a,"b""', [A], [(3, 19, "malformed", None, None, b'1,a,"b""')]),
    "the file ends in a field": (b"1,a,b\n1,a", [A], [(3, 19, "malformed", None, None, b"1,a")]),
    "line breaks in quotes": (b'1,"a\nb","c\r\nd"\n2,x,y\n', [("1", "a\nb", "c\r\nd"), B], []),
    "rejects after line breaks in quotes": (b'1,"\n\n",b\nx,x,y\n', [("1", "\n\n", "b")], [(5, 22, "type", "id", "x", b"x,x,y")]),
    "curly quotes are letters": ("1,“a”,b\n".encode(), [("1", "“a”", "b")], []),
    "too few": (b"1,a\n2,x,y\n", [B], [(2, 13, "malformed", None, None, b"1,a")]),
    "too many": (b"1,a,b,c\n2,x,y\n", [B], [(2, 13, "malformed", None, None, b"1,a,b,c")]),
    "one too many, empty": (b"1,a,b,\n2,x,y\n", [B], [(2, 13, "malformed", None, None, b"1,a,b,")]),
    "blanks only": (b"   \n2,x,y\n", [B], [(2, 13, "malformed", None, None, b"   ")]),
    "another delimiter": (b"1;a;b\n2,x,y\n", [B], [(2, 13, "malformed", None, None, b"1;a;b")]),
    "NUL": (b"1,a\0b,c\n2,x,y\n", [B], [(2, 13, "encoding", None, None, b"1,a\0b,c")]),
    "NUL in quotes": (b'1,"\0",c\n2,x,y\n', [B], [(2, 13, "encoding", None, None, b'1,"\0",c')]),
    "NULs at the end, as a crash leaves them": (b"1,a,b\n\0\0\0\0", [A], [(3, 19, "encoding", None, None, b"\0\0\0\0")]),
    "Ctrl-Z at the end, as DOS leaves it": (b"1,a,b\n\x1a", [A], [(3, 19, "malformed", None, None, b"\x1a")]),
    "latin 1": (b"1,caf\xe9,b\n2,x,y\n", [B], [(2, 13, "encoding", None, None, b"1,caf\xe9,b")]),
    "a surrogate": (b"1,\xed\xa0\x80,b\n2,x,y\n", [B], [(2, 13, "encoding", None, None, b"1,\xed\xa0\x80,b")]),
    "overlong": (b"1,\xc0\xaf,b\n2,x,y\n", [B], [(2, 13, "encoding", None, None, b"1,\xc0\xaf,b")]),
    "a character cut by the end": (b"1,a,b\n2,x,\xe2\x82", [A], [(3, 19, "encoding", None, None, b"2,x,\xe2\x82")]),
    "a BOM in the middle": (BOM + b"1,a,b\n2,x,y\n", [B], [(2, 13, "type", "id", "\ufeff1", BOM + b"1,a,b")]),
    "COPY's end mark is none": (b"\\.\n2,x,y\n", [B], [(2, 13, "malformed", None, None, b"\\.")]),
    "null and empty": (b'1,,""\n', [("1", None, "")], []),
    "null where it may not be": (b",a,b\n2,x,y\n", [B], [(2, 13, "null", "id", ..., b",a,b")]),  # type: ignore[list-item]
    "empty where a number should be": (b'"",a,b\n2,x,y\n', [B], [(2, 13, "type", "id", "", b'"",a,b')]),
    "NULL and \\N are text": (b"1,NULL,\\N\n", [("1", "NULL", "\\N")], []),
    "numbers": (
        b"-0,a,b\n+2,a,b\n0x10,a,b\n1e2,a,b\nNaN,a,b\n2147483648,a,b\n",
        [("0", "a", "b"), ("2", "a", "b"), ("16", "a", "b")],
        [
            (5, 36, "type", "id", "1e2", b"1e2,a,b"), (6, 44, "type", "id", "NaN", b"NaN,a,b"),
            (7, 52, "range", "id", "2147483648", b"2147483648,a,b"),
        ],
    ),
    "400 digits": (b"9" * 400 + b",a,b\n2,x,y\n", [B], [(2, 13, "range", "id", "9" * 400, b"9" * 400 + b",a,b")]),
}  # fmt: skip

# whole files: with the header -> rows, or what the error says
HEADERS: dict[str, tuple[bytes, list[Good] | str]] = {
    "empty": (b"", []),
    "a line break": (b"\n", []),
    "blank lines before it": (b"\n\r\n" + HEAD + b"1,a,b\n", [A]),
    "the header alone": (HEAD, []),
    "one that does not fit, alone": (b"name,note\n", 'does not name column "id"'),
    "half the header": (b"id,na", []),
    "BOM": (BOM + HEAD + b"1,a,b\n", [A]),
    "BOM, then a quote": (BOM + b'"id",name,note\n1,a,b\n', [A]),
    "CRLF": (b"id,name,note\r\n1,a,b\r\n", [A]),
    "in another order": (b"note,id,name\nb,1,a\n", [A]),
    "one name less": (b"id,name\n1,a\n", [("1", "a", None)]),
    "one name more": (b"id,x,name,note\n1,?,a,b\n", [A]),
    "an empty name": (b"id,name,note,\n1,a,b,\n", [A]),
    "without the needed name": (b"name,note\na,b\n", 'does not name column "id"'),
    "in capitals": (b"ID,NAME,NOTE\n1,a,b\n", 'does not name column "id"'),
    "no header": (b"1,a,b\n", 'does not name column "id"'),
    "another delimiter": (b"id;name;note\n1;a;b\n", 'does not name column "id"'),
    "a name twice": (b"id,name,id\n1,a,b\n", 'names "id" twice'),
    "a quote that nothing closes": (b'id,name,"note\n1,a,b\n', "quoted field does not end"),
    "NUL": (b"id,na\0me,note\n1,a,b\n", "NUL"),
    "latin 1": (b"id,nam\xe9,note\n1,a,b\n", "not UTF-8"),
    "UTF-16": ("id,name,note\n1,a,b\n".encode("utf-16"), "not UTF-8|NUL"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_records_decoded(name: str) -> None:
    text, good, bad = RECORDS[name]
    batch, rejects = headrace.decode_csv(HEAD + text, headrace.Schema(COLUMNS))
    assert [tuple(batch.column_text(c, r) for c in range(3)) for r in range(batch.num_rows)] == good
    for reject, (line, byte, reason, column, value, raw) in zip(rejects, bad, strict=True):
        assert (reject["line"], reject["offset"], reject["reason"], reject["column"], reject["raw"]) == (
            line, byte, reason, column, raw,
        )  # fmt: skip
        assert value is ... or reject["value"] == value
        assert reject["message"]


@pytest.mark.real
def test_records_from_files(dsn: str, tmp_path: Path) -> None:
    """All files of the table in one load, each with its own rejects."""
    execute(dsn, TABLE.replace(")", ", file text, place bigint)"))
    paths = []
    for number, (text, _, _) in enumerate(RECORDS.values()):
        paths.append(tmp_path / f"{number:03}.csv")
        paths[-1].write_bytes(HEAD + text)
    mapping = {"file": "$topic", "place": "$offset"}
    receipt = headrace.load([str(path) for path in paths], "t", dsn=dsn, map=mapping, workers=2)
    assert receipt.balances()
    assert receipt.rejected == sum(len(bad) for _, _, bad in RECORDS.values())
    for path, (name, (_, good, bad)) in zip(paths, RECORDS.items(), strict=True):
        found = rows(dsn, "SELECT id::text, name, note FROM t WHERE file = %s ORDER BY place", str(path))
        assert found == good, name
        letters = rows(
            dsn,
            'SELECT line, "offset", reason, column_name, value, raw, header FROM headrace.dead_letters'
            ' WHERE topic = %s ORDER BY "offset"',
            str(path),
        )
        expected = [
            (line, byte, reason, column, letter[4] if value is ... else value, raw, "id,name,note")
            for letter, (line, byte, reason, column, value, raw) in zip(letters, bad, strict=True)
        ]
        assert [(*letter[:5], bytes(letter[5]), letter[6]) for letter in letters] == expected, name


@pytest.mark.real
def test_records_from_kafka(broker: kafka.Broker, new_topic: Callable[..., str], dsn: str) -> None:
    """One message is one record, whatever line breaks are in it."""
    messages: list[tuple[bytes | None, Good | str | None]] = [
        (b"1,a,b", A), (b"1,a,b\n", A), (b"1,a,b\r\n", A), (b'1,"a\nb",c', ("1", "a\nb", "c")), (b"1,a,b\n2,x,y", "malformed"),
        (b"1,a,b\n\n", "malformed"), (b"", "malformed"), (b"\n", "malformed"), (b'1,"a', "malformed"), (b'1,a"b,c', "malformed"), (b"1,a", "malformed"),
        (b"1,a,b,c", "malformed"), (b"1,\0,b", "encoding"), (b"1,\xff,b", "encoding"), (b"x,a,b", "type"), (b",a,b", "null"), (None, None), (b"2,x,y", B),
    ]  # fmt: skip
    execute(dsn, TABLE.replace(")", ", place bigint)"))
    topic = new_topic(partitions=1)
    fill(broker.bootstrap, topic, ((0, message) for message, _ in messages))
    receipt = headrace.load(
        f"kafka://{broker.bootstrap}/{topic}", "t", dsn=dsn, format="csv", csv={"header": False}, map={"place": "$offset"}
    )  # fmt: skip
    assert (receipt.read, receipt.skipped) == (len(messages), 1)
    good = [(place, *row) for place, (_, row) in enumerate(messages) if isinstance(row, tuple)]
    assert rows(dsn, "SELECT place, id::text, name, note FROM t ORDER BY place") == good
    bad = [(place, reason) for place, (_, reason) in enumerate(messages) if isinstance(reason, str)]
    assert rows(dsn, 'SELECT "offset", reason FROM headrace.dead_letters ORDER BY 1') == bad


@pytest.mark.parametrize("name", HEADERS)
def test_headers_decoded(name: str) -> None:
    text, expected = HEADERS[name]
    if isinstance(expected, str):
        with pytest.raises(headrace.UsageError, match=expected):
            headrace.decode_csv(text, headrace.Schema(COLUMNS))
    else:
        batch, rejects = headrace.decode_csv(text, headrace.Schema(COLUMNS))
        assert [tuple(batch.column_text(c, r) for c in range(3)) for r in range(batch.num_rows)] == expected
        assert rejects == []


@pytest.mark.real
def test_headers_of_files(dsn: str, tmp_path: Path) -> None:
    """A header that does not fit stops the load before anything of the file is loaded, and says which file."""
    execute(dsn, TABLE)
    for name, (text, expected) in HEADERS.items():
        execute(dsn, "TRUNCATE t")
        path = tmp_path / "headers.csv"
        path.write_bytes(text)
        if isinstance(expected, str):
            with pytest.raises(headrace.UsageError, match=expected) as caught:
                headrace.load(str(path), "t", dsn=dsn, job=name)
            assert str(path) in str(caught.value), name
            assert (
                one(dsn, "SELECT coalesce(sum(next_offset), 0) FROM headrace.offsets WHERE job = %s", name)
                == 0
            )
        else:
            receipt = headrace.load(str(path), "t", dsn=dsn, job=name)
            assert (receipt.loaded, receipt.rejected) == (len(expected), 0), name
        good = expected if isinstance(expected, list) else []
        assert rows(dsn, "SELECT id::text, name, note FROM t") == good, name
