"""The worker is killed, or its wire to PostgreSQL cut, at each step of its work in each mode: nothing is lost, nothing
doubled, and where the wire alone was cut in a batch, the same run goes on.

Each step gets one fault here, in one mode, both chosen by the seed, and those around COMMIT several; HEADRACE_FAULTS=all
plays every fault at every step in every mode (half an hour).
"""

from __future__ import annotations

import os
from uuid import uuid4

import pytest

from tests.faults import seeds
from tests.faults.scenes import AFTER_THE_BATCHES, RECORDS, SCENES, TARGET, Scene, Stage
from tests.faults.wire import STEPS, Action, Fault, Moment
from tests.real.load_kit import one

pytestmark = pytest.mark.real

ALL = os.environ.get("HEADRACE_FAULTS") == "all"
MOMENTS: tuple[Moment, ...] = ("before", "half", "after")
DECISIVE = ("advanced", "commit", "committed")
SIDES = {step.name: step.side for step in STEPS}
Way = tuple[Moment, Action]


def ways(step: str) -> list[Way]:
    """Everything that can be done at a step."""
    actions: tuple[Action, ...] = ("kill", "cut", "fin", "client", "server")
    found: list[Way] = [(when, do) for when in MOMENTS for do in actions]
    if step != "startup":  # no session to end yet
        found += [("before", "terminate"), ("after", "terminate")]
    return [*found, ("before", "late")] if SIDES[step] == "client" else found


def cases() -> list[tuple[str, str, Moment, Action]]:
    """What is played in this session."""
    chance = seeds.chance("wire")
    every = [
        (scene.name, step, *way) for scene in SCENES.values() for step in scene.steps for way in ways(step)
    ]
    if ALL:
        return every
    found = [
        case
        for case in every
        if case[0] == "append" and case[1] in DECISIVE and case[3] in ("kill", "cut", "late")
    ]
    for step in SIDES:
        if of_step := [case for case in every if case[1] == step]:
            found.append(chance.choice(of_step))
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(("name", "step", "when", "do"), cases())
def test_cut_at_every_step(stage: Stage, name: str, step: str, when: Moment, do: Action) -> None:
    scene = SCENES[name]
    outcome = stage.play(scene, Fault(step, when, do))
    in_a_batch = step in scene.batch_steps and step not in ("partitions read", "stage")
    if do != "kill" and (step in AFTER_THE_BATCHES or (in_a_batch and scene.name != "end")):
        assert outcome.receipt is not None, f"the run should have gone on: {outcome.message}"


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_a_commit_whose_answer_is_lost_is_not_done_again(stage: Stage, scene: Scene) -> None:
    outcome = stage.play(scene, Fault("committed", "before", "cut"))
    assert outcome.receipt is not None


def test_every_step_is_played() -> None:
    played = {step for scene in SCENES.values() for step in scene.steps}
    assert {step.name for step in STEPS} - played == {"resolve", "resolved", "rollback"}


def questions() -> list[tuple[bool, str, Moment, Action]]:
    """Where and how a run is stopped that asks what became of its COMMIT, which has landed or not."""
    every: list[tuple[bool, str, Moment, Action]] = [
        (landed, step, when, do)
        for landed in (True, False)
        for step in ("resolve", "resolved")
        for when in MOMENTS
        for do in ("kill", "cut", "client", "terminate")
        if do != "terminate" or when != "half"
    ]
    if ALL:
        return every
    answers_lost: list[tuple[bool, str, Moment, Action]] = [
        (landed, "resolved", "before", "cut") for landed in (True, False)
    ]
    return sorted({*answers_lost, *seeds.chance("questions").sample(every, 8)})


@pytest.mark.parametrize(("landed", "step", "when", "do"), questions())
def test_cut_again_while_asking_what_became_of_a_commit(
    stage: Stage, landed: bool, step: str, when: Moment, do: Action
) -> None:
    first = Fault("committed", "before", "cut") if landed else Fault("commit", "before", "cut")
    outcome = stage.play(SCENES["append"], first, Fault(step, when, do))
    if do != "kill":
        assert outcome.receipt is not None, f"the run should have gone on: {outcome.message}"


def test_a_run_that_never_learns_what_became_of_a_commit_says_so_and_its_receipt_is_right(
    stage: Stage,
) -> None:
    never = Fault("resolve", "before", "cut", times=100)
    outcome = stage.play(SCENES["append"], Fault("committed", "before", "cut", nth=2), never)
    assert outcome.receipt is None
    assert "connection" in outcome.message


def test_a_load_that_cannot_be_continued_is_not_tried_again_blindly(stage: Stage) -> None:
    """Its COMMIT has landed, but it never learns: a second run would load everything once more."""
    scene = SCENES["end"]
    stage.prepare(scene)
    stage.wire.arm(Fault("committed", "before", "cut"), Fault("resolve", "before", "cut", times=100))
    run = str(uuid4())
    outcome = stage.start(scene, stage.wired, identity=False, run_id=run).wait()
    assert outcome.receipt is None
    assert not outcome.retriable, outcome.message
    assert run in outcome.message
    assert "receipt_lanes" in outcome.message
    lanes = f"SELECT sum(loaded) FROM headrace.receipt_lanes WHERE run_id = '{run}'"
    assert one(stage.dsn, lanes) == one(stage.dsn, f"SELECT count(*) FROM {TARGET}") == RECORDS - 2
