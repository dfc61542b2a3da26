"""Values for every type: tables of edges, and a seeded generator.

Each pool is for a family of types. The edges of all pools go into all columns of TYPES, fitting or not.
"""

# ruff: noqa: SIM905, RUF005 (words read better than lists of them)
from __future__ import annotations

import decimal
import functools
import json
import math
import random
import string
import struct
from collections.abc import Callable

# column -> SQL type; the name's first part says which pool fits it
TYPES = {
    "bool": "boolean",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "numeric": "numeric",
    "numeric_10_2": "numeric(10,2)",
    "numeric_18_18": "numeric(18,18)",
    "numeric_38_10": "numeric(38,10)",
    "numeric_20_0": "numeric(20)",
    "numeric_5_minus2": "numeric(5,-2)",
    "numeric_3_6": "numeric(3,6)",
    "numeric_60_20": "numeric(60,20)",
    "text": "text",
    "text_varchar": "varchar",
    "text_varchar5": "varchar(5)",
    "text_char5": "char(5)",
    "bytea": "bytea",
    "date": "date",
    "time": "time",
    "time_3": "time(3)",
    "time_0": "time(0)",
    "timestamp": "timestamp",
    "timestamp_3": "timestamp(3)",
    "timestamp_0": "timestamp(0)",
    "timestamptz": "timestamptz",
    "timestamptz_2": "timestamptz(2)",
    "interval": "interval",
    "interval_2": "interval(2)",
    "interval_ym": "interval year to month",
    "interval_ds0": "interval day to second(0)",
    "interval_h": "interval hour",
    "uuid": "uuid",
    "json": "json",
    "json_b": "jsonb",
    "enum": "mood",
    "int4_positive": "positive",
    "numeric_money2": "money2",
    "numeric_cheap": "cheap",
    "text_word": "word",
    "timestamptz_day": "day",
}
ARRAYS = {
    "array_bool": "boolean[]",
    "array_int2": "smallint[]",
    "array_int4": "integer[]",
    "array_int8": "bigint[]",
    "array_float4": "real[]",
    "array_float8": "double precision[]",
    "array_numeric": "numeric[]",
    "array_numeric_10_2": "numeric(10,2)[]",
    "array_numeric_5_minus2": "numeric(5,-2)[]",
    "array_text": "text[]",
    "array_text_varchar5": "varchar(5)[]",
    "array_text_char5": "char(5)[]",
    "array_bytea": "bytea[]",
    "array_date": "date[]",
    "array_time": "time[]",
    "array_time_3": "time(3)[]",
    "array_timestamp": "timestamp[]",
    "array_timestamptz_2": "timestamptz(2)[]",
    "array_interval": "interval[]",
    "array_interval_ym": "interval year to month[]",
    "array_uuid": "uuid[]",
    "array_json": "json[]",
    "array_json_b": "jsonb[]",
    "array_enum": "mood[]",
    "array_int4_some": "some_ints",
    "array_int4_positive": "positive[]",
}
# types that only the server's own input knows
OTHERS = {
    "inet": "inet",
    "cidr": "cidr",
    "macaddr": "macaddr",
    "point": "point",
    "box": "box",
    "tsvector": "tsvector",
    "tsquery": "tsquery",
    "jsonpath": "jsonpath",
    "pair": "pair",
    "money": "money",
    "bit3": "bit(3)",
    "varbit": "varbit(4)",
    "timetz": "timetz",
    "int4range": "int4range",
    "tstzrange": "tstzrange",
    "nummultirange": "nummultirange",
    "name": "name",
    "char": '"char"',
    "oid": "oid",
    "pg_lsn": "pg_lsn",
    "array_inet": "inet[]",
    "array_box": "box[]",
    "array_pair": "pair[]",
    "array_bit3": "bit(3)[]",
}

# fmt: off
POOLS: dict[str, list[str]] = {
    "bool": "t f true false TRUE False tr fal yes no y n on off of o 1 0 10 01 01. ' t ' yess".split(" ") + ["", " true ", "\ttrue"],
    "int": [
        *"0 -0 +0 1 -1 +1 007 -007 32767 32768 -32768 -32769 2147483647 2147483648 -2147483648 -2147483649".split(),
        *"9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809".split(),
        *"99999999 100000000 12345678 123456789 999999999999999999 1000000000000000000 00000000000000000000000000012".split(),
        *"1_000 1__000 _1 1_ 0x10 0X_1f 0x 0o17 0o8 0b101 0b2 -0x8000 -0x8001 0xffffffff -0x8000000000000000".split(),
        *"1e3 1.0 1. .1 1,000 12a - + -- +-1 １２ 0x1p3 1f".split(),
        *[" 12", "12 ", " 1 2 ", "\n3\t", "\v4\f"],
    ],
    "float": [
        *"0.0 -0.0 0e0 1.5 -1.5 1e10 1E10 1e+10 1e-10 .5 5. -.5e-3 3.14159265358979323846 0.1 0.2 0.3".split(),
        *"1e308 1.7976931348623157e308 1.7976931348623159e308 1e309 -1e309 4.9e-324 2.4703282292062327e-324 5e-324 1e-324".split(),
        *"2.2250738585072011e-308 2.2250738585072014e-308 9007199254740993 9007199254740992.5 123456789012345678".split(),
        *"3.4028235e38 3.4028236e38 3.40282357e38 1e39 1.4e-45 7e-46 1e-46 1.17549435e-38 16777217 16777216.5 16777219".split(),
        *"8.5 2.5 0.1e1 1e23 8.41e21 9.5367431640625e-07 100000 1000000 1e15 1e16 123456789 0.0001 0.00001 1e-7".split(),
        *"NaN nan NAN -NaN +nan Infinity infinity -Infinity +Infinity inf -inf +inf INF infinit infinityx nanx nan(1)".split(),
        *"0x1p3 0x1.8p1 0x.8 -0xAp-2 0x1p 0x 1e 1e+ 1ee5 1.2.3 e5 . - 1d 1f 1e400 1e-400 1_0".split(),
        "0." + "0" * 400 + "1",
        "1" + "0" * 309,
        "1" * 800,
        "0.1" + "0" * 200 + "1",
        "9007199254740992.99999999999999999999999",
    ],
    "numeric": [
        *"0.00 -0.00 0.001 1.005 1.015 -1.005 99999999.994 99999999.995 99999999.99 100000000 -99999999.995 12345678.90".split(),
        *"1e2 1E-2 1.5e3 12e-1 1e131071 1e131072 1e-16383 1e-16384 1e20000 1e-20000 1e2147483647 1e-2147483648 1e99999999999".split(),
        *"49.999 50 149.99 150 -150 9999949 9999950 9950 99949 99999.999 0.0005 0.00099951 0.000999499 0.0009995 0.0000005 0.0000004".split(),
        *"12345678901234567890123456789012345678 123456789012345678901234567890123456789".split(),
        *"9999999999999999999999999999.9999999999 9999999999999999999999999999.99999999995 99999999999999999999.5 99999999999999999999.4".split(),
        *"0.999999999999999999 0.9999999999999999995 0.9999999999999999994 1.00000000000000000000000000000000000000001".split(),
        *"0.1_0 1_0.0_1 0x1F.8 0xffffffffffffffffffffffffff 0o777 0b1010 00012.500 1.10 10000 9999.9999 10000.00010".split(),
        "1" + "0" * 38,
        "-" + "9" * 38,
        "0." + "3" * 500,
        "7" * 1000 + "." + "7" * 1000,
        "9" * 131072,
        "9" * 131073,
        "0." + "1" * 16383,
        "0." + "1" * 16390,
    ],
    "text": [
        *["a", "abcde", "abcdef", "abcde ", "abcde      ", "abcd  ", "     ", "      ", " a b ", "ok", "happy", "Very Happy"],
        *["é", "ééééé", "éééééé", "日本語テキ", "日本語テキス", "😀😀😀😀😀", "a\u0301", "\u200b", "\ufeff", "\u2028", "x\u00a0"],
        *["'", '"', '""', "\\", "\\\\", "\\n", "\\N", "\\.", "a\tb", "a\nb", "a\r\nb", "\r", "\n", "\b\f\v", "\x01\x1f\x7f"],
        *["null", "NULL", "Null", "{}", "[]", "{", "}", ",", "a,b", "%s", "${x}", "--", "/*", ";", "it's", "{x}", '"q"', "ü", "HAPPY"],
        *["\x7f", "\u0080", "\u07ff", "\u0800", "\uffff", "\ufffd", "\U00010000", "\U0010ffff"],
        "x" * 300,
        "日" * 1000,
        "y" * 70000,
    ],
    "bytea": [
        *["\\x", "\\x00", "\\xdeadBEEF", "\\xde ad", "\\xd", "\\xzz", "\\x 00", "\\X00", "x00", "\\xde\tad\n", "\\x0 0"],
        *["\\000", "\\001\\377", "\\400", "\\08", "\\1", "a\\\\b", "a\\b", "\\\\x00", "abc\\000def", "\\", "\\\\", "\\\\\\"],
    ],
    "date": [
        *"2026-11-21 20261121 2026-1-2 2024-02-29 2023-02-29 1900-02-29 2000-02-29 2026-13-01 2026-00-10 2026-01-00 2026-04-31".split(),
        *"0001-01-01 0000-01-01 9999-12-31 10000-01-01 5874897-12-31 5874898-01-01 294276-12-31 294277-01-01 294247-01-10".split(),
        *"infinity -infinity Infinity +infinity INFINITY epoch allballs now today tomorrow yesterday 99-01-01 1-1-1 26-11-21".split(),
        *"2026/11/21 21.11.2026 11/21/2026 2026.325 2026-325 J2451187 2026-W47-6 12345678-01-01 02026-11-21 002026-11-21".split(),
        *["0044-03-15 BC", "4714-11-24 BC", "4713-01-01 BC", "4714-11-23 BC", "0001-12-31 BC", "0001-02-29 BC", "0005-02-29 BC"],
        *["2026-11-21 AD", "2026-11-21BC", "2026-11-21 bc", "Nov 21 2026", "21-Nov-2026", " 2026-11-21 ", "2026-11-21 ", "2026 11 21"],
    ],
    "time": [
        *"10:00 10:00:00 10:00:00.5 10:00:00.123456 10:00:00.1234565 10:00:00.1234575 10:00:00.9999995 23:59:59.9999999".split(),
        *"00:00:00 24:00:00 24:00:01 24:00 25:00:00 23:60:00 23:59:60 23:59:61 23:59:60.5 1:2:3 01:2 1000 100000 240000".split(),
        *"10:00Z 10:00:00Z 10:00:00+01 10:00:00-0130 10:00:00+01:30 10:00:00+16 T10:00 t100000 10 10:00:00. 10:00:00,5 10:00:.5".split(),
        *["10:00 AM", "10:00 pm", "10:00:00 UTC", "10:00:00 Europe/Warsaw", "10:00:00 +01:00", "2026-11-21 10:00", "2026-11-21T10:00:00"],
        *["10:00:00.1234567890123", "00:00:00.0000004", "00:00:00.0000005", "12:34:56.999", "12:34:56.9995", "12:34:56.9994999"],
    ],
    "timestamp": [
        *"2026-11-21T10:00:00Z 2026-11-21T10:00:00 2026-11-21T10:00 2026-11-21T10:00:00.123Z 2026-11-21T10:00:00.123456+01:00".split(),
        *"2026-11-21T10:00:00.123456789Z 2026-11-21T10:00:00.1234565 2026-11-21t10:00:00z 2026-11-21T24:00:00Z".split(),
        *"20261121T100000Z 20261121T100000 20261121T1000+0100 2026-11-21T10:00:00-23:59 2026-11-21T10:00:00+15:59:59".split(),
        *"2026-11-21T10:00:00+16:00 2026-11-21T10:00:00+1 2026-11-21T10:00:00+100 2026-11-21T10:00:00+0100 2026-11-21T10".split(),
        *"2026-12-31T23:59:59.9999999Z 2026-12-31T23:59:59.995Z 1999-12-31T23:59:59.5 2000-01-01T00:00:00.5 1969-12-31T23:59:59.999999".split(),
        *"294276-12-31T23:59:59.999999 294277-01-01T00:00:00 294247-01-10T04:00:54.775806 294247-01-10T04:00:54.775807".split(),
        *["2026-11-21 10:00:00", "2026-11-21 10:00:00+00", "2026-11-21 10:00:00.5 +01", "2026-11-21 10:00:00 UTC", "2026-11-21  10:00:00"],
        *["2026-11-21 10:00:00 Europe/Warsaw", "2026-11-21 10:00:00 CET", "2026-11-21 10:00:00 PST8PDT", "2026-11-21 10:00 PM"],
        *["0044-03-15 10:00:00 BC", "4714-11-24 00:00:00 BC", "4714-11-23 23:59:59 BC", "4714-11-24 00:00:00+01 BC", "0001-01-01 00:00:00 AD"],
        *["2026-11-21T", "2026-11-21T10:00:00ZZ", "2026-11-21T10:00:00 Z", "2026-11-21 10:00:00 z x", "2026-02-30 10:00:00", "T10:00"],
        *["Sat Nov 21 10:00:00 2026", "2026-11-21-10:00", "2026-11-21 -05", "2026-11-21 +05:30", "2026-11-21Z", "2026-11-21+01"],
        *["1969-12-31 23:59:59.995", "1969-12-31 23:59:59.985", "2001-01-01 00:00:00.005", "2001-01-01 00:00:00.015", "1999-01-01 00:00:00.0005"],
    ],
    "interval": [
        *["1 day", "1 year 2 mons 3 days 04:05:06.789", "-1 year -2 mons +3 days -04:05:06.789", "00:00:00", "1 mon", "-00:00:00.5", "04:05"],
        *["P1Y2M3DT4H5M6.7S", "P1W", "PT0.5S", "P-1Y-2M", "P0001-02-03T04:05:06", "P00010203T040506", "PT36H", "P1.5D", "P", "PT", "P1DT", "-P1D"],
        *["1-2", "1-2 3 4:05:06", "-1-2 +3 -4:05:06", "1.5 hours", "2 weeks ago", "@ 1 minute", "@ 1 day ago", "1.5 months", "1.25 years", "0.1 month"],
        *["1 century", "1 decade", "1 millennium", "1 ms", "1 us", "5 microseconds", "100 usecs", "1 h 2 m 3 s", "1 hr", "1 min", "1 sec", "1 d", "1 w"],
        *["178000000 years", "178956970 years", "178956971 years", "2147483647 mons", "2147483648 mons", "2147483647 days", "-2147483648 days"],
        *["2562047788:00:54.775807", "2562047788:00:54.775808", "-2562047788:00:54.775808", "9223372036854.775807 secs", "1e3 days", "1.5e-2 days"],
        *["infinity", "-infinity", "+infinity", "1", "1.5", "-1.5", "1 2", "12:34:56.1234567", "12:34:56.9999999", "1:2:3", "1:60:00", "1:00:60", "25:00:00"],
        *["1 day 1 day", "1 day 2 days", "day", "1 foo", "1day", "1y2mon", "1 day -1:00", "ago", "1 day ago ago", "1 mon -1 day 00:00:01", "  1 day  "],
        *["0.5 days", "0.0000005 secs", "0.0000015 secs", "1.0000005 s", "3.5 weeks", "0.5 decades", "1 day 10:00:00.005", "10:00:00.995", "00:00:59.5"],
        *["1 year 1 mon 25 days 23:59:59.6", "-23:59:59.5", "1 day 23:30:00", "P1Y2M10DT2H30M", "P0Y0M0DT0H0M-3S", "PT1H-30M", "P1Y1D", "PT1.1.1S"],
    ],
    "uuid": [
        *"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11 a0eebc999c0b4ef8bb6d6bb9bd380a11".split(),
        *"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11} a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11 {a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}".split(),
        *"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1 a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111 a0eebc999-c0b-4ef8-bb6d-6bb9bd380a11".split(),
        *"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11} g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".split(),
        *"00000000-0000-0000-0000-000000000000 ffffffff-ffff-ffff-ffff-ffffffffffff -a0eebc999c0b4ef8bb6d6bb9bd380a11".split(),
        " a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 ",
    ],
    "json": [
        *['{"a":1}', '{ "b" : [1, 2.50, -0, 1e5, 1E-5], "a" : null }', '{"a":1,"a":2}', '{"bb":1,"a":2,"ab":3}', "[1,[2,[3]]]", '"x"', "1.10"],
        *['{"é":"\\u00e9","q":"\\"\\\\\\/\\b\\f\\n\\r\\t"}', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00"', '"\\u0000"', '"a\\u0000b"', '{"\\u0000":1}'],
        *["[1,]", "{'a':1}", "{a:1}", '{"a" 1}', "[1 2]", "01", "+1", ".5", "1.", "tru", "nul", "[", '{"a":1', '"x', "1 2", "{}x", "-", "1e", "[]]"],
        *["1e400", "1e-400", "1e131071", "1e131072", "-0", "-0.0", "0.10e1", "100e-2", "123456789012345678901234567890.123456789", "1e-16383", "1e-16384"],
        *['"\\u007f\\u0080\\uffff\\ufeff"', '"\x7f"', '"\t"', '{"a":{"b":{"c":[true,false,null]}}}', " \n\t[ ]\r ", '{"":1}', '{"a":"\\u0001"}', '"\\x"', '"\\u12"'],
        "[" * 200 + "]" * 200,
        '{"k":"' + "v" * 40000 + '"}',
        '"' + "k" * 300 + '"',
    ],
    "enum": ["sad", "SAD", " sad", "sad ", "very happy", "b"],
    "array": [
        *["{}", "{ }", "{1}", "{1,2,3}", "{1,NULL,3}", "{null}", "{ 1 , 2 }", "{1,,2}", "{1,}", "{,1}", "{", "}", "{1", "1}", "{1}x", "{1} ", " {1}"],
        *['{"a","b c"}', '{a b}', '{"a\\"b","c\\\\d"}', "{a\\,b}", '{"NULL"}', "{nUlL}", '{""}', '{"a"b}', '{a"b"}', "{\\a}", '{"{}"}', "{a{b}", "{ab\\ }"],
        *["{{1,2},{3,4}}", "{{}}", "{{1},{2,3}}", "[1:2]={1,2}", "[0:1]={1,2}", "[1:1]={{1}}", "[2:1]={}", "{t,f}", "{1.5,NaN}", "{é,日}", "{1.234,-7}"],
        *["{2026-11-21,infinity}", '{"2026-11-21 10:00:00.555+01"}', '{"1 day","04:05"}', "{10:00:00.1239}", '{"{\\"a\\": 1}"}', "{sad,ok}", '{"a,b"}'],
        *["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", '{"\\\\x00ff"}', '{"it\'s"}', "{abcdef}", '{"abcde  "}', "{-1}", "{1,2,3,4}", "{149}", '{"[1]"}'],
    ],
    "inet": ["1.2.3.4", "1.2.3.4/24", "::1", "fe80::1/64", "1.2.3", "1.2.3.4/33", "x", ""],
    "cidr": ["1.2.3.0/24", "1.2.3.4/24", "::/0"],
    "macaddr": ["08:00:2b:01:02:03", "08002b010203", "08:00:2b:01:02"],
    "point": ["(1,2)", "1,2", "(1.5e10,-0)", "(1,2", "(nan,inf)", "()"],
    "box": ["(1,2),(3,4)", "((1,2),(3,4))", "1,2,3,4", "(1,2)"],
    "tsvector": ["a b c", "'it''s':1A b:2,3", "'", "a:b", "", "a\\"],
    "tsquery": ["a & b", "a &", "!a | 'b c'", "(a"],
    "jsonpath": ["$.a", "$.a[*] ? (@ > 1)", "$.", "x y"],
    "pair": ["(1,x)", '(1,"a b")', "(,)", "(1)", "(1,2,3)", "(x,y)", '(1,"a""b\\\\")'],
    "money": ["1.5", "$1,000.00", "-1", "x", "92233720368547758.07", "92233720368547758.08"],
    "bit": ["101", "10", "1010", "B101", "x5", "12"],
    "varbit": ["", "1", "1010", "10101", "2"],
    "timetz": ["10:00:00+01", "10:00", "24:00:00-0130", "25:00"],
    "int4range": ["[1,5)", "(1,5]", "empty", "[5,1]", "[1,", "(,)", "[a,b]"],
    "tstzrange": ['["2026-11-21 10:00:00+01","2026-11-22"]', "(,)", "[now,)x", '["2026-11-21 10:00","infinity")'],
    "nummultirange": ["{}", "{[1,2),[3,4)}", "{[1.5,2]}", "{[1,2}", "[1,2)"],
    "name": ["abc", "x" * 80, ""],
    "char": ["a", "ab", "", "\\101", "é"],
    "oid": ["1", "4294967295", "4294967296", "-1", "x", ""],
    "pg_lsn": ["16/B374D848", "0/0", "x", "16/"],
}

# JSON values as they stand in a document, for every column
DOCUMENTS = [
    *"null true false 0 -0 1 -1 12 123456789 1.0 1.5 -1.5 1e2 1E+2 1e-2 0.001 32768 2147483648 9223372036854775807 9223372036854775808".split(),
    *"12345678.901 99999999.995 1e400 -1e-400 1e39 16777217 9007199254740993 0.1000000000000000055511151231257827 1e131072 20261121 100000 10".split(),
    *['"\\u00e9\\ud83d\\ude00"', '"\\u0031\\u0032"', '"a\\tb\\\\\\/\\""', '"\\u0000"', '"x\\u0000y"', '"\\t1\\n"', '"\\u007b\\u007d"', '"\\b"'],
    *["{}", "[]", '{"a":1}', '{"a": [1, {"b": null}], "c": "\\u00e9"}', '{"b":1,"a":2,"a":3}', '{"a":1,"b":"x"}', '{"a":"\\u0000"}'],
    *["[1]", "[1, 2, 3]", "[null]", "[1,null,3]", '["a"]', '["a","b c",""]', "[true,false]", "[1.5,2.25,-0]", '["1","2"]', "[[1,2],[3,4]]", "[[]]"],
    *["[[1],[2,3]]", '[1,"x",true]', "[{}]", '[{"a":1},[1],"x",null,1]', '["2026-11-21","infinity"]', '["2026-11-21T10:00:00.555Z"]', '["1 day"]'],
    *['["10:00:00.1239"]', '["sad","ok"]', '["sad","bad"]', '["\\\\x00ff"]', '["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]', '["abcde  ","abcdef"]'],
    *['["\\u00e9\\"\\\\", "NULL", "null", "{}", "a,b"]', "[1e2,1.005,149]", "[1, 2, 3, 4]", "[-1]", "[ 1 ,\\n 2 ]".replace("\\n", " "), '["a\\u0000"]'],
    "[" + ",".join(map(str, range(3000))) + "]",
]
# fmt: on


# Where the calendar ends, years turn, days are leapt, clocks are changed, and microseconds round into another day.
EDGES_OF_DATES = [
    *"0001-01-01 0001-12-31 1582-10-04 1582-10-15 1700-02-29 1900-02-28 1900-03-01 1969-12-31 1970-01-01 1999-12-31".split(),
    *"2000-01-01 2000-02-29 2023-02-29 2024-02-29 2026-03-29 2026-10-25 2038-01-19 2100-02-29 9999-12-31 10000-01-01".split(),
    *"294247-01-10 294276-12-31 294277-01-01 5874897-12-31 5874898-01-01".split(),
    *["0001-12-31 BC", "0001-02-29 BC", "4714-11-24 BC", "4714-11-23 BC", "4713-01-01 BC"],
]  # fmt: skip
EDGES_OF_TIMES = [
    f"{day.partition(' ')[0]}{joint}{time}{' BC' if ' ' in day else ''}"
    for day in EDGES_OF_DATES
    for joint, time in (
        ("T", "00:00:00"),
        ("T", "01:59:59"),
        ("T", "02:30:00"),
        ("T", "23:59:59"),
        ("t", "24:00:00"),
    )
]


def pool_of(column: str) -> str:
    """The pool that fits a column: numeric_10_2 -> numeric, int8 -> int, array_int4 -> array."""
    first = column.partition("_")[0]
    for name in (column, first, first.rstrip("0123456789"), column.partition("tz")[0]):
        if name in POOLS:
            return name
    raise KeyError(column)


def values_of(column: str) -> list[str]:
    """The edges of the column's own pool."""
    return POOLS[pool_of(column)]


class Random:
    """Values for a column, most of them good ones, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.makers: dict[str, Callable[[], str]] = {
            "bool": lambda: self.random.choice(POOLS["bool"]),
            "int": self.integer,
            "float": self.number,
            "numeric": self.number,
            "text": self.text,
            "bytea": self.bytea,
            "date": self.date,
            "time": self.time,
            "timestamp": self.timestamp,
            "timestamptz": self.timestamp,
            "interval": self.interval,
            "uuid": self.uuid,
            "json": self.json,
            "enum": lambda: self.random.choice(POOLS["enum"] + POOLS["text"][:60]),
        }
        self.common = list(self.makers)
        for pool in {pool_of(name.removeprefix("array_")) for name in OTHERS} - set(self.makers):
            self.makers[pool] = functools.partial(self.random.choice, POOLS[pool])

    def value(self, column: str) -> str:
        """A text for the column; now and then damaged, or meant for another type."""
        if column.startswith("array_"):
            made = self.array(pool_of(column.removeprefix("array_")))
        else:
            pool = pool_of(column)
            if self.random.random() < 0.03:
                pool = self.random.choice(self.common)
            made = self.makers[pool]()
        return self.damage(made) if self.random.random() < 0.1 else made

    def document(self, column: str) -> str:
        """A JSON value for the column: bare where that is possible and the coin says so, else a string."""
        text = self.value(column)
        if column.startswith("array_") and self.random.random() < 0.7:
            element = column.removeprefix("array_")
            count = self.random.choice([0, 1, 1, 2, 3, 5, 40])
            return (
                "["
                + self.space()
                + ",".join(self.element(element) for _ in range(count))
                + self.space()
                + "]"
            )
        if column.startswith("json") and self.random.random() < 0.8:
            return self.json()
        return self.quote_or_bare(text)

    def element(self, column: str) -> str:
        if self.random.random() < 0.1:
            return "null"
        if column.startswith("json"):
            return self.json()
        return self.space() + self.quote_or_bare(self.value(column)) + self.space()

    def quote_or_bare(self, text: str) -> str:
        if self.random.random() < 0.5:
            try:
                json.loads(text, parse_constant=lambda _: 1 / 0, parse_int=str, parse_float=str)
                if "\n" not in text and "\r" not in text and "\\ud" not in text.lower():
                    return text
            except (ValueError, ZeroDivisionError, RecursionError):
                pass
        quoted = json.dumps(text, ensure_ascii=self.random.random() < 0.3)
        if self.random.random() < 0.1 and text:  # an escape where none is needed
            at = self.random.randrange(len(text))
            if ord(text[at]) < 0x10000:
                quoted = (
                    json.dumps(text[:at])[:-1] + f"\\u{ord(text[at]):04X}" + json.dumps(text[at + 1 :])[1:]
                )
        return quoted

    def space(self) -> str:
        return self.random.choice(["", "", "", " ", "\t", "  "])

    def damage(self, text: str) -> str:
        """Drop, double, swap or insert a character."""
        at = self.random.randrange(len(text) + 1)
        return self.random.choice(
            [
                text[:at] + text[at + 1 :],
                text[:at] + text[at : at + 1] * 2 + text[at + 1 :],
                text[:at] + text[at + 1 : at + 2] + text[at : at + 1] + text[at + 2 :],
                text[:at] + self.random.choice(" +-.:0eE_x,;'\"\\{}[]TZ9é") + text[at:],
                " " + text + " ",
            ]
        )

    def digits(self, low: int, high: int) -> str:
        return "".join(self.random.choices("0123456789", k=self.random.randint(low, high)))

    def integer(self) -> str:
        bits = self.random.choice([1, 4, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65])
        number = self.random.getrandbits(bits) * self.random.choice([1, 1, -1])
        limit = 2 ** self.random.choice([15, 31, 63]) + self.random.randint(-2, 1)
        near = self.random.choice(
            [
                number,
                number,
                self.random.choice([limit, -limit]),
                2**bits // 2 - self.random.randint(-1, 2),
                -(2**bits // 2) + self.random.randint(-2, 1),
            ]
        )
        return self.random.choice(["{}", "{}", "{}", "{:+}", "{:012}", " {}", "{:_}", "{:#x}"]).format(near)

    def bits(self) -> str:
        """A float by its bits: any exponent, denormals, and the numbers that lie just between two of them."""
        width = self.random.choice("fd")
        size = struct.calcsize(width)
        value = self.random.getrandbits(8 * size)
        if self.random.random() < 0.3:  # around zero, and around the largest one
            tiny = self.random.getrandbits(self.random.choice([1, 3, 20]))
            value = self.random.choice([tiny, (0x7F7FFFFF if width == "f" else 0x7FEFFFFFFFFFFFFF) - tiny])
        low, high = (
            struct.unpack(width, (bits % 2 ** (8 * size)).to_bytes(size, "little"))[0]
            for bits in (value, value + 1)
        )
        if not (math.isfinite(low) and math.isfinite(high)):
            return repr(low)
        if self.random.random() < 0.6:
            return repr(low)
        with decimal.localcontext(prec=1200):
            between = (decimal.Decimal(low) + decimal.Decimal(high)) / 2
        return self.random.choice(["{}", "{}1", "{:.60g}", "{:.17g}", "{:.9g}"]).format(between)

    def number(self) -> str:
        kind = self.random.randrange(9)
        sign = self.random.choice(["", "", "-", "+"])
        if kind == 8:
            return self.bits()
        if kind == 0:
            return repr(self.random.uniform(-1e6, 1e6))
        if kind == 1:
            return repr(self.random.random() * 10.0 ** self.random.randint(-330, 308))
        if kind == 2:
            return sign + self.digits(1, 45) + "." + self.digits(0, 45)
        if kind == 3:
            return sign + self.digits(1, 20) + "e" + str(self.random.randint(-50, 50))
        if kind == 4:  # just at a rounding edge
            return (
                sign
                + self.digits(1, 9)
                + "."
                + self.digits(0, 11)
                + self.random.choice(["5", "49999", "50000", "500001"])
            )
        if kind == 5:
            return f"{sign}{self.digits(0, 10)}.{self.digits(0, 30)}E{self.random.choice(['', '+', '-'])}{self.digits(1, 2)}"
        if kind == 6:
            return sign + "9" * self.random.randint(1, 40) + "." + "9" * self.random.randint(0, 20)
        return f"{self.random.randint(-(10**10), 10**10) / 100:.2f}"

    def text(self) -> str:
        kinds = [
            string.ascii_letters,
            " ",
            "éüß€日本語",
            "😀🎉",
            "\t\n\r\x01\x7f",
            "'\"\\{},:;",
            "0123456789",
            "\u200b\u2028\ufeff\uffff",
            self.planes(),
        ]
        count = self.random.choice([0, 1, 3, 4, 5, 6, 7, 15, 16, 17, 31, 32, 33, 64, 200])
        return "".join(self.random.choice(self.random.choice(kinds)) for _ in range(count))

    def planes(self) -> str:
        """Some characters from anywhere: every plane, and where the lengths in UTF-8 change."""
        edges = [0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0x10000, 0x3FFFF, 0xE0001, 0x10FFFF]
        codes = [
            self.random.choice(edges),
            self.random.randrange(0xE000, 0x110000),
            self.random.randrange(1, 0xD800),
        ]
        return "".join(map(chr, codes))

    def bytea(self) -> str:
        data = self.random.randbytes(self.random.choice([0, 1, 2, 3, 15, 16, 17, 100]))
        if self.random.random() < 0.5:
            return (
                "\\x" + data.hex(self.random.choice([" ", "\n"]))
                if self.random.random() < 0.3
                else "\\x" + data.hex()
            )
        return "".join(
            chr(b) if 32 <= b < 127 and b != 92 else "\\\\" if b == 92 else f"\\{b:03o}" for b in data
        )

    def date(self) -> str:
        if self.random.random() < 0.1:
            return self.random.choice(EDGES_OF_DATES)
        year = self.random.choice(
            [
                self.random.randint(1900, 2100),
                self.random.randint(1, 9999),
                self.random.randint(10000, 300000),
            ]
        )
        month, day = (
            self.random.randint(1, 12 if self.random.random() < 0.97 else 13),
            self.random.randint(1, 31),
        )
        form = self.random.choice(
            ["{:04}-{:02}-{:02}", "{:04}-{:02}-{:02}", "{:04}-{}-{}", "{:04}{:02}{:02}"]
        )
        era = self.random.choice([" BC", " AD"]) if self.random.random() < 0.05 else ""
        return form.format(year, month, day) + era

    def clock(self) -> str:
        hour, minute, second = (
            self.random.randint(0, 24),
            self.random.randint(0, 59),
            self.random.randint(0, 60),
        )
        if self.random.random() < 0.95:
            hour, second = min(hour, 23), min(second, 59)
        form = self.random.choice(
            ["{:02}:{:02}:{:02}", "{:02}:{:02}:{:02}", "{:02}:{:02}:{:02}", "{}:{}:{}", "{:02}{:02}{:02}"]
        )
        short = self.random.random() < 0.1
        made = f"{hour:02}:{minute:02}" if short else form.format(hour, minute, second)
        if not short and self.random.random() < 0.7:
            made += (
                "."
                + self.digits(1, self.random.choice([3, 6, 6, 7, 9, 9, 12, 20]))
                + self.random.choice(["", "", "5", "50"])
            )
        return made

    def zone(self) -> str:
        hours, minutes = self.random.randint(0, 15), self.random.choice([0, 0, 30, 45, 59])
        forms = [
            "",
            "",
            "Z",
            "z",
            " UTC",
            "{}{:02}",
            "{}{:02}:{:02}",
            "{}{:02}{:02}",
            " {}{:02}:{:02}",
            "{}{:02}:{:02}:07",
        ]
        return self.random.choice(forms).format(self.random.choice("+-"), hours, minutes)

    def time(self) -> str:
        return (
            self.random.choice(["", "", "", "T"])
            + self.clock()
            + (self.zone() if self.random.random() < 0.3 else "")
        )

    def timestamp(self) -> str:
        if self.random.random() < 0.03:
            return self.random.choice(POOLS["timestamp"])
        if self.random.random() < 0.1:  # an edge, and what rounding makes of its neighbours
            moment, _, era = self.random.choice(EDGES_OF_TIMES).partition(" ")
            part = self.random.choice(
                ["", ".0000005", ".5", ".999", ".9994999", ".9995", ".999999", ".9999995"]
            )
            return moment + part + self.zone() + (" " + era if era else "")
        date, _, era = self.date().partition(" ")
        return date + self.random.choice("TT t") + self.clock() + self.zone() + (" " + era if era else "")

    def interval(self) -> str:
        kind = self.random.randrange(6)
        if kind == 5:  # at the limits of months and days (32 bits) and of the time (64 bits)
            most = 2 ** self.random.choice([31, 31, 63]) + self.random.randint(-2, 1)
            unit = self.random.choice(["mons", "days", "us", "ms", "secs", "hours", "weeks", "years"])
            return f"{self.random.choice(['', '-'])}{most} {unit} {self.random.choice(['', '1 us', '-1 us', 'ago'])}".strip()
        if kind == 0:
            parts = [
                f"{self.random.randint(-1000, 1000)}{self.random.choice(['', '', '.5', '.25', '.' + self.digits(1, 9)])} {unit}{self.random.choice(['', 's'])}"
                for unit in ("year", "month", "week", "day", "hour", "minute", "second")
                if self.random.random() < 0.4
            ]
            return " ".join(parts) + self.random.choice(["", "", " ago"])
        if kind == 1:
            head = "".join(
                f"{self.random.randint(-99, 99)}{unit}" for unit in "YMWD" if self.random.random() < 0.5
            )
            tail = "".join(
                f"{self.random.randint(-99, 99)}{unit}" for unit in "HM" if self.random.random() < 0.5
            )
            second = (
                f"{self.random.randint(0, 99)}.{self.digits(0, 9)}S" if self.random.random() < 0.5 else ""
            )
            return "P" + head + ("T" + tail + second if tail or second else "")
        if kind == 2:
            return (
                f"{self.random.randint(-5, 5)} years {self.random.randint(-20, 20)} mons {self.random.randint(-40, 40)} days "
                f"{self.random.choice(['', '-', '+'])}{self.random.randint(0, 99):02}:{self.random.randint(0, 59):02}:{self.random.randint(0, 59):02}"
                f"{self.random.choice(['', '.' + self.digits(1, 9)])}"
            )
        if kind == 3:
            return f"{self.random.choice(['', '-'])}{self.random.randint(0, 200)}-{self.random.randint(0, 12)} {self.random.randint(-9, 9)} {self.clock()}"
        return self.random.choice(POOLS["interval"])

    def uuid(self) -> str:
        text = self.random.randbytes(16).hex()
        forms = ["{}-{}-{}-{}-{}", "{}-{}-{}-{}-{}", "{}{}{}{}{}", "{{{}-{}-{}-{}-{}}}"]
        made = self.random.choice(forms).format(text[:8], text[8:12], text[12:16], text[16:20], text[20:])
        return self.random.choice([made, made, made.upper()])

    def json(self, depth: int = 0) -> str:
        if depth == 0 and self.random.random() < 0.01:
            deep = self.random.choice([20, 60, 200])
            return "[" * deep + self.json(9) + "]" * deep
        kind = self.random.randrange(9 if depth < 4 else 6)
        if kind == 0:
            return self.random.choice(["true", "false", "null"])
        if kind in (1, 2):
            whole = str(int(self.digits(1, self.random.choice([3, 20]))))
            part = "." + self.digits(1, 12) if self.random.random() < 0.5 else ""
            power = (
                f"{self.random.choice('eE')}{self.random.choice(['', '+', '-'])}{self.digits(1, 2)}"
                if self.random.random() < 0.3
                else ""
            )
            return self.random.choice(["", "-"]) + whole + part + power
        if kind < 6:
            return json.dumps(self.text(), ensure_ascii=self.random.random() < 0.5)
        count = self.random.choice([0, 1, 2, 5])
        if kind == 6:
            return (
                "["
                + self.space()
                + ("," + self.space()).join(self.json(depth + 1) for _ in range(count))
                + "]"
            )
        names = ["a", "b", "ab", "", "é", 'q"', "long name"]
        return (
            "{"
            + ",".join(
                f"{self.space()}{json.dumps(self.random.choice(names))}{self.space()}:{self.json(depth + 1)}"
                for _ in range(count)
            )
            + "}"
        )

    def array(self, pool: str) -> str:
        """The server's array literal."""
        parts = []
        for _ in range(self.random.choice([0, 1, 1, 2, 3, 10])):
            text = self.makers[pool]()
            plain = text and text.lower() != "null" and not any(c in '{}",\\ \t\n\r\v\f' for c in text)
            if self.random.random() < 0.1:
                parts.append("NULL")
            elif plain and self.random.random() < 0.7:
                parts.append(self.space() + text + self.space())
            else:
                parts.append('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
        return "{" + ",".join(parts) + "}"
