"""The extension under ASan and UBSan inside Python, running the tests of decoding, Arrow, COPY, schemas, threads and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.python.test_faults import LIBRARIES, ROOT, run

# all that need no server and no other compiler: HEADRACE_SANITIZE_ALL=1
CHOSEN = ["test_decode.py", "test_schema_batch.py", "test_arrow.py", "test_parallel.py", "test_hash.py"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package headrace as it is here, but for the module, which is built with the sanitizers."""
    folder = tmp_path_factory.mktemp("sanitized")
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-fPIC", "-pthread", *SANITIZE, f"-I{ROOT / 'csrc'}"]
    flags += [f"-I{sysconfig.get_paths()['include']}", *run("pkg-config", "--cflags", *LIBRARIES).split()]

    def compile_one(source: Path) -> Path:
        target = folder / f"{'-'.join(source.relative_to(ROOT).with_suffix('').parts)}.o"
        run("gcc", *flags, '-DHR_VERSION="0"', "-c", source, "-o", target)
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, (ROOT / "csrc").rglob("*.c")))
    (folder / "headrace").mkdir()
    for path in (ROOT / "python/headrace").iterdir():
        if not path.name.startswith("_headrace.cpython"):
            (folder / "headrace" / path.name).symlink_to(path)
    module = folder / "headrace" / f"_headrace{sysconfig.get_config_var('EXT_SUFFIX')}"
    libraries = [*run("pkg-config", "--libs", *LIBRARIES).split(), "-lm", "-pthread"]
    run("gcc", "-shared", *SANITIZE, *objects, "-o", module, *libraries)
    return folder


@pytest.mark.slow
def test_nothing_is_found(package: Path) -> None:
    everything = os.environ.get("HEADRACE_SANITIZE_ALL") == "1"
    chosen = ["-m", "not airflow and not slow"] if everything else []
    files = ["tests/python"] if everything else [f"tests/python/{name}" for name in CHOSEN]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-o",
            f"pythonpath=. {package}",
            *chosen,
            *files,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=1500,
        env=os.environ
        | {
            "LD_PRELOAD": run("gcc", "-print-file-name=libasan.so").strip(),
            "PYTHONMALLOC": "malloc",  # each object by itself, so that its bounds are seen
            # the interpreter and other extensions keep what they have at the end; leaks are test_faults' and test_refleaks'
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        },
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    assert " passed" in done.stdout
    assert "ERROR: AddressSanitizer" not in done.stdout + done.stderr
    assert "runtime error:" not in done.stdout + done.stderr
