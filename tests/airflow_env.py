"""Airflow for tests that import it: a home of this test session's own, made before the first import.

Airflow reads its configuration once, when it is imported; so every test module that needs it imports this
module first, and all share one home.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from stack.paths import ROOT

HOME = Path(tempfile.mkdtemp(prefix="headrace-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

DAGS = HOME / "dags"
"""The DAGs of the checkout and those of tests/real/dags."""


def link_dags(folder: Path) -> None:
    """Make a folder with links to all DAG files."""
    folder.mkdir()
    for path in [*(ROOT / "dags").glob("*.py"), *(ROOT / "tests/real/dags").glob("*.py")]:
        (folder / path.name).symlink_to(path)


link_dags(DAGS)

if "airflow" in sys.modules:
    raise ImportError(
        "import tests.airflow_env before anything of airflow, so that it gets its own AIRFLOW_HOME"
    )

for _name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[_name]
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "0",  # it would take SIGALRM away from pytest's own timeout
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__API__BASE_URL": "http://airflow.example.org",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    }
)


@contextmanager
def own_signals() -> Iterator[None]:
    """Give the handlers back that a task run in this process has replaced: SIGTERM must end the tests again."""
    numbers = (signal.SIGTERM, signal.SIGSEGV, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@cache
def migrate() -> None:
    """Make the metadata database, once a session; 10 to 20 s."""
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=HOME,
    )
