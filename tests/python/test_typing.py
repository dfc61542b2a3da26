"""Types: mypy is content with the package, and the stub says what the C module has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "MYPYPATH": str(ROOT / "python"), "PYTHONPATH": str(ROOT / "python")}


def run(*words: str) -> str:
    """The output of a Python module; the test fails with it when it is not content."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_mypy_is_content() -> None:
    run("mypy", "--exclude", "python/headrace/airflow", "python/headrace")


@pytest.mark.slow
def test_the_stub_is_the_c_module(tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\n")
    run("mypy.stubtest", "headrace._headrace", "--mypy-config-file", str(config))


@pytest.mark.slow
def test_the_stub_finds_mistakes_of_a_caller(tmp_path: Path) -> None:
    good = """import headrace
s = headrace.Schema([('a', 'int')])
b, r = headrace.decode_json(b'{}', s)
x: str = r[0]['reason']
"""
    bad = """import headrace
headrace.Schema([1])
headrace.decode_json(7, None)
headrace.load('a')
headrace.Batch.num_rows = 3
"""
    (tmp_path / "good.py").write_text(good)
    (tmp_path / "bad.py").write_text(bad)
    run("mypy", "--strict", str(tmp_path / "good.py"))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "bad.py")],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    for line in (2, 3, 4, 5):
        assert f"bad.py:{line}: error" in done.stdout


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "python/headrace/py.typed").exists()
