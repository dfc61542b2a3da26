"""The notebooks of notebooks/, run cell by cell in a kernel as a person would, with servers that they start themselves;
and a kernel that is interrupted, and ended, in the middle of a load.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from stack.paths import ROOT
from stack.ports import answers
from stack.process import wait_until

pytestmark = [pytest.mark.real, pytest.mark.slow]

NOTEBOOKS = {
    "load": {
        "read": 200000,
        "loaded": 199591,
        "rejected": 409,
        "read again": 0,
        "rows": 199591,
        "weeks": 8,
    },
    "partition": {"rows": 50000, "weeks": 8, "amount over 100": 17746, "as in the database": True},
    "hash": {"customers": 20000, "loaded": 20000, "equal to the server's": 20000, "differences": 0},
    "window": {
        "frames": 120000,
        "minutes": 41,
        "as the truth has it": True,
        "late": 215,
        "visits": 35746,
    },
}
"""What the last cell of each says."""

PATIENCE = 200


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels import what this process imports."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")


def test_every_notebook_is_run() -> None:
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_is_committed(name: str) -> None:
    """No outputs, no counts, no paths of anybody's machine."""
    path = ROOT / "notebooks" / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert not re.search(r"/(home|root|work|tmp|Users)/", path.read_text())


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook(name: str, tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    client = NotebookClient(
        notebook, timeout=PATIENCE, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    kinds = {output.output_type for output in outputs}
    assert "error" not in kinds
    assert not [output.text for output in outputs if output.get("name") == "stderr"], (
        "warnings are for people too"
    )
    last = notebook.cells[-1].outputs[-1]["data"]["text/plain"]
    assert ast.literal_eval(last) == NOTEBOOKS[name]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == {"load": 1, "partition": 1, "hash": 0, "window": 2}[name]
    bars = [output for output in outputs if "<progress" in output.get("data", {}).get("text/html", "")]
    assert len(bars) == {"load": 2, "partition": 1, "hash": 1, "window": 0}[name]
    assert [bar["data"]["text/html"] for bar in bars if "100%" not in bar["data"]["text/html"]] == []
    assert list(tmp_path.iterdir()) == [], "a notebook leaves nothing behind"


class Kernel:
    """A kernel of our own, and what it printed last."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client
        self.error: dict[str, Any] | None = None

    def run(self, code: str, interrupt_at_update: int = 0) -> str:
        """Run a cell; its result as text. self.error is what went wrong. The kernel is interrupted when a displayed
        thing has changed so many times.
        """
        self.error = None
        result: list[str] = []
        updates = 0

        def look(message: dict[str, Any]) -> None:
            nonlocal updates
            content = message["content"]
            if message["msg_type"] == "execute_result":
                result.append(content["data"]["text/plain"])
            elif message["msg_type"] == "error":
                self.error = content
            elif message["msg_type"] == "update_display_data":
                updates += 1
                if updates == interrupt_at_update:
                    self.manager.interrupt_kernel()

        self.client.execute_interactive(code, output_hook=look, timeout=PATIENCE)
        assert updates >= interrupt_at_update, "the cell ended before it could be interrupted"
        return "".join(result)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


BEGIN = """
import headrace, headrace.embedded
server = headrace.embedded.postgres()
dsn = server.database("shop")
with headrace.Connection(dsn) as database:
    database.script("create table t (purchase_id bigint, amount numeric(12,2), purchased_at timestamptz)")
made = headrace.generate("purchases", 600_000, "p.jsonl")
(server.port, server.process.pid, str(server.folder))
"""
COUNTS = """
with headrace.Connection(dsn) as database:
    ((rows, different),) = database.query("select count(*), count(distinct purchase_id) from t")
(int(rows), int(different))
"""
LOAD = 'headrace.load("p.jsonl", "public.t", dsn=dsn, progress=True, workers=1, batch_records=1000).state'


def has_ended(pid: int) -> bool:
    """Whether the process has ended, though nobody may have asked how."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_an_interrupted_kernel(kernel: Kernel, tmp_path: Path) -> None:
    """The load stops, what is committed stays, the next cell goes on; and the server ends with the kernel."""
    port, pid, folder = ast.literal_eval(kernel.run(BEGIN))
    assert kernel.error is None, kernel.error

    kernel.run(LOAD, interrupt_at_update=1)
    assert kernel.error
    assert kernel.error["ename"] == "KeyboardInterrupt"
    rows, different = ast.literal_eval(kernel.run(COUNTS))
    assert rows == different < 600_000
    assert rows % 1000 == 0, "batches are whole"

    assert kernel.run(LOAD) == "'succeeded'"
    assert ast.literal_eval(kernel.run(COUNTS)) == (600_000, 600_000)

    kernel.run('headrace.load("p.jsonl", "public.nothing", dsn=dsn)')
    assert kernel.error
    assert kernel.error["ename"] == "SchemaError"
    assert len(kernel.error["traceback"]) == 2
    assert kernel.error["traceback"][0].startswith('this cell, line 1: headrace.load("p.jsonl"')
    assert "nothing" in kernel.error["traceback"][1]

    assert answers(port)
    os.kill(kernel.manager.provisioner.pid, 9)  # type: ignore[union-attr]
    assert wait_until(lambda: not answers(port), 30), "the server outlived the kernel"
    assert wait_until(lambda: has_ended(pid), 30)
    shutil.rmtree(folder)  # nobody was left to do it


def test_servers_and_their_folders_end_with_the_kernel(kernel: Kernel) -> None:
    """Shut down in the orderly way, a kernel leaves nothing of servers that have no folder of their own."""
    port, _, folder = ast.literal_eval(kernel.run(BEGIN))
    assert Path(folder).exists()
    kernel.client.shutdown()
    end = time.monotonic() + 60
    while kernel.manager.is_alive() and time.monotonic() < end:
        time.sleep(0.1)
    assert not answers(port)
    assert not Path(folder).exists()
