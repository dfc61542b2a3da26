"""The flows that call the command, in a real NiFi: exit codes become relationships, what fails is kept."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import headrace
from confluent_kafka import Consumer, TopicPartition
from headrace.nifi import flows

from stack import kafka
from stack.demo_nifi import settle, trigger
from stack.nifi import Rest
from tests.nifi.nifi_kit import TEMPLATES, only_by_hand, same_flow

COMMAND = Path(sys.executable).parent / "headrace"


def once_busy(folder: Path) -> Path:
    """A command each of whose verbs says the first time "try again later", as for a server that is away, after
    it has printed something, and then works.
    """
    script = folder / "headrace"
    script.write_text(
        f'#!/bin/sh\nif mkdir "{folder}/called-$1" 2>/dev/null; then\n'
        "echo half; echo 'headrace: busy' >&2; exit 3; fi\n"
        f'exec {COMMAND} "$@"\n'
    )
    script.chmod(0o755)
    return script


def imported(rest: Rest, server: flows.Server, name: str, values: Mapping[str, str]) -> str:
    """The flow on the canvas with these parameters, its pauses short, running; the group's id."""
    group = str(flows.import_flow(server, TEMPLATES / f"{name}.json")["id"])
    rest.set_parameters(f"headrace {name}", values)
    rest.wait_valid(group)
    for entry in rest.processors(group).values():
        if entry["component"]["type"].endswith("RetryFlowFile"):
            rest.change(entry["id"], {"config": {"penaltyDuration": "1 sec"}})
    only_by_hand(rest, group)
    rest.set_group(group, "RUNNING")
    return group


def counted(rest: Rest, before: Mapping[str, int]) -> dict[str, int]:
    """What the counters were raised by since then."""
    after = rest.counters().items()
    return {name: value - before.get(name, 0) for name, value in after if value != before.get(name, 0)}


def messages(broker: kafka.Broker, topic: str) -> int:
    """How many are in the topic."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "count"})
    parts = consumer.list_topics(topic, 30).topics[topic].partitions
    total = 0
    for part in parts:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, part), 30)
        total += high - low
    consumer.close()
    return total


def test_purchases_are_generated_and_sent_though_the_command_is_busy_once(
    canvas: Rest, server: flows.Server, broker: kafka.Broker, topic: str, tmp_path: Path
) -> None:
    before = canvas.counters()
    values = {
        "headrace": str(once_busy(tmp_path)),
        "kafka.brokers": broker.bootstrap,
        "kafka.topic": topic,
        "generate.count": "2000",
        "failed.folder": str(tmp_path / "failed"),
    }
    group = imported(canvas, server, "generate", values)
    trigger(canvas, group, "every minute")
    assert counted(canvas, before) == {
        "make_purchases.stopped": 1,
        "make_purchases.done": 1,
        "send_purchases.stopped": 1,
        "send_purchases.done": 1,
        "generate.sent": 2000,
    }
    assert messages(broker, topic) == 2000
    assert not (tmp_path / "failed").exists()

    canvas.set_group(group, "STOPPED")
    canvas.set_parameters("headrace generate", {"kafka.topic": "there-is-none"})
    canvas.set_group(group, "RUNNING")
    before = canvas.counters()
    trigger(canvas, group, "every minute")
    assert counted(canvas, before) == {
        "make_purchases.done": 1,
        "send_purchases.stopped": 1,
        "send_purchases.failed": 1,
    }
    (kept,) = (tmp_path / "failed").iterdir()
    assert len(kept.read_bytes().splitlines()) == 2000  # what could not be sent is there to be sent
    assert same_flow(canvas, server, group, "generate", tmp_path)


def test_files_are_hashed_and_what_cannot_be_is_kept(
    canvas: Rest, server: flows.Server, tmp_path: Path
) -> None:
    places = {name: tmp_path / name for name in ("input", "output", "rejects", "failed")}
    places["input"].mkdir()
    lines = [json.dumps({"customer_id": n, "note": "ż"}, ensure_ascii=False) for n in range(500)]
    (places["input"] / "good.jsonl").write_text("\n".join(lines) + "\n")
    (places["input"] / "some.jsonl").write_text("\n".join([*lines[:100], "{broken", "[]"]) + "\n")
    before = canvas.counters()
    values = {f"{name}.folder": str(place) for name, place in places.items()}
    group = imported(canvas, server, "hash-keys", {**values, "headrace": str(once_busy(tmp_path))})

    def hashed() -> bool:
        return counted(canvas, before).get("hash.files") == 2

    canvas.until(hashed, 120, "two files to be hashed")
    settle(canvas, group)
    assert counted(canvas, before) == {"hash.done": 2, "hash.files": 2, "hash.stopped": 1}
    schema = headrace.Schema([("customer_id", "bigint")])
    batch, _ = headrace.decode_json("\n".join(lines), schema)
    keys = headrace.hash_keys(batch, "customer_id", name="customer_hk", output="hex")
    expected = [
        {**json.loads(line), "customer_hk": keys.column_text(1, row)} for row, line in enumerate(lines)
    ]
    for name, count in (("good.jsonl", 500), ("some.jsonl", 100)):
        found = [json.loads(line) for line in (places["output"] / name).read_text().splitlines()]
        assert found == expected[:count]
    (refused,) = places["rejects"].iterdir()
    assert [json.loads(line)["raw"] for line in refused.read_text().splitlines()] == ["{broken", "[]"]
    assert list(places["input"].iterdir()) == []
    assert not places["failed"].exists()

    # a wrong setting is for a person: nothing is tried again, the file is kept, one line says why
    canvas.set_group(group, "STOPPED")
    canvas.set_parameters("headrace hash-keys", {"hash.key": "nonsense="})
    found = canvas.processors(group)
    canvas.set_group(group, "RUNNING")
    canvas.set_processor(found["hash: failed"]["id"], "STOPPED")
    before = canvas.counters()
    shutil.copy(places["output"] / "good.jsonl", places["input"] / "again.jsonl")
    (queue,) = (
        one["id"]
        for one in canvas.flow(group)["connections"]
        if one["component"]["source"]["name"] == "hash: exit code"
        and one["component"]["destination"]["name"] == "hash: failed"
    )
    canvas.until(
        lambda: canvas.queued(group).get(("hash: exit code", "unmatched"), 0) == 1, 60, "the file to fail"
    )
    ((attributes, content),) = canvas.waiting(queue)
    assert attributes["execution.status"] == "2"
    assert attributes["execution.error"].strip().startswith("headrace hash: --key nonsense=")
    assert len(attributes["execution.error"].strip().splitlines()) == 1
    assert content == (places["output"] / "good.jsonl").read_bytes()
    canvas.set_processor(found["hash: failed"]["id"], "RUNNING")
    canvas.until(lambda: counted(canvas, before).get("hash.failed") == 1, 60, "the failure to be counted")
    settle(canvas, group)
    (kept,) = places["failed"].iterdir()
    assert kept.name.startswith("again.jsonl.")
    assert kept.read_bytes() == content
    assert counted(canvas, before) == {"hash.failed": 1, "hash.stopped": 1}
    assert same_flow(canvas, server, group, "hash-keys", tmp_path)
