"""The extension and its tests on other versions of Python.

python -m tests.pythons [VERSION...]     3.13 3.14t ...; all that can be had when none is named

For each version: an interpreter (interpreters.py), an environment with the packages of requirements/pythons.txt, the
extension compiled with warnings as errors, and the tests that need no Airflow and no Kafka, with a load into a real
PostgreSQL. All of it stays below build/pythons; what did not change is not made again.

Ends with one line a version. A version that was named and cannot be had is a failure; one that was not named is only
listed.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from stack.paths import ROOT
from tests.pythons.interpreters import FOLDER, Archive, Missing, Version, make, on_path, run

REQUIREMENTS = ROOT / "requirements/pythons.txt"
HERE = Path(__file__).resolve().parent
ELSEWHERE = {
    "test_airflow_provider.py": "Airflow, which runs with Python 3.11 in .venv",
    "test_airflow_windows.py": "Airflow, which runs with Python 3.11 in .venv",
    "test_avro.py": "fastavro, which is not made for every Python",
    "test_bench.py": "the bench, which runs with .venv",
    "test_compose.py": "reads a file of the checkout",
    "test_coverage.py": "the tools of a checkout, which run with .venv",
    "test_connect.py": "the tools of the bench, which run with .venv",
    "test_frames.py": "pandas and DuckDB, which are not made for every Python",
    "test_no_banned_calls.py": "reads files of the checkout",
    "test_pythons.py": "the tools of a checkout, which run with .venv",
    "test_results_shown.py::test_a_plot_shows_itself_and_is_written": "matplotlib, which is not made for every Python",
    "test_soak.py": "the tools of a checkout, which run with .venv",
    "test_stack.py": "the tools of a checkout, which run with .venv",
    "test_typing.py": "mypy, which runs with .venv",
    "test_vault_mapping.py": "PyYAML, which is not made for every Python",
    "test_window_twin.py": "hypothesis, which is not made for every Python",
}
"""Tests of tests/python, or single ones of a file, that need what only .venv has, and why."""

NOT_FREE = {"test_arrow_polars.py": "polars has no build for free-threaded Python"}
QUICK = "not airflow and not slow"


def environment(version: Version, python: str | Path, home: Path) -> Path:
    """An environment of this version, below `home`, with the packages that the tests need; its python."""
    folder = home / "venv"
    stamp = folder / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == wanted):
        uv = ROOT / ".venv/bin/uv"
        lines = REQUIREMENTS.read_text()
        own = folder.with_name("requirements.txt")
        # one locked package at a time: those that the version has no build of are left out
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text("".join(_blocks(lines, without=("polars",) if version.free else ())))
        os.environ["UV_PYTHON_DOWNLOADS"] = "never"
        run(uv, "venv", "-q", "--clear", "--python", python, folder)
        install = (uv, "pip", "install", "-q", "--python", folder / "bin/python", "--only-binary", ":all:")
        run(*install, "--require-hashes", "-r", own)
        stamp.write_text(wanted)
    return folder / "bin/python"


def _blocks(lines: str, without: tuple[str, ...]) -> list[str]:
    """The entries of a locked file, less those of packages whose names begin in one of these ways."""
    blocks = re.split(r"(?m)^(?=\S)", lines)
    return [block for block in blocks if not (without and block.startswith(without))]


def compile_extension(version: Version, python: Path) -> Path:
    """The package with the extension of this version, in a folder of its own."""
    folder = FOLDER / str(version) / "lib"
    done = subprocess.run(
        [python, "setup.py", "-q", "build", "--build-lib", folder],
        cwd=ROOT,
        env=os.environ | {"HEADRACE_WERROR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Missing(f"the extension does not compile:\n{done.stderr[-3000:]}")
    return folder


def test(version: Version, python: Path, package: Path | None, home: Path) -> tuple[int, int, str]:
    """Run the tests on the package in this folder, or on the installed one; how many passed, how many failed, and
    what pytest said at the end. Its log goes to `home`.
    """
    ignored = {**ELSEWHERE, **(NOT_FREE if version.free else {})}
    command = [
        python,
        "-X",
        "dev",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "pythonpath=.",
        "-m",
        QUICK,
    ]
    command += [f"--{'deselect' if '::' in name else 'ignore'}=tests/python/{name}" for name in ignored]
    command += ["tests/python", HERE]
    log = home / "tests.log"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {"PYTHONDONTWRITEBYTECODE": "1"} | ({"PYTHONPATH": str(package)} if package else {})
    with log.open("wb") as out:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=env,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    text = log.read_text(errors="replace")
    print(text, flush=True) if done.returncode else None
    good, bad = (sum(map(int, re.findall(rf"(\d+) {word}", text))) for word in ("passed", "(?:failed|error)"))
    return good, bad if done.returncode == 0 else max(bad, 1), text.rstrip().rpartition("\n")[2]


def one(version: Version, archive: Archive | None) -> tuple[int, int, str]:
    """Everything for one version."""
    python: str | Path | None = (
        sys.executable if sys.version_info[:2] == (3, version.minor) else on_path(version)
    )
    if version.free or python is None:
        python = on_path(version)
        if python is None:
            if archive is None:
                archive = Archive()
            python = make(version, archive)
    home = FOLDER / str(version)
    inside = environment(version, python, home)
    full = run(inside, "-VV").strip().splitlines()[0].partition(" [")[0]
    print(f"== {version}: {full}", flush=True)
    good, bad, said = test(version, inside, compile_extension(version, inside), home)
    return good, bad, f"{full}: {said}"


def known(archive: Archive) -> list[Version]:
    """All versions that may be had."""
    newest = max(archive.versions("Packages"), default=sys.version_info[1])
    both = [Version(minor) for minor in range(11, newest + 1)]
    return both + [Version(minor, True) for minor in range(13, newest + 1)]


def main(words: list[str]) -> int:
    """Run the versions; 0 when all passed."""
    try:
        archive = None if words else Archive()
        versions = [Version.parse(word) for word in words] or known(archive)  # type: ignore[arg-type]
    except (Missing, ValueError) as error:
        print(f"test-pythons: {error}", file=sys.stderr)
        return 2
    passed = failed = 0
    table = []
    for version in versions:
        begun = time.monotonic()
        try:
            good, bad, said = one(version, archive)
        except Missing as problem:
            good, bad, said = 0, int(bool(words)), f"not tested: {problem}"
        passed, failed = passed + good, failed + bad
        verdict = "FAILED" if bad else "passed" if good else "absent"
        table.append(f"{version!s:6} {verdict}  {said} ({time.monotonic() - begun:.0f} s)")
        print(table[-1], flush=True)
    print("\n" + "\n".join(table) + f"\n{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
