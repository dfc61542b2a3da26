"""A server that restarts, starts up or is not there: short absences are waited for, longer ones can be tried again."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import headrace
import psycopg
import pytest

from stack import ports, postgres
from tests.faults import balance
from tests.real.load_kit import execute, one

pytestmark = pytest.mark.real

COUNT = 8000
TABLE = (
    "CREATE TABLE public.t (id integer NOT NULL CHECK (id <> 7));"
    "CREATE FUNCTION public.doze() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END';"
    "CREATE TRIGGER doze BEFORE INSERT ON public.t FOR EACH ROW WHEN (NEW.id % 100 = 0) EXECUTE FUNCTION public.doze()"
)
"""Every batch takes a little, so that there is a middle."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    """A server to stop and kill, whose commits do not wait for its disk and reach it late."""
    late = {"wal_writer_delay": "10s", "wal_writer_flush_after": "100MB"}
    with postgres.Server(tmp_path_factory.mktemp("own"), durable=False, keep=False, settings=late) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"id": number}) + "\n" for number in range(COUNT)))
    return str(file)


def load(path: str, dsn: str, **settings: Any) -> headrace.Receipt:
    return headrace.load(path, "public.t", dsn=dsn, job="away", batch_records=100, workers=1, **settings)


def check(dsn: str, **expected: Any) -> balance.Books:
    return balance.check(dsn, "away", "public.t", key="id", dense=False, **expected)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_restarted_in_the_middle(end: str, own: postgres.Server, path: str) -> None:
    """Stopped the fast way: the load goes on when it is back. Killed so that it has to recover: the same, or, when the
    crash took the last commits with it, the run says so and the next one loads their records again.
    """
    own.create_database(end)
    dsn = own.dsn(end)
    execute(dsn, TABLE)
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(
            load, path, dsn, progress=lambda progress: begun.set() if progress.loaded > 0 else None
        )
        assert begun.wait(60)
        getattr(own, end)()
        assert not loading.done()
        own.start()  # not in the other thread: the server would end with it
        if end == "stop":
            loading.result(90)
        elif loading.exception(90) is not None:
            assert isinstance(loading.exception(), headrace.RetriableError), loading.exception()
            assert "came back without its last commits" in str(loading.exception())
            check(dsn)
            load(path, dsn)
    check(dsn, expected=range(COUNT), rejected=[7])
    own.drop_database(end)


def test_a_server_that_stays_away_is_retriable_and_named(own: postgres.Server, path: str) -> None:
    own.create_database("gone")
    dsn = own.dsn("gone")
    execute(dsn, TABLE)
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(
            load, path, dsn, progress=lambda progress: begun.set() if progress.loaded > 0 else None
        )
        assert begun.wait(60)
        own.stop()
        try:
            with pytest.raises(headrace.RetriableError, match="cannot connect to PostgreSQL") as caught:
                loading.result(90)
            assert str(own.port) in str(caught.value)
            with pytest.raises(headrace.RetriableError, match="Connection refused"):
                load(path, dsn)
        finally:
            own.start()
    before = check(dsn)
    assert 0 < before.rows < COUNT
    load(path, dsn)
    check(dsn, expected=range(COUNT), rejected=[7])
    states = {state for (state,) in psycopg.connect(dsn).execute("SELECT state FROM headrace.receipts")}
    assert states == {"interrupted", "succeeded"}
    own.drop_database("gone")


class Gate:
    """A port before a server that first refuses `times` sessions, as a server does that is starting up."""

    def __init__(self, server: postgres.Server, state: str, words: str) -> None:
        self.refused = 0
        self.times = 0
        self._server = server
        fields = f"SВАЖНО\0VFATAL\0C{state}\0M{words}\0Fpostmaster.c\0L1\0RProcessStartupPacket\0\0".encode()
        self._answer = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields
        self._listener = socket.create_server((ports.LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if self.refused < self.times:
                self.refused += 1
                while (
                    len(client.recv(8, socket.MSG_PEEK)) == 8
                    and client.recv(4, socket.MSG_PEEK) == b"\0\0\0\x08"
                ):
                    client.recv(8)  # asks for encryption
                    client.sendall(b"N")
                client.recv(65536)
                client.sendall(self._answer)
                return
            with socket.create_connection((ports.LOOPBACK, self._server.port)) as upstream:
                back = threading.Thread(target=self._pump, args=(upstream, client), daemon=True)
                back.start()
                self._pump(client, upstream)
                back.join()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def dsn(self, database: str) -> str:
        return psycopg.conninfo.make_conninfo(
            host=ports.LOOPBACK,
            port=self.port,
            user=postgres.USER,
            password=self._server.password,
            dbname=database,
        )

    def close(self) -> None:
        self._listener.close()


REFUSALS = {
    "starting up": ("57P03", "система баз данных запускается", True),
    "shutting down": ("57P03", "система баз данных останавливается", True),
    "in recovery": ("57P03", "система баз данных в режиме восстановления", True),
    "too many clients": ("53300", "извините, уже слишком много клиентов", True),
    "wrong password": ("28P01", "пользователь не прошёл проверку подлинности", False),
    "no such database": ("3D000", "база данных не существует", False),
    "not let in by pg_hba.conf": ("28000", "в pg_hba.conf нет записи", False),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_known_by_its_state_in_any_language(
    name: str, pg: postgres.Server, database: str, dsn: str, path: str
) -> None:
    """At the start of a run it is told at once; in the middle, what passes by is waited for."""
    state, words, passing = REFUSALS[name]
    execute(dsn, TABLE)
    headrace.migrations.apply(dsn)
    gate = Gate(pg, state, words)
    try:
        gate.times = 1
        with pytest.raises(headrace.HeadraceError, match=words) as caught:
            load(path, gate.dsn(database))
        assert isinstance(caught.value, headrace.RetriableError) == passing
        assert caught.value.sqlstate == state
        assert state not in str(caught.value)
        assert "LOCATION" not in str(caught.value).upper()
        assert one(dsn, "SELECT count(*) FROM headrace.receipts") == 0
        done = False

        def cut(progress: headrace.Progress) -> None:
            nonlocal done
            if progress.loaded > 0 and not done:
                done = True
                gate.refused, gate.times = 0, 2
                execute(
                    dsn,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headrace'"
                    " AND datname = current_database() AND pid <> pg_backend_pid()",
                )

        if passing:
            load(path, gate.dsn(database), progress=cut)
            assert gate.refused == 2
        else:
            with pytest.raises(headrace.FatalError, match=words):
                load(path, gate.dsn(database), progress=cut)
            gate.times = 0  # how many connections the failed run tried is not the point
            check(dsn)
            load(path, gate.dsn(database))
        check(dsn, expected=range(COUNT), rejected=[7])
    finally:
        gate.close()
