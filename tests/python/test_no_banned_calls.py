"""The rules of csrc/ that a machine can check: banned functions, who includes whom, where memory comes from,
no global state in the core, no file too long to be read in one sitting.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
FILES = sorted([*CSRC.rglob("*.c"), *CSRC.rglob("*.h")])

BANNED = {
    "strcpy": "memcpy with a length, or snprintf",
    "strcat": "snprintf",
    "strncpy": "memcpy with a length",
    "strncat": "snprintf",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "atoi": "strtol",
    "atol": "strtol",
    "atoll": "strtoll",
    "atof": "a parser of our own: atof follows the locale",
    "strtok": "strchr or memchr",
    "alloca": "the arena",
    "setlocale": "nothing: the core follows no locale",
    "localtime": "hr_timezone",
    "gmtime": "gmtime_r",
    "asctime": "strftime",
    "ctime": "strftime",
    "tmpnam": "mkstemp",
    "mktemp": "mkstemp",
    "rand": "a generator with a seed of its own",
    "srand": "a generator with a seed of its own",
    "system": "nothing",
    "popen": "nothing",
}
ALLOCATORS = {
    "malloc": "hr_malloc",
    "calloc": "hr_calloc",
    "realloc": "hr_realloc",
    "strdup": "hr_arena_copy",
    "strndup": "hr_arena_copy",
}

# The core is pure: it knows no socket, no server, no Python.
CORE_HEADERS = re.compile(
    r"<(sys/socket|netdb|netinet/|arpa/|sys/un|poll|pthread|libpq|librdkafka|jansson|zlib|zstd|dlfcn)"
)
COMMENT_OR_TEXT = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)


def code(path: Path) -> str:
    """The file with comments blanked and texts emptied, line for line."""

    def blank(match: re.Match[str]) -> str:
        text = match[0]
        return '""' if text[0] == '"' else "''" if text[0] == "'" else re.sub(r"[^\n]", " ", text)

    return COMMENT_OR_TEXT.sub(blank, path.read_text(encoding="utf-8"))


def calls(path: Path, names: dict[str, str]) -> list[str]:
    """Where a function of these names is called (not a member or a longer name), and what to use instead."""
    pattern = re.compile(r"(?<![\w.])(?<!->)(" + "|".join(names) + r")\s*\(")
    return [
        f"{path.relative_to(ROOT)}:{number}: {match[1]}: use {names[match[1]]}"
        for number, line in enumerate(code(path).splitlines(), 1)
        for match in pattern.finditer(line)
    ]


def includes(path: Path) -> list[tuple[str, str]]:
    """(opening character, name) of every #include."""
    return re.findall(r'^\s*#\s*include\s+([<"])([^>"]+)', path.read_text(encoding="utf-8"), re.MULTILINE)


def room_of(path: Path) -> str:
    """core, io or module."""
    return path.relative_to(CSRC).parts[0]


def test_there_is_something_to_check() -> None:
    assert {room_of(path) for path in FILES} == {"core", "io", "module"}
    assert len(FILES) > 50


@pytest.mark.parametrize(
    "snippet", ["x = strcpy(a, b);", "  sprintf (s, f);", "if (atoi(s))", "return strtok(s, t);"]
)
def test_the_gate_sees_a_banned_call(snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "x.c"
    path.write_text(snippet)
    assert len(calls(path, BANNED)) == 1


@pytest.mark.parametrize(
    "snippet",
    [
        '"strcpy(a)"',
        "/* strcpy(a, b) */",
        "// gets(x)",
        "hr_strcpy(a)",
        "vsnprintf(a)",
        "ops->system(x)",
        "o.rand()",
    ],
)
def test_the_gate_lets_others_pass(snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "x.c"
    path.write_text(snippet)
    assert calls(path, BANNED) == []


def test_no_banned_function_is_called() -> None:
    found = [call for path in FILES for call in calls(path, BANNED)]
    assert found == []


def test_memory_comes_through_alloc_h() -> None:
    found = [call for path in FILES if path.name != "alloc.h" for call in calls(path, ALLOCATORS)]
    assert found == []


def test_only_the_module_knows_python() -> None:
    for path in FILES:
        knows = any(name in ("Python.h", "structmember.h") for _, name in includes(path))
        assert not knows or path == CSRC / "module/module.h", path


def test_the_core_knows_no_server() -> None:
    for path in FILES:
        if room_of(path) == "core":
            for opening, name in includes(path):
                assert not CORE_HEADERS.match(opening + name), f"{path.relative_to(ROOT)} includes {name}"


def test_the_rooms_are_one_arrow() -> None:
    """module -> io -> core: nobody looks back."""
    allowed = {"core": {"core"}, "io": {"core", "io"}, "module": {"core", "io", "module"}}
    for path in FILES:
        for opening, name in includes(path):
            if opening != '"':
                continue
            beside, below = path.parent / name, CSRC / name
            target = beside if beside.exists() else below
            assert target.exists(), f"{path.relative_to(ROOT)} includes {name}, which is not there"
            assert room_of(target) in allowed[room_of(path)], f"{path.relative_to(ROOT)} looks back at {name}"


def test_headers_are_guarded_by_their_name() -> None:
    for path in FILES:
        if path.suffix == ".h":
            guard = f"HR_{room_of(path)}_{path.stem}_H".upper()
            assert f"#ifndef {guard}\n#define {guard}\n" in path.read_text(encoding="utf-8"), path


def test_python_h_comes_first() -> None:
    """It sets what the system's headers show: after one of them, it redefines macros, an error with Python 3.15."""
    for path in FILES:
        if path.suffix == ".c" and room_of(path) == "module":
            first = next(
                line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#include")
            )
            assert first == '#include "module/module.h"', path


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CSRC)))
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(f"/* csrc/{path.relative_to(CSRC)}:"), "the first line says what the file is"
    assert len(lines) <= 900
    for number, line in enumerate(lines, 1):
        assert len(line) <= 140, f"line {number} is too long"
        assert "\t" not in line, f"line {number} has a tab"
        assert line == line.rstrip(), f"line {number} ends with blanks"
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line), f"line {number}"


def test_the_core_has_no_global_state() -> None:
    """No object file of the core has data that could change: only constants, and tables that the linker fixes."""
    built = (
        ROOT / "build" / f"extension-{sysconfig.get_platform()}-{sys.implementation.cache_tag}" / "csrc/core"
    )
    objects = sorted(built.rglob("*.o"))
    assert objects, "build the extension first: make build"
    for path in objects:
        listing = subprocess.run(["size", "-A", path], capture_output=True, text=True, check=True).stdout
        for line in listing.splitlines():
            name, _, rest = line.partition(" ")
            if re.fullmatch(r"\.(data|bss|tdata|tbss)(\..*)?", name) and not name.startswith(".data.rel.ro"):
                assert int(rest.split()[0]) == 0, f"{path.stem}.c has {rest.split()[0]} bytes in {name}"
