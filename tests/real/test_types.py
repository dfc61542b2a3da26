"""Every type: the same values through Headrace and through the server's own input give equal rows and equal refusals.

    HEADRACE_RANDOM_VALUES=1000000 HEADRACE_RANDOM_SEED=7 .venv/bin/python -m pytest tests/real/test_types.py -k random --timeout=0

runs longer (a million values take about four minutes a test), or one printed seed again.
"""

from __future__ import annotations

import os
import random
import re
from fractions import Fraction
from pathlib import Path

import headrace
import pytest

from tests.real.load_kit import execute, one, rows
from tests.real.type_kit import SETUP, Case, Trial, complaints, strings
from tests.real.type_values import ARRAYS, DOCUMENTS, OTHERS, POOLS, TYPES, Random, values_of

pytestmark = pytest.mark.real

AT_ONCE = 20_000  # random values in one load


@pytest.fixture
def trial(dsn: str, tmp_path: Path) -> Trial:
    """A table of every type that goes by COPY BINARY."""
    execute(dsn, SETUP)
    return Trial(dsn, TYPES | ARRAYS, tmp_path)


@pytest.fixture
def text_trial(dsn: str, tmp_path: Path) -> Trial:
    """A table with types that go through the server's text input, which turns the whole COPY to text."""
    execute(dsn, SETUP)
    return Trial(dsn, TYPES | ARRAYS | OTHERS, tmp_path)


def report(lines: list[str]) -> str:
    return "\n".join([f"{len(lines)} values went wrong:", *lines[:30]])


def edges(columns: dict[str, str]) -> list[Case]:
    return [Case(column, value) for column in columns for value in values_of(column)]


def test_edges_as_json_strings(trial: Trial) -> None:
    cases = strings(edges(trial.columns))
    wrong = complaints(cases, trial.json(cases))
    assert not wrong, report(wrong)


def test_edges_as_csv_fields(trial: Trial) -> None:
    cases = edges(trial.columns)
    wrong = complaints(cases, trial.csv(cases))
    assert not wrong, report(wrong)


def test_json_values_of_every_kind_in_every_column(trial: Trial) -> None:
    cases = [Case(column, value) for column in trial.columns for value in DOCUMENTS]
    wrong = complaints(cases, trial.json(cases))
    assert not wrong, report(wrong)


def test_edges_of_every_type_in_every_column(trial: Trial) -> None:
    """What is an edge of one type is nonsense to another: a share of all the pairs."""
    texts = [text for pool in POOLS.values() for text in pool if len(text) < 400]
    pairs = [Case(column, text) for column in trial.columns for text in texts]
    cases = strings(random.Random(1).sample(pairs, 8000))
    wrong = complaints(cases, trial.json(cases))
    assert not wrong, report(wrong)


def test_other_types_go_through_the_servers_input(text_trial: Trial) -> None:
    cases = strings(edges(OTHERS))
    wrong = complaints(cases, text_trial.json(cases))
    assert not wrong, report(wrong)


def test_other_types_from_csv(text_trial: Trial) -> None:
    cases = edges(OTHERS)
    wrong = complaints(cases, text_trial.csv(cases))
    assert not wrong, report(wrong)


def test_json_values_in_columns_of_other_types(text_trial: Trial) -> None:
    cases = [Case(column, value) for column in OTHERS for value in DOCUMENTS[::3]]
    wrong = complaints(cases, text_trial.json(cases))
    assert not wrong, report(wrong)


def test_known_types_beside_other_types_go_as_text(text_trial: Trial) -> None:
    """The same values as above, now through COPY's text format."""
    cases = [case for case in strings(edges(TYPES | ARRAYS)) if len(case.value) < 2000]
    wrong = complaints(cases, text_trial.json(cases))
    assert not wrong, report(wrong)


def seeded(record_property: pytest.RecordProperty) -> tuple[int, int]:
    """The seed and how many values, from the environment or as `make test` has them; printed."""
    seed = int(os.environ.get("HEADRACE_RANDOM_SEED") or random.SystemRandom().getrandbits(32))
    count = int(os.environ.get("HEADRACE_RANDOM_VALUES") or 6000)
    record_property("seed", seed)
    print(f"HEADRACE_RANDOM_SEED={seed} HEADRACE_RANDOM_VALUES={count}")
    return seed, count


@pytest.mark.parametrize("form", ["json", "csv"])
def test_random_values(trial: Trial, form: str, record_property: pytest.RecordProperty) -> None:
    seed, count = seeded(record_property)
    source = Random(seed)
    names = list(trial.columns)
    for start in range(0, count, AT_ONCE):
        columns = [names[number % len(names)] for number in range(start, min(count, start + AT_ONCE))]
        if form == "json":
            cases = [Case(column, source.document(column)) for column in columns]
        else:
            cases = [Case(column, source.value(column)) for column in columns]
        wrong = complaints(cases, trial.json(cases) if form == "json" else trial.csv(cases))
        assert not wrong, f"HEADRACE_RANDOM_SEED={seed}: " + report(wrong)


def test_random_values_that_go_as_text(text_trial: Trial, record_property: pytest.RecordProperty) -> None:
    """A tenth as many: what only the server can refuse, it is asked about row by row."""
    seed, count = seeded(record_property)
    source = Random(seed)
    for start in range(0, count // 10, AT_ONCE // 4):
        names = source.random.choices(list(text_trial.columns), k=min(count // 10 - start, AT_ONCE // 4))
        cases = [Case(name, source.document(name)) for name in names]
        wrong = complaints(cases, text_trial.json(cases))
        assert not wrong, f"HEADRACE_RANDOM_SEED={seed}: " + report(wrong)


def test_random_rows(trial: Trial, record_property: pytest.RecordProperty) -> None:
    """As many values, now many in one document: those that load alone must load together, and one bad one must be blamed."""
    seed, count = seeded(record_property)
    source = Random(seed)
    names = list(trial.columns)
    for start in range(0, count, AT_ONCE):
        columns = [names[number % len(names)] for number in range(start, min(count, start + AT_ONCE))]
        cases = [Case(column, source.document(column)) for column in columns]
        good: dict[str, list[Case]] = {column: [] for column in names}
        bad: list[Case] = []
        for case, (ours, theirs) in zip(cases, trial.json(cases), strict=True):
            if not ours.refused and not theirs.refused:
                good[case.column].append(case)
            elif ours.refused and theirs.refused:
                bad.append(case)
        made = []
        while any(good.values()):
            row = [one.pop() for one in good.values() if one and source.random.random() < 0.7]
            source.random.shuffle(row)
            if bad and source.random.random() < 0.1:
                wrong_one = bad.pop()
                row = [case for case in row if case.column != wrong_one.column] + [wrong_one]
            made.append(row)
        answers = trial.mixed(made)
        wrong = [
            line
            for row, answer in zip(made, answers, strict=True)
            for line in trial.complaints_of_row(row, *answer)
        ]
        assert not wrong, f"HEADRACE_RANDOM_SEED={seed}: " + report(wrong)
        loaded = sum(ours.refused is None for ours, _ in answers)
        assert loaded > len(made) // 2, "hardly a row was loaded: that tells nothing"


KIND = re.compile(r"^    (HR_[A-Z0-9]+)(?: = 0)?,", re.MULTILINE)
COLUMN_OF_KIND = {
    "HR_BOOL": "bool",
    "HR_INT2": "int2",
    "HR_INT4": "int4",
    "HR_INT8": "int8",
    "HR_FLOAT4": "float4",
    "HR_FLOAT8": "float8",
    "HR_DECIMAL": "numeric_10_2",
    "HR_NUMERIC": "numeric",
    "HR_TEXT": "text",
    "HR_VARCHAR": "text_varchar5",
    "HR_BPCHAR": "text_char5",
    "HR_BYTEA": "bytea",
    "HR_DATE": "date",
    "HR_TIME": "time",
    "HR_TIMESTAMP": "timestamp",
    "HR_TIMESTAMPTZ": "timestamptz",
    "HR_INTERVAL": "interval",
    "HR_UUID": "uuid",
    "HR_JSON": "json",
    "HR_JSONB": "json_b",
    "HR_ENUM": "enum",
    "HR_ARRAY": "array_int4",
    "HR_OTHER": "inet",
}


def test_every_kind_of_type_has_random_values() -> None:
    """A kind added to csrc/core/types/type.h must come into the tables of type_values.py, and its array as well."""
    header = (Path(__file__).parents[2] / "csrc/core/types/type.h").read_text()
    enum = header[header.index("typedef enum hr_kind") : header.index("HR_KIND_COUNT")]
    kinds = KIND.findall(enum)
    assert len(kinds) > 20
    assert set(kinds) == set(COLUMN_OF_KIND)
    columns = TYPES | ARRAYS | OTHERS
    source = Random(1)
    for kind, column in COLUMN_OF_KIND.items():
        assert column in columns, kind
        assert len({source.document(column) for _ in range(40)}) > 5, (
            f"{kind}: the same values again and again"
        )
        if kind != "HR_ARRAY":
            assert any(name.startswith(f"array_{column}") for name in columns), f"{kind}: no array of it"


UNITS = {"s": 6, "ms": 3, "us": 0, "ns": -3}  # powers of ten that make microseconds


def test_numbers_by_their_unit(dsn: str, tmp_path: Path) -> None:
    """Digits are exact up to the microsecond, and what is finer is rounded to the nearest, halves to even."""
    source = random.Random(3)
    columns = {f"{kind}_{unit}": kind for kind in ("timestamptz", "timestamp", "interval") for unit in UNITS}
    powers = {name: UNITS[name.partition("_")[2]] for name in columns}
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    execute(dsn, f"CREATE TABLE t (id int, {listed}); CREATE TABLE csv (LIKE t)")
    documents, lines, expected = [], [",".join(["id", *columns])], []
    for number in range(1000):
        fields = {}
        for name, power in powers.items():
            whole = (
                source.randint(-(10**14), 10**14) // 10**power
                if power >= 0
                else source.randint(-(10**17), 10**17)
            )
            part = source.choice(["", f".{source.randint(0, 10**9)}", ".0000005", ".5", ".4999995"])
            fields[name] = source.choice(
                [f"{whole}{part}", f"{whole}{part}", f"{whole}e{source.randint(-3, 0)}"]
            )
        documents.append(
            f'{{"id": {number}' + "".join(f', "{name}": {text}' for name, text in fields.items()) + "}"
        )
        lines.append(",".join([str(number), *fields.values()]))
        expected.append(
            (number, *(round(Fraction(text) * Fraction(10) ** powers[name]) for name, text in fields.items()))
        )
    (tmp_path / "x.jsonl").write_text("\n".join(documents))
    (tmp_path / "x.csv").write_text("\n".join(lines))
    sources = {name: {"path": name, "unit": name.partition("_")[2]} for name in columns}
    micros = ", ".join(f"(extract(epoch FROM {name}) * 1000000)::numeric(30)" for name in columns)
    for path, table in (("x.jsonl", "t"), ("x.csv", "csv")):
        receipt = headrace.load(str(tmp_path / path), table, dsn=dsn, map=sources)
        assert receipt.rejects == {}
        assert rows(dsn, f"SELECT id, {micros} FROM {table} ORDER BY id") == expected


def test_dates_and_times_of_day_by_their_unit(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE TABLE t (id int, d date, ds date, dms date, t time, at timestamp)")
    (tmp_path / "x.jsonl").write_text(
        '{"id":1,"d":20000,"ds":1790000000.9,"dms":-1,"t":86400,"at":0}\n'
        '{"id":2,"d":"-1","ds":"86399","dms":0,"t":0.0000015,"at":-1}\n'
        '{"id":3,"d":1.5}\n{"id":4,"t":86400.000001}\n{"id":5,"t":-1}\n{"id":6,"d":1e10}\n{"id":7,"d":"2026-11-21"}\n'
    )
    units = {"d": "days", "ds": "s", "dms": "ms", "t": "s", "at": "days"}
    sources = {name: {"path": name, "unit": unit} for name, unit in units.items()}
    receipt = headrace.load(str(tmp_path / "x.jsonl"), "t", dsn=dsn, map=sources)
    assert rows(dsn, "SELECT id, d::text, ds::text, dms::text, t::text, at::text FROM t ORDER BY id") == [
        (1, "2024-10-04", "2026-09-21", "1969-12-31", "24:00:00", "1970-01-01 00:00:00"),
        (2, "1969-12-31", "1970-01-01", "1970-01-01", "00:00:00.000002", "1969-12-31 00:00:00"),
        (7, "2026-11-21", None, None, None, None),
    ]
    assert receipt.rejects == {"type": 1, "range": 3}


def test_a_time_without_an_offset_is_utc_whatever_the_database_says(dsn: str, tmp_path: Path) -> None:
    execute(dsn, "CREATE TABLE t (at timestamptz, other tstzrange)")
    for setting in ("timezone = 'Asia/Tokyo'", "datestyle = 'German'", "intervalstyle = 'iso_8601'"):
        execute(dsn, f'ALTER DATABASE "{one(dsn, "SELECT current_database()")}" SET {setting}')
    (tmp_path / "x.jsonl").write_text('{"at":"2026-11-02 10:00:00","other":"[2026-11-02 10:00:00,)"}\n')
    headrace.load(str(tmp_path / "x.jsonl"), "t", dsn=dsn)
    assert rows(dsn, "SELECT at = '2026-11-02 10:00:00+00', at = lower(other) FROM t") == [(True, True)]


def test_a_bad_value_of_any_other_type_is_a_reject_and_not_the_end(dsn: str, tmp_path: Path) -> None:
    """tsvector, tsquery and jsonpath call a bad value a syntax error, regclass an undefined table: no error of ours."""
    execute(
        dsn, 'CREATE TABLE t (id int, a tsvector, b tsquery, "the c" jsonpath, d regclass, e bit(3), f xid8)'
    )
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"id":1,"a":"x y","b":"x & y","the c":"$.a","d":"pg_class","e":"101","f":"7"}\n{"id":2,"a":"\'"}\n'
        '{"id":3,"b":"x &"}\n{"id":4,"the c":"x: y"}\n{"id":5,"d":"no_such_table"}\n{"id":6,"e":"1"}\n{"id":7,"f":"x"}\n{"id":8}\n'
    )
    receipt = headrace.load(str(path), "t", dsn=dsn)
    assert (receipt.loaded, receipt.rejects) == (2, {"type": 5, "range": 1})
    assert rows(
        dsn, "SELECT line, reason, column_name, sqlstate FROM headrace.dead_letters ORDER BY line"
    ) == [
        (2, "type", "a", "42601"),
        (3, "type", "b", "42601"),
        (4, "type", "the c", "42601"),
        (5, "type", "d", "42P01"),
        (6, "range", "e", "22026"),
        (7, "type", "f", "22P02"),
    ]


def test_what_only_the_server_refuses_names_its_column(dsn: str, tmp_path: Path) -> None:
    execute(
        dsn,
        "CREATE DOMAIN small AS int CHECK (value < 10) NOT NULL;"
        "CREATE TABLE t (id int CHECK (id > 0), s small, u int UNIQUE, v varchar(3))",
    )
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"id":1,"s":1,"u":1}\n{"id":2,"s":99}\n{"id":3}\n{"id":-4,"s":1}\n{"id":5,"s":1,"u":1}\n{"id":6,"s":2,"v":"abcd"}\n'
    )
    receipt = headrace.load(str(path), "t", dsn=dsn)
    assert receipt.loaded == 1
    assert rows(
        dsn, "SELECT line, reason, column_name, sqlstate FROM headrace.dead_letters ORDER BY line"
    ) == [
        (2, "constraint", "s", "23514"),
        (3, "null", "s", None),
        (4, "constraint", None, "23514"),
        (5, "constraint", None, "23505"),
        (6, "range", "v", None),
    ]


def test_the_value_of_a_reject_is_readable(dsn: str, tmp_path: Path) -> None:
    """Cut between characters, never inside one."""
    execute(dsn, "CREATE TABLE t (a varchar(5), b int)")
    long = "x" + "é日本" * 200
    path = tmp_path / "x.jsonl"
    lines = [f'{{"a":"{long}"}}'.encode(), '{"b":"é"}'.encode()]
    path.write_bytes(b"\n".join(lines) + b"\n")
    headrace.load(str(path), "t", dsn=dsn)
    first, second = (value for (value,) in rows(dsn, "SELECT value FROM headrace.dead_letters ORDER BY line"))
    assert long.startswith(first)
    assert 990 < len(first.encode()) <= 1000
    assert second == "é"


def test_bytes_that_are_no_text(dsn: str, tmp_path: Path) -> None:
    """Broken UTF-8, surrogates and NUL: encoding rejects, from JSON and from CSV, in keys and in values."""
    execute(dsn, "CREATE TABLE t (id int, a text, b bytea, c json)")
    bad = [
        b"\xff",
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"a\xc3",
        b"\xf0\x9f\x98",
    ]
    (tmp_path / "x.jsonl").write_bytes(
        b"".join(b'{"id":1,"%s":"%s"}\n' % (key, text) for key in (b"a", b"b", b"c", b"z") for text in bad)
        + b'{"id":2,"\xff":1}\n{"id":2,"a":"\\u0000"}\n{"id":2,"b":"\\u0000"}\n{"id":2,"a":"\\ud800"}\n{"id":2,"z":"\\udc00x"}\n'
        + b'{"id":3,"z":"\\u0000"}\n{"id":4,"c":"\\u0000"}\n'
    )
    receipt = headrace.load(str(tmp_path / "x.jsonl"), "t", dsn=dsn)
    assert receipt.rejects == {"encoding": 4 * len(bad) + 5}
    assert rows(dsn, "SELECT id, c::text FROM t ORDER BY id") == [(3, None), (4, '"\\u0000"')]
    (tmp_path / "x.csv").write_bytes(
        b"id,a,b,c\n" + b"".join(b'1,"%s",,\n' % text for text in [*bad, b"a\0b"]) + b"5,x,,\n"
    )
    receipt = headrace.load(str(tmp_path / "x.csv"), "t", dsn=dsn, job="csv")
    assert (receipt.loaded, receipt.rejects) == (1, {"encoding": len(bad) + 1})
