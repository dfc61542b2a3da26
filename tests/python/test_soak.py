"""The judgement of a soak: what stays flat passes, what grows does not, however small its steps."""

from __future__ import annotations

import random

import pytest

from tests.soak.__main__ import BOUNDS
from tests.soak.judge import MIB, Bound, judge, line

MEMORY = {"memory": Bound(8 * MIB, 0.05, MIB)}


def verdict(samples: list[float]) -> list[str]:
    return judge({"memory": samples}, MEMORY)[1]


def test_noise_and_a_warm_up_are_no_growth() -> None:
    generator = random.Random(1)
    samples = [min(1, n / 40) * 60 * MIB + generator.random() * 6 * MIB for n in range(360)]
    assert verdict(samples) == []


@pytest.mark.parametrize("step", [64 * 1024, 256 * 1024])
def test_a_leak_of_every_round_is_growth(step: int) -> None:
    generator = random.Random(2)
    samples = [50 * MIB + n * step + generator.random() * 6 * MIB for n in range(360)]
    assert "memory grew from" in verdict(samples)[0]


def test_a_file_left_open_now_and_then_is_growth() -> None:
    table, complaints = judge({"files": [20 + n // 60 for n in range(360)]}, {"files": Bound(3)})
    assert complaints == ["files grew from 21.0 to 25.0"]
    assert table[1].startswith("files ")


def test_what_has_no_bound_may_grow_and_too_few_samples_prove_nothing() -> None:
    assert judge({"dead letters": list(range(100))}, {})[1] == []
    assert judge({"memory": [1.0] * 11}, MEMORY)[1] == ["memory: only 11 samples were taken, 12 are needed"]


def test_the_line_shows_the_shape() -> None:
    assert line([0.0, 1.0, 2.0, 4.0]) == " ▂▄█"
    assert line([3.0, 3.0]) == "▁▁"
    assert len(line([float(n) for n in range(1000)])) <= 40


def test_everything_that_could_leak_has_a_bound() -> None:
    watched = " ".join(BOUNDS)
    for what in ("memory", "open files", "threads", "connections", "lag"):
        assert what in watched
