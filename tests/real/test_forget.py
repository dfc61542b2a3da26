"""`headrace offsets forget` and `headrace topics delete`: a window job begins anew."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import headrace
import pytest
from confluent_kafka import Consumer, TopicPartition

from stack import kafka
from tests.real import kafka_kit

pytestmark = pytest.mark.real


@pytest.fixture
def left(broker: kafka.Broker, new_topic: Callable[..., str]) -> Iterator[str]:
    """The name of a job with a state topic, partials, and a consumer group with offsets."""
    job = new_topic()
    for name in (f"{job}-state", f"{job}-partials", f"{job}-results"):
        broker.create_topic(name, 1)
    consumer = group(broker, job)
    consumer.commit(offsets=[TopicPartition(job, 0, 5)], asynchronous=False)
    consumer.close()
    yield job
    for name in (f"{job}-state", f"{job}-partials", f"{job}-results"):
        headrace.topics.delete(name, missing_ok=True, kafka={"bootstrap.servers": broker.bootstrap})


def group(broker: kafka.Broker, job: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": f"headrace.window.{job}",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )


def command(*words: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.path[:] = {sys.path!r}; from headrace.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False, timeout=60
    )


def names(broker: kafka.Broker) -> set[str]:
    return {topic.name for topic in headrace.topics.list({"bootstrap.servers": broker.bootstrap})}


def test_all_that_a_job_has_left_is_deleted_and_nothing_else(broker: kafka.Broker, left: str) -> None:
    kafka_settings = {"bootstrap.servers": broker.bootstrap}
    deleted = headrace.offsets.forget(left, kafka=kafka_settings)
    assert deleted == [
        f"consumer group headrace.window.{left}",
        f"topic {left}-partials",
        f"topic {left}-state",
    ]
    there = names(broker)
    assert {left, f"{left}-results"} <= there
    assert not {f"{left}-state", f"{left}-partials"} & there
    consumer = group(broker, left)
    (position,) = consumer.committed([TopicPartition(left, 0)], timeout=30)
    consumer.close()
    assert position.offset < 0
    assert headrace.offsets.forget(left, kafka=kafka_settings) == []


def test_results_go_with_their_job_alone(broker: kafka.Broker, left: str) -> None:
    """A name that is misspelled costs no topic."""
    results, kafka_settings = f"{left}-results", {"bootstrap.servers": broker.bootstrap}
    with pytest.raises(headrace.UsageError, match=f'no window job "{left}x".*topics delete {results}'):
        headrace.offsets.forget(f"{left}x", results=results, kafka=kafka_settings)
    assert results in names(broker)
    assert headrace.offsets.forget(f"{left}x", results=f"{results}x", kafka=kafka_settings) == []
    assert headrace.offsets.forget(left, results=results, kafka=kafka_settings)[1:] == [
        f"topic {results}",
        f"topic {left}-partials",
        f"topic {left}-state",
    ]
    assert headrace.offsets.forget(left, results=results, kafka=kafka_settings) == []


def test_a_job_that_is_running_is_left_alone(broker: kafka.Broker, left: str) -> None:
    kafka_kit.fill(broker.bootstrap, left, [(0, b"{}")])
    consumer = group(broker, left)
    consumer.subscribe([left])
    assert consumer.poll(60) is not None
    try:
        with pytest.raises(headrace.UsageError, match="the job is running"):
            headrace.offsets.forget(left, kafka={"bootstrap.servers": broker.bootstrap})
    finally:
        consumer.close()
    assert f"{left}-state" in names(broker)


def test_the_commands(broker: kafka.Broker, left: str) -> None:
    at = ("--bootstrap", broker.bootstrap)
    done = command("offsets", "forget", left, "--results", f"{left}-results", "--json", *at)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["deleted"]) == 4
    done = command("offsets", "forget", left, *at)
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing" in done.stderr
    broker.create_topic(f"{left}-more", 1)
    assert command("topics", "delete", f"{left}-more", *at).returncode == 0
    assert command("topics", "delete", f"{left}-more", *at).returncode == 2
    assert command("topics", "delete", f"{left}-more", "--missing-ok", "--json", *at).returncode == 0
    assert f"{left}-more" not in names(broker)
