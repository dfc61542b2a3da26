"""Two workers on one job: the first is held at each step of its batch while the second takes over and loads all. When
the first goes on, it is told that it was overtaken, and what it had in hand goes nowhere.
"""

from __future__ import annotations

import os

import pytest

from tests.faults import seeds
from tests.faults.scenes import SCENES, Scene, Stage
from tests.faults.wire import Fault

pytestmark = pytest.mark.real

ALL = os.environ.get("HEADRACE_FAULTS") == "all"
ALWAYS = [("append", "begin"), ("append", "advance"), ("append", "commit"), ("upsert", "merge")]
EVERY = [(scene.name, step) for scene in SCENES.values() for step in scene.batch_steps]
CHOSEN = EVERY if ALL else sorted({*ALWAYS, *seeds.chance("fencing").sample(EVERY, 8)})


@pytest.mark.parametrize(("name", "step"), CHOSEN)
def test_overtaken_while_held(stage: Stage, name: str, step: str) -> None:
    scene = SCENES[name]
    held = Fault(step, "before", "hold", seconds=1)  # it lets go when the second must wait for the first
    stage.prepare(scene)
    stage.wire.arm(held)
    first = stage.start(scene, stage.wired)
    assert held.fired.wait(120), stage.wire.log
    second = stage.start(scene, stage.dsn).wait(120)
    stage.wire.release(held)
    told = first.wait(120)
    assert second.receipt is not None, second
    if told.receipt is None:
        assert told.error == "FencedError", told
        assert "took job" in told.message
        assert not told.retriable
    else:  # its last transaction held the offsets: the second came after it and found nothing to do
        assert second.receipt["read"] == 0
    assert stage.pg.password not in told.output + second.output
    stage.check(scene)


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_overtaken_while_its_commit_is_on_its_way(stage: Stage, scene: Scene) -> None:
    """The first has lost its wire, and its COMMIT arrives late: before the second begins, or not at all."""
    late = Fault("commit", "before", "late", seconds=0.5)
    stage.prepare(scene)
    stage.wire.arm(late)
    first = stage.start(scene, stage.wired)
    assert late.fired.wait(120), stage.wire.log
    first.kill()
    second = stage.start(scene, stage.dsn).wait(120)
    first.wait()
    assert second.receipt is not None, second
    stage.check(scene)


def test_several_at_once(stage: Stage) -> None:
    """Five workers on one job begin at the same time: the last to take it loads the rest."""
    scene = SCENES["append"]
    stage.prepare(scene)
    outcomes = [
        worker.wait(120) for worker in [stage.start(scene, stage.dsn, batch_records=1) for _ in range(5)]
    ]
    assert any(outcome.receipt is not None for outcome in outcomes)
    for outcome in outcomes:
        assert outcome.receipt is not None or outcome.error == "FencedError", outcome
    stage.check(scene)
