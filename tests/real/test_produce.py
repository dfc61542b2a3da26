"""`headrace produce`: a file's lines arrive in the topic as they stand, each once, by key."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import headrace
import pytest
from confluent_kafka import Consumer, TopicPartition
from headrace import Progress

from stack import kafka

pytestmark = pytest.mark.real


def read(broker: kafka.Broker, topic: str) -> list[tuple[int, bytes | None, bytes]]:
    """(partition, key, value) of all messages, partition by partition."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "reader"})
    found = []
    try:
        for partition in consumer.list_topics(topic).topics[topic].partitions:
            begin, end = consumer.get_watermark_offsets(TopicPartition(topic, partition))
            consumer.assign([TopicPartition(topic, partition, begin)])
            while begin < end:
                message = consumer.poll(30)
                assert message is not None
                assert message.error() is None
                found.append((partition, message.key(), message.value()))
                begin = message.offset() + 1
    finally:
        consumer.close()
    return found


def murmur2(key: bytes) -> int:
    """Of org.apache.kafka.common.utils.Utils, made positive as Java's default partitioner does."""
    length, mask = len(key), 0xFFFFFFFF
    h = (0x9747B28C ^ length) & mask
    for at in range(0, length - length % 4, 4):
        k = int.from_bytes(key[at : at + 4], "little") * 0x5BD1E995 & mask
        k = (k ^ k >> 24) * 0x5BD1E995 & mask
        h = (h * 0x5BD1E995 & mask) ^ k
    rest = key[length - length % 4 :]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * 0x5BD1E995 & mask
    h = (h ^ h >> 13) * 0x5BD1E995 & mask
    return (h ^ h >> 15) & 0x7FFFFFFF


def command(*words: str, **popen: Any) -> subprocess.Popen[str]:
    """The command `headrace produce`, running."""
    program = f"import sys; sys.path[:] = {sys.path!r}; from headrace.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", program, "produce", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **popen,
    )


LINES = [
    b'{"uid": 1, "ts": 5}',
    b'{"uid": "caf\xc3\xa9", "user": {"id": 10000000000000000000}}',
    b"",
    b'{"ts": 5}',
    b'{"uid": null}',
    b"{broken",
    b'{"uid": 1.50}   ',
    b'{"uid": {"a": 1}}\r',
    b'{"uid": "x"}',
]


@pytest.mark.parametrize("form", ["plain", "gzip", "zstd"])
def test_lines_arrive_as_they_stand_and_by_key(
    broker: kafka.Broker, topic: str, tmp_path: Path, form: str
) -> None:
    path, data = tmp_path / "stream.jsonl", b"\n".join(LINES)
    if form == "plain":
        path.write_bytes(data)
    elif form == "gzip":
        path.write_bytes(gzip.compress(data[:40]) + gzip.compress(data[40:]))
    else:
        path.write_bytes(
            subprocess.run(["zstd", "-q", "-c"], input=data, check=True, stdout=subprocess.PIPE).stdout
        )
    sent = headrace.produce(path, f"kafka://{broker.bootstrap}/{topic}", key="uid")
    expected = [line.removesuffix(b"\r") for line in LINES if line]
    assert sent.to_dict() | {"seconds": 0} == {
        "source": str(path), "topic": topic, "messages": 8, "bytes": sum(map(len, expected)), "keyless": 3,
        "blank": 1, "rounds": 1, "seconds": 0,
    }  # fmt: skip
    found = read(broker, topic)
    assert sorted(value for _, _, value in found) == sorted(expected)
    keys = {value: key for _, key, value in found}
    assert [keys[line] for line in expected] == [
        b"1", "café".encode(), None, None, None, b"1.50", b'{"a": 1}', b"x",
    ]  # fmt: skip
    assert all(partition == murmur2(key) % 4 for partition, key, _ in found if key is not None)
    assert "8 messages" in str(sent)
    assert "3 without a key" in str(sent)


def test_frames_go_where_the_generator_would_send_them(
    broker: kafka.Broker, new_topic: Callable[..., str], tmp_path: Path
) -> None:
    """Same partitioner, same keys: a file that is produced and a topic that is generated into are alike."""
    path, direct, produced = tmp_path / "f.jsonl.gz", new_topic(3), new_topic(3)
    settings = {"users": 1000, "size": 500, "fields": 20}
    headrace.generate("frames", 5000, path, settings=settings)
    headrace.generate("frames", 5000, f"kafka://{broker.bootstrap}/{direct}", settings=settings)
    seen: list[Progress] = []
    sent = headrace.produce(
        path, f"kafka://{broker.bootstrap}/{produced}", key="uid", progress=seen.append, rate=20_000
    )
    assert (sent.messages, sent.keyless) == (5000, 0)
    assert read(broker, produced) == read(broker, direct)
    assert seen[-1].read <= 5000
    assert seen[0].total_bytes == path.stat().st_size


def test_a_missing_topic_is_made_and_another_one_kept(
    broker: kafka.Broker, new_topic: Callable[..., str], tmp_path: Path
) -> None:
    path, topic = tmp_path / "f.jsonl", new_topic(2)
    path.write_text('{"uid": 1}\n')
    to = f"kafka://{broker.bootstrap}/{topic}"
    assert headrace.produce(path, to, partitions=7).messages == 1
    settings = {"bootstrap.servers": broker.bootstrap}
    assert {t.name: t.partitions for t in headrace.topics.list(settings)}[topic] == 2
    broker.delete_topic(topic)
    with pytest.raises(headrace.UsageError, match=topic):
        headrace.produce(path, to)
    assert headrace.produce(path, to, partitions=7).messages == 1
    assert {t.name: t.partitions for t in headrace.topics.list(settings)}[topic] == 7


def test_limits_rate_and_rounds(broker: kafka.Broker, topic: str, tmp_path: Path) -> None:
    path, to = tmp_path / "f.jsonl", f"kafka://{broker.bootstrap}/{topic}"
    path.write_text('{"uid": 1}\n{"uid": 2}\n{"uid": 3}\n')
    assert headrace.produce(path, to, loop=4).to_dict().items() >= {"messages": 12, "rounds": 4}.items()
    assert headrace.produce(path, to, loop=True, max_records=5000).messages == 5000
    slow = headrace.produce(path, to, loop=True, rate=100, max_seconds=0.5)
    assert 1 <= slow.messages <= 60
    assert slow.seconds >= 0.5
    slow = headrace.produce(path, to, loop=True, rate=200, max_records=50)
    assert slow.messages == 50
    assert slow.seconds >= 0.2
    empty = tmp_path / "empty"
    empty.write_bytes(b"\n\n")
    sent = headrace.produce(empty, to, loop=True)
    assert (sent.messages, sent.blank) == (0, 2)


def test_a_message_too_large_is_told_with_its_line(broker: kafka.Broker, topic: str, tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"uid": 1}\n\n{"uid": 2, "x": "' + "y" * 2000 + '"}\n')
    with pytest.raises(headrace.FatalError, match=r"f.jsonl, line 3: .*\(1 messages had been sent before\)"):
        headrace.produce(
            path, f"kafka://{broker.bootstrap}/{topic}", kafka={"message.max.bytes": 1500}, key="uid"
        )


def test_a_file_cut_short_is_told(broker: kafka.Broker, topic: str, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for number in range(20_000):
            file.write(b'{"uid": %d, "x": "%s"}\n' % (number, os.urandom(20).hex().encode()))
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(packed.getvalue()[:-50_000])
    with pytest.raises(headrace.RetriableError, match="messages had been sent before"):
        headrace.produce(path, f"kafka://{broker.bootstrap}/{topic}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"key": ""}, "must name a field"),
        ({"key": "$offset"}, "must name a field"),
        ({"rate": -1}, '"rate" must be'),
        ({"max_records": 0}, '"max_records" must be'),
        ({"loop": -2}, '"rounds" must be'),
        ({"partitions": 0}, "at least one partition"),
        ({"kafka": {"acks": "1"}}, "acks"),
    ],
)
def test_settings_that_cannot_be(
    broker: kafka.Broker, topic: str, tmp_path: Path, arguments: dict[str, Any], words: str
) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text("{}\n")
    with pytest.raises(headrace.UsageError, match=words):
        headrace.produce(path, f"kafka://{broker.bootstrap}/{topic}", **arguments)
    assert read(broker, topic) == []


def test_places_that_cannot_be(broker: kafka.Broker, topic: str, tmp_path: Path) -> None:
    to = f"kafka://{broker.bootstrap}/{topic}"
    with pytest.raises(headrace.UsageError, match="no file"):
        headrace.produce(tmp_path / "nowhere", to)
    with pytest.raises(headrace.UsageError, match="read once only"):
        headrace.produce("-", to, loop=True)
    with pytest.raises(headrace.UsageError, match="kafka://"):
        headrace.produce(tmp_path, "http://host/x")
    with pytest.raises(headrace.RetriableError):
        headrace.produce(
            __file__, "kafka://127.0.0.1:9/t", kafka={"socket.connection.setup.timeout.ms": 1000}
        )


def test_the_command_reads_a_pipe(broker: kafka.Broker, topic: str) -> None:
    run = command("-", "--to", topic, "--bootstrap", broker.bootstrap, "--key", "uid", "--json",
                  stdin=subprocess.PIPE)  # fmt: skip
    out, err = run.communicate('{"uid": 1}\n{"uid": 2}', timeout=60)
    assert run.returncode == 0, err
    assert json.loads(out)["messages"] == 2
    assert "2 messages from - to" in err
    assert sorted(key for _, key, _ in read(broker, topic)) == [b"1", b"2"]


def test_the_command_goes_round_until_it_is_stopped(broker: kafka.Broker, topic: str, tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text('{"uid": 1}\n' * 10)
    words = ("--to", topic, "--brokers", broker.bootstrap, "--loop", "--rate", "500/s")
    run = command(str(path), *words)
    end = time.monotonic() + 60
    while len(read(broker, topic)) < 50 and time.monotonic() < end:
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 130, err
    assert out == ""
    assert "stopped after about" in err


def test_the_command_refuses(tmp_path: Path) -> None:
    for words in (
        ("x",),
        ("x", "--to", "t", "--rate", "fast"),
        (str(tmp_path / "no"), "--to", "kafka://h:1/t"),
    ):
        run = command(*words)
        _, err = run.communicate(timeout=60)
        assert run.returncode == 2, words
        assert "Traceback" not in err
