"""Writes upper_table.h: the upper case of every character, as PostgreSQL's builtin provider has it (Unicode
simple case mapping). The server itself is asked, so that nobody's reading of the standard stands between.

    .venv/bin/python csrc/core/hash/make_upper_table.py

Again when a new major version of the server brings a newer Unicode; the tests compare the table with the
server.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))

from stack import postgres  # noqa: E402

PAGE = 64
QUESTION = """
select code, ascii(upper(chr(code) collate pg_c_utf8))
from generate_series(1, 1114111) code
where code not between 55296 and 57343 and upper(chr(code) collate pg_c_utf8) <> chr(code)
order by 1
"""


def ask() -> tuple[dict[int, int], str, str]:
    """Every character that has an upper case, the server's version and that of its Unicode."""
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        postgres.Server(Path(folder) / "postgres", durable=False, keep=False) as server,
        server.connect("postgres") as connection,
    ):
        pairs = dict(connection.execute(QUESTION).fetchall())
        version = connection.execute(
            "select split_part(current_setting('server_version'), '.', 1), unicode_version()"
        ).fetchone()
    assert version is not None
    return pairs, str(version[0]), str(version[1])


def numbers(values: list[int], width: int) -> list[str]:
    """Lines of a C table."""
    lines, line = [], "   "
    for value in values:
        word = f" {value:#x}," if width == 16 else f" {value},"
        if len(line) + len(word) > 134:
            lines.append(line)
            line = "   "
        line += word
    return [*lines, line]


def main() -> None:
    """Write the table."""
    pairs, version, unicode = ask()
    last = max(pairs) // PAGE
    pages: list[list[int]] = [[0] * PAGE]
    index = []
    for page in range(last + 1):
        delta = [(pairs.get(code, code) - code) & 0xFFFF for code in range(page * PAGE, page * PAGE + PAGE)]
        assert all(
            pairs.get(code, code) >> 16 == code >> 16 for code in range(page * PAGE, page * PAGE + PAGE)
        )
        if delta not in pages:
            pages.append(delta)
        index.append(pages.index(delta))
    assert len(pages) < 256
    lines = [
        "/* csrc/core/hash/upper_table.h: what upper_case.c looks up, written by make_upper_table.py.",
        " *",
        f" * Unicode simple case mapping, as PostgreSQL {version}'s builtin provider has it",
        f" * (Unicode {unicode}):",
        f" * {len(pairs)} characters have an upper case of their own. The first table says by code / 64",
        " * which page a character is on; the second one what to add to the lower 16 bits of its code.",
        " */",
        "#ifndef HR_CORE_UPPER_TABLE_H",
        "#define HR_CORE_UPPER_TABLE_H",
        "",
        "#include <stdint.h>",
        "",
        f'#define HR_UPPER_UNICODE "{unicode}"',
        f"#define HR_UPPER_PAGES {len(index)}",
        "",
        "/* clang-format off */",
        "static const uint8_t hr_upper_page[HR_UPPER_PAGES] = {",
        *numbers(index, 10),
        "};",
        "",
        f"static const uint16_t hr_upper_delta[{len(pages)}][{PAGE}] = {{",
    ]
    for page in pages:
        body = numbers(page, 10) if any(page) else ["    0,"]
        lines += ["    {", *["    " + line for line in body], "    },"]
    lines += ["};", "/* clang-format on */", "", "#endif"]
    (HERE / "upper_table.h").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(
        f"upper_table.h: {len(pairs)} characters, {len(pages)} pages, PostgreSQL {version}, Unicode {unicode}"
    )


if __name__ == "__main__":
    main()
