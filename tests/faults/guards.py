"""Shows that tests notice when a guard is taken out: `make guards`, or `python -m tests.faults.guards [WORD...]`
for those whose name has one of the words in it.

A copy of the checkout is made under build/guards and built there. First all tests named in guard_table.py run in
the copy as it is, and must pass. Then each guard in turn is replaced, the copy built again, and its tests run:
each of them must fail. The checkout itself is never changed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

from stack.paths import BUILD, ROOT
from tests.faults import guard_table, guard_table_input
from tests.faults.guard_table import Guard

GUARDS = guard_table.GUARDS + guard_table_input.GUARDS
FOLDER = BUILD / "guards"
COPY = FOLDER / "checkout"
LINKED = ("build/kafka", "build/stamps")
"""What the servers of tests need and is the same for every copy."""


def _environment() -> dict[str, str]:
    """Where Python finds the copy, before the checkout that is installed."""
    return {**os.environ, "PYTHONPATH": f"{COPY / 'python'}:{COPY}", "HEADRACE_GUARDS": "1"}


def refresh() -> None:
    """Make the copy equal to the checkout: what git knows or would add. Unchanged files keep their time."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = {name for name in listed.stdout.split("\0") if name and os.path.lexists(ROOT / name)}
    for name in names:
        source, copy = ROOT / name, COPY / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            if not copy.is_symlink():
                copy.symlink_to(source.readlink())
        elif not copy.exists() or copy.read_bytes() != source.read_bytes():
            shutil.copyfile(source, copy)
            copy.chmod(source.stat().st_mode)
    for path in [*COPY.rglob("csrc/**/*.[ch]"), *COPY.rglob("tests/**/*.py")]:
        if str(path.relative_to(COPY)) not in names:
            path.unlink()
    for name in LINKED:
        link = COPY / name
        if (ROOT / name).exists() and not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(ROOT / name)


def build() -> None:
    """Build the copy's extension; RuntimeError with the compiler's words."""
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"],
        cwd=COPY, env=_environment(), capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"the copy does not build:\n{(done.stdout + done.stderr)[-3000:]}")


def run(tests: Iterable[str], log: Path) -> dict[str, bool]:
    """Run the tests in the copy. Per test function, as it was named: whether all of its cases passed."""
    named = sorted(set(tests))
    report = FOLDER / "report.xml"
    report.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--timeout=120",
        f"--junitxml={report}",
    ]
    with log.open("w") as out:
        subprocess.run(
            [*command, *named], cwd=COPY, env=_environment(), stdout=out, stderr=subprocess.STDOUT, check=False,
            timeout=1800,
        )  # fmt: skip
    if not report.exists():
        raise RuntimeError(f"pytest gave no report; see {log}")
    cases = []
    for case in ET.parse(report).iter("testcase"):
        where = case.get("classname", "").replace(".", "/") + ".py"
        cases.append(
            (f"{where}::{case.get('name')}", case.find("failure") is None and case.find("error") is None)
        )
        if case.find("skipped") is not None:
            raise RuntimeError(f"{where}::{case.get('name')} was skipped; see {log}")
    passed = {}
    for name in named:
        mine = [good for case, good in cases if case == name or case.startswith(name + "[")]
        if not mine:
            raise RuntimeError(f"{name} did not run; see {log}")
        passed[name] = all(mine)
    return passed


def problems(guard: Guard) -> list[str]:
    """What is wrong with an entry of the table, as far as can be seen without running it."""
    found = []
    path = ROOT / guard.file
    count = path.read_text().count(guard.text) if path.exists() else 0
    if count != 1:
        found.append(f"{guard.name}: its text stands {count} times in {guard.file}, not once")
    if guard.text == guard.replacement or not guard.tests:
        found.append(f"{guard.name}: nothing is taken out, or no test is named")
    for test in guard.tests:
        file, _, function = test.partition("::")
        name = function.partition("[")[0]
        if not (ROOT / file).exists() or not re.search(
            rf"^def {name}\(", (ROOT / file).read_text(), re.MULTILINE
        ):
            found.append(f"{guard.name}: there is no test {test}")
    return found


def try_out(guard: Guard, log: Path) -> str | None:
    """Take the guard out of the copy and run its tests; what is wrong, None when all of them failed."""
    path = COPY / guard.file
    whole = path.read_text()
    path.write_text(whole.replace(guard.text, guard.replacement))
    try:
        build()
        silent = [name for name, passed in run(guard.tests, log).items() if passed]
    finally:
        path.write_text(whole)
    return f"passes without it: {', '.join(silent)}" if silent else None


def main(words: list[str]) -> int:
    """Try the guards whose names have one of the words in them, or all. 0 when every one was missed by its tests."""
    guards = [guard for guard in GUARDS if not words or any(word in guard.name for word in words)]
    wrong = [line for guard in guards for line in problems(guard)]
    if wrong or not guards:
        print("\n".join(wrong) or "no guard has such a name")
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    alone = (FOLDER / "lock").open("w")  # two runs in one copy would take each other's guards out
    fcntl.flock(alone, fcntl.LOCK_EX)
    refresh()
    begun = time.monotonic()
    build()
    log = FOLDER / "unchanged.log"
    unwell = [
        name
        for name, passed in run([test for guard in guards for test in guard.tests], log).items()
        if not passed
    ]
    if unwell:
        print(f"these fail without any change, see {log}:", *unwell, sep="\n  ")
        return 1
    print(f"all tests pass with all guards in place ({time.monotonic() - begun:.0f} s)", flush=True)
    bad = 0
    for number, guard in enumerate(guards, 1):
        begun = time.monotonic()
        log = FOLDER / f"{number:02}.log"
        problem = try_out(guard, log)
        bad += problem is not None
        verdict = f"NOT MISSED, {problem}; see {log}" if problem else "missed by " + ", ".join(guard.tests)
        print(f"{number:3} {guard.name}: {verdict} ({time.monotonic() - begun:.0f} s)", flush=True)
    build()
    print(f"{len(guards) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
