"""The C drivers of tests/io as Python objects, and messages to feed them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "io"


@cache
def build() -> None:
    """Build the drivers, once a session."""
    subprocess.run(["make", "-s", "-j2", "-C", str(ROOT / "tests/io"), "drivers"], check=True)


class Refused(Exception):
    """What a driver answered when the C function failed. `code`, `retriable`, `fatal` are those of hr_error."""

    def __init__(self, error: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        super().__init__(error["message"])
        self.message: str = error["message"]
        self.code: str = error["code"]
        self.retriable: bool = error["retriable"]
        self.fatal: bool = error["fatal"]
        self.answer = answer


class Driver:
    """A running driver: `driver.plan(source=...)` sends {"do": "plan", "source": ...} and returns the answer."""

    def __init__(self, name: str) -> None:
        build()
        self._process = subprocess.Popen(
            [OUT / name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *_: object) -> None:
        """The sanitizers speak when the process ends: leaks are failures too."""
        assert self._process.stdin
        self._process.stdin.close()
        assert self._process.wait(60) == 0, "see the sanitizer's report above"

    def send(self, do: str, **order: Any) -> None:
        """Give an order without waiting."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """The answer to the oldest order that has none yet."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the driver ended; see its words above"
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"], answer)
        return answer

    def __getattr__(self, do: str) -> Callable[..., dict[str, Any]]:
        def ask(**order: Any) -> dict[str, Any]:
            self.send(do, **order)
            return self.answer()

        return ask


def source(
    bootstrap: str, topic: str, config: Mapping[str, Any] | None = None, **settings: Any
) -> dict[str, Any]:
    """The "source" object of a load's settings."""
    return {
        "kind": "kafka",
        "topic": topic,
        "config": {"bootstrap.servers": bootstrap, **(config or {})},
        **settings,
    }


def fill(
    bootstrap: str,
    topic: str,
    messages: Iterable[tuple[int, bytes | None] | tuple[int, bytes | None, bytes | None]],
    **config: Any,
) -> None:
    """Send (partition, value[, key]) and wait until all are there."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 20, "message.max.bytes": 200_000_000, **config}
    )
    for partition, value, *key in messages:
        while True:
            try:
                producer.produce(topic, value, key=key[0] if key else None, partition=partition)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(120) == 0


def offsets(lanes: Iterable[Mapping[str, Any]]) -> dict[int, tuple[int, int]]:
    """{partition: (begin, end)} of planned lanes."""
    return {lane["partition"]: (lane["begin"], lane["end"]) for lane in lanes}
