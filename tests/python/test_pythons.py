"""The tools of `make test-pythons`, as far as they need no other Python."""

from __future__ import annotations

import pytest

from stack.paths import ROOT
from tests.pythons.__main__ import ELSEWHERE, NOT_FREE
from tests.pythons.interpreters import Version


@pytest.mark.parametrize("name", [*ELSEWHERE, *NOT_FREE])
def test_what_is_left_out_exists(name: str) -> None:
    file, _, test = name.partition("::")
    assert f"def {test}" in (ROOT / "tests/python" / file).read_text()


def test_versions_are_read_and_sorted() -> None:
    names = ["3.11", "3.13", "3.13t", "3.14"]
    versions = [Version.parse(name) for name in reversed(names)]
    assert [str(version) for version in sorted(versions)] == names


@pytest.mark.parametrize("name", ["3.10", "2.7", "3", "3.14td", "python3.14", ""])
def test_other_versions_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"3\.11 or newer"):
        Version.parse(name)
