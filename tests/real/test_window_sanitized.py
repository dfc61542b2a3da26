"""A window job without Python under ASan + UBSan, and under TSan: four workers, stopped on the way, cancelled, and gone on with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from headrace import _window_topic

from stack import kafka
from tests.real import window_kit as kit
from tests.real.kafka_kit import Refused
from tests.real.sanitizer_kit import LoadDriver, Sanitizer


@pytest.mark.parametrize("sanitizer", ["asan", "tsan"])
def test_a_job_of_several_workers(
    broker: kafka.Broker, new_topic: Callable[..., str], tmp_path: Path, sanitizer: Sanitizer
) -> None:
    """Nothing read that is not ours, nothing leaks, no two threads at the same memory; and results are right."""
    place = kit.Place(broker.bootstrap, new_topic(1), tmp_path, new_topic)
    frames = place.frames(3, 6000)

    def settings(**more: Any) -> dict[str, Any]:
        return _window_topic.build(**place.settings(frames, workers=4, snapshot_bytes=200_000, **more))

    with LoadDriver(sanitizer, tmp_path / "driver.log", "drive_window") as driver:
        driver.run(config=settings(max_records=2000))
        driver.run(config=settings(until="forever", idle="1s"), stop_ms=4000)
        with pytest.raises(Refused):
            # without an end: a bounded run may be over by then
            driver.run(config=settings(until="forever"), cancel_ms=300)
        driver.run(config=settings(close_all=True))
    place.assert_exact(frames)
