"""`headrace results`: the newest committed result of each window, printed, plotted, followed."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import headrace
import polars
import pytest
from confluent_kafka import Producer

from stack import kafka
from tests.real import kafka_kit

pytestmark = pytest.mark.real

DAY = datetime(2026, 11, 21, tzinfo=UTC)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def result(minute: int, users: int, window: str = "minute", **more: Any) -> dict[str, Any]:
    start = DAY + timedelta(minutes=minute)
    end = start + timedelta(minutes=60 if window == "hour" else 1)
    return {"window": window, "window_start": stamp(start), "window_end": stamp(end), "users": users, **more}


def send(broker: kafka.Broker, topic: str, results: list[dict[str, Any]], partition: int = 0) -> None:
    kafka_kit.fill(
        broker.bootstrap,
        topic,
        [(partition, json.dumps(r).encode(), r["window_start"].encode()) for r in results],
    )


def command(*words: str) -> subprocess.Popen[str]:
    program = f"import sys; sys.path[:] = {sys.path!r}; from headrace.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", program, "results", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told(*words: str) -> tuple[int, str, str]:
    run = command(*words)
    out, err = run.communicate(timeout=60)
    return run.returncode, out, err


def test_the_newest_of_each_window_in_order(broker: kafka.Broker, topic: str) -> None:
    send(broker, topic, [result(3, 30, final=True), result(1, 9, final=False), result(1, 10, final=True)])
    send(broker, topic, [result(0, 99, "hour", final=True), result(2, 20, final=False)], partition=1)
    rubbish = [b"", b"{broken", b"[1]", b'{"window": "minute"}', b"\xff\xfe", b'{"window_start": 1}', None]
    kafka_kit.fill(broker.bootstrap, topic, [(2, value) for value in rubbish])
    found = headrace.results(topic, kafka={"bootstrap.servers": broker.bootstrap})
    assert [(r["window"], r["window_start"][11:16], r["users"], r["final"]) for r in found] == [
        ("hour", "00:00", 99, True), ("minute", "00:01", 10, True), ("minute", "00:02", 20, False),
        ("minute", "00:03", 30, True),
    ]  # fmt: skip
    assert (found.messages, found.foreign, found.repeated, len(found)) == (12, 7, 0, 4)
    assert str(found) == "4 results of 12 messages, 1 not final yet, 7 messages that are no results"
    assert found[0]["window"] == "hour"
    assert [r["users"] for r in found[1:3]] == [10, 20]
    assert "users" in found._repr_html_()


def test_a_window_that_comes_twice_is_told(broker: kafka.Broker, topic: str) -> None:
    send(broker, topic, [result(1, 10, final=True), result(1, 10, final=True), result(2, 5), result(2, 6)])
    found = headrace.results(f"kafka://{broker.bootstrap}/{topic}")
    assert found.repeated == 2
    assert "2 REPEATED" in str(found)
    assert [r["users"] for r in found] == [10, 6]


def test_keys_make_different_results(broker: kafka.Broker, topic: str) -> None:
    rows = [result(1, n, country=name) for n, name in enumerate(("PL", "DE"))]
    messages = [(0, json.dumps(r).encode(), f"{r['window_start']} {r['country']}".encode()) for r in rows]
    kafka_kit.fill(broker.bootstrap, topic, messages)
    found = headrace.results(f"kafka://{broker.bootstrap}/{topic}")
    assert [r["country"] for r in found] == ["DE", "PL"]
    assert found.keys() == ["country"]
    assert found.number() == "users"


def test_what_is_not_committed_is_not_seen(broker: kafka.Broker, topic: str) -> None:
    send(broker, topic, [result(1, 10)])
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "results-test"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, json.dumps(result(2, 7)).encode(), key=b"k", partition=1)
    producer.flush(30)
    assert len(headrace.results(f"kafka://{broker.bootstrap}/{topic}", settle=0.5)) == 1
    producer.commit_transaction(30)
    assert len(headrace.results(f"kafka://{broker.bootstrap}/{topic}")) == 2


def test_many_results_are_read_in_pieces(broker: kafka.Broker, topic: str) -> None:
    """More than the room that may wait to be taken."""
    send(broker, topic, [result(n, n, text="x" * 100) for n in range(30_000)])
    found = headrace.results(f"kafka://{broker.bootstrap}/{topic}")
    assert [r["users"] for r in found] == list(range(30_000))


def test_a_range_and_a_kind_of_window(broker: kafka.Broker, topic: str) -> None:
    send(broker, topic, [result(n, n) for n in range(10)] + [result(0, 45, "hour")])
    to = f"kafka://{broker.bootstrap}/{topic}"
    since, until = DAY + timedelta(minutes=3), DAY + timedelta(minutes=5)
    assert [r["users"] for r in headrace.results(to, since=since, until=until)] == [3, 4]
    assert [r["users"] for r in headrace.results(to, window="hour")] == [45]
    with pytest.raises(headrace.UsageError, match="no time zone"):
        headrace.results(to, since=since.replace(tzinfo=None))
    with pytest.raises(headrace.UsageError, match="no-such-topic"):
        headrace.results(f"kafka://{broker.bootstrap}/no-such-topic")


def test_a_batch_has_columns_typed_by_the_values(broker: kafka.Broker, topic: str) -> None:
    send(
        broker,
        topic,
        [result(1, 5, big=2**70, ratio=0.5, final=True), result(2, 6, ratio=1, name="a", o={"a": 1})],
    )
    found = headrace.results(f"kafka://{broker.bootstrap}/{topic}")
    schema = found.to_batch().schema
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        "window": "text", "window_start": "timestamp with time zone", "window_end": "timestamp with time zone", "users": "bigint",
        "big": "numeric", "ratio": "double precision", "final": "boolean", "name": "text", "o": "jsonb",
    }  # fmt: skip
    frame = polars.DataFrame(found)
    assert frame["users"].to_list() == [5, 6]
    assert frame["window_start"].to_list() == [DAY + timedelta(minutes=1), DAY + timedelta(minutes=2)]
    empty = headrace.Results()
    assert len(empty.to_batch()) == 0
    assert empty.table() == "(none)"


def test_plots(broker: kafka.Broker, topic: str, tmp_path: Path) -> None:
    send(broker, topic, [result(n, 10 + n % 7) for n in range(60) if n != 30] + [result(0, 99, "hour")])
    found = headrace.results(f"kafka://{broker.bootstrap}/{topic}")
    figure = found.plot(tmp_path / "users.png")
    assert (tmp_path / "users.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert figure._repr_png_()[:4] == b"\x89PNG", "what a notebook shows"
    axes = figure.axes[0]
    assert axes.get_title() == "users by minute (UTC)"
    values = [float(y) for y in axes.lines[0].get_ydata()]
    assert values[:4] == [10, 10, 11, 11]
    assert sum(math.isnan(y) for y in values) == 1, "a gap where nobody came"
    found.plot(tmp_path / "hour.svg", window="hour")
    assert "<svg" in (tmp_path / "hour.svg").read_text()
    for arguments, words in (
        ({"path": tmp_path / "x.gif"}, "written as one of"),
        ({"path": tmp_path / "no" / "x.png"}, "no folder"),
        ({"window": "year"}, "no year has a number"),
        ({"column": "nobody"}, "called nobody"),
    ):
        with pytest.raises(headrace.UsageError, match=words):
            found.plot(**arguments)


def test_without_matplotlib_the_message_says_what_to_do(
    broker: kafka.Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(broker, topic, [result(1, 1)])
    found = headrace.results(f"kafka://{broker.bootstrap}/{topic}")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(headrace.UsageError, match="pip install matplotlib"):
        found.plot()


def test_the_command_prints_and_plots(broker: kafka.Broker, topic: str, tmp_path: Path) -> None:
    send(broker, topic, [result(n, n, final=True) for n in range(5)])
    words = (topic, "--bootstrap", broker.bootstrap)
    code, out, err = told(*words, "--last", "2", "--plot", str(tmp_path / "p.png"))
    assert code == 0, err
    assert out.splitlines()[0].split() == ["window", "window_start", "window_end", "users"]
    assert [line.split()[3] for line in out.splitlines()[2:]] == ["3", "4"]
    assert (tmp_path / "p.png").stat().st_size > 1000
    assert "5 results of 5 messages" in err
    code, out, err = told(
        *words, "--json", "--from", "2026-11-21T00:01", "--to", stamp(DAY + timedelta(minutes=3))
    )
    assert [json.loads(line)["users"] for line in out.splitlines()] == [1, 2]
    for wrong in (("--plot", "x.doc"), ("--from", "yesterday"), ("--follow", "--last", "1")):
        code, out, err = told(*words, *wrong)
        assert (code, out) == (2, "")
        assert "Traceback" not in err


def test_the_command_follows(broker: kafka.Broker, new_topic: Callable[..., str]) -> None:
    topic = new_topic(1)
    send(broker, topic, [result(1, 1)])
    run = command(topic, "--bootstrap", broker.bootstrap, "--follow", "--json")
    assert run.stdout is not None
    assert json.loads(run.stdout.readline())["users"] == 1
    send(broker, topic, [result(2, 2)])
    assert json.loads(run.stdout.readline())["users"] == 2
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "interrupted" in err


def test_a_follower_that_raises_ends_it(broker: kafka.Broker, new_topic: Callable[..., str]) -> None:
    topic = new_topic(1)
    send(broker, topic, [result(1, 1), result(2, 2)])
    seen = []

    def take(found: dict[str, Any]) -> None:
        seen.append(found["users"])
        if len(seen) == 2:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        headrace.results(f"kafka://{broker.bootstrap}/{topic}", follow=take)
    assert seen == [1, 2]
