"""How much of the C code the tests run: `python -m tests.coverage [STAGE...]`, or `make coverage STAGES="core units"`.

The tests run in a copy of the checkout below build/coverage, compiled for counting (gcc --coverage, read by gcovr).
Printed, and written to build/coverage:

  table.txt        lines and branches of each file, each room, and all
  uncovered.txt    each line that no test ran: with its reason (reasons.txt beside this file), or without
  html/            the source, line by line

Processes that are ended with SIGKILL, as many tests do, lose their counts.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from stack.paths import BUILD, ROOT
from tests.coverage.report import report

FOLDER = BUILD / "coverage"
TREE = FOLDER / "tree"
COUNTING = "-std=c11 -D_GNU_SOURCE -g -O0 --coverage -fprofile-update=atomic -fprofile-abs-path -pthread"
LIBRARIES = ("libpq", "rdkafka", "jansson", "libzstd", "libxxhash", "zlib", "libcurl")
STAGES: Mapping[str, tuple[str, ...]] = {
    "core": ("make", "-k", "-C", "tests/core", "-j2", "--no-print-directory"),
    "io": ("make", "-k", "-C", "tests/io", "-j2", "--no-print-directory"),
    "units": ("{python}", "-m", "pytest", "-q", "--basetemp=build/tmp-units", "tests/python", "-m", "not airflow"),
    "real": ("{python}", "-m", "pytest", "-q", "--basetemp=build/tmp-real", "tests/real", "-m", "not airflow and not browser"),
    "faults": ("{python}", "-m", "pytest", "-q", "--basetemp=build/tmp-faults", "tests/faults"),
}  # fmt: skip
NOT_HERE = {
    "units": (
        "test_no_banned_calls.py",
        "test_refleaks.py",
        "test_sanitized.py",
        "test_compose.py",
        "test_typing.py",
        "test_bench.py",
    ),
}
"""Tests that say nothing about lines, or much slower in code that counts."""

DECLARATION = (
    r"^\s*(?!return\b|goto\b|else\b|case\b)(?:"
    r"(?:[A-Za-z_]\w*\s+)+\**[a-z_]\w*(?:\[[^\]]*\])*(?:,\s*\**[a-z_]\w*(?:\[[^\]]*\])*)*;|static const\b[^()]*=.*)"
    r"\s*(?:/\*.*)?$"
    r"|^\s*do(?: \{)?$|^\s*(?:\(void\)\w+,?\s*)+;$"
)
"""Lines that only name variables, or do nothing. With the sanitizers the compiler counts them as code, at the wrong place."""

CC = """#!/bin/sh
# what a test compiles for itself counts as well
exec {cc} {flags} "$@"
"""
EXIT = """
# A forked worker ends with os._exit(), which would drop its counts.
import atexit, os, sys
_exit = os._exit
def _dump_and_exit(status):
    module = sys.modules.get("headrace._headrace")
    if module is not None:
        import ctypes
        ctypes.CDLL(module.__file__).headrace_coverage_dump()
    _exit(status)
os._exit = _dump_and_exit
"""
DUMP = """
void __gcov_dump(void);
__attribute__((visibility("default"))) void headrace_coverage_dump(void);
void headrace_coverage_dump(void)
{
    __gcov_dump();
}
"""


def copy() -> None:
    """What git knows of the checkout, as it is now, into the tree; what was compiled there stays when it still fits."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = {name for name in listed.stdout.decode().split("\0") if name and os.path.lexists(ROOT / name)}
    for name in names:
        source, target = ROOT / name, TREE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.unlink(missing_ok=True)
            target.symlink_to(source.readlink())
        elif not (target.exists() and target.read_bytes() == source.read_bytes()):
            shutil.copy(source, target)
    for room in ("csrc", "tests", "python", "stack"):
        for path in (TREE / room).rglob("*"):
            known = str(path.relative_to(TREE)) in names
            if (
                path.is_file()
                and not known
                and path.suffix in {".c", ".h", ".py"}
                and path.name != "coverage_dump.c"
            ):
                path.unlink()
    for shared in (".venv", "build/kafka", "build/connect"):
        link = TREE / shared
        link.parent.mkdir(parents=True, exist_ok=True)
        if shared != ".venv":  # what the tests fetch is kept there for the next run
            (ROOT / shared).mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(ROOT / shared)
    (TREE / "csrc/module/coverage_dump.c").write_text(DUMP)
    site = TREE / "build/site"
    site.mkdir(parents=True, exist_ok=True)
    (site / "sitecustomize.py").write_text(EXIT)
    cc = TREE / "build/bin/cc"
    cc.parent.mkdir(parents=True, exist_ok=True)
    cc.write_text(
        CC.format(cc=shutil.which("gcc"), flags="--coverage -fprofile-update=atomic -fprofile-abs-path")
    )
    cc.chmod(0o755)


def run(stage: str, command: tuple[str, ...], environment: Mapping[str, str]) -> bool:
    """Run one stage; whether it passed."""
    begun = time.monotonic()
    words = [word.format(python=ROOT / ".venv/bin/python") for word in command]
    log = FOLDER / f"{stage}.log"
    with log.open("wb") as out:
        done = subprocess.run(words, cwd=TREE, env=os.environ | environment, stdout=out, stderr=subprocess.STDOUT, check=False)  # fmt: skip
    last = log.read_text(errors="replace").rstrip().rpartition("\n")[2]
    verdict = "passed" if done.returncode == 0 else "FAILED"
    print(f"coverage: {stage} {verdict} in {time.monotonic() - begun:.0f} s: {last[:200]}", flush=True)
    return done.returncode == 0


def build(environment: Mapping[str, str]) -> bool:
    """Compile the extension for counting."""
    python = str(ROOT / ".venv/bin/python")
    flags = {"CFLAGS": COUNTING.partition("-g ")[2], "LDFLAGS": "--coverage"}
    return run("extension", (python, "setup.py", "-q", "build_ext", "--inplace"), {**environment, **flags})


def gcovr() -> Path:
    """The reader of the counts, in an environment of its own."""
    folder = FOLDER / "venv"
    if not (folder / "bin/gcovr").exists():
        uv = ROOT / ".venv/bin/uv"
        install = [uv, "pip", "install", "-q", "--require-hashes", "-r", ROOT / "requirements/coverage.txt"]
        subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([*install, "--python", folder / "bin/python"], check=True)
    return folder / "bin/gcovr"


def collect() -> dict[str, object]:
    """All counts, as gcovr puts them together."""
    html = FOLDER / "html"
    html.mkdir(exist_ok=True)
    outputs = ["--json", FOLDER / "coverage.json", "--html-nested", html / "index.html"]
    limits = ["--filter", "csrc/(core|io|module)/", "--exclude", ".*/coverage_dump.c", "-j", "2"]
    tolerant = ["--gcov-ignore-parse-errors=suspicious_hits.warn", "--gcov-ignore-errors=source_not_found"]
    merge = ["--merge-mode-functions", "merge-use-line-min", "--exclude-lines-by-pattern", DECLARATION]
    with (FOLDER / "gcovr.log").open("wb") as log:
        subprocess.run([gcovr(), "-r", TREE, TREE / "build", *limits, *tolerant, *merge, *outputs], cwd=TREE, stdout=log, stderr=subprocess.STDOUT, check=True)  # fmt: skip
    found: dict[str, object] = json.loads((FOLDER / "coverage.json").read_text())
    return found


def main(words: list[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.coverage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"of {', '.join(STAGES)} (default: all)")
    parser.add_argument("--keep", action="store_true", help="add to the counts of the last run")
    told = parser.parse_args(words)
    if unknown := set(told.stages) - set(STAGES):
        parser.error(f"there is no stage {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    copy()
    if not told.keep:
        for path in (TREE / "build").rglob("*.gcda"):
            path.unlink()
    libraries = subprocess.run(
        ["pkg-config", "--cflags", *LIBRARIES], capture_output=True, text=True, check=True
    ).stdout
    environment = {
        "PATH": f"{TREE / 'build/bin'}:{os.environ['PATH']}",
        "PYTHONPATH": f"{TREE / 'build/site'}:{TREE / 'python'}",
    }
    make = f"CFLAGS={COUNTING} -DHR_FAULTS -I../../csrc -I../core {' '.join(shlex.split(libraries))}"
    passed = build(environment)
    for stage in told.stages or STAGES:
        command = STAGES[stage]
        if command[0] == "make":
            command = (*command, make, "LDFLAGS=--coverage")
        command += tuple(f"--ignore=tests/python/{name}" for name in NOT_HERE.get(stage, ()))
        passed = run(stage, command, environment) and passed
    report(collect(), Path(__file__).with_name("reasons.txt"), FOLDER)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
