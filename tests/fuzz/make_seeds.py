"""Writes the seeds that are easier said in Python than typed: python -m tests.fuzz.make_seeds

The files it made are in the repository; run it again after a change here. Files called found-* are inputs that once
failed, and are kept as they were.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"


def write(target: str, name: str, data: bytes) -> None:
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


# One good value for each line of fuzz_type_names in fuzz_values.h, in its order.
VALUES = [
    "true", "-32768", "2147483647", "-9223372036854775808", "3.4028235e38", "4.9e-324", "-12345678.995", "0.999999999999999999",
    "1234567890123456789012345678.0123456789", "99999999999999999999", "-1.50e-20", "9999950", "0.0009995", "1e39", "ż\U0001f600",
    "plain text", "abcde   ", "ab", "\\xdeadBEEF", "0044-03-15 BC", "24:00:00", "10:00:00.9995", "2026-11-21T10:00:00.123456",
    "1999-12-31 23:59:59.5", "2026-11-21T10:00:00+01:30", "20261121T100000.5Z", "1 year 2 mons -3 days 04:05:06.789",
    "P1Y2M3DT4H5M6.785S", "1-2", "1 day 10:00:59.6", "25:30", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}", '{"a": [1, null, "\\u00e9"]}',
    '{"bb":1,"a":2,"a":1e-5}', "Very Happy", "1.2.3.4/24", "{t,f,NULL}", "{1,-32768}", "[1, null, 3]", "{9223372036854775807}",
    "{1.5,NaN,-Infinity}", "[1e308, 5e-324]", "{1.005,-2.5}", "{1e-10,Infinity}", '{a,"b c","NULL",NULL,"\\""}', '["abcde  ", "x"]',
    "{ab,cde}", '{"\\\\x00ff","\\\\\\\\"}', "{2026-11-21,infinity}", "{10:00,24:00:00}", '{"2026-11-21 10:00:00"}',
    '["2026-11-21T10:00:00Z", "epoch"]', '{"1 day","04:05",P1W}', "{a0eebc999c0b4ef8bb6d6bb9bd380a11}", '[{"a": 1}, [2], "x"]',
    '{"{\\"b\\": 1, \\"a\\": 2}"}', '{ok,"a,b","{x}"}', "{1.2.3.4,::1}",
]  # fmt: skip


def types() -> None:
    for number, value in enumerate(VALUES):
        write("types", f"{number:02}-text", bytes([number, 0]) + value.encode())
    for number in (4, 6, 10, 14, 24, 26, 33, 38, 41, 44, 55):
        write("types", f"{number:02}-json", bytes([number, 1]) + VALUES[number].encode())
    for number in (19, 20, 22, 24, 26):  # numbers with a unit
        write("types", f"{number:02}-unit", bytes([number, 0x21]) + b"1767225600123.5")


# The binary form of a value, by its place in fuzz_type_names.
FIELDS = {
    0: b"\x01",
    1: struct.pack(">h", -2),
    2: struct.pack(">i", 65536),
    3: struct.pack(">q", -1),
    4: struct.pack(">f", 1.5),
    5: struct.pack(">d", float("nan")),
    6: struct.pack(">hhHh2H", 2, 0, 0x4000, 2, 12, 3400),
    10: struct.pack(">hhHh", 0, 0, 0xD000, 0),
    11: struct.pack(">hhHhH", 1, 1, 0, 0, 995),
    14: "ż".encode(),
    18: b"\x00\xff",
    19: struct.pack(">i", -1),
    20: struct.pack(">q", 86400000000),
    24: struct.pack(">q", -(2**63)),
    26: struct.pack(">qii", -1, 2, -3),
    31: bytes(range(16)),
    32: b'{"a": 1}',
    33: b"\x01[1, 2]",
    38: struct.pack(">iiiiiiii", 1, 1, 23, 2, 1, 4, 7, -1),
    44: struct.pack(">iiiiii", 1, 0, 25, 1, 1, 3) + b"abc",
    53: struct.pack(">iii", 0, 0, 2950),
}


def copies() -> None:
    for number, field in FIELDS.items():
        write("binary", f"{number:02}", bytes([number]) + field)
    row = [
        struct.pack(">q", 1),
        b"text",
        b"\x01",
        FIELDS[6],
        struct.pack(">q", 0),
        FIELDS[38],
        b"\x01{}",
        FIELDS[11],
    ]
    framed = b"".join(bytes([len(field)]) + field for field in row)
    write("copy", "rows", b"\x05\x01" + framed + b"\xff\x00\x01\x00" + b"\xff" * 5)
    stream = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 3) + b"ext"
    stream += struct.pack(">h", 8) + b"".join(struct.pack(">i", len(field)) + field for field in row)
    write("copy", "stream", b"\x41\x00" + stream + b"\xff\xff")
    write("copy", "cut", b"\x41\x00" + stream[:-5])
    write("copy", "trailing", b"\x00\x00" + stream + b"\xff\xffx")


def server() -> None:
    """Columns in the order of fuzz_type_names without the types that only the server knows, then two domains and a word."""
    known = [number for number in range(len(VALUES)) if number not in (35, 57)]
    for column, number in enumerate(known):
        write("server", f"{number:02}-text", bytes([column, 0]) + VALUES[number].encode())
        if number in (2, 4, 6, 10, 11, 12, 14, 32, 33, 38, 41, 45, 51):
            write("server", f"{number:02}-json", bytes([column, 1]) + VALUES[number].encode())
    for step in range(4):
        members = (f'"c{number}":{json.dumps(VALUES[number])}' for number in known[step::4])
        write("server", f"members-{step}", b"\0\2" + ",".join(members).encode())
    write("server", "domain", bytes([len(known), 0]) + b"12345678.995")
    write("server", "domain-day", bytes([len(known) + 1, 0]) + b"2026-10-25 02:30:00.5+01")
    write("server", "domain-word", bytes([len(known) + 2, 1]) + b'"abcdefgh  "')


def zone(
    version: bytes, changes: list[tuple[int, int]], first: int, footer: bytes, width: str = "q"
) -> bytes:
    """A TZif file: the offset before the first change, the changes, the rule."""

    def part(size: str, listed: list[tuple[int, int]]) -> bytes:
        head = b"TZif" + version + bytes(15) + struct.pack(">6I", 0, 0, 0, len(listed), len(listed) + 1, 4)
        times = b"".join(struct.pack(">" + size, at) for at, _ in listed)
        kinds = b"".join(struct.pack(">i2B", offset, 0, 0) for offset in [first, *(o for _, o in listed)])
        return head + times + bytes(range(1, len(listed) + 1)) + kinds + b"ZZZ\0"

    if version == b"\0":
        return part("i", changes)
    return part("i", []) + part(width, changes) + b"\n" + footer + b"\n"


def zones() -> None:
    summer = [(1774746000, 7200), (1792890000, 3600)]
    write("timezone", "warsaw", zone(b"2", summer, 3600, b"CET-1CEST,M3.5.0,M10.5.0/3"))
    write("timezone", "new-york", zone(b"3", [(-1633280400, -14400)], -18000, b"EST5EDT,M3.2.0,M11.1.0"))
    write("timezone", "dublin", zone(b"2", [], 0, b"IST-1GMT0,M10.5.0,M3.5.0/1"))
    write("timezone", "julian", zone(b"3", [], -10800, b"<-03>3<-02>,J60/-1,365/26:30:15"))
    write("timezone", "old", zone(b"\0", summer, 3600, b""))
    write("timezone", "plain", zone(b"2", [(-(2**62), 5025)], 5024, b"<+0530>-5:30"))


def files() -> None:
    text = b'{"a":1}\n{"a":"two"}\n\n{"a":3}'
    packed = io.BytesIO()
    with gzip.GzipFile("x", "wb", 9, packed, 0) as file:
        file.write(text)
    write("file", "plain", b"\x00" + text)
    write("file", "gzip", b"\x06" + packed.getvalue())
    write("file", "gzip-members", b"\x10" + packed.getvalue() * 2)
    write("file", "gzip-cut", b"\x02" + packed.getvalue()[:-5])
    write("file", "gzip-rubbish", b"\x02" + packed.getvalue() + b"rubbish")
    # a zstd frame of one raw block, without checksum, by RFC 8878
    frame = b"\x28\xb5\x2f\xfd\x20" + bytes([len(text)]) + struct.pack("<I", len(text) << 3 | 1)[:3] + text
    write("file", "zstd", b"\x04" + frame)
    write("file", "zstd-frames", b"\x20" + frame + b"\x50\x2a\x4d\x18\x02\x00\x00\x00xx" + frame)
    write("file", "zstd-cut", b"\x04" + frame[:-3])
    for parts in (1, 3, 5, 7, 13, 15):
        write("file", f"parts-{parts}", bytes([parts, 0, 0]) + text * 3)
        write("file", f"parts-{parts}-cut", bytes([parts | 0x50, 1, 150]) + text * 3)
    for dialect, name in ((0, "json"), (1, "csv"), (7, "csv-odd"), (8, "json-second"), (2, "json-bom")):
        body = (b"\xef\xbb\xbf" if "bom" in name else b"") + text + b"\r\nx;'a\n''b';\"c\nd\",\"\"\r\re\n\n"
        write("frames", name, bytes([dialect, 10, 3, 0]) + body)
        write("frames", name + "-short", bytes([dialect, 3, 0, 7]) + body)


def main() -> None:
    types()
    copies()
    server()
    zones()
    files()
    row = '{"id":1,"name":{"n":2},"customer":{"id":"x","address":{"city":"\\u0141ódź"}},"oddA":true,"other":[1,{}]}'
    write("json_oracle", "all", row.encode())
    write(
        "json_oracle", "escaped-key", b'{ "\\u0069d" : -0.5e+3 , "customer" : null, "customer": {"id": {}} }'
    )
    write("json_oracle", "nul", b'{"id":"\\u0000","x":"\\ud83d\\ude00"}')
    columns = "abcdefghijklmnopqrstuvw"
    texts = [
        'true', '-1', '2', '3', '1.5', '"NaN"', '10.25', '1e-7', '"t\\n"', '"v"', '"c"', '"\\\\x00ff"', '"2026-11-21"', '"10:00"',
        '1767225600000', '"2026-11-21T10:00:00Z"', '"1 day"', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"', '{"x":[1]}', '[1e5]', '"paid"',
        '["a",null]', '"(1,2)"',
    ]  # fmt: skip
    listed = ",".join(f'"{name}":{text}' for name, text in zip(columns, texts, strict=True))
    write(
        "json",
        "every-kind",
        (
            "{" + listed + ',"customer":{"address":{"city":"x","zip":7},"k":1},"x":{"y":{"z":[]}},"spare":0}'
        ).encode(),
    )
    write("json", "lines", b'{"a":1}\r\n\n{"b":2}\n{"x":{"y":null}}')
    write("json", "found-exponent", b'{"1./5,.1)f":0e57007898}')
    for name, text in {
        "sorted": '{"bb":1,"a":[true,null],"ab":"x","a":2}',
        "numbers": "[1e5,-0,-0.0,0.10e1,100e-2,1e-16383,123456789012345678901234567890.5]",
        "escapes": '"\\u00e9\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t\\u001f"',
        "wide": "[1e131071,1e131072]",
    }.items():
        write("jsonb", name, text.encode())
    rows = 'a,b,c,d\n1,"x""y",NULL,\r\n\'2;\',\'3\n4\',,""\r,,,\nz'
    for dialect in (0, 1, 6, 18, 72, 73, 78, 144, 216):
        write("csv", f"dialect-{dialect}", bytes([dialect, 9]) + rows.encode())
    for name, text in {
        "numeric": "numeric(12,-2)[]",
        "varchar": "character varying ( 40 )",
        "time": "timestamp (3) with time zone",
        "interval": "interval day to second(2)",
        "path": "a\\.b.c.d",
        "rest": "$rest",
        "zone": "Europe/Warsaw",
    }.items():
        write("names", name, text.encode())
    text = "aé€😀\x7f\u0080\u07ff\u0800\uffff\U00010000\U0010ffff"
    write("utf8", "planes", text.encode() * 3)
    for number, bad in enumerate(
        (b"\xc0\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xe2\x82")
    ):
        write("utf8", f"bad-{number}", b"0123456789abcdef" + bad)
    write("scan", "digits", b'12345678901234567890.12345678,-0099,1234567.1"abcdefghijklmnop\\q\x1f\x7f')
    write("scan", "spaces", b" \t\r\n \v\f      0.5 99999999 100000000 ")
    settings = (
        '{"job":"j","run_id":"r","source":{"kind":"%s"},"target":{"table":"t","dsn":"x"},"mode":"upsert","key":["a"],"unknown":"reject",'
        '"csv":{"delimiter":";","quote":"\'","null":"N","header":false},"limits":{"max_records":5,"max_seconds":1.5},"workers":2,'
        '"partition":{"column":"c","unit":"month","zone":"Europe/Warsaw"},"map":{"a":"b"},"one_off":true,"commit":"end"}'
    )
    for kind in ("kafka", "file", "stdin", "postgres", "dead_letters"):
        write("load_config", kind, (settings % kind).encode())
    write("settings", "load", (settings % "kafka").encode())
    write(
        "settings",
        "values",
        '{"é":[-0.0,1e5,-9223372036854775808,"\\u00e9\\ud83d\\ude00\\n",null,{"a":{}}]}'.encode(),
    )
    write(
        "kafka_config",
        "good",
        b'{"bootstrap.servers":"127.0.0.1:1","client.id":"x","fetch.max.bytes":2000000,"linger.ms":5}',
    )
    write("kafka_config", "reserved", b'{"bootstrap.servers":"127.0.0.1:1","enable.auto.commit":true}')
    write(
        "kafka_config",
        "secret",
        b'{"bootstrap.servers":"127.0.0.1:1","sasl.password":{"a":1},"ssl.key.pem":"x"}',
    )
    for shape in range(0, 256, 24):
        write(
            "arrow",
            f"shape-{shape}",
            bytes([shape, 5, 1]) + bytes((shape + i * 37) % 251 for i in range(120)),
        )
    for layout in range(0, 40):  # one column of each layout
        write(
            "arrow",
            f"layout-{layout}",
            bytes([0, 4, 0, 0x10, 0, 0xFF, layout]) + bytes(i * 7 % 64 for i in range(90)),
        )

    frame = (
        b'{"type":"view","a":4711,"page":{"id":true,"name":1.78e-7,"title":"a \\"b\\" \\u00e4"},"b":{"c":"x","of":[1,[],{}]},'
        b'"ts":1767225600,"d":{"e":{"f":[null,-0.5,1E+2]},"g":"\xc5\xbc"},"note":"' + b"word " * 12 + b'"}'
    )
    write("json_look", "frame", frame)
    write("json_look", "spaced", frame.replace(b":", b" : ").replace(b",", b",\n  "))
    write("json_look", "control", b'{"a":\x014776}')  # once taken for white space
    for kind in range(8):
        rows = bytes(b for i in range(8) for b in (40 + 3 * i, 100 + i % 5))
        step = bytes([0, kind % 3, 7, 0]) + rows
        write(
            "window",
            f"kind-{kind}",
            bytes([kind])
            + step * 3
            + bytes([3, 6, 2, 2, 1, 0, 30, 7, 0, 40, 9])
            + step
            + bytes([6, 3, 1, 1]),
        )


if __name__ == "__main__":
    main()
