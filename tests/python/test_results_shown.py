"""headrace.Results without a broker: order, the newest of each window, tables, plots. tests/real has the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import headrace
import pyarrow as pa
import pytest


def results(*rows: tuple[str, int, int], **more: Any) -> headrace.Results:
    """Results of (window, minute, users)."""
    found = headrace.Results()
    for window, minute, users in rows:
        start, end = f"2026-11-21T10:{minute:02}:00Z", f"2026-11-21T10:{minute + 1:02}:00Z"
        value = {"window": window, "window_start": start, "window_end": end, "users": users, **more}
        found.add({"key": f"{start}/{window}", "value": json.dumps(value)})
    return found


def test_the_newest_of_each_in_order() -> None:
    found = results(("minute", 2, 5), ("minute", 1, 4), ("minute", 2, 6), final=False)
    assert [row["users"] for row in found] == [4, 6]
    assert (found.messages, found.repeated) == (3, 0)
    assert str(found) == "2 results of 3 messages, 2 not final yet"
    assert found.table(1).splitlines()[2].split()[3:] == ["6", "no"]
    assert pa.table(found)["users"].to_pylist() == [4, 6]


def test_a_final_result_that_comes_again_is_told() -> None:
    assert results(("minute", 1, 4), ("minute", 1, 4), final=True).repeated == 1


@pytest.mark.parametrize(
    "value",
    [None, "", "{", "[]", '"x"', '{"window": "m"}', '{"window_start": 1, "window_end": 2, "window": "m"}',
     '{"window": 1, "window_start": "2026-11-21T10:00:00Z", "window_end": "2026-11-21T10:00:00Z"}',
     '{"window": "m", "window_start": "2026-11-21T10:00:00", "window_end": "2026-11-21T10:00:00Z"}',
     "[" * 100_000],
)  # fmt: skip
def test_messages_that_are_no_results_are_counted(value: str | None) -> None:
    found = headrace.Results()
    assert found.add({"key": None, "value": value}) is None
    assert (found.foreign, len(found)) == (1, 0)


@pytest.mark.parametrize("year", ["58692", "-0044", "0000"])
def test_windows_of_years_that_cannot_be_shown_are_told(year: str) -> None:
    """Such as those of milliseconds that were read as seconds."""
    start, end = (f"{year}-11-03T14:{minute}:00Z" for minute in (13, 14))
    found = headrace.Results()
    value = json.dumps({"window": "minute", "window_start": start, "window_end": end, "users": 1})
    assert found.add({"key": start, "value": value}) is None
    assert (found.far, found.foreign) == (1, 1)
    assert "no results" not in str(found)
    assert "right unit of time?" in str(found)


def test_a_plot_shows_itself_and_is_written(tmp_path: Path) -> None:
    found = results(*[("minute", minute, 10 + minute) for minute in range(10)], ("5m", 0, 70))
    figure: Any = found.plot(tmp_path / "users.svg")
    assert figure._repr_png_()[:4] == b"\x89PNG"
    assert "<svg" in (tmp_path / "users.svg").read_text()
    with pytest.raises(headrace.UsageError, match="nothing to plot"):
        headrace.Results().plot()
