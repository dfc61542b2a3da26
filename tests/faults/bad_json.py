r"""JSON documents that are wrong, or look wrong, and exactly what becomes of each.

A row of the table: a name, the bytes, and `row(column=text)` for what the server must then show, or
`bad(reason, column, value)`. test_bad_json.py sends the same table through decode_json, a file and Kafka.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

COLUMNS = (
    ("id", "integer", True), ("small", "smallint"), ("big", "bigint"), ("amount", "numeric(12,2)"), ("wide", "numeric"),
    ("ratio", "double precision"), ("single", "real"), ("name", "varchar(5)"), ("note", "text"), ("doc", "jsonb"),
    ("asis", "json"), ("day", "date"), ("at", "timestamptz"), ("wall", "timestamp"), ("clock", "time"), ("span", "interval"),
    ("flag", "boolean"), ("ident", "uuid"), ("blob", "bytea"), ("tags", "integer[]"),
)  # fmt: skip

TABLE = (
    "CREATE TABLE t ("
    + ", ".join(f'"{name}" {kind}{" NOT NULL" if rest else ""}' for name, kind, *rest in COLUMNS)
    + ", place bigint)"
)


@dataclass(frozen=True)
class Row:
    """Loaded, with these values as the server's text; the columns not named are null (id is not looked at)."""

    values: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Bad:
    """Rejected. value: None when there is none, ... when it is not compared (long ones)."""

    reason: str
    column: str | None = None
    value: object = None


Outcome = Row | Bad


@dataclass(frozen=True)
class Case:
    name: str
    document: bytes
    outcome: Outcome


def row(**values: str | None) -> Row:
    return Row(values)


def bad(reason: str, column: str | None = None, value: object = None) -> Bad:
    return Bad(reason, column, value)


MALFORMED = bad("malformed")
ENCODING = bad("encoding")
DEPTH = bad("depth")

WHOLE = '{"id": 7, "amount": -12.50e0, "name": "é\\n\\u00e9", "doc": {"a": [1, true, null]}, "x": "\\ud83d\\ude00"}'.encode()

NOT_UTF8 = {
    "overlong slash of 2": b"\xc0\xaf", "overlong 2, the highest": b"\xc1\xbf", "overlong slash of 3": b"\xe0\x80\xaf",
    "overlong 3, the highest": b"\xe0\x9f\xbf", "overlong slash of 4": b"\xf0\x80\x80\xaf",
    "overlong 4, the highest": b"\xf0\x8f\xbf\xbf", "overlong NUL": b"\xc0\x80", "the first surrogate": b"\xed\xa0\x80",
    "the last surrogate": b"\xed\xbf\xbf", "a pair of surrogates (CESU-8)": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80", "far beyond": b"\xf7\xbf\xbf\xbf", "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80", "fe": b"\xfe", "ff": b"\xff", "a continuation alone": b"\x80",
    "the last continuation alone": b"\xbf", "cut after 1 of 2": b"\xc3", "cut after 1 of 3": b"\xe2", "cut after 2 of 3": b"\xe2\x82",
    "cut after 3 of 4": b"\xf0\x9f\x98", "latin 1": "café".encode("latin-1"), "a good one, then half of one": "é".encode() + b"\xc3",
    "UTF-16": "hi".encode("utf-16"),
}  # fmt: skip

EDGES_OF_UTF8 = (0x20, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x10FFFF)

NINES = b"9" * 400


def one(column: str, value: bytes) -> bytes:
    return b'{"id": 1, "%s": %s}' % (column.encode(), value)


def nested(depth: int, inner: bytes = b"") -> bytes:
    return b"[" * depth + inner + b"]" * depth


def _is_text(document: bytes) -> bool:
    """Whether this part of WHOLE is UTF-8 and has both halves of its surrogate pair, or none."""
    try:
        document.decode()
    except UnicodeDecodeError:
        return False
    return b"\\ud83d" not in document or b"\\ude00" in document


def _of(column: str, value: str, outcome: str | Outcome) -> Outcome:
    """A text means: loaded as this; a reject that names no column is about this one and this value."""
    if isinstance(outcome, str):
        return row(**{column: outcome})
    if isinstance(outcome, Bad) and outcome.column is None:
        return bad(outcome.reason, column, value)
    return outcome


def _shapes() -> Iterator[tuple[str, bytes, Outcome]]:
    for end in range(1, len(WHOLE)):
        yield f"cut after byte {end}", WHOLE[:end], MALFORMED if _is_text(WHOLE[:end]) else ENCODING
    for at in range(len(WHOLE)):
        holed = WHOLE[:at] + b"\0" + WHOLE[at + 1 :]
        yield f"byte {at} is NUL", holed, MALFORMED if _is_text(holed) else ENCODING
    yield "whole", WHOLE, row(amount="-12.50", name="é\né", doc='{"a": [1, true, null]}')
    for name, text in {
        "two documents": b'{"id": 1}{"id": 2}', "two with a comma": b'{"id": 1},{"id": 2}', "a word after it": b'{"id": 1} x',
        "NUL after it": b'{"id": 1}\0', "BOM before it": b'\xef\xbb\xbf{"id": 1}', "an array": b'[{"id": 1}]', "a number": b"1",
        "a string": b'"id"', "null": b"null", "true": b"true", "single quotes": b"{'id': 1}", "no quotes": b"{id: 1}",
        "trailing comma": b'{"id": 1,}', "no comma": b'{"id": 1 "note": "x"}', "no colon": b'{"id" 1}', "two colons": b'{"id":: 1}',
        "no value": b'{"id": }', "a number as key": b'{1: 1}', "a comment": b'{"id": 1 /* x */}', "raw tab in a string": one("note", b'"a\tb"'),
        "raw 0x1f in a string": one("note", b'"a\x1fb"'), "bad escape": one("note", b'"\\x41"'), "half an escape": one("note", b'"\\u12"'),
        "escape without hex": one("note", b'"\\u00zz"'), "capital U": one("note", b'"\\U0041"'), "Python's None": one("note", b"None"),
        "NaN": one("ratio", b"NaN"), "Infinity": one("ratio", b"Infinity"), "-Infinity": one("ratio", b"-Infinity"),
        "nan in an ignored key": one("x", b"nan"), "leading zero": one("big", b"012"), "leading plus": one("big", b"+1"),
        "no digit before the point": one("ratio", b".5"), "none after it": one("ratio", b"1."), "minus alone": one("big", b"-"),
        "two minus": one("big", b"--1"), "no exponent": one("ratio", b"1e"), "exponent of a sign": one("ratio", b"1e+"),
        "hexadecimal": one("big", b"0x10"), "underscore": one("big", b"1_000"), "true, longer": one("flag", b"truex"),
        "capital True": one("flag", b"True"), "a bracket of the other kind": one("doc", b"[1}"), "brackets that do not match": one("x", b"[[1]"),
        "form feed as space": b'{\x0c"id": 1}', "U+00A0 as space": '{\u00a0"id": 1}'.encode(), "zero width space": '{"id":\u200b1}'.encode(),
    }.items():  # fmt: skip
        yield name, text, MALFORMED
    yield "spaces of all kinds", b' \t\r {\t"id"\r:  1 \t} \r\t ', row()
    yield "empty object", b"{}", bad("null", "id")


def _encoding() -> Iterator[tuple[str, bytes, Outcome]]:
    for name, text in NOT_UTF8.items():
        for where in ("note", "name", "doc", "asis", "x", "amount"):
            yield f"{name} in {where}", one(where, b'"a%sb"' % text), ENCODING
        yield f"{name} at the end of a string", one("note", b'"%s"' % text), ENCODING
        yield f"{name} in a key", b'{"id": 1, "%s": 1}' % text, ENCODING
        yield f"{name} deep inside", one("x", b'[{"a": ["%s"]}]' % text), ENCODING
    for code in EDGES_OF_UTF8:
        character = chr(code)
        yield f"U+{code:04X}", one("note", b'"%s"' % character.encode()), row(note=character)
        escape = b"".join(b"\\u%04x" % unit for unit in memoryview(character.encode("utf-16-le")).cast("H"))
        yield f"U+{code:04X} escaped", one("note", b'"%s"' % escape), row(note=character)
    for column in ("note", "name", "doc"):
        yield f"\\u0000 in {column}", one(column, b'"a\\u0000b"'), bad("encoding", column, ...)
    yield "\\u0000 in a key of jsonb", one("doc", b'{"a\\u0000": 1}'), bad("encoding", "doc", ...)
    yield "\\u0000 in json, which keeps what it gets", one("asis", b'"a\\u0000b"'), row(asis='"a\\u0000b"')
    yield "\\u0000 in an ignored key", one("x", b'"\\u0000"'), row()
    yield "\\u0000 as a key", b'{"id": 1, "\\u0000": 1}', row()
    yield "\\\\u0000 is no NUL", one("note", b'"\\\\u0000"'), row(note="\\u0000")
    for name, text in {
        "a high surrogate alone": b"\\ud83d", "a low one alone": b"\\ude00", "the wrong way round": b"\\ude00\\ud83d",
        "two high ones": b"\\ud83d\\ud83d", "high, then a letter": b"\\ud83d\\u0041", "high, then text": b"\\ud83dx",
        "high, then another escape": b"\\ud83d\\n", "the last high one": b"\\udbff", "the first low one": b"\\udc00",
    }.items():  # fmt: skip
        for where in ("note", "doc", "asis", "x"):
            yield f"{name} in {where}", one(where, b'"%s"' % text), ENCODING


def _numbers() -> Iterator[tuple[str, bytes, Outcome]]:
    limits = {"small": 2**15, "id": 2**31, "big": 2**63}
    for column, limit in limits.items():
        for value in (limit - 1, -limit):
            text = str(value).encode()
            yield (
                f"{column} {value}",
                b'{"id": 1, "%s": %s}' % (column.encode(), text),
                row(**{column: str(value)}),
            )
        for value in (str(limit), str(-limit - 1), "9" * 400, "-" + "9" * 400, "1" + "0" * 10_000):
            outcome = bad("range", column, value if len(value) < 500 else ...)
            yield (
                f"{column} {value[:22]} ({len(value)})",
                b'{"id": 1, "%s": %s}' % (column.encode(), value.encode()),
                outcome,
            )
        for value in (
            "1.0",
            "1.5",
            "1e2",
            "1E0",
            "-1.0",
            "1e400",
            "true",
            "{}",
            "[]",
            '"x"',
            '"1.0"',
            '""',
            '"1 2"',
            '"NaN"',
        ):
            shown = value.strip('"')
            outcome = bad("type", column, shown)
            yield f"{column} {value}", b'{"id": 1, "%s": %s}' % (column.encode(), value.encode()), outcome
        yield f"{column} -0", b'{"id": 1, "%s": -0}' % column.encode(), row(**{column: "0"})
    tables: dict[str, dict[str, str | Outcome]] = {
        "amount": {
            "9999999999.99": "9999999999.99", "9999999999.994": "9999999999.99", "9999999999.995": bad("range"), "10000000000": bad("range"),
            "1e400": bad("range"), "-1e400": bad("range"), "1e-400": "0.00", "-1e-400": "0.00", "0.005": "0.01", "-0.005": "-0.01", "-0": "0.00",
            "-0.0": "0.00", "1e9": "1000000000.00", "1e999999999999": bad("range"), "0e999999999999": bad("range"), "1e-999999999999": bad("range"),
            '"NaN"': "NaN", '"Infinity"': bad("range"), '"-inf"': bad("range"), '"1e400"': bad("range"), '"1,5"': bad("type"), "true": bad("type"),
            "{}": bad("type"), "[1]": bad("type"), '""': bad("type"), '" 1.5 "': "1.50", NINES.decode(): bad("range"), "0." + "9" * 400: "1.00",
        },
        "wide": {
            NINES.decode(): NINES.decode(), "-" + NINES.decode(): "-" + NINES.decode(), "1e400": "1" + "0" * 400, "1e-400": "0." + "0" * 399 + "1",
            "-0": "0", "-0.000": "0.000", "1e131071": "1" + "0" * 131071, "1e131072": bad("range"), "1e-16383": "0." + "0" * 16382 + "1",
            "1e999999999999": bad("range"), "0e999999999999": bad("range"), '"NaN"': "NaN", '"-Infinity"': "-Infinity", '"x"': bad("type"),
            "true": bad("type"),
        },
        "ratio": {
            "1.7976931348623157e308": "1.7976931348623157e+308", "1.7976931348623159e308": bad("range"), "1e400": bad("range"), "-1e400": bad("range"),
            "1e-400": bad("range"), "5e-324": "5e-324", "2e-324": bad("range"), "-0": "-0", "-0.0": "-0", "0e999": "0", "0.1": "0.1",
            NINES.decode(): bad("range"), "0." + "9" * 400: "1", '"NaN"': "NaN", '"Infinity"': "Infinity", '"-inf"': "-Infinity",
            '"1e400"': bad("range"), '"nan "': "NaN", '"NaNs"': bad("type"), "false": bad("type"), "{}": bad("type"), '""': bad("type"),
        },
        "single": {
            "3.4028235e38": "3.4028235e+38", "3.5e38": bad("range"), "1e400": bad("range"), "1e-400": bad("range"), "1e-46": bad("range"),
            "1e-45": "1e-45", "16777217": "1.6777216e+07", "-0": "-0", '"NaN"': "NaN", '"infinity"': "Infinity",
        },
        "flag": {
            "1": "t", "0": "f", "2": bad("type"), "-0": bad("type"), "1.0": bad("type"), '"t"': "t", '"OFF"': "f", '"o"': bad("type"),
            '"2"': bad("type"), '""': bad("type"), "[]": bad("type"), '"truee"': bad("type"),
        },
        "doc": {
            "1e400": "1" + "0" * 400, NINES.decode(): NINES.decode(), "-0": "0", "-0.0": "0.0", "1e131072": bad("range", "doc", ...),
            '{"a": 1e999999999999}': bad("range", "doc", ...), '"NaN"': '"NaN"',
        },
        "tags": {
            "[]": "{}", "[1, null]": "{1,NULL}", "[1, 2147483648]": bad("range"), '[1, "x"]': bad("type"),
            "[[1]]": bad("type"), "1": bad("type"), "{}": bad("type"), '"{1,2}"': "{1,2}", '"{1,2"': bad("type"), '"{{1}}"': bad("type"),
        },
        "ident": {
            '"00000000-0000-0000-0000-000000000000"': "00000000-0000-0000-0000-000000000000", '"00000000-0000-0000-0000-00000000000"': bad("type"),
            '"00000000-0000-0000-0000-0000000000000"': bad("type"), '"g0000000-0000-0000-0000-000000000000"': bad("type"), "0": bad("type"),
        },
        "blob": {'"\\\\x00ff"': "\\x00ff", '"\\\\x0"': bad("type"), '"\\\\xzz"': bad("type"), '"a\\\\000b"': "\\x610062", '"\\\\9"': bad("type"), "1": "\\x31", "{}": "\\x7b7d"},
        "name": {
            '"éé漢😀x"': "éé漢😀x", '"abcdef"': bad("range"), '"abcde   "': "abcde", '"😀😀😀😀😀😀"': bad("range"), "12345": "12345", "123456": bad("range"),
            "true": "true", "false": "false", "[1,2]": "[1,2]", "[1,22]": bad("range"),
        },
    }  # fmt: skip
    for column, cases in tables.items():
        for text, outcome in cases.items():
            yield (
                f"{column} {text[:40]} ({len(text)})",
                one(column, text.encode()),
                _of(column, text.strip('"'), outcome),
            )


def _times() -> Iterator[tuple[str, bytes, Outcome]]:
    tables: dict[str, dict[str, str | Outcome]] = {
        "day": {
            "2026-11-21": "2026-11-21", "0000-01-01": bad("range"), "0001-01-01": "0001-01-01", "0001-01-01 BC": "0001-01-01 BC",
            "0000-01-01 BC": bad("range"), "4713-01-01 BC": "4713-01-01 BC", "4714-11-24 BC": "4714-11-24 BC", "4714-11-23 BC": bad("range"),
            "10000-01-01": "10000-01-01", "5874897-12-31": "5874897-12-31", "5874898-01-01": bad("range"), "999999999-01-01": bad("range"),
            "2026-02-31": bad("range"), "2026-02-29": bad("range"), "2028-02-29": "2028-02-29", "1900-02-29": bad("range"), "2000-02-29": "2000-02-29",
            "2026-13-01": bad("range"), "2026-00-01": bad("range"), "2026-01-00": bad("range"), "2026-01-32": bad("range"), "infinity": "infinity",
            "-infinity": "-infinity", "": bad("type"), "yesterday": bad("type"), "21.11.2026": bad("type"), "11/21/2026": bad("type"),
            "2026-11-21x": bad("type"), "2026-11": bad("type"), "-2026-11-21": bad("type"),
        },
        "at": {
            "2026-11-21T24:00:00Z": "2026-11-22 00:00:00+00", "2026-11-21T24:00:01Z": bad("range"), "2026-11-21T23:59:60Z": "2026-11-22 00:00:00+00",
            "2026-11-21T23:59:61Z": bad("range"), "2026-11-21T25:00:00Z": bad("range"), "2026-11-21T10:60:00Z": bad("range"),
            "2026-02-31T10:00:00Z": bad("range"), "0000-01-01T00:00:00Z": bad("range"), "0044-03-15T10:00:00Z BC": "0044-03-15 10:00:00+00 BC",
            "10000-01-01T00:00:00Z": "10000-01-01 00:00:00+00", "294247-01-10T04:00:54Z": "294247-01-10 04:00:54+00",
            "294247-01-10T04:00:55Z": bad("range"), "294277-01-01T00:00:00Z": bad("range"), "999999-01-01T00:00:00Z": bad("range"),
            "4714-11-24T00:00:00Z BC": "4714-11-24 00:00:00+00 BC", "4714-11-23T23:59:59Z BC": bad("range"),
            "2026-11-21T10:00:00.9999999Z": "2026-11-21 10:00:01+00", "2026-11-21T10:00:00+15:59": "2026-11-20 18:01:00+00",
            "2026-11-21T10:00:00+99:00": bad("range"), "2026-11-21T10:00:00 Mars/Base": bad("type"), "now": bad("type"), "2026-11-21T": bad("type"),
            "T10:00:00Z": bad("type"), "2026-11-21T10:00:00ZZ": bad("type"), "infinity": "infinity",
        },
        "wall": {
            "2026-11-21 24:00": "2026-11-22 00:00:00", "2026-12-31T23:59:60": "2027-01-01 00:00:00", "294276-12-31T23:59:59": bad("range"),
            "294247-01-10T04:00:54": "294247-01-10 04:00:54", "0001-01-01T00:00:00 BC": "0001-01-01 00:00:00 BC", "2026-11-31": bad("range"),
        },
        "clock": {
            "24:00:00": "24:00:00", "24:00:00.000001": bad("range"), "24:00:01": bad("range"), "23:59:60": "24:00:00", "25:00": bad("range"),
            "00:60": bad("range"), "-01:00": bad("type"), "10": bad("type"), "": bad("type"), "23:59:59.9999999": "24:00:00",
        },
        "span": {
            "178956970 years": "178956970 years", "178956971 years": bad("range"), "1 fortnight": bad("type"), "-1 day": "-1 days", "": bad("type"),
            "99999999999999999999 days": bad("range"), "P1Y": "1 year", "P": bad("type"),
        },
    }  # fmt: skip
    for column, cases in tables.items():
        for text, outcome in cases.items():
            yield f"{column} '{text}'", one(column, b'"%s"' % text.encode()), _of(column, text, outcome)
        for text in ("20261121", "1e400", "true", "{}", "[]"):
            yield f"{column} {text}", one(column, text.encode()), bad("type", column, text)


def _keys() -> Iterator[tuple[str, bytes, Outcome]]:
    yield "id missing", b'{"note": "x"}', bad("null", "id")
    yield "id null", b'{"id": null}', bad("null", "id", ...)
    yield "id in other letters", b'{"ID": 1}', bad("null", "id")
    yield "id, then null", b'{"id": 1, "id": null}', bad("null", "id", ...)
    yield "id null, then one", b'{"id": null, "id": 4}', row(id="4")
    yield "twice: the last one", b'{"id": 1, "note": "a", "note": "b"}', row(note="b")
    yield "twice, the first is wrong", b'{"id": "x", "id": 2}', row(id="2")
    yield "twice, the last is wrong", b'{"id": 2, "id": "x"}', bad("type", "id", "x")
    yield "twice, one escaped", b'{"id": 1, "note": "a", "\\u006eote": "b"}', row(note="b")
    yield "twice inside jsonb", one("doc", b'{"a": 1, "a": 2}'), row(doc='{"a": 2}')
    yield "twice inside json", one("asis", b'{"a": 1, "a": 2}'), row(asis='{"a": 1, "a": 2}')
    yield "an ignored key twice", b'{"id": 1, "x": 1, "x": "y"}', row()
    yield "an empty key", b'{"id": 1, "": 1}', row()
    yield "a thousand keys", b'{"id": 1, %s}' % b", ".join(b'"k%d": %d' % (i, i) for i in range(1000)), row()
    yield "a key of 100 kB", b'{"id": 1, "%s": 1}' % (b"k" * 100_000), row()


def _depth() -> Iterator[tuple[str, bytes, Outcome]]:
    for column, shown in (
        ("note", row(note=nested(999).decode())),
        ("doc", row(doc=nested(999).decode())),
        ("x", row()),
    ):
        yield f"{column} as deep as may be", one(column, nested(999)), shown
        yield f"{column} one deeper", one(column, nested(1000)), DEPTH
        yield f"{column} ten thousand deep", one(column, nested(10_000)), DEPTH
        yield f"{column} a million deep, never closed", one(column, b"[" * 900_000), DEPTH
        objects = b'{"a":' * 10_000 + b"1" + b"}" * 10_000
        yield f"{column} ten thousand objects", one(column, objects), DEPTH
    yield "id ten thousand deep", b'{"id": %s}' % nested(10_000), DEPTH


CASES = [Case(*case) for part in (_shapes, _encoding, _numbers, _times, _keys, _depth) for case in part()]
