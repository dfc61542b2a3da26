"""The same values through Headrace and through the server's own input: the two tables must be equal.

A Trial is one table and a list of cases. A case puts one text into one column: as a JSON document, or as a quoted
CSV field. The server's answer is json_populate_record(), which calls the types' own input functions.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import headrace
import psycopg

from tests.real.load_kit import execute
from tests.real.type_values import pool_of

SETUP = """
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'Very Happy', 'it''s', 'a,b', '{x}', '"q"', 'null', '', 'ü');
    CREATE TYPE pair AS (a integer, b text);
    CREATE DOMAIN positive AS integer CHECK (value > 0);
    CREATE DOMAIN money2 AS numeric(10,2);
    CREATE DOMAIN cheap AS money2 CHECK (value < 1000);
    CREATE DOMAIN word AS varchar(8) CHECK (value !~ ' ');
    CREATE DOMAIN some_ints AS integer[] CHECK (array_length(value, 1) < 4);
    CREATE DOMAIN day AS timestamptz(0);
"""

ORACLE = """
    CREATE TABLE cases (id bigint PRIMARY KEY, name text, value text);
    CREATE TABLE refused (id bigint PRIMARY KEY, state text, message text);
    CREATE FUNCTION meaning(anyelement) RETURNS text STRICT LANGUAGE plpgsql AS $$
    BEGIN
        RETURN to_jsonb($1);
    EXCEPTION WHEN OTHERS THEN -- json can say what jsonb cannot
        RETURN NULL;
    END $$;
    CREATE FUNCTION ask_json() RETURNS void LANGUAGE plpgsql AS $$
    DECLARE c record; said text;
    BEGIN
        FOR c IN SELECT * FROM cases LOOP
            BEGIN
                INSERT INTO expected SELECT p.* FROM json_populate_record(NULL::expected, c.value::json) p;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
                INSERT INTO refused VALUES (c.id, SQLSTATE, said);
            END;
        END LOOP;
    END $$;
    CREATE FUNCTION ask_text() RETURNS void LANGUAGE plpgsql AS $$
    DECLARE c record; said text;
    BEGIN
        FOR c IN SELECT * FROM cases LOOP
            BEGIN
                IF c.name LIKE 'json%' THEN
                    EXECUTE format('INSERT INTO expected (id, %I) VALUES (%s, %L)', c.name, c.id, c.value);
                ELSE -- as COPY does: a literal would first be read without the modifier of a type like numeric(10,2)
                    INSERT INTO expected
                    SELECT p.* FROM json_populate_record(NULL::expected, json_build_object('id', c.id, c.name, c.value)) p;
                END IF;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
                INSERT INTO refused VALUES (c.id, SQLSTATE, said);
            END;
        END LOOP;
    END $$;
"""

# What a reject's reason must be, by the state of the server's refusal.
REASONS = {
    "22P02": {"type"},  # invalid text representation
    "22007": {"type", "range"},  # invalid datetime format
    "22008": {"range"},  # datetime field overflow
    "22009": {"range"},  # time zone displacement
    "22015": {"range"},  # interval field overflow
    "2202E": {"type"},  # array bounds
    "22026": {"range"},  # bit string of another length
    "54000": {"range"},  # a word too long for tsvector
    "42601": {"type"},  # tsvector, tsquery and jsonpath say so
    "22003": {"range"},  # numeric value out of range
    "22001": {"range"},  # string too long
    "22P05": {"encoding"},  # \u0000
    "22021": {"encoding"},  # NUL, broken UTF-8
    "22023": {"type", "range"},  # invalid hexadecimal digits, odd number of them
    "22032": {"type"},  # invalid JSON text
    "23502": {"null"},
    "23514": {"constraint"},
}


_ID = re.compile(rb'(?:\{"id": )?(\d+)')


@dataclass(frozen=True)
class Case:
    """One value for one column; as JSON text in a document, else as text in a CSV field."""

    column: str
    value: str


@dataclass(frozen=True)
class Answer:
    """What became of a case: the row's binary field and its text, or who refused it and why."""

    field: bytes | None = None
    text: str | None = None
    refused: str | None = None  # the reason, or the server's state
    column: str | None = None
    message: str = ""
    meaning: str | None = None  # json: its value, however written


@dataclass(frozen=True)
class Row:
    """What became of a document with several cases: its values in the order of the columns, or who refused it and why."""

    values: list[Answer] = field(default_factory=list)
    refused: str | None = None
    column: str | None = None
    message: str = ""


Told = TypeVar("Told", Answer, Row)


class Trial:
    """A target, and the same target filled by the server itself."""

    def __init__(self, dsn: str, columns: dict[str, str], folder: Path) -> None:
        self.dsn = dsn
        self.columns = columns
        self.folder = folder
        self.runs = 0
        listed = ", ".join(f'"{name}" {sql}' for name, sql in columns.items())
        execute(
            dsn,
            f"CREATE TABLE target (id bigint NOT NULL, {listed}); CREATE TABLE expected (LIKE target); {ORACLE}",
        )

    def json(self, cases: list[Case]) -> list[tuple[Answer, Answer]]:
        """What Headrace and the server make of the cases, as JSON documents."""
        documents = [
            f'{{"id": {number}, {json.dumps(case.column)}: {case.value}}}'
            for number, case in enumerate(cases, 1)
        ]
        path = self._path("jsonl")
        path.write_text("".join(document + "\n" for document in documents), newline="")
        return self._run(
            path, "json", [(case.column, text) for case, text in zip(cases, documents, strict=True)]
        )

    def mixed(self, rows: list[list[Case]]) -> list[tuple[Row, Row]]:
        """What Headrace and the server make of documents that hold several cases each."""
        documents = [
            f'{{"id": {number}' + "".join(f", {json.dumps(case.column)}: {case.value}" for case in row) + "}"
            for number, row in enumerate(rows, 1)
        ]
        path = self._path("jsonl")
        path.write_text("".join(document + "\n" for document in documents), newline="")
        return self._ask(path, "json", [("", text) for text in documents], Row, self._whole_rows)

    def complaints_of_row(self, row: list[Case], ours: Row, theirs: Row) -> list[str]:
        """What is wrong with one row, a line for each column."""
        blamed = next((case for case in row if case.column == ours.column), None)
        document = ", ".join(f"{case.column} {case.value[:60]!r}" for case in row)
        if ours.refused and theirs.refused:
            return (
                [] if blamed is not None or ours.refused == "constraint" else [f"{document}: blames nobody"]
            )
        if ours.refused:
            wrong = blamed is None or not _documented(
                blamed, Answer(refused=ours.refused, column=ours.column, message=ours.message)
            )
            return (
                [f"{document}: refused, and the server takes it: {ours.column}: {ours.message[:200]}"]
                if wrong
                else []
            )
        if theirs.refused:
            if theirs.refused == "22P05" and any("\\u0000" in case.value for case in row):
                return []
            return [f"{document}: accepted, and the server refuses it: {theirs.message[:200]}"]
        lines = []
        for name, mine, other in zip(self.columns, ours.values, theirs.values, strict=True):
            case = next((case for case in row if case.column == name), Case(name, "nothing"))
            wrong_value = verdict(case, mine, other)
            if wrong_value is not None:
                lines.append(
                    f"{name} {case.value[:100]!r} in a row: {wrong_value}\n  ours   {_shown(mine)}\n  server {_shown(other)}"
                )
        return lines

    def _whole_rows(self, connection: psycopg.Connection[Any], table: str) -> Iterator[tuple[int, Row]]:
        """Every row's values."""
        listed = ", ".join(f'"{name}"::text' for name in self.columns)
        meanings = ", ".join(
            f"meaning({name})" if name in ("json", "array_json") else "NULL" for name in self.columns
        )
        said = {
            number: texts
            for number, *texts in connection.execute(f"SELECT id, {listed}, {meanings} FROM {table}")
        }
        with connection.cursor().copy(f"COPY {table} TO STDOUT (FORMAT binary)") as copy:
            data = b"".join(bytes(part) for part in copy)
        for fields in split_copy(data):
            (number,) = struct.unpack(">q", fields[0] or b"")
            texts, meant = said[number][: len(self.columns)], said[number][len(self.columns) :]
            values = [
                Answer(field=field, text=text, meaning=meaning)
                for field, text, meaning in zip(fields[1:], texts, meant, strict=True)
            ]
            yield number, Row(values=values)

    def csv(self, cases: list[Case]) -> list[tuple[Answer, Answer]]:
        """The same as CSV: one quoted field, all others null."""
        names = list(self.columns)
        lines = [",".join(["id", *names])]
        for number, case in enumerate(cases, 1):
            fields = [""] * len(names)
            fields[names.index(case.column)] = '"' + case.value.replace('"', '""') + '"'
            lines.append(",".join([str(number), *fields]))
        path = self._path("csv")
        path.write_text("".join(line + "\n" for line in lines), newline="")
        return self._run(path, "text", [(case.column, case.value) for case in cases])

    def _path(self, suffix: str) -> Path:
        self.runs += 1
        return self.folder / f"values{self.runs}.{suffix}"

    def _run(self, path: Path, question: str, cases: list[tuple[str, str]]) -> list[tuple[Answer, Answer]]:
        return self._ask(path, question, cases, Answer, self._rows)

    def _ask(
        self,
        path: Path,
        question: str,
        cases: list[tuple[str, str]],
        kind: type[Told],
        read: Callable[[psycopg.Connection[Any], str], Iterator[tuple[int, Told]]],
    ) -> list[tuple[Told, Told]]:
        """Load the file, ask the server about the same cases, and read what both have made of them."""
        execute(self.dsn, "TRUNCATE target, expected, cases, refused")
        receipt = headrace.load(str(path), "target", dsn=self.dsn, workers=1)
        assert receipt.read == len(cases)
        assert receipt.balances()
        with psycopg.connect(self.dsn) as connection:
            with connection.cursor().copy("COPY cases FROM STDIN") as copy:
                for number, (column, value) in enumerate(cases, 1):
                    copy.write_row((number, column, value))
            connection.execute(f"SELECT ask_{question}()")
            ours = dict(read(connection, "target"))
            theirs = dict(read(connection, "expected"))
            assert len(ours) == receipt.loaded
            for raw, reason, column, message in connection.execute(
                "SELECT raw, reason, column_name, message FROM headrace.dead_letters WHERE run_id = %s",
                (receipt.run_id,),
            ):
                number = int(_ID.match(raw)[1])  # type: ignore[index]
                assert number not in ours
                ours[number] = kind(refused=reason, column=column, message=message)
            for number, state, message in connection.execute("SELECT * FROM refused"):
                theirs[number] = kind(refused=state, message=message)
        assert len(ours) == len(theirs) == len(cases)
        return [(ours[number], theirs[number]) for number in range(1, len(cases) + 1)]

    def _rows(self, connection: psycopg.Connection[Any], table: str) -> Iterator[tuple[int, Answer]]:
        """Every row's one value that is not null, in binary and as text."""
        texts: dict[int, tuple[str | None, str | None]] = {}
        listed = ", ".join(f'"{name}"::text' for name in self.columns)
        meanings = [f'"{name}"' for name in self.columns if name in ("json", "array_json")]
        meaning = ", ".join(f"meaning({name})" for name in meanings) or "NULL"
        for number, text, said in connection.execute(
            f"SELECT id, coalesce({listed}), coalesce({meaning}, NULL) FROM {table}"
        ):
            texts[number] = text, said
        with connection.cursor().copy(f"COPY {table} TO STDOUT (FORMAT binary)") as copy:
            data = b"".join(bytes(part) for part in copy)
        for fields in split_copy(data):
            (number,) = struct.unpack(">q", fields[0] or b"")
            present = [(i, field) for i, field in enumerate(fields[1:]) if field is not None]
            assert len(present) <= 1
            text, said = texts[number]
            yield number, Answer(field=present[0][1] if present else None, text=text, meaning=said)


def split_copy(data: bytes) -> Iterator[list[bytes | None]]:
    """The rows of a COPY BINARY stream as lists of fields."""
    assert data.startswith(b"PGCOPY\n\xff\r\n\0")
    at = 19 + struct.unpack_from(">i", data, 15)[0]
    while True:
        (count,) = struct.unpack_from(">h", data, at)
        at += 2
        if count < 0:
            return
        fields: list[bytes | None] = []
        for _ in range(count):
            (length,) = struct.unpack_from(">i", data, at)
            at += 4
            fields.append(None if length < 0 else data[at : at + length])
            at += max(length, 0)
        yield fields


def strings(cases: Iterable[Case]) -> list[Case]:
    """Texts as JSON strings."""
    return [Case(case.column, json.dumps(case.value, ensure_ascii=False)) for case in cases]


# What Headrace refuses though the server would take it. docs/types.md says the same in words.
def _read_forms() -> dict[str, re.Pattern[str]]:
    """The patterns of forms.txt."""
    said: dict[str, str] = {}
    for line in (Path(__file__).parent / "forms.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, pattern = line.partition(" = ")
            said[name] = re.sub("<([a-z_]+)>", lambda found: said[found[1]], pattern)
    return {name: re.compile(pattern, re.IGNORECASE | re.DOTALL) for name, pattern in said.items()}


_ALL_FORMS = _read_forms()
FORMS = {name: _ALL_FORMS[name] for name in ("date", "timestamp", "time", "interval")}
_INTEGER = re.compile(r"\s*[+-]?\d+(?:_\d+)*\s*")
_NUMBER = re.compile(r"\s*[+-]?\d+(?:_\d+)*(?:\.\d+)?(?:e[+-]?\d+)?\s*", re.IGNORECASE)


def quoted(message: str) -> str:
    """The value that a message of Headrace shows."""
    found = re.search(r'"(.*)"', message, re.DOTALL)
    return found[1] if found else ""


def _documented(case: Case, ours: Answer) -> bool:
    """Whether a refusal is one of those that docs/types.md lists."""
    kind = pool_of(case.column.removeprefix("array_"))
    if "arrays of arrays cannot be loaded" in ours.message or "bounds before an array" in ours.message:
        return case.column.startswith("array_")
    if kind == "json" and ours.refused == "encoding" and "surrogate" in ours.message:
        return True
    if kind == "pair" and "{" in case.value:
        return True
    if "a number needs a unit" in ours.message:
        return kind in FORMS and not case.value.startswith('"')
    if kind == "interval":
        return ours.refused == "type" and FORMS[kind].fullmatch(quoted(ours.message).strip()) is None
    if kind not in FORMS:
        return False
    value = quoted(ours.message).strip()
    if FORMS[kind].fullmatch(value) is None:
        return True
    if ours.refused == "range":
        # the server goes 29 years further; and it does not look at the fields of 20261121T996099
        return any(_ALL_FORMS[name].fullmatch(value) is not None for name in ("last_year", "compact"))
    return any(words in ours.message for words in ("means another moment", "names of time zones", "24 hours"))


def _same_refusal(case: Case, ours: Answer, theirs: Answer) -> bool:
    """Whether our reason says what the server's state says, and both blame the same value."""
    assert ours.refused is not None
    assert theirs.refused is not None
    if ours.refused == "constraint" and ours.column is None:
        return theirs.refused.startswith("23")
    if ours.column != case.column:
        return False
    if ours.refused in REASONS.get(theirs.refused, ()):
        return True
    if ours.refused == "encoding" and "surrogate" in ours.message:
        return theirs.refused == "22P02"
    kind = pool_of(case.column.removeprefix("array_"))
    if case.column.startswith("array_") or kind == "interval":  # of several faults each finds its own
        return theirs.refused.startswith("23") or {ours.refused} | REASONS.get(theirs.refused, set()) <= {
            "type",
            "range",
        }
    # The server stops at the first digits that are too many, we look at the whole text first.
    form = FORMS.get(kind, _INTEGER if "int" in case.column else _NUMBER)
    malformed = form.fullmatch(quoted(ours.message).strip()) is None
    return (
        ours.refused == "type"
        and theirs.refused[:3] == "220"
        and (malformed or "a number needs a unit" in ours.message)
    )


def verdict(case: Case, ours: Answer, theirs: Answer) -> str | None:
    """What is wrong with our answer; None when nothing is."""
    if ours.refused and theirs.refused:
        if theirs.refused == "22P05":  # json_populate_record refuses the whole document for one \u0000 in it
            return None
        return None if _same_refusal(case, ours, theirs) else "refused for another reason"
    if ours.refused:
        return None if _documented(case, ours) else "refused, and the server takes it"
    if theirs.refused:
        if theirs.refused == "22P05" and "\\u0000" in case.value and "\x00" not in str(ours.text):
            return None  # json_populate_record again; the value itself is text with a backslash in it
        return "accepted, and the server refuses it"
    if ours.text == theirs.text and (ours.field == theirs.field or "NaN" in str(ours.text)):
        return None  # the sign and payload of a NaN do not count
    if ours.meaning is not None and ours.meaning == theirs.meaning:
        return None  # json keeps its text; json_populate_record has written its strings anew
    return "another value"


def complaints(cases: list[Case], answers: list[tuple[Answer, Answer]]) -> list[str]:
    """One line for each case that went wrong."""
    lines = []
    for case, (ours, theirs) in zip(cases, answers, strict=True):
        wrong = verdict(case, ours, theirs)
        if wrong is not None:
            lines.append(
                f"{case.column} {case.value[:100]!r}: {wrong}\n  ours   {_shown(ours)}\n  server {_shown(theirs)}"
            )
    return lines


def _shown(answer: Answer) -> str:
    if answer.refused:
        return f"refused as {answer.refused}, column {answer.column}: {answer.message[:200]}"
    return f"{str(answer.text)[:200]!r} {answer.field[:60]!r}" if answer.field is not None else "null"
