"""Frames and keys that are too large for a message: letters are cut and say so, results say which they are."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import headrace
import pytest
from confluent_kafka import Message, Producer
from headrace.errors import FatalError

from stack import kafka
from tests.real import window_kit as kit

LARGE = {"max.message.bytes": "10000000"}
MILLION = 1_000_000


@pytest.fixture
def place(broker: kafka.Broker, new_topic: Callable[..., str], tmp_path: Path) -> kit.Place:
    """A job that no other test has."""
    return kit.Place(broker.bootstrap, new_topic(1, **LARGE), tmp_path, new_topic)


def _noise(size: int) -> bytes:
    """Text that compression makes nothing of."""
    return random.Random(7).randbytes(size // 2 + 1).hex().encode()[:size]


def _send(place: kit.Place, topic: str, frames: list[tuple[bytes | None, bytes]]) -> None:
    producer = Producer({"bootstrap.servers": place.bootstrap, "message.max.bytes": 10_000_000})
    for key, value in frames:
        producer.produce(topic, value, key, partition=0)
    assert producer.flush(60) == 0


def _letters(place: kit.Place) -> list[tuple[Message, dict[str, bytes]]]:
    return [(letter, dict(letter.headers())) for letter in kit.read(place.bootstrap, f"{place.job}-late")]


def test_letters_that_are_too_large_are_cut(place: kit.Place) -> None:
    """To what the producer's setting lets through; the job goes on, and the letter says how long it was."""
    topic = place.new_topic(1, **LARGE)
    plain, key = b"{" + _noise(600_000), _noise(700_000)
    long = b"{" + _noise(2 * MILLION)
    frames = [(b"k", long), (b"k", plain), (key, plain), (key, b"{"), (long, b"{"), (long, long)]
    _send(place, topic, [*frames, (None, place.frame(0))])
    receipt = kit.run(**place.settings(topic), close_all=True)
    assert (receipt.malformed, receipt.counted) == (6, 1)
    letters = _letters(place)
    assert [headers["headrace.offset"] for _, headers in letters] == [b"%d" % n for n in range(6)]
    assert [headers.get("headrace.cut") for _, headers in letters] == [
        b"value=2000001",
        None,
        b"key=700000,value=600001",
        None,
        b"key=2000001",
        b"key=2000001,value=2000001",
    ]
    for (sent_key, sent), (letter, headers) in zip(frames, letters, strict=True):
        kept_key, kept = letter.key() or b"", letter.value() or b""
        assert (sent_key or b"").startswith(kept_key)
        assert sent.startswith(kept)
        if "headrace.cut" in headers:
            assert MILLION - 2000 < len(kept_key) + len(kept) < MILLION
        else:
            assert (kept_key, kept) == (sent_key, sent)


def test_letters_are_cut_to_what_their_topic_takes(place: kit.Place) -> None:
    """Its setting may be less than the producer's."""
    topic, kafka_settings = place.new_topic(1, **LARGE), {"bootstrap.servers": place.bootstrap}
    late = f"{place.job}-late"
    headrace.topics.create(late, settings={"max.message.bytes": "50000"}, kafka=kafka_settings)
    _send(place, topic, [(None, b"{" + _noise(900_000)), (b"k", place.frame(0))])
    assert kit.run(**place.settings(topic)).malformed == 1
    ((letter, headers),) = _letters(place)
    assert headers["headrace.cut"] == b"value=900001"
    assert 48_000 < len(letter.value()) < 50_000


def _keyed(place: kit.Place, topic: str, size: int) -> None:
    _send(place, topic, [(None, place.frame(n, site="a")) for n in range(5)])
    _send(place, topic, [(None, place.frame(5, site=_noise(size).decode()))])


@pytest.mark.parametrize("partitions", [1, 2])
def test_a_result_that_is_too_large_is_named(place: kit.Place, partitions: int) -> None:
    """By the key columns of some frame: nothing is published, and the message says what to do."""
    topic = place.new_topic(partitions, **LARGE)
    _keyed(place, topic, 1_200_000)
    arguments = place.settings(topic, by="site:text", close_all=True)
    with pytest.raises(FatalError, match=r"message\.max\.bytes is 1000000") as caught:
        kit.run(**arguments)
    said = str(caught.value)
    where = f'topic "{topic}"' + " partition 0 before offset 6" * (partitions == 1)
    for words in (
        f'"{place.job}"',
        "a message of 24",
        "window 2026-01-01T00:00:00Z",
        f"of frames of {where}. ",
        "Raise message.max.bytes",
        "max.message.bytes",
    ):
        assert words in said
    assert place.results() == []
    assert kit.run(**arguments, kafka={"message.max.bytes": 5_000_000}).results == 2


def test_a_message_that_the_brokers_refuse_is_named(place: kit.Place) -> None:
    """Their limit is the topic's, and counts what compression has left."""
    topic, to = place.new_topic(1), place.new_topic(1, **{"max.message.bytes": "3000"})
    _keyed(place, topic, 5000)
    with pytest.raises(
        FatalError, match=rf'refused a message of 10\d\d\d bytes to Kafka topic "{to}"'
    ) as caught:
        kit.run(**{**place.settings(topic, by="site:text", close_all=True), "to": to})
    assert "max.message.bytes, which has to be raised" in str(caught.value)
    assert kit.read(place.bootstrap, to) == []


def test_no_more_is_sent_together_than_topics_take(place: kit.Place) -> None:
    """Their limit is one of batches: letters, and results, that are small enough each."""
    topic, to = place.new_topic(1, **LARGE), place.new_topic(1, **{"max.message.bytes": "30000"})
    kafka_settings = {"bootstrap.servers": place.bootstrap}
    headrace.topics.create(f"{place.job}-late", settings={"max.message.bytes": "50000"}, kafka=kafka_settings)
    _send(place, topic, [(None, b"{" + _noise(60_000))] * 20)
    _send(place, topic, [(None, place.frame(0, site=f"{n}" + _noise(5000).decode())) for n in range(20)])
    receipt = kit.run(**{**place.settings(topic, by="site:text", close_all=True), "to": to})
    assert (receipt.malformed, receipt.results) == (20, 20)
    assert len(_letters(place)) == len(kit.read(place.bootstrap, to)) == 20
