"""A proxy on loopback that cuts the wire at a step it recognises in what goes over it.

It understands the messages of PostgreSQL's protocol (version 3) in both directions, and the frames of Kafka's, so
the unchanged production program is stopped at each named step of its work: STEPS has them, one line each.

    with Wire("127.0.0.1", pg.port, terminate=...) as wire:
        wire.arm(Fault("commit", "before", "cut"))
        headrace.load(..., dsn=wire.dsn(pg, database))
        assert wire.fired

One thread does everything, so what happens at a step has happened before the next byte moves.
"""

from __future__ import annotations

import heapq
import itertools
import os
import re
import selectors
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

import psycopg.conninfo

from stack import ports, postgres

Side = Literal["client", "server"]
Moment = Literal["before", "half", "after"]
Action = Literal["kill", "cut", "fin", "client", "server", "late", "terminate", "hold"]


@dataclass(frozen=True)
class Step:
    """A place in the work, as it is seen on the wire.

    side: who sends the message; kind: its letter or letters; text: what stands in a statement;
    after: a step that came earlier in the same transaction; to: the step that this is the server's answer to, or that
    began the COPY which this belongs to.
    """

    name: str
    side: Side
    kind: str
    text: str = ""
    after: str = ""
    to: str = ""


STEPS: tuple[Step, ...] = (
    Step("startup", "client", "startup"),
    Step("authenticated", "server", "K"),
    Step("settings", "client", "QP", "SET datestyle"),
    Step("migrations", "client", "QP", "headrace.migrations"),
    Step("describe", "client", "QP", "row_security_active"),
    Step("receipt opened", "client", "QP", "INSERT INTO headrace.receipts "),
    Step("take", "client", "QP", "INSERT INTO headrace.offsets AS o"),
    Step("taken", "server", "C", to="take"),
    Step("take commit", "client", "Q", "^COMMIT", after="take"),
    Step("take committed", "server", "C", "^COMMIT", to="take commit"),
    Step("partitions read", "client", "QP", "pg_get_expr\\(c.relpartbound"),
    Step("partition lock", "client", "QP", "SAVEPOINT headrace_partition; SELECT pg_catalog.pg_advisory"),
    Step("partition", "client", "QP", "ATTACH PARTITION"),
    Step("partition made", "server", "Z", to="partition"),
    Step("stage", "client", "QP", "CREATE TEMP TABLE headrace_stage"),
    Step("begin", "client", "QP", "^BEGIN; LOCK TABLE"),
    Step("begun", "server", "D", to="begin"),
    Step("letters", "client", "QP", "COPY headrace.dead_letters"),
    Step("letters data", "client", "d", to="letters"),
    Step("letters done", "client", "c", to="letters"),
    Step("copy", "client", "QP", "^COPY "),
    Step("copy begun", "server", "G", to="copy"),
    Step("copy data", "client", "d"),
    Step("copy done", "client", "c"),
    Step("copied", "server", "C", "^COPY", to="copy done"),
    Step("merge", "client", "QP", "FROM pg_temp.headrace_stage"),
    Step("window undone", "client", "QP", "^ROLLBACK TO SAVEPOINT headrace_window"),
    Step("window", "client", "QP", "SAVEPOINT headrace_window"),
    Step("batch kept", "client", "QP", "^RELEASE SAVEPOINT headrace_batch"),
    Step("advance", "client", "QP", "UPDATE headrace.offsets o SET next_offset"),
    Step("advanced", "server", "C", to="advance"),
    Step("commit", "client", "Q", "^COMMIT", after="advance"),
    Step("committed", "server", "C", "^COMMIT", to="commit"),
    Step("answered", "server", "Z", to="commit"),
    Step("partition commit", "client", "Q", "^COMMIT", after="partition"),
    Step(
        "resolve", "client", "QP", "SET generation = o.generation \\+ 1, updated_at = now\\(\\) FROM unnest"
    ),
    Step("resolved", "server", "C", to="resolve"),
    Step("rollback", "client", "Q", "^ROLLBACK$"),
    Step("finish", "client", "QP", "SET state = \\$2"),
    Step("finished", "server", "C", to="finish"),
)
"""The first that fits names a message, so the special stand before the general."""

KAFKA_STEPS: dict[int, str] = {0: "produce", 1: "fetch", 2: "list offsets", 3: "metadata", 18: "versions"}
"""Names of Kafka's requests by their number; the answer to a request is "... answer"."""

NAMES = frozenset(step.name for step in STEPS)
_KAFKA_NAMES = frozenset(f"{name}{end}" for name in KAFKA_STEPS.values() for end in ("", " answer"))
_TESTS = [(step, re.compile(step.text.encode())) for step in STEPS]
_LETTERS = {step.name: "" if step.kind == "startup" else step.kind for step in STEPS}
_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_RESET = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class Fault:
    """What is done at the `nth` message of a step ("*": at any message).

    when: the message is not passed on ("before"), half of it ("half"), or all of it ("after") when it is done.
    do: kill       the worker (the wire's `kill`), and nothing that it sent later is passed on
        cut, fin   both connections end, by a reset or in the orderly way
        client     the client's connection is reset; the server learns of it `seconds` later
        server     the server's connection is reset; the client learns of it `seconds` later
        late       the client's connection is reset; `seconds` later the server gets what the client had sent
        terminate  the server ends the session (pg_terminate_backend), then the message goes on
        hold       the message waits for release(), at most `seconds`
    times: at how many messages in a row of such.
    """

    step: str
    when: Moment
    do: Action
    nth: int = 1
    seconds: float = 0.3
    times: int = 1
    fired: threading.Event = field(default_factory=threading.Event, repr=False)
    _seen: int = field(default=0, repr=False)

    def meets(self, step: str) -> bool:
        """Whether it is time, counting this message."""
        if self.step not in ("*", step) or self.times <= 0:
            return False
        self._seen += 1
        if self._seen < self.nth:
            return False
        self.times -= 1
        return True


class _End:
    """One socket of a pair, and what waits to be read from it or written to it."""

    def __init__(self, sock: socket.socket, side: Side, pair: _Pair) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.side = side
        self.pair = pair
        self.coming = bytearray()
        self.going = bytearray()
        self.held = False  # nothing that came is passed on for now
        self.deaf = False  # nothing that comes is passed on any more
        self.ended = False  # the other side has closed
        self.closed = False
        self.closing = False  # close when `going` is empty
        self.fault: Fault | None = None  # that holds this end
        self.kept = 0  # bytes at the start of `coming` that have met their fault already


class _Pair:
    """A client's connection, and ours to the server in its name."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = _End(client, "client", self)
        self.server = _End(server, "server", self)
        self.started = False
        self.backend = 0
        self.last = ""  # the client's last step
        self.copying = ""  # the step that began the COPY
        self.prepared: dict[bytes, bytes] = {}  # statements by their names
        self.trail: set[str] = set()  # the client's steps since the transaction began
        self.asked: dict[int, str] = {}  # Kafka: requests without an answer yet

    def other(self, end: _End) -> _End:
        return self.server if end is self.client else self.client


def _statement(pair: _Pair, kind: str, body: bytes) -> tuple[str, bytes]:
    """The kind and text that tell the step of a Parse or a Bind. A prepared statement is at its step when it is run, so
    its Parse is kept, and tells nothing.
    """
    first, _, rest = body.partition(b"\0")
    if kind == "P":
        if not first:
            return "P", rest
        pair.prepared[first] = rest
        return "prepare", b""
    name = rest.partition(b"\0")[0]
    return ("P", pair.prepared[name]) if name else ("B", b"")


class Wire:
    """The proxy: listens at `port`, passes on to host:to.

    kind: "postgres", "kafka", or "bytes" for anything (each piece that arrives is a message of step "bytes").
    kill: what the action "kill" calls; terminate: what "terminate" calls with the number of the server's process.
    """

    def __init__(
        self,
        host: str,
        to: int,
        *,
        kind: Literal["postgres", "kafka", "bytes"] = "postgres",
        port: int = 0,
        kill: Callable[[], object] | None = None,
        terminate: Callable[[int], object] | None = None,
    ) -> None:
        self._address = (host, to)
        self._kind = kind
        self.kill = kill
        self.terminate = terminate
        self._listener = socket.create_server((ports.LOOPBACK, port), backlog=128)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._pairs: set[_Pair] = set()
        self._faults: list[Fault] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._orders: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._wake_in, self._wake_out = os.pipe()
        self._stop = False
        self._refusing = False
        self._problem: BaseException | None = None
        self.seen: Counter[str] = Counter()
        """How many messages of each step went by since the last arm()."""
        self.log: list[str] = []
        """The steps in the order they came, since the last arm()."""
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)

    # -- for tests

    def dsn(self, server: postgres.Server, database: str, **parts: str) -> str:
        """A connection string of that database through this wire, with the password in it; `parts` are added or
        put in place of its own.
        """
        whole = {"host": ports.LOOPBACK, "port": str(self.port), "user": postgres.USER, "dbname": database}
        return psycopg.conninfo.make_conninfo("", **{**whole, "password": server.password, **parts})

    def arm(self, *faults: Fault) -> None:
        """Forget the faults so far and wait for these."""
        names = NAMES | {"*", "message"} if self._kind == "postgres" else _KAFKA_NAMES | {"*", "bytes"}
        for fault in faults:
            assert fault.step in names, f"no step is called {fault.step!r}"
        self._order(lambda: self._rearm(list(faults)))

    def _rearm(self, faults: list[Fault]) -> None:
        self._faults = faults
        self.seen.clear()
        self.log.clear()

    def release(self, fault: Fault) -> None:
        """Let the message go on that the fault holds."""

        def go() -> None:
            for pair in list(self._pairs):
                self._resume(pair.client, fault)
                self._resume(pair.server, fault)

        self._order(go)

    def refuse(self, refusing: bool = True) -> None:
        """Reset new connections at once, or take them again."""

        def do() -> None:
            self._refusing = refusing

        self._order(do)

    def ports(self) -> list[tuple[int, int]]:
        """For each connection the client's port, and ours towards the server."""
        found: list[tuple[int, int]] = []

        def look() -> None:
            for pair in self._pairs:
                if not pair.client.closed and not pair.server.closed:
                    found.append((pair.client.sock.getpeername()[1], pair.server.sock.getsockname()[1]))

        self._order(look)
        return found

    def cut_all(self) -> None:
        """Reset all connections now."""

        def do() -> None:
            for pair in list(self._pairs):
                self._reset_pair(pair)

        self._order(do)

    def __enter__(self) -> Wire:
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._selector.register(self._wake_in, selectors.EVENT_READ, None)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            self._order(self._end)
        self._thread.join(10)
        if self._problem is not None and error is None:
            raise self._problem

    def _order(self, what: Callable[[], None]) -> None:
        """Have the proxy's thread do something; returns when it is done."""
        done = threading.Event()

        def do() -> None:
            what()
            done.set()

        with self._lock:
            self._orders.append(do)
        os.write(self._wake_out, b"x")
        if not done.wait(20):
            raise RuntimeError("the wire does not answer") from self._problem

    # -- the thread

    def _end(self) -> None:
        self._stop = True

    def _run(self) -> None:
        try:
            while not self._stop:
                patience = self._timers[0][0] - time.monotonic() if self._timers else None
                for key, mask in self._selector.select(None if patience is None else max(0, patience)):
                    self._serve(key, mask)
                while self._timers and self._timers[0][0] <= time.monotonic():
                    heapq.heappop(self._timers)[2]()
        except BaseException as error:
            self._problem = error
            raise
        finally:
            for pair in list(self._pairs):
                self._reset_pair(pair)
            self._listener.close()
            self._selector.close()
            os.close(self._wake_in)
            os.close(self._wake_out)

    def _serve(self, key: selectors.SelectorKey, mask: int) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif key.fileobj == self._wake_in:
            os.read(self._wake_in, 4096)
            with self._lock:
                orders, self._orders = self._orders, []
            for order in orders:
                order()
        else:
            end: _End = key.data
            if mask & selectors.EVENT_WRITE and not end.closed:
                self._flush(end)
            if mask & selectors.EVENT_READ and not end.closed:
                self._read(end)

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), what))

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        try:
            if self._refusing:
                raise ConnectionRefusedError
            server = socket.create_connection(self._address, 5)
        except OSError:  # what a client sees when the server is not there
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            client.close()
            return
        pair = _Pair(client, server)
        self._pairs.add(pair)
        for end in (pair.client, pair.server):
            self._selector.register(end.sock, selectors.EVENT_READ, end)

    def _watch(self, end: _End) -> None:
        """Wait for what this end can be waited for now."""
        if end.closed:
            return
        other = end.pair.other(end)
        reading = not end.ended and not end.held and len(other.going) < 1 << 20
        events = (selectors.EVENT_READ if reading else 0) | (selectors.EVENT_WRITE if end.going else 0)
        if end.sock in self._selector.get_map():
            if events:
                self._selector.modify(end.sock, events, end)
            else:
                self._selector.unregister(end.sock)
        elif events:
            self._selector.register(end.sock, events, end)

    def _read(self, end: _End) -> None:
        try:
            piece = end.sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            end.ended = True
        if end.deaf:
            end.coming.clear()
        else:
            end.coming += piece
            self._take_apart(end)
        if end.ended and not end.closed and not end.held:
            self._ended(end)
        self._watch(end)

    def _ended(self, end: _End) -> None:
        """One side has closed: the other gets what is left of its words, and is closed as well."""
        other = end.pair.other(end)
        if not end.deaf:
            other.going += end.coming
        end.coming.clear()
        self._close(end)
        other.closing = True
        self._flush(other)

    def _flush(self, end: _End) -> None:
        if end.closed:
            return
        try:
            while end.going:
                sent = end.sock.send(end.going)
                del end.going[:sent]
        except BlockingIOError:
            pass
        except OSError:  # it has gone
            end.going.clear()
            end.ended = True
            self._ended(end)
        if end.closing and not end.going:
            self._close(end)
        self._watch(end)
        self._watch(end.pair.other(end))

    def _close(self, end: _End, reset: bool = False) -> None:
        if end.closed:
            return
        end.closed = True
        if end.sock in self._selector.get_map():
            self._selector.unregister(end.sock)
        if reset:
            end.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.sock.close()
        if end.pair.client.closed and end.pair.server.closed:
            self._pairs.discard(end.pair)

    def _reset_pair(self, pair: _Pair) -> None:
        self._close(pair.client, reset=True)
        self._close(pair.server, reset=True)

    # -- messages

    def _take_apart(self, end: _End) -> None:
        """Pass on every whole message that came; what is left waits for its rest."""
        while not end.held and not end.deaf and not end.closed:
            message = self._message(end)
            if message is None:
                break
            self._pass(end, message)

    def _message(self, end: _End) -> bytes | None:
        """The next whole message, taken out of what came; None when there is none."""
        coming, pair = end.coming, end.pair
        if self._kind == "bytes":
            size = len(coming)
        elif self._kind == "kafka" or (end.side == "client" and not pair.started):
            size = (
                struct.unpack_from("!I", coming)[0] + (4 if self._kind == "kafka" else 0)
                if len(coming) >= 4
                else 0
            )
        elif end.side == "server" and not pair.started:
            size = 0  # nothing is expected before the startup
        else:
            size = struct.unpack_from("!I", coming, 1)[0] + 1 if len(coming) >= 5 else 0
        if size == 0 or len(coming) < size:
            return None
        message = bytes(coming[:size])
        del coming[:size]
        return message

    def _pass(self, end: _End, message: bytes) -> None:
        """Pass a message on, unless a fault was waiting for it."""
        step = self._name(end, message)
        if step is None:
            return
        if step:
            self.seen[step] += 1
            self.log.append(step)
        for fault in self._faults:
            if fault.meets(step or "message"):
                self._strike(fault, end, message)
                break
        else:
            self._forward(end, message)

    def _forward(self, end: _End, message: bytes) -> None:
        other = end.pair.other(end)
        other.going += message
        self._flush(other)

    def _name(self, end: _End, message: bytes) -> str | None:
        """The step of a message, "" when it has no name, None when the message is answered here."""
        if self._kind == "bytes":
            return "bytes"
        if self._kind == "kafka":
            return self._kafka_name(end, message)
        pair = end.pair
        if end.side == "client" and not pair.started:
            return self._started(pair, message)
        kind, body = chr(message[0]), message[5:]
        if end.side == "client" and kind in "PB":
            kind, body = _statement(pair, kind, body)
        step = self._find(pair, end.side, kind, body)
        if end.side == "client":
            if step or kind in ("Q", "P"):
                pair.last = step
                pair.trail.add(step)
            if kind == "Q":
                pair.copying = step
        elif kind == "K":
            pair.backend = struct.unpack_from("!I", body)[0]
        elif kind == "Z":
            pair.last = ""
            if body == b"I":
                pair.trail.clear()
        return step

    def _started(self, pair: _Pair, message: bytes) -> str | None:
        """The step of a message before the protocol proper."""
        code = struct.unpack_from("!I", message, 4)[0]
        if code in (_SSL, _GSS):  # sslmode=prefer asks; here it is plain text
            pair.client.going += b"N"
            self._flush(pair.client)
            return None
        pair.started = True
        pair.last = "" if code == _CANCEL else "startup"
        return pair.last

    def _find(self, pair: _Pair, side: Side, kind: str, body: bytes) -> str:
        for step, pattern in _TESTS:
            if step.side != side or (
                step.kind != kind and (len(kind) > 1 or kind not in _LETTERS[step.name])
            ):
                continue
            if step.after and step.after not in pair.trail:
                continue
            if step.to and step.to != (pair.copying if side == "client" else pair.last):
                continue
            if not step.text or pattern.search(body):
                return step.name
        return ""

    def _kafka_name(self, end: _End, message: bytes) -> str:
        if end.side == "client":
            api, _, number = struct.unpack_from("!hhi", message, 4)
            name = KAFKA_STEPS.get(api, "")
            end.pair.asked[number] = name
            return name
        name = end.pair.asked.pop(struct.unpack_from("!i", message, 4)[0], "")
        return f"{name} answer" if name else ""

    # -- faults

    def _strike(self, fault: Fault, end: _End, message: bytes) -> None:
        """Do what the fault says with this message."""
        pair = end.pair
        other = pair.other(end)
        if fault.do in ("terminate", "hold"):
            self._disturb(fault, end, message)
            return
        if fault.do != "late" and fault.when != "before":
            self._forward(end, message if fault.when == "after" else message[: len(message) // 2])
        if fault.do == "kill":
            assert self.kill is not None
            self.kill()
            end.deaf = other.deaf = True
        elif fault.do == "cut":
            self._reset_pair(pair)
        elif fault.do == "fin":
            for one in (pair.client, pair.server):
                one.deaf = one.closing = True
                self._flush(one)
        elif fault.do in ("client", "server"):
            near, far = (pair.client, pair.server) if fault.do == "client" else (pair.server, pair.client)
            far.deaf = True
            self._close(near, reset=True)
            self._later(fault.seconds, lambda: self._close(far))
        else:
            self._delay(fault, end, message)
        fault.fired.set()

    def _delay(self, fault: Fault, end: _End, message: bytes) -> None:
        """The client is gone; what it had sent reaches the server later, then the server sees the end."""
        pair = end.pair
        assert end is pair.client, "only a client's message can be late"
        words = message
        try:
            while piece := pair.client.sock.recv(1 << 18):
                pair.client.coming += piece
        except OSError:
            pass
        words += bytes(pair.client.coming)
        self._close(pair.client, reset=True)
        pair.server.deaf = True

        def deliver() -> None:
            pair.server.going += words
            pair.server.closing = True
            self._flush(pair.server)

        self._later(fault.seconds, deliver)

    def _disturb(self, fault: Fault, end: _End, message: bytes) -> None:
        """End the server's session, or hold the message; the wire stays whole."""
        if fault.when == "after":
            self._forward(end, message)
        elif fault.when == "half":
            self._forward(end, message[: len(message) // 2])
            message = message[len(message) // 2 :]
        if fault.do == "terminate":
            assert self.terminate is not None
            self.terminate(end.pair.backend)
            if fault.when != "after":
                self._forward(end, message)
        else:
            if fault.when != "after":
                end.coming[:0] = message
            end.held, end.fault, end.kept = True, fault, len(message) if fault.when != "after" else 0
            self._watch(end)
            self._later(fault.seconds, lambda: self._resume(end, fault))
        fault.fired.set()

    def _resume(self, end: _End, fault: Fault) -> None:
        """Pass on the message that was held, and what came behind it."""
        if not end.held or end.fault is not fault or end.closed:
            return
        end.held = False
        message = bytes(end.coming[: end.kept])
        del end.coming[: end.kept]
        if message:
            self._forward(end, message)
        self._take_apart(end)
        if end.ended and not end.held:
            self._ended(end)
        self._watch(end)


def terminator(server: postgres.Server) -> Callable[[int], None]:
    """What a Wire calls to end a session of this server."""

    def terminate(backend: int) -> None:
        with server.connect() as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", (backend,))

    return terminate


def steps() -> Iterator[str]:
    """The names of all steps, in the order of the work."""
    return (step.name for step in STEPS)
