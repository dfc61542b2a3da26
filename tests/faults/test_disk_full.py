"""A server whose disk is full: the load waits a little, then fails so that it can be tried again; nothing is half done.

The disk is a small tmpfs that only this server sees: it is mounted in a user and mount namespace of its own, which
needs no rights. Where the machine forbids that, `sudo -n mount` does it.
"""

from __future__ import annotations

import json
import pwd
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import headrace
import pytest
from headrace.embedded import postgresql

from stack import postgres
from stack.process import Process, start, wait_until
from tests.faults import balance
from tests.real.load_kit import execute, one

pytestmark = pytest.mark.real

DISK = 24
"""MB of the disk."""
BALLAST = 17
"""MB of it that a table takes until a test drops it."""
COUNT = 30_000
OF_ITS_OWN = ("unshare", "--user", "--map-current-user", "--keep-caps", "--mount")
MOUNT = f'mount -t tmpfs -o size={DISK}m,mode=0700 tmpfs "$0"'


def namespaces_allowed(user: str | None, place: Path) -> bool:
    """Whether this user may mount in a namespace of its own."""
    probe = subprocess.run(
        [*OF_ITS_OWN, "sh", "-c", MOUNT, place], capture_output=True, check=False, user=user
    )
    return probe.returncode == 0


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[postgres.Server, Path]]:
    """A server of our own, and where its small disk is mounted."""
    made: list[Path] = []
    mounted: list[Path] = []

    def start_with_disk(name: str, command: list[str | Path], **settings: Any) -> Process:
        user = settings.get("user")
        place = Path(settings["cwd"]) / "small"
        place.mkdir(exist_ok=True)
        if user is not None:
            account = pwd.getpwnam(user)
            place.chmod(0o755)
            subprocess.run(["chown", f"{account.pw_uid}:{account.pw_gid}", place], check=True)
        made.append(place)
        if not namespaces_allowed(user, place):
            owner = place.stat()
            options = f"size={DISK}m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
            subprocess.run(["sudo", "-n", "mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
            mounted.append(place)
            return start(name, command, **settings)
        # a new namespace makes the kernel forget with whom the server is to end
        inside = f'{MOUNT} && exec setpriv --pdeathsig INT --ambient-caps -all -- "$@"'
        return start(name, [*OF_ITS_OWN, "sh", "-c", inside, place, *command], **settings)

    server = postgres.Server(tmp_path_factory.mktemp("small"), durable=False, keep=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgresql, "start", start_with_disk)
        try:
            server.start()
            yield server, made[0]
        finally:
            server.stop()
            for place in mounted:
                subprocess.run(["sudo", "-n", "umount", place], check=True)
            server.destroy()


@pytest.fixture
def target(small: tuple[postgres.Server, Path]) -> Iterator[str]:
    """A database with table t on the small disk, beside a ballast; its connection string."""
    server, place = small
    server.create_database("full")
    dsn = server.dsn("full")
    headrace.migrations.apply(dsn)
    execute(dsn, f"CREATE TABLESPACE small LOCATION '{place}'") if not _has_disk(dsn) else None
    execute(
        dsn,
        "CREATE TABLE public.t (id integer PRIMARY KEY USING INDEX TABLESPACE small, note text CHECK (note <> 'bad'))"
        " TABLESPACE small;"
        "CREATE TABLE public.ballast (body text) TABLESPACE small;"
        "ALTER TABLE public.ballast ALTER body SET STORAGE EXTERNAL;"
        f"INSERT INTO public.ballast SELECT repeat('x', 1048576) FROM generate_series(1, {BALLAST})",
    )
    yield dsn
    server.drop_database("full")


def _has_disk(dsn: str) -> bool:
    return bool(one(dsn, "SELECT count(*) FROM pg_tablespace WHERE spcname = 'small'"))


@pytest.fixture
def path(tmp_path: Path) -> str:
    """About 10 MB of rows: more than the disk has beside the ballast, less than without it."""
    file = tmp_path / "rows.jsonl"
    with file.open("w") as out:
        for number in range(COUNT):
            note = "bad" if number % 1000 == 7 else f"{number:0250}"
            out.write(json.dumps({"id": number, "note": note}) + "\n")
    return str(file)


REJECTED = range(7, COUNT, 1000)


def load(path: str, dsn: str, **settings: Any) -> headrace.Receipt:
    return headrace.load(
        path, "public.t", dsn=dsn, job="full", **{"batch_records": 2000, "workers": 1, **settings}
    )


def check(dsn: str, **expected: Any) -> balance.Books:
    return balance.check(dsn, "full", "public.t", key="id", dense=False, **expected)


def test_a_full_disk_is_retriable_and_the_next_run_goes_on(target: str, path: str) -> None:
    with pytest.raises(headrace.RetriableError, match="No space left on device") as caught:
        load(path, target)
    assert caught.value.sqlstate == "53100"
    assert caught.value.receipt is not None
    books = check(target)
    assert 0 < books.rows < COUNT
    assert caught.value.receipt.loaded == books.loaded
    execute(target, "DROP TABLE public.ballast")
    load(path, target)
    check(target, expected=range(COUNT), rejected=REJECTED)


def test_space_made_in_time_lets_the_run_go_on(
    small: tuple[postgres.Server, Path], target: str, path: str
) -> None:
    """The batch that found no space is sent again some times, each after a longer pause."""
    log = small[0].folder / "postgres.log"
    before = log.read_bytes().count(b"No space left on device")
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, path, target)
        met = wait_until(
            lambda: log.read_bytes().count(b"No space left on device") > before or loading.done(), 60
        )
        execute(target, "DROP TABLE public.ballast")
        receipt = loading.result(60)
    assert met
    assert log.read_bytes().count(b"No space left on device") > before
    assert receipt.rejected == len(REJECTED)
    check(target, expected=range(COUNT), rejected=REJECTED)


def test_a_full_disk_in_the_middle_of_a_merge(target: str, path: str) -> None:
    with pytest.raises(headrace.RetriableError, match="No space left on device"):
        load(path, target, mode="upsert")
    check(target)
    execute(target, "DROP TABLE public.ballast")
    load(path, target, mode="upsert")
    check(target, expected=range(COUNT), rejected=REJECTED)
