"""Hash keys against the server: its own casts, upper(), trim(), md5() and sha256(), and automate_dv's SQL."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import Any

import headrace
import psycopg
import pyarrow as pa
import pytest
from headrace import _headrace

from stack import postgres
from stack.paths import ROOT
from tests.real.load_kit import execute, rows
from tests.real.test_copy_round_trip import KNOWN, SEED, create, decode

pytestmark = pytest.mark.real

SCALAR = {name: sql for name, sql in KNOWN.items() if not name.startswith("array")}
SPACES = [" ", "  ", "\t", "\n", "\u00a0", "\u2003", "\u3000"]
TRAPS = [
    "^^",
    "||",
    "^^||^^",
    "^",
    "|",
    "",
    " ",
    "ß",
    "ŉ",
    "ı",
    "İ",
    "ǆ",
    "ǅ",
    "ﬁ",
    "ΐ",
    "ς",
    "ɐ",
    "ȿ",
    "ა",
    "Ა",
    "ꭰ",
    "𐐨",
    "𞤢",
    "e\u0301",
]


def column(name: str, recipe: str) -> str:
    """standard_column_wrapper of automate_dv 0.11.5: one column."""
    if recipe == "automate_dv_cased":
        return f"NULLIF(TRIM(CAST(\"{name}\" AS VARCHAR)), '')"
    return f"NULLIF(UPPER(TRIM(CAST(\"{name}\" AS VARCHAR))), '')"


def automate_dv(names: str | Sequence[str], recipe: str = "automate_dv", *, diff: bool = False) -> str:
    """What automate_dv 0.11.5's macro hash makes of a string or a list of columns on PostgreSQL, with its
    defaults. Its SHA-256 casts text to bytea, which reads backslashes as escapes; convert_to does not.
    """
    if isinstance(names, str):
        text = column(names, recipe)
    else:
        listed = sorted(names, key=str.lower) if diff else names
        parts = [f"COALESCE({column(name, recipe)}, '^^')" for name in listed]
        text = f"CONCAT_WS('||', {', '.join(parts)})"
        if not diff:
            text = f"NULLIF({text}, '{'||'.join('^^' for _ in parts)}')"
    if recipe == "automate_dv_sha256":
        return f"SHA256(CONVERT_TO({text}, 'UTF8'))"
    return f"DECODE(MD5({text}), 'hex')"


def plain(names: Sequence[str], recipe: str = "plain", *, diff: bool = False) -> str:
    """docs/hash-keys.md: the recipe plain."""
    listed = sorted(names, key=str.lower) if diff else names
    text = "concat(" + ", '||', ".join(f'CAST("{name}" AS text)' for name in listed) + ")"
    made = (
        f"sha256(convert_to({text}, 'UTF8'))" if recipe == "plain_sha256" else f"decode(md5({text}), 'hex')"
    )
    nulls = ", ".join(f'"{name}"' for name in listed)
    return made if diff else f"CASE WHEN num_nonnulls({nulls}) > 0 THEN {made} END"


def hashes(batch: headrace.Batch) -> list[str | None]:
    """The last column as hex."""
    texts = [batch.column_text(batch.num_columns - 1, row) for row in range(len(batch))]
    return [text.removeprefix("\\x") if text is not None else None for text in texts]


def theirs(dsn: str, expressions: Sequence[str], zone: str = "UTC") -> list[tuple[str | None, ...]]:
    """What the server says, in the order of the rows."""
    listed = ", ".join(f"encode({expression}, 'hex')" for expression in expressions)
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT set_config('TimeZone', %s, false)", [zone])
        query: Any = f"SELECT {listed} FROM t ORDER BY row_number"
        return connection.execute(query).fetchall()


def compare(
    dsn: str, batch: headrace.Batch, asked: list[tuple[str, headrace.Batch]], zone: str = "UTC"
) -> None:
    """Each (SQL expression, our batch with its hash): equal in every row."""
    answers = list(zip(*theirs(dsn, [sql for sql, _ in asked], zone), strict=True))
    for (sql, ours), answer in zip(asked, answers, strict=True):
        found = hashes(ours)
        wrong = [row for row in range(len(batch)) if found[row] != answer[row]]
        shown = [[batch.column_text(c, row) for c in range(batch.num_columns)] for row in wrong[:3]]
        assert not wrong, f"{len(wrong)} rows differ under {sql}, such as {shown}"


def load(dsn: str, batch: headrace.Batch, columns: dict[str, str]) -> None:
    """The batch as table t, whose rows are numbered as they are in it."""
    create(dsn, columns)
    execute(dsn, "ALTER TABLE t ADD row_number bigserial")
    names = ", ".join(f'"{name}"' for name in batch.schema.names)
    statement: Any = f"COPY t ({names}) FROM STDIN (FORMAT binary)"
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(batch.to_copy())


def test_every_type_becomes_the_servers_own_text(dsn: str) -> None:
    """Edges and random values of each type by itself, under every recipe."""
    batch = decode(KNOWN)
    load(dsn, batch, KNOWN)
    asked = []
    for name in KNOWN:
        asked.append((automate_dv(name), headrace.hash_keys(batch, name)))
        asked.append((automate_dv([name], diff=True), headrace.hash_diff(batch, [name])))
        asked.append((plain([name]), headrace.hash_keys(batch, [name], recipe="plain")))
    for start in range(0, len(asked), 60):  # a query with a thousand columns is beyond the server
        compare(dsn, batch, asked[start : start + 60])


def test_types_together(dsn: str) -> None:
    """Keys and diffs of several columns, most of them null in a row."""
    chance = random.Random(SEED)
    batch = decode(SCALAR)
    load(dsn, batch, SCALAR)
    asked = []
    for recipe in ("automate_dv", "automate_dv_sha256", "automate_dv_cased"):
        for _ in range(6):
            names = chance.sample(["id", *SCALAR], chance.randint(1, 5))
            asked.append((automate_dv(names, recipe), headrace.hash_keys(batch, names, recipe=recipe)))  # type: ignore[arg-type]
            made = headrace.hash_diff(batch, names, recipe=recipe)  # type: ignore[arg-type]
            asked.append((automate_dv(names, recipe, diff=True), made))
    for recipe in ("plain", "plain_sha256"):
        names = chance.sample(list(SCALAR), 4)
        asked.append((plain(names, recipe), headrace.hash_keys(batch, names, recipe=recipe)))  # type: ignore[arg-type]
        asked.append((plain(names, recipe, diff=True), headrace.hash_diff(batch, names, recipe=recipe)))  # type: ignore[arg-type]
    compare(dsn, batch, asked)


@pytest.mark.parametrize("zone", ["Europe/Warsaw", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham"])
def test_timestamps_in_the_sessions_zone(dsn: str, zone: str) -> None:
    columns = {name: sql for name, sql in KNOWN.items() if "timestamptz" in name} | {"timestamp": "timestamp"}
    batch = decode(columns)
    load(dsn, batch, columns)
    asked = [(automate_dv(name), headrace.hash_keys(batch, name, zone=zone)) for name in columns]
    compare(dsn, batch, asked, zone)


def random_text(chance: random.Random) -> str | None:
    """Words, any Unicode, spaces of all kinds at both ends, things that look like nulls and separators."""
    kind = chance.random()
    if kind < 0.1:
        return None
    if kind < 0.3:
        text = chance.choice(TRAPS)
    elif kind < 0.6:
        text = "".join(chance.choice("abcxyzABC 0129_-") for _ in range(chance.randint(0, 40)))
    else:
        ranges = [
            (0x20, 0x17F),
            (0x370, 0x5FF),
            (0x1D00, 0x1FFF),
            (0x2C00, 0x2DFF),
            (0xA640, 0xABFF),
            (0x1, 0xD7FF),
            (0xE000, 0x1FFFF),
        ]
        low, high = chance.choice(ranges)
        text = "".join(chr(chance.randint(low, high)) for _ in range(chance.randint(1, 30)))
        text = "".join(c for c in text if not 0xD800 <= ord(c) <= 0xDFFF)
    if chance.random() < 0.3:
        text = chance.choice(SPACES) + text
    if chance.random() < 0.3:
        text += chance.choice(SPACES) * chance.randint(1, 3)
    return text


def test_random_unicode(dsn: str) -> None:
    """4,000 rows of an integer and two texts, in batches of several sizes."""
    chance = random.Random(SEED)
    numbers = [None if chance.random() < 0.1 else chance.randint(-(10**9), 10**9) for _ in range(4000)]
    table = pa.table(
        {
            "id": pa.array(range(4000), pa.int32()),
            "n": pa.array(numbers, pa.int64()),
            "a": [random_text(chance) for _ in range(4000)],
            "b": [random_text(chance) for _ in range(4000)],
        }
    )
    batch = headrace.Batch.from_arrow(table)
    load(dsn, batch, {"n": "bigint", "a": "text", "b": "text"})
    asked = []
    for recipe in ("automate_dv", "automate_dv_sha256", "automate_dv_cased"):
        asked.append((automate_dv("a", recipe), headrace.hash_keys(batch, "a", recipe=recipe)))  # type: ignore[arg-type]
        for names in (["a"], ["a", "b"], ["n", "a"], ["b", "n", "a"]):
            asked.append((automate_dv(names, recipe), headrace.hash_keys(batch, names, recipe=recipe)))  # type: ignore[arg-type]
            made = headrace.hash_diff(batch, names, recipe=recipe)  # type: ignore[arg-type]
            asked.append((automate_dv(names, recipe, diff=True), made))
    asked.append((plain(["a", "b"]), headrace.hash_keys(batch, ["a", "b"], recipe="plain")))
    compare(dsn, batch, asked)
    for size in (1, 7, 31, 33, 513):
        few = headrace.Batch.from_arrow(table.slice(100, size))
        whole = hashes(headrace.hash_keys(batch, ["n", "a"]))
        assert hashes(headrace.hash_keys(few, ["n", "a"])) == whole[100 : 100 + size]


def test_every_width_and_kernel(dsn: str) -> None:
    """Texts of 0 to 4096 bytes: the server's md5() and sha256()."""
    chance = random.Random(SEED)
    texts = ["".join(chance.choices("abcdefghij klmno", k=width)) for width in range(4097)]
    chance.shuffle(texts)
    batch = headrace.Batch.from_arrow(pa.table({"id": pa.array(range(4097), pa.int32()), "a": texts}))
    load(dsn, batch, {"a": "text"})
    asked = []
    for kind, recipe in (("md5", "plain"), ("sha256", "plain_sha256")):
        for kernel in _headrace.hash_kernels()[kind]:
            made = _headrace.hash_rows(batch, ["a"], "h", recipe=recipe, alone=True, kernel=kernel)
            asked.append((plain(["a"], recipe), made))
    compare(dsn, batch, asked)


def test_the_upper_case_of_every_character(dsn: str) -> None:
    """The committed table is the server's own mapping."""
    query = """SELECT code, upper(chr(code) COLLATE pg_c_utf8) FROM generate_series(1, 1114111) code
               WHERE code NOT BETWEEN 55296 AND 57343 AND upper(chr(code) COLLATE pg_c_utf8) <> chr(code)"""
    answers = {chr(code): upper for code, upper in rows(dsn, query)}
    assert len(answers) > 1400
    letters = "".join(chr(code) for code in range(1, 0x110000) if not 0xD800 <= code <= 0xDFFF)
    assert _headrace.upper_case(letters) == "".join(answers.get(letter, letter) for letter in letters)


def test_types_that_only_the_server_knows(dsn: str) -> None:
    """inet has its netmask in a cast; what is written as the server writes it hashes as there."""
    schema = headrace.Schema([("id", "int"), ("at", "inet"), ("mac", "macaddr"), ("net", "cidr")])
    lines = ["192.168.1.5", "10.0.0.0/8", "::1", "2001:db8::/32"]
    documents = "\n".join(
        f'{{"id": {number}, "at": "{text}", "mac": "08:00:2b:01:02:03", "net": "10.1.0.0/16"}}'
        for number, text in enumerate(lines)
    )
    batch, rejects = headrace.decode_json(documents, schema)
    assert not rejects
    create(dsn, {"at": "inet", "mac": "macaddr", "net": "cidr"})
    execute(dsn, "ALTER TABLE t ADD row_number bigserial")
    for number, text in enumerate(lines):
        values = f"({number}, '{text}', '08:00:2b:01:02:03', '10.1.0.0/16')"
        execute(dsn, f"INSERT INTO t (id, at, mac, net) VALUES {values}")
    asked = [(automate_dv(name), headrace.hash_keys(batch, name)) for name in ("at", "mac", "net")]
    compare(dsn, batch, asked)


def test_hash_check_is_content_with_the_builtin_provider(dsn: str) -> None:
    with headrace.Connection(dsn) as connection:
        connection.query("SELECT set_config('TimeZone', 'UTC', false)")
        assert headrace.hash_check(connection) == []
        connection.query("SELECT set_config('TimeZone', 'Asia/Tokyo', false)")
        assert headrace.hash_check(connection, zone="Asia/Tokyo") == []
        (said,) = headrace.hash_check(connection)
        assert said.startswith("TimeZone is Asia/Tokyo")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("DateStyle", "German"),
        ("IntervalStyle", "iso_8601"),
        ("bytea_output", "escape"),
        ("extra_float_digits", "0"),
    ],
)
def test_hash_check_sees_settings(dsn: str, setting: str, value: str) -> None:
    with headrace.Connection(dsn) as connection:
        connection.query(
            "SELECT set_config('TimeZone', 'UTC', false), set_config($1, $2, false)", [setting, value]
        )
        (said,) = headrace.hash_check(connection)
        assert said.startswith(setting)


def test_hash_check_sees_another_collation(pg: postgres.Server) -> None:
    """In a database of locale C, only ASCII has an upper case."""
    with pg.connect("postgres") as connection:
        connection.autocommit = True
        connection.execute("DROP DATABASE IF EXISTS hash_in_c")
        connection.execute(
            "CREATE DATABASE hash_in_c TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C'"
        )
    try:
        said = headrace.hash_check(pg.dsn("hash_in_c"))
        assert any("UPPER() of this database treats 1,451 characters differently" in line for line in said), (
            said
        )
        assert any("ß" not in line and "ä -> ä (here Ä)" in line for line in said)
    finally:
        pg.drop_database("hash_in_c")


def test_the_documented_vectors(dsn: str) -> None:
    """docs/hash-keys.md, "Check it in psql"."""
    text = (ROOT / "docs/hash-keys.md").read_text(encoding="utf-8")
    found = re.findall(r"^    SELECT (.*),\n           (.* = '[0-9a-f]{32,64}');$", text, re.MULTILINE)
    assert len(found) >= 10
    for made, equal in found:
        assert equal.startswith(made)
        assert rows(dsn, f"SELECT {equal}") == [(True,)], equal
