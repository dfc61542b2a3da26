"""Files that are damaged, change under way or cannot be read: an error that names the file and says what to do, nothing
of a broken record loaded, and the next run goes on.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import headrace
import psycopg
import pytest

from stack import postgres
from tests.faults import balance
from tests.real.load_kit import execute, one

pytestmark = pytest.mark.real

LINES = 20_000


def lines(first: int, last: int) -> bytes:
    return b"".join(b'{"id": %d, "note": "%0150d"}\n' % (n, n * n) for n in range(first, last))


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


@pytest.fixture
def target(dsn: str) -> str:
    execute(dsn, "CREATE TABLE t (id integer NOT NULL, note text)")
    headrace.migrations.apply(dsn)
    return dsn


def load(path: Path, dsn: str, **settings: object) -> headrace.Receipt:
    return headrace.load(str(path), "t", dsn=dsn, job="files", format="json", **settings)


def check(dsn: str, **expected: object) -> None:
    balance.check(dsn, "files", "t", key="id", dense=False, **expected)


WHOLE = lines(0, LINES)
DAMAGED: dict[str, tuple[Callable[[], bytes], bool, str]] = {
    # name: (bytes, whether a retry may help, what is said)
    "gzip cut in the middle": (lambda: gzip.compress(WHOLE)[:-100_000], True, "ends too early"),
    "gzip without its last byte": (lambda: gzip.compress(WHOLE)[:-1], True, "ends too early"),
    "gzip cut in its head": (lambda: gzip.compress(WHOLE)[:5], True, "ends too early"),
    "gzip, the second member cut": (
        lambda: gzip.compress(WHOLE) + gzip.compress(b"{}\n")[:-3],
        True,
        "ends too early",
    ),
    "gzip and something else": (lambda: gzip.compress(WHOLE) + b"something", False, "something else follows"),
    "gzip and a line": (lambda: gzip.compress(WHOLE) + b'{"id": 1}\n', False, "something else follows"),
    "gzip with a wrong sum": (lambda: gzip.compress(WHOLE)[:-8] + b"\0" * 8, False, "damaged"),
    "gzip with a hole": (
        lambda: (z := gzip.compress(WHOLE))[:1000] + bytes(500) + z[1500:],
        False,
        "damaged",
    ),
    "zstd cut": (lambda: zstd(WHOLE)[:-50_000], True, "ends too early"),
    "zstd without its last byte": (lambda: zstd(WHOLE)[:-1], True, "ends too early"),
    "zstd and something else": (lambda: zstd(WHOLE) + b"something", False, "damaged"),
    "zstd with a hole": (lambda: (z := zstd(WHOLE))[:1000] + bytes(500) + z[1500:], False, "damaged"),
    "xz": (lambda: b"\xfd7zXZ\0" + bytes(100), False, "compressed by xz"),
    "zip": (lambda: b"PK\3\4" + bytes(100), False, "compressed by zip"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named_and_nothing_of_it_is_loaded(name: str, target: str, tmp_path: Path) -> None:
    """Some damage makes other, good looking records: only the check sum at the end tells."""
    make, retriable, said = DAMAGED[name]
    path = tmp_path / "damaged.json"
    path.write_bytes(make())
    with pytest.raises(headrace.HeadraceError, match=said) as caught:
        load(path, target, batch_records=1000)
    assert isinstance(caught.value, headrace.RetriableError) == retriable
    assert str(path) in str(caught.value)
    check(target, expected=[])


@pytest.mark.parametrize("name", ["gzip cut in the middle", "zstd cut"])
def test_a_damaged_pipe_leaves_nothing(name: str, target: str) -> None:
    command = [sys.executable, "-m", "headrace", "load", "-", "t", "--dsn", target, "--job", "pipe", "--json"]
    done = subprocess.run(command, input=DAMAGED[name][0](), capture_output=True, check=False, timeout=60)
    assert done.returncode == 3, done.stderr
    assert b"standard input: the " in done.stderr
    assert one(target, "SELECT count(*) FROM t") == 0


@pytest.mark.parametrize("empty", [b"", b"\n\n\n", gzip.compress(b""), b"\xef\xbb\xbf"])
def test_an_empty_file_is_loaded_once(empty: bytes, target: str, tmp_path: Path) -> None:
    path = tmp_path / "empty.json"
    path.write_bytes(empty)
    receipt = load(path, target)
    assert (receipt.state, receipt.loaded, receipt.rejected) == ("succeeded", 0, 0)
    assert load(path, target).read == 0


def test_what_is_no_file_or_not_ours_to_read(
    pg: postgres.Server, database: str, target: str, tmp_path: Path
) -> None:
    with pytest.raises(headrace.FatalError, match=f"{tmp_path} is a folder: name the files in it"):
        load(tmp_path, target)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(headrace.FatalError, match="loop"):
        load(tmp_path / "loop", target)
    with pytest.raises(headrace.FatalError, match=r"missing\.json"):
        load(tmp_path / "missing.json", target)
    dsn = pg.uri(database)
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder:  # whoever may look at /tmp may look into it
        Path(folder).chmod(0o755)
        path = Path(folder) / "secret.json"
        path.write_bytes(b'{"id": 1}\n')
        path.chmod(0)
        if root:
            os.seteuid(65534)  # root may read everything
        try:
            with pytest.raises(headrace.FatalError, match=r"secret\.json: cannot open: Permission denied"):
                headrace.load([str(path)], "t", dsn=dsn)
        finally:
            if root:
                os.seteuid(0)
    assert one(target, "SELECT count(*) FROM headrace.receipts") == 0


@contextmanager
def held(path: Path, dsn: str, **settings: object) -> Iterator[list[object]]:
    """A load that has committed some batches, has read a little ahead and waits for a lock, until the block ends. The
    list then holds its receipt or its error.
    """
    result: list[object] = []

    def run() -> None:
        try:
            result.append(load(path, dsn, batch_records=500, workers=1, progress=lock, **settings))
        except headrace.HeadraceError as error:
            result.append(error)

    # every batch takes a little, so that there is a middle
    execute(
        dsn,
        "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END';"
        "CREATE TRIGGER doze BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id % 500 = 0) EXECUTE FUNCTION doze()",
    )
    locked = threading.Event()
    with psycopg.connect(dsn) as locker:

        def lock(progress: headrace.Progress) -> None:
            if progress.loaded > 0 and not locked.is_set():
                locker.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
                locked.set()

        thread = threading.Thread(target=run)
        thread.start()
        assert locked.wait(60), result
        time.sleep(0.3)  # so that it reads ahead as far as it can
        yield result
    thread.join(60)
    assert not thread.is_alive()


MANY = 60_000
"""Lines of a file so large that most of it is not read yet when the first batches are."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return lines(0, MANY)


def test_a_file_that_shrinks_is_an_error(large: bytes, target: str, tmp_path: Path) -> None:
    path = tmp_path / "shrinks.json"
    path.write_bytes(large)
    with held(path, target) as result:
        os.truncate(path, len(large) - len(large) // 10 - 7)
    assert isinstance(result[0], headrace.FatalError), result
    assert str(path) in str(result[0])
    assert "it was cut" in str(result[0])
    check(target)
    count = one(target, "SELECT count(*) FROM t")
    assert 0 < count < MANY
    assert one(target, "SELECT max(id) FROM t") == count - 1


def test_a_file_that_grows_is_read_as_it_was(large: bytes, target: str, tmp_path: Path) -> None:
    path = tmp_path / "grows.json"
    path.write_bytes(large)
    with held(path, target) as result, path.open("ab") as more:
        more.write(lines(MANY, MANY + 10))
    assert isinstance(result[0], headrace.Receipt), result
    check(target, expected=range(MANY))


def test_a_file_that_vanishes_is_read_to_its_end(large: bytes, target: str, tmp_path: Path) -> None:
    """An open file stays; one that was not opened yet is an error, and what was loaded stays loaded."""
    path, later = tmp_path / "1.json", tmp_path / "2.json"
    path.write_bytes(large)
    later.write_bytes(lines(MANY, MANY + 10))
    with held(tmp_path / "*.json", target) as result:
        path.unlink()
        later.unlink()
    assert isinstance(result[0], headrace.FatalError), result
    assert f"{later}: cannot open: No such file or directory" in str(result[0])
    check(target)
    path.write_bytes(large)
    later.write_bytes(lines(MANY, MANY + 10))
    assert load(tmp_path / "*.json", target).state == "succeeded"
    check(target, expected=range(MANY + 10))


def test_a_load_of_files_with_a_damaged_one_goes_on_when_it_is_mended(target: str, tmp_path: Path) -> None:
    """Files before it stay loaded, once; of the damaged one nothing is, so that its mended bytes double nothing."""
    paths = [tmp_path / f"{number}.json" for number in range(3)]
    whole = [gzip.compress(lines(5000 * number, 5000 * number + 5000)) for number in range(3)]
    for path, data in zip(paths, [whole[0], whole[1][:-9], whole[2]], strict=True):
        path.write_bytes(data)
    with pytest.raises(headrace.RetriableError, match=r"1\.json: the gzip data ends too early"):
        load(tmp_path / "*.json", target, batch_records=500, workers=1)
    check(target)
    assert one(target, "SELECT coalesce(max(id), 0) FROM t") < 5000
    paths[1].write_bytes(whole[1])
    load(tmp_path / "*.json", target)
    check(target, expected=range(15_000))
