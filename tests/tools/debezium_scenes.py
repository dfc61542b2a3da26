"""What `record_debezium.py` lets happen in a database, and under which settings Debezium tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SCHEMA = "forms"

TABLES = """
create schema forms;
create type forms.mood as enum ('calm', 'so-so', 'trés gai');
create domain forms.percent as numeric(5,2) check (value between 0 and 100);

create table forms.every_type (
    id integer primary key,
    small smallint, big bigint, single real, double double precision,
    exact numeric(12,2), whole numeric(5,0), long_exact numeric(38,10), free numeric, share forms.percent,
    cash money, flag boolean,
    fixed char(5), short varchar(20), words text, bytes bytea,
    day date, clock time, clock3 time(3), clock_tz timetz,
    moment timestamp, moment3 timestamp(3), moment_tz timestamptz, span interval,
    doc json, docb jsonb, ident uuid, mood forms.mood,
    host inet, net cidr, mac macaddr,
    one_bit bit(1), bits bit(10), some_bits varbit(20),
    words_list text[], int_list integer[], big_list bigint[], exact_list numeric(8,3)[], flag_list boolean[],
    double_list double precision[], day_list date[], moment_list timestamp[], moment_tz_list timestamptz[],
    ident_list uuid[],
    int_range int4range, moment_range tstzrange, place point, object oid
);

create table forms.small (
    id integer primary key,
    name text not null,
    amount numeric(10,2),
    story text
);
alter table forms.small alter column story set storage external;

create table forms.two_keys (
    code char(3),
    number bigint,
    note varchar(40),
    primary key (code, number)
);

create table forms.keyless (what text, size numeric(6,1));
alter table forms.keyless replica identity full;

create table forms.whole_before (id bigint primary key, what text, story text);
alter table forms.whole_before alter column story set storage external;
alter table forms.whole_before replica identity full;
"""


Events = tuple[tuple[str, str, str | None], ...]
"""The messages of a statement, as (table, op, where-clause of the row or None)."""


class Step:
    """One transaction: statements, each with the messages that it makes."""

    def __init__(self, name: str, *parts: str | Events) -> None:
        self.name = name
        self.parts = list(zip(parts[::2], parts[1::2], strict=True))


_EVERYDAY = """
    id, small, big, single, double, exact, whole, long_exact, free, share, cash, flag, fixed, short, words, bytes,
    day, clock, clock3, clock_tz, moment, moment3, moment_tz, span, doc, docb, ident, mood, host, net, mac,
    one_bit, bits, some_bits, words_list, int_list, big_list, exact_list, flag_list, double_list, day_list,
    moment_list, moment_tz_list, ident_list, int_range, moment_range, place, object"""


def _every(values: str) -> str:
    return f"insert into forms.every_type ({_EVERYDAY}) values ({values})"


_USUAL = """
    -7, 9007199254740993, 1.5, 0.1, 1234.50, 42, 123456789012345678901234567.0123456789, 12345.678, 12.50,
    '12.34', true, 'ab', 'short one', 'some words', '\\x00ff10', '2026-01-02', '03:04:05.123456', '03:04:05.123',
    '03:04:05.123456+02', '2026-01-02 03:04:05.123456', '2026-01-02 03:04:05.123',
    '2026-01-02 03:04:05.123456+02', '1 day 02:03:04.5', '{"b": 1, "a": [1, 2.50]}', '{"b": 1, "a": [1, 2.50]}',
    '6f1c2a34-0000-4000-8000-00000000abcd', 'so-so', '192.0.2.7', '192.0.2.0/24', '08:00:2b:01:02:03',
    '1', '1010101010', '10101', array['x', null, 'y z'], array[1, null, -3], array[9007199254740993],
    array[1.5, null, -2.125], array[true, false, null], array[0.1, 'NaN'], array['2026-01-02'::date, null],
    array['2026-01-02 03:04:05.123456'::timestamp], array['2026-01-02 03:04:05.123456+02'::timestamptz],
    array['6f1c2a34-0000-4000-8000-00000000abcd'::uuid], '[1,10)', '[2026-01-01 00:00+00,2026-02-01 00:00+00)',
    '(1.5,-2)', 4000000000"""

SNAPSHOT = Step(
    "snapshot",
    ";\n".join(
        [
            _every(f"1, {_USUAL}"),
            "insert into forms.every_type (id) values (2)",
            "insert into forms.small values (1, 'first', 10.00, null), (2, 'second', -0.05, repeat('long ', 600))",
            "insert into forms.two_keys values ('AB', 1, 'padded code')",
            "insert into forms.keyless values ('a thing', 1.5)",
            "insert into forms.whole_before values (1, 'before is whole here', null)",
        ]
    ),
    (
        ("every_type", "r", "id = 1"),
        ("every_type", "r", "id = 2"),
        ("small", "r", "id = 1"),
        ("small", "r", "id = 2"),
        ("two_keys", "r", "code = 'AB' and number = 1"),
        ("keyless", "r", "what = 'a thing'"),
        ("whole_before", "r", "id = 1"),
    ),
)

STEPS = (
    Step("everyday", _every(f"3, {_USUAL}"), (("every_type", "c", "id = 3"),)),
    Step("nulls", "insert into forms.every_type (id) values (4)", (("every_type", "c", "id = 4"),)),
    Step(
        "smallest",
        _every(
            """5, -32768, -9223372036854775808, -3.4028235e38, -1.7976931348623157e308, -9999999999.99, -99999,
            -9999999999999999999999999999.9999999999, -0.00000000000000000001, 0, '-92233720368547758.08', false,
            '', '', '', '', '0001-01-01', '00:00', '00:00', '00:00+15:59', '0001-01-01 00:00', '0001-01-01 00:00',
            '0001-01-01 00:00+00', '-178000000 years', 'null', 'null', '00000000-0000-0000-0000-000000000000', 'calm',
            '::', '0.0.0.0/0', '00:00:00:00:00:00', '0', '0000000000', '', '{}', '{}', '{-9223372036854775808}',
            '{-99999.999}', '{}', '{-1.7976931348623157e308}', '{0001-01-01}', '{}', '{}', '{}', 'empty', 'empty',
            '(0,0)', 0"""
        ),
        (("every_type", "c", "id = 5"),),
    ),
    Step(
        "largest",
        _every(
            """6, 32767, 9223372036854775807, 3.4028235e38, 1.7976931348623157e308, 9999999999.99, 99999,
            9999999999999999999999999999.9999999999, 1e40 + 0.5, 100, '92233720368547758.07', true,
            'abcde', repeat('v', 20), repeat('w', 300), decode(repeat('00ff', 300), 'hex'), '9999-12-31',
            '24:00', '23:59:59.999', '24:00-15:59', '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999',
            '9999-12-31 23:59:59.999999+00', '178000000 years', '[]', '{"n": 123456789012345678901234567890.123}',
            'ffffffff-ffff-ffff-ffff-ffffffffffff', 'trés gai', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
            '2001:db8::/32', 'ff:ff:ff:ff:ff:ff', '1', '1111111111', '11111111111111111111', '{""}',
            '{2147483647}', '{9223372036854775807}', '{99999.999}', '{t}', '{1.7976931348623157e308}', '{9999-12-31}',
            '{"9999-12-31 23:59:59.999999"}', '{"9999-12-31 23:59:59.999999+00"}', '{}', '(,)', '(,)', '(1e10,-1e10)',
            4294967295"""
        ),
        (("every_type", "c", "id = 6"),),
    ),
    Step(
        "tiny",
        """insert into forms.every_type (id, single, double, exact, free, clock, clock3, moment, moment3, moment_tz, span)
           values (7, 1e-45, 5e-324, 0.01, 0.5, '00:00:00.000001', '00:00:00.001', '1969-12-31 23:59:59.999999',
                   '1969-12-31 23:59:59.999', '1969-12-31 23:59:59.999999+00', '-00:00:00.000001')""",
        (("every_type", "c", "id = 7"),),
    ),
    Step(
        "unicode",
        """insert into forms.every_type (id, fixed, short, words, doc, docb, words_list)
           values (8, 'ñ', 'Zürich 東京', E'quote " back \\\\ tab \\t line\\nend \\u0001 \\u2028 😀',
                   '{"k":  "\\u00e9", "k": 2}', '{"k": "é\\n\\"", "n": 1.10}',
                   array['{}', 'a,b', '"', E'\\\\', 'NULL', '', '😀'])""",
        (("every_type", "c", "id = 8"),),
    ),
    Step(
        "not-a-number",
        "insert into forms.every_type (id, single, double, exact, free) values (9, 'NaN', 'NaN', 'NaN', 'NaN')",
        (("every_type", "c", "id = 9"),),
    ),
    Step(
        "float-infinity",
        "insert into forms.every_type (id, single, double) values (10, 'Infinity', '-Infinity')",
        (("every_type", "c", "id = 10"),),
    ),
    Step(
        "time-infinity",
        """insert into forms.every_type (id, day, moment, moment3, moment_tz)
           values (11, 'infinity', 'infinity', '-infinity', 'infinity')""",
        (("every_type", "c", "id = 11"),),
    ),
    Step(
        "time-minus-infinity",
        """insert into forms.every_type (id, day, moment, moment3, moment_tz)
           values (12, '-infinity', '-infinity', 'infinity', '-infinity')""",
        (("every_type", "c", "id = 12"),),
    ),
    Step(
        "far-past",
        """insert into forms.every_type (id, day, moment, moment_tz)
           values (13, '0044-03-15 BC', '0044-03-15 12:00 BC', '0044-03-15 12:00+00 BC')""",
        (("every_type", "c", "id = 13"),),
    ),
    Step(
        "far-future",
        """insert into forms.every_type (id, day, moment, moment_tz)
           values (14, '12026-01-02', '12026-01-02 03:04:05', '12026-01-02 03:04:05+00')""",
        (("every_type", "c", "id = 14"),),
    ),
    Step(
        "spans",
        """insert into forms.every_type (id, span) values (15, '1 year 2 mons -3 days 04:05:06.789'), (16, '-1 mons'),
           (17, '-00:00:01.5'), (18, '1000:00:00')""",
        tuple(("every_type", "c", f"id = {number}") for number in (15, 16, 17, 18)),
    ),
    Step(
        "update",
        "update forms.every_type set exact = 0.10, docb = null, words_list = array['new'], flag = null where id = 3",
        (("every_type", "u", "id = 3"),),
    ),
    Step("delete-every-type", "delete from forms.every_type where id = 4", (("every_type", "d", "id = 4"),)),
    Step("insert", "insert into forms.small values (3, 'third', 3.00, null)", (("small", "c", "id = 3"),)),
    Step(
        "update-small", "update forms.small set amount = amount + 1 where id = 1", (("small", "u", "id = 1"),)
    ),
    Step("unchanged-toast", "update forms.small set amount = 7.77 where id = 2", (("small", "u", "id = 2"),)),
    Step(
        "changed-toast",
        "update forms.small set story = repeat('other ', 600) where id = 2",
        (("small", "u", "id = 2"),),
    ),
    Step(
        "key-change",
        "update forms.small set id = 30, name = 'thirtieth' where id = 3",
        (("small", "d", "id = 3"), ("small", "c", "id = 30")),
    ),
    Step(
        "key-change-unchanged-toast",
        "update forms.small set id = 20 where id = 2",
        (("small", "d", "id = 2"), ("small", "c", "id = 20")),
    ),
    Step("delete", "delete from forms.small where id = 1", (("small", "d", "id = 1"),)),
    Step(
        "insert-again",
        "insert into forms.small values (1, 'first again', null, null)",
        (("small", "c", "id = 1"),),
    ),
    Step(
        "several",
        "insert into forms.small values (40, 'forty', 40, null), (41, 'forty-one', 41, null)",
        (("small", "c", "id = 40"), ("small", "c", "id = 41")),
        "update forms.small set name = 'forty!' where id = 40",
        (("small", "u", "id = 40"),),
        "delete from forms.small where id = 41",
        (("small", "d", "id = 41"),),
    ),
    Step(
        "two-keys",
        "insert into forms.two_keys values ('XYZ', -1, null)",
        (("two_keys", "c", "code = 'XYZ' and number = -1"),),
        "update forms.two_keys set note = 'now' where code = 'XYZ'",
        (("two_keys", "u", "code = 'XYZ' and number = -1"),),
        "update forms.two_keys set number = 2 where code = 'XYZ'",
        (("two_keys", "d", "code = 'XYZ' and number = -1"), ("two_keys", "c", "code = 'XYZ' and number = 2")),
        "delete from forms.two_keys where code = 'XYZ'",
        (("two_keys", "d", "code = 'XYZ' and number = 2"),),
    ),
    Step(
        "keyless",
        "insert into forms.keyless values ('another', 2)",
        (("keyless", "c", "what = 'another'"),),
        "update forms.keyless set size = 3 where what = 'another'",
        (("keyless", "u", "what = 'another'"),),
        "delete from forms.keyless where what = 'another'",
        (("keyless", "d", "what = 'another'"),),
    ),
    Step(
        "whole-before",
        "insert into forms.whole_before values (2, 'has a story', repeat('tale ', 600))",
        (("whole_before", "c", "id = 2"),),
        "update forms.whole_before set what = 'the story stays' where id = 2",
        (("whole_before", "u", "id = 2"),),
        "delete from forms.whole_before where id = 2",
        (("whole_before", "d", "id = 2"),),
    ),
    Step(
        "new-column",
        """alter table forms.small add column added_on date default '2026-05-06';
           insert into forms.small values (50, 'with the new column', 1, null, '2026-01-02')""",
        (("small", "c", "id = 50"),),
    ),
    Step(
        "dropped-column",
        "alter table forms.small drop column amount; update forms.small set name = 'without amount' where id = 50",
        (("small", "u", "id = 50"),),
    ),
    Step("truncate", "truncate forms.small", (("small", "t", None),)),
    Step("after-truncate", "insert into forms.small values (1, 'anew', null)", (("small", "c", "id = 1"),)),
)
"""Each is one transaction, committed before the next one begins."""

JSON = "org.apache.kafka.connect.json.JsonConverter"


@dataclass(frozen=True)
class Form:
    """Connector settings that decide how messages look, in one file of the recordings.

    `tables`: only these are recorded (all, if empty).
    """

    name: str
    what: str
    settings: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[str, ...] = ()
    avro: bool = False


_SCHEMAS = {
    "key.converter": JSON,
    "key.converter.schemas.enable": "true",
    "value.converter": JSON,
    "value.converter.schemas.enable": "true",
}
_FLAT = {
    "transforms": "flat",
    "transforms.flat.type": "io.debezium.transforms.ExtractNewRecordState",
    "transforms.flat.add.fields": "op,table,source.lsn,source.txId,source.ts_ms,source.snapshot",
    "transforms.flat.delete.tombstone.handling.mode": "rewrite",
}
_STRING = {"decimal.handling.mode": "string"}
_ALL_TYPES = ("every_type",)

FORMS = (
    Form("string", "decimal.handling.mode=string: the default of Headrace's own connectors", _STRING),
    Form("string-schema", "the same with embedded schemas", {**_STRING, **_SCHEMAS}),
    Form("default", "Debezium's defaults: decimals as base64, times as numbers"),
    Form("default-schema", "the same with embedded schemas", _SCHEMAS),
    Form("double", "decimal.handling.mode=double", {"decimal.handling.mode": "double"}, _ALL_TYPES),
    Form(
        "numeric",
        "the JSON converter's decimal.format=NUMERIC",
        {
            "value.converter": JSON,
            "value.converter.schemas.enable": "false",
            "value.converter.decimal.format": "NUMERIC",
        },
        _ALL_TYPES,
    ),
    Form("connect", "time.precision.mode=connect", {"time.precision.mode": "connect"}, _ALL_TYPES),
    Form(
        "connect-schema", "the same with schemas", {"time.precision.mode": "connect", **_SCHEMAS}, _ALL_TYPES
    ),
    Form(
        "micros",
        "time.precision.mode=adaptive_time_microseconds",
        {"time.precision.mode": "adaptive_time_microseconds"},
        _ALL_TYPES,
    ),
    Form(
        "microseconds",
        "time.precision.mode=microseconds",
        {"time.precision.mode": "microseconds"},
        _ALL_TYPES,
    ),
    Form(
        "nanoseconds", "time.precision.mode=nanoseconds", {"time.precision.mode": "nanoseconds"}, _ALL_TYPES
    ),
    Form(
        "nanoseconds-schema",
        "the same with schemas",
        {"time.precision.mode": "nanoseconds", **_SCHEMAS},
        _ALL_TYPES,
    ),
    Form("isostring", "time.precision.mode=isostring", {"time.precision.mode": "isostring"}, _ALL_TYPES),
    Form(
        "isostring-schema",
        "the same with schemas",
        {"time.precision.mode": "isostring", **_SCHEMAS},
        _ALL_TYPES,
    ),
    Form(
        "texts",
        "decimals and intervals as text, bytes as hex, unknown types included",
        {
            **_STRING,
            "interval.handling.mode": "string",
            "binary.handling.mode": "hex",
            "include.unknown.datatypes": "true",
        },
        _ALL_TYPES,
    ),
    Form(
        "base64-url",
        "binary.handling.mode=base64-url-safe",
        {**_STRING, "binary.handling.mode": "base64-url-safe"},
        _ALL_TYPES,
    ),
    Form("flat", "rows flattened by ExtractNewRecordState", {**_STRING, **_FLAT}),
    Form("flat-schema", "the same with embedded schemas", {**_STRING, **_FLAT, **_SCHEMAS}),
    Form("avro", "Avro in Confluent's wire format, Debezium's defaults", avro=True),
    Form("avro-string", "Avro, decimal.handling.mode=string", _STRING, avro=True),
    Form("avro-flat", "Avro, rows flattened", {**_STRING, **_FLAT}, avro=True),
)
