"""The worker is killed, or its wire to PostgreSQL cut, at each step of its work in each mode: nothing is lost, nothing
doubled, and where the wire alone was cut in a batch, the same run goes on.

Each step gets one fault here, in one mode, both chosen by the seed, and those around COMMIT several; HEADRACE_FAULTS=all
plays every fault at every step in every mode (half an hour).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from stack import kafka, ports, postgres
from tests.faults import scenes, seeds
from tests.faults.scenes import SCENES, Scene, Stage
from tests.faults.wire import STEPS, Action, Fault, Moment, Wire, terminator
from tests.faults.workers import Workers
from tests.real.load_kit import produce

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


@pytest.fixture(scope="module")
def stage(
    pg: postgres.Server, broker: kafka.Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Where scenes are played; one for all tests of this file."""
    import headrace

    database, topic = "wire", "wire"
    pg.create_database(database)
    broker.create_topic(topic, 1)
    produce(broker.bootstrap, topic, scenes.records())
    file = tmp_path_factory.mktemp("wire") / "purchases.jsonl"
    file.write_bytes(b"".join(record + b"\n" for record in scenes.records()))
    headrace.migrations.apply(pg.dsn(database))
    with Wire(ports.LOOPBACK, pg.port, terminate=terminator(pg)) as wire, Workers() as workers:
        yield Stage(pg, database, f"kafka://{broker.bootstrap}/{topic}", file, wire, workers)
    pg.drop_database(database)
    broker.delete_topic(topic)


@pytest.mark.parametrize(("name", "step", "when", "do"), cases())
def test_cut_at_every_step(stage: Stage, name: str, step: str, when: Moment, do: Action) -> None:
    scene = SCENES[name]
    outcome = stage.play(scene, Fault(step, when, do))
    within = step in scene.batch_steps and step not in ("partitions read", "stage")
    if do != "kill" and within and scene.name != "end":
        assert outcome.receipt is not None, f"the run should have gone on: {outcome.message}"


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_a_commit_whose_answer_is_lost_is_not_done_again(stage: Stage, scene: Scene) -> None:
    outcome = stage.play(scene, Fault("committed", "before", "cut"))
    assert outcome.receipt is not None


def test_every_step_is_played() -> None:
    played = {step for scene in SCENES.values() for step in scene.steps}
    assert {step.name for step in STEPS} - played == {"resolve", "resolved", "rollback"}


RESOLVE: list[tuple[str, Moment, Action]] = [
    (step, when, do)
    for step in ("resolve", "resolved")
    for when in MOMENTS
    for do in ("kill", "cut", "client", "terminate")
    if do != "terminate" or when != "half"
]


@pytest.mark.parametrize("landed", [True, False], ids=["landed", "not landed"])
@pytest.mark.parametrize(("step", "when", "do"), RESOLVE)
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
