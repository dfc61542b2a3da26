"""The seed of the session for every test here, and its print at the end."""

from __future__ import annotations

import random

import pytest

from tests.faults import seeds


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say the seed, in quiet runs too."""
    terminalreporter.write_line(f"faults: {seeds.replay()} makes the same choices again")


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """This test's generator of random choices."""
    return seeds.chance(request.node.name)
