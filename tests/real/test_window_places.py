"""Window jobs among others: empty and idle partitions, zombies, brokers that go away, tables, metrics, signals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import headrace
import pyarrow as pa
import pytest
from headrace.errors import FatalError, UsageError

from stack import kafka
from tests.real import window_kit as kit
from tests.real.load_kit import execute, rows


@pytest.fixture
def place(broker: kafka.Broker, new_topic: Callable[..., str], tmp_path: Path) -> kit.Place:
    """A job that no other test has."""
    return kit.Place(broker.bootstrap, new_topic(1), tmp_path, new_topic)


def frame(second: int, uid: int = 1, **more: Any) -> bytes:
    """A frame so many seconds after the start."""
    return json.dumps({"ts": kit.START + second, "uid": uid, **more}).encode()


def wait_for(look: Callable[[], Any], patience: float = 30) -> Any:
    """Look until there is something."""
    end = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)
    return found


def minutes(place: kit.Place) -> list[tuple[str, int]]:
    """(HH:MM, users) of the final results, in order of time."""
    return sorted((row["window_start"][11:16], row["users"]) for row in place.results() if row["final"])


def test_an_empty_topic_gives_nothing(place: kit.Place) -> None:
    """With one partition and with two, twice."""
    for partitions in (1, 2):
        topic = place.new_topic(partitions)
        for close_all in (False, True):
            receipt = kit.run(
                **place.settings(topic, close_all=close_all) | {"job": f"{place.job}-{partitions}"}
            )
            assert (receipt.frames, receipt.results) == (0, 0)
    assert place.results() == []


def test_a_partition_that_brings_nothing_is_not_waited_for(place: kit.Place) -> None:
    """At the end of a run an empty partition lets the others' windows go; what it brings later is late."""
    topic = place.new_topic(3)
    for partition in (0, 2):
        frames = [frame(second, uid=second % 7 + partition) for second in range(300)]
        kit.produce(place.bootstrap, topic, frames, 1) if partition == 0 else None
        if partition:
            _to(place, topic, partition, frames)
    arguments = place.settings(topic)
    kit.run(**arguments)
    assert [start for start, _ in minutes(place)] == ["00:00", "00:01", "00:02"]  # lateness: one minute
    _to(place, topic, 1, [frame(10), frame(299, uid=99), *[frame(290, uid=98)] * 8])
    receipt = kit.run(**arguments, close_all=True)
    assert (receipt.late, receipt.counted) == (1, 9)
    assert place.reasons() == {"late": 1}
    assert minutes(place)[3:] == [("00:03", 9), ("00:04", 11)]


def _to(place: kit.Place, topic: str, partition: int, frames: list[bytes]) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": place.bootstrap})
    for each in frames:
        producer.produce(topic, each, partition=partition)
    assert producer.flush(30) == 0


def test_a_partition_that_falls_silent_is_not_waited_for(place: kit.Place) -> None:
    """In a job that goes on for ever: after --idle; and again when it has come back."""
    topic = place.new_topic(2)
    worker = kit.Worker(**place.settings(topic, until="forever", idle="1s"))
    try:
        for partition in (0, 1):
            _to(place, topic, partition, [frame(second, uid=partition) for second in range(100)])
        _to(place, topic, 0, [frame(second) for second in range(100, 200)])
        assert wait_for(lambda: minutes(place)[1:]) == [("00:01", 2)]
        _to(place, topic, 1, [frame(119), frame(130, uid=7)])  # the first one is late now
        wait_for(lambda: len(kit.read(place.bootstrap, f"{place.job}-late")))
        for partition in (0, 1):
            _to(place, topic, partition, [frame(second, uid=partition) for second in range(200, 300)])
        assert wait_for(lambda: minutes(place)[2:]) == [("00:02", 2)]
    finally:
        worker.kill()
    assert place.reasons() == {"late": 1}


def test_a_zombie_can_do_no_harm(place: kit.Place) -> None:
    """A process that was stopped, and goes on after another one has taken its place, publishes nothing."""
    topic = place.new_topic(2)
    arguments = place.settings(topic, until="forever", instance="z")
    zombie = kit.Worker(**arguments)
    frames = kit.make(place.folder, place.bootstrap, topic, 2, 10_000)
    wait_for(place.results)
    os.kill(zombie.pid, signal.SIGSTOP)
    kit.run(**arguments | {"until": "end"})
    os.kill(zombie.pid, signal.SIGCONT)
    assert zombie.wait(30) == FatalError.exit_code
    kit.run(**arguments | {"until": "end"}, close_all=True)
    place.assert_exact(frames)


class Enough(Exception):
    """A run has done what it should."""


def test_a_broker_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    """A run goes on when the broker is back."""
    with kafka.Broker(tmp_path / "kafka", keep=False, java_options=[kafka.QUICK]) as server:
        server.create_topic("f", 2)
        place = kit.Place(server.bootstrap, "away", tmp_path, lambda _: "f")
        frames = place.frames(2, 5000)
        seen: list[int] = []
        ended: list[BaseException] = []

        def look(now: headrace.WindowProgress) -> None:
            seen.append(now.frames)
            if now.frames == 2 * frames.count:
                raise Enough

        def work() -> None:
            try:
                kit.run(**place.settings("f", until="forever", progress=look))
            except BaseException as error:
                ended.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        wait_for(lambda: seen and seen[-1] == frames.count, 60)
        server.stop()
        time.sleep(1)
        server.start()
        _to(place, "f", 0, [frame(0)] * frames.count)
        thread.join(60)
        assert [type(error) for error in ended] == [Enough]
        kit.run(**place.settings("f", close_all=True))
        assert {row["window_start"]: row["users"] for row in place.results()} == frames.truth


def test_a_table_gets_the_same_rows(place: kit.Place, dsn: str) -> None:
    """Made when asked for; a row is written over when it comes again."""
    frames = place.frames(2, 6000)
    arguments = place.settings(frames, table="shop.users", dsn=dsn)
    with pytest.raises(FatalError, match=r'CREATE TABLE IF NOT EXISTS "shop"."users"'):
        kit.run(**arguments)
    execute(dsn, "CREATE SCHEMA shop")
    kit.run(**arguments, create_table=True, max_records=3000)
    kit.run(**arguments, close_all=True)
    place.assert_exact(frames)
    found = rows(dsn, 'SELECT window_start, users, "window", final FROM shop.users')
    assert {kit.stamp(str(start)): users for start, users, _, _ in found} == frames.truth
    assert {(name, final) for _, _, name, final in found} == {("minute", True)}
    assert len(found) == len(frames.truth)


def test_early_rows_come_before_the_final_ones(place: kit.Place, dsn: str) -> None:
    """In the topic and in the table; a table's final row stays."""
    topic = place.new_topic(1)
    execute(dsn, "CREATE SCHEMA shop")
    arguments = place.settings(topic, table="shop.users", dsn=dsn, create_table=True, early="100ms")
    worker = kit.Worker(**arguments, until="forever")

    def early() -> list[int]:
        found = [row for row in place.results() if not row["final"]]
        return [row["users"] for row in found if row["window_start"].endswith("T00:00:00Z")]

    try:
        _to(
            place, topic, 0, [frame(second, uid=second) for second in range(8)]
        )  # the first eight are voted on
        wait_for(lambda: early() == [8])
        _to(place, topic, 0, [frame(second, uid=second) for second in range(8, 20)])
        wait_for(lambda: early()[-1:] == [20])
        _to(place, topic, 0, [frame(second, uid=second) for second in range(20, 200)])
        wait_for(lambda: [row for row in place.results() if row["final"]])
    finally:
        worker.kill()
    kit.run(**arguments, close_all=True)
    assert minutes(place) == [("00:00", 60), ("00:01", 60), ("00:02", 60), ("00:03", 20)]
    assert early() == sorted(early())
    assert rows(dsn, "SELECT users, final FROM shop.users ORDER BY 1") == [(20, True), *[(60, True)] * 3]
    with pytest.raises(UsageError, match="one partition"):
        kit.run(**place.settings(place.new_topic(2), early="1s") | {"job": f"{place.job}-2"})


@pytest.mark.parametrize("partitions", [1, 3])
def test_kinds_and_keys_are_those_of_the_notebook(place: kit.Place, partitions: int) -> None:
    """Every kind of window, by a key, in one pass: what headrace.window makes of the same rows."""
    listed = [
        {
            "ts": kit.START + second * 37 % 20_000,
            "uid": second * 7 % 31,
            "country": f"c{second % 3}",
            "n": second,
        }
        for second in range(4000)
    ]
    topic = place.new_topic(partitions)
    kit.produce(place.bootstrap, topic, [json.dumps(row).encode() for row in listed], partitions)
    kinds = ["minute", "hour", "day", "10m", "30m/10m", "session 20m"]
    aggregates: dict[str, Any] = {"rows": "count", "most": ("max", "n:bigint"), "all": ("sum", "n:bigint")}
    arguments = place.settings(
        topic, windows=kinds, by="country", aggregates=aggregates, zone="Europe/Warsaw"
    )
    kit.run(**arguments | {"lateness": "1d"}, close_all=True, workers=2)
    rows_of = pa.table(
        {
            "ts": pa.array([row["ts"] * 1_000_000 for row in listed], pa.timestamp("us", "UTC")),
            "uid": [row["uid"] for row in listed],
            "country": [row["country"] for row in listed],
            "n": [row["n"] for row in listed],
        }
    )
    how: dict[str, dict[str, Any]] = {
        "minute": {"unit": "minute"},
        "hour": {"unit": "hour"},
        "day": {"unit": "day"},
        "10m": {"size": "10m"},
        "30m/10m": {"size": "30m", "every": "10m"},
        "session 20m": {"gap": "20m"},
    }
    found = place.results()
    for kind in kinds:
        batch = headrace.window(
            rows_of, "ts", by="country", zone="Europe/Warsaw",
            aggregates={"users": ("distinct", "uid"), "rows": "count", "most": ("max", "n"), "all": ("sum", "n")},
            **how[kind],
        )  # fmt: skip
        want = pa.table(batch).to_pylist()
        got = [row for row in found if row["window"] == kind]
        assert len(got) == len(want)

        def key(row: dict[str, Any]) -> tuple[str, str]:
            return str(row["window_start"]), row["country"]

        for row in want:
            row["window_start"] = row["window_start"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        names = ("window_start", "country", "users", "rows", "most", "all")
        assert [[row[n] for n in names] for row in sorted(got, key=key)] == [
            [int(row[n]) if n == "all" else row[n] for n in names] for row in sorted(want, key=key)
        ]


def test_what_cannot_be_a_frame(place: kit.Place) -> None:
    """Tombstones, empty messages, numbers beyond every calendar, text for numbers: none stops the job."""
    topic = place.new_topic(1)
    ten = [frame(second) for second in range(10)]
    _to(
        place,
        topic,
        0,
        [*ten, b"", b"null", b'{"ts": 1e300}', b'{"ts": "x", "uid": 1}', b'{"uid": 1}', frame(11)],
    )
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": place.bootstrap})
    producer.produce(topic, None, key=b"gone", partition=0)
    producer.flush(10)
    receipt = kit.run(**place.settings(topic, close_all=True))
    assert (receipt.counted, receipt.malformed, receipt.tombstones) == (11, 5, 1)
    assert place.reasons().total() == 5
    assert minutes(place) == [("00:00", 1)]


def test_the_command_line_and_its_metrics(place: kit.Place) -> None:
    """JSON on stdout, numbers for Prometheus meanwhile, and an end within a second of Ctrl-C."""
    topic = place.new_topic(1)
    _to(place, topic, 0, [frame(second) for second in range(400)])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "headrace", "window", topic, "--to", place.job, "--bootstrap", place.bootstrap,
        "--job", place.job, "--time", "ts", "--distinct", "uid:bigint", "--lateness", "1m", "--json",
    ]  # fmt: skip
    running = subprocess.Popen(
        [*command, "--forever", "--metrics", f"127.0.0.1:{port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )

    def numbers() -> dict[str, float]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return {}
        found = {}
        for line in lines:
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name.partition("{")[0]] = float(value)
        return found

    wait_for(lambda: numbers().get("headrace_window_results_total") == 5)
    seen = numbers()
    assert seen["headrace_window_frames_total"] == 400
    assert seen["headrace_window_open_windows"] >= 1
    assert seen["headrace_window_watermark_seconds"] == kit.START + 399 - 60
    started = time.monotonic()
    running.send_signal(signal.SIGINT)
    _, words = running.communicate(timeout=20)
    assert time.monotonic() - started < 10
    assert running.returncode == kit.INTERRUPTED, words
    done = subprocess.run([*command, "--close-all"], capture_output=True, timeout=60, check=True)
    receipt = json.loads(done.stdout)
    assert {"job", "frames", "counted", "late", "malformed", "future", "windows", "results"} <= receipt.keys()
    assert receipt["windows"] == 2
    assert b"succeeded" in done.stderr
    assert datetime.fromisoformat(receipt["started_at"]).year >= 2026
