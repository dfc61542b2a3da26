"""Window jobs over a real topic: results equal the truth, however the work is shared out, stopped and started."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from headrace.errors import UsageError

from stack import kafka
from tests.real import window_kit as kit

KILLS = int(os.environ.get("HEADRACE_WINDOW_KILLS", "50"))
"""Kills of the campaign: half of them with one partition, half with three. More take longer."""


@pytest.fixture
def place(broker: kafka.Broker, new_topic: Callable[..., str], tmp_path: Path) -> kit.Place:
    """A job that no other test has."""
    return kit.Place(broker.bootstrap, new_topic(1), tmp_path, new_topic)


@pytest.mark.parametrize(
    ("partitions", "workers", "keyed"),
    [(1, 1, False), (4, 2, False), (4, 4, False), (2, 2, True), (4, 4, True)],
)
def test_results_equal_the_truth(place: kit.Place, partitions: int, workers: int, keyed: bool) -> None:
    """Distinct users of each minute, with frames late, damaged, of the far future and out of order among
    them.
    """
    frames = place.frames(partitions, keyed=keyed)
    receipt = kit.run(**place.settings(frames, workers=workers, keyed=keyed, close_all=True))
    place.assert_exact(frames)
    assert receipt.frames == frames.count
    assert receipt.late == frames.kinds["late"]
    assert receipt.future == frames.kinds["future"]
    assert receipt.counted == frames.count - frames.bad
    assert receipt.windows == receipt.results == len(frames.truth)
    assert [lane.partition for lane in receipt.partitions] == list(range(partitions))
    assert sum(lane.offset_to - lane.offset_from for lane in receipt.partitions) == frames.count
    letters = place.reasons()
    assert letters["late"] == frames.kinds["late"]
    assert letters["future"] == frames.kinds["future"]


def test_keys_and_times_of_all_kinds(place: kit.Place) -> None:
    """Results are JSON whatever the keys hold; a key is null, or the text, but never both."""
    topic = place.new_topic(1)
    keys = ['a"b', "back\\slash", "tab\tline\n\x01", "a/b%", "null", None, "ż€𝄞", ""]
    place.send(topic, 0, [place.frame(number, uid=number, key=key) for number, key in enumerate(keys)])
    kit.run(**place.settings(topic, by="key", close_all=True))
    messages = kit.read(place.bootstrap, place.job)
    assert len({message.key() for message in messages}) == len(keys)
    found = [json.loads(message.value())["key"] for message in messages]
    assert sorted(map(repr, found)) == sorted(map(repr, keys))


def test_times_before_christ(place: kit.Place) -> None:
    """They are written as the server writes them: JSON knows no other way."""
    topic = place.new_topic(1)
    place.send(
        topic, 0, [json.dumps({"ts": -70_000_000_000 + second, "uid": second}).encode() for second in (0, 9)]
    )
    kit.run(**place.settings(topic, close_all=True))
    (row,) = place.results()
    assert row["window_start"].endswith(" BC")
    assert row["users"] == 2


def test_letters_are_the_frames_as_they_came(place: kit.Place) -> None:
    """Their bytes, where they were, and what they missed."""
    frames = place.frames(1, 4000)
    kit.run(**place.settings(frames, close_all=True))
    came = {message.offset(): message.value() for message in kit.read(place.bootstrap, frames.topic)}
    letters = kit.read(place.bootstrap, f"{place.job}-late")
    assert len(letters) == frames.bad
    for letter in letters:
        headers = dict(letter.headers())
        assert headers["headrace.topic"].decode() == frames.topic
        assert headers["headrace.job"].decode() == place.job
        assert headers["headrace.partition"] == b"0"
        assert letter.value() == came[int(headers["headrace.offset"])]
        if headers["headrace.reason"] == b"late":
            assert headers["headrace.windows"] == b"minute"


@pytest.mark.parametrize(("partitions", "snapshot"), [(1, None), (1, 20_000), (3, None), (3, 20_000)])
def test_runs_go_on_where_the_last_one_was(place: kit.Place, partitions: int, snapshot: int | None) -> None:
    """Many short runs, each of some frames, give what one long run gives; by marks, and by snapshots."""
    frames = place.frames(partitions, 9000)
    arguments = place.settings(frames, workers=min(partitions, 2), snapshot_bytes=snapshot)
    receipts = [kit.run(**arguments, max_records=2000) for _ in range(4)]
    assert all(0 < receipt.frames <= 2000 for receipt in receipts)
    receipts.append(kit.run(**arguments, close_all=True))
    assert sum(receipt.frames for receipt in receipts) == frames.count
    assert snapshot is not None or any(receipt.replayed > 0 for receipt in receipts)
    place.assert_exact(frames)
    again = kit.run(**arguments, close_all=True)
    assert (again.frames, again.results, again.replayed) == (0, 0, 0)


def test_other_settings_are_refused(place: kit.Place) -> None:
    """A state of other windows cannot be gone on with."""
    frames = place.frames(1, 1000)
    arguments = place.settings(frames)
    kit.run(**arguments)
    with pytest.raises(UsageError, match="other settings"):
        kit.run(**arguments | {"lateness": "5m"})
    with pytest.raises(UsageError, match="other settings"):
        kit.run(**arguments, windows=["minute", "hour"])
    kit.run(**arguments)


def test_workers_come_and_go(place: kit.Place) -> None:
    """Three processes share four partitions; they join, leave and die while frames come."""
    topic = place.new_topic(4)
    arguments = place.settings(topic, until="forever")
    workers = [kit.Worker(**arguments, instance="a")]
    frames = kit.make(place.folder, place.bootstrap, topic, 4, 20_000)
    workers.append(kit.Worker(**arguments, instance="b", workers=2))
    time.sleep(2)
    os.kill(workers[0].pid, signal.SIGINT)
    workers.append(kit.Worker(**arguments, instance="c"))
    time.sleep(2)
    workers[1].kill()
    workers[2].kill()
    assert workers[0].wait(5) == kit.INTERRUPTED
    kit.run(**arguments | {"until": "end"}, close_all=True, workers=2, instance="a")
    place.assert_exact(frames)


@pytest.mark.parametrize("partitions", [1, 3])
def test_kills_at_random_points(place: kit.Place, partitions: int) -> None:
    """Killed again and again, wherever it was, the job gives each window once, and the right one."""
    seed = int(os.environ.get("HEADRACE_WINDOW_SEED") or random.randrange(1 << 30))
    print(f"HEADRACE_WINDOW_SEED={seed} makes the same choices again")
    dice = random.Random(seed)
    frames = place.frames(partitions)
    arguments = place.settings(
        frames, workers=min(partitions, 2), instance="k", commit_ms=20, snapshot_bytes=200_000
    )
    for _ in range(KILLS // 2):
        worker = kit.Worker(**arguments, max_records=dice.randrange(200, 2000))
        worker.wait(dice.uniform(0.02, 1.5))
        worker.kill()
    kit.run(**arguments, close_all=True)
    place.assert_exact(frames)
