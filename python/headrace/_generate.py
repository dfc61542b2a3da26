"""headrace.generate: made-up data, linked and reproducible to the byte."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from headrace import _source
from headrace.display import html_table
from headrace.errors import UsageError
from headrace.progress import Progress, make_callback


@dataclass(frozen=True, slots=True)
class Generated:
    """What was made: the truth that the receipt of a load can be held against.

    bytes: without line ends; settings: all numbers in force; kinds: records of each kind; expected: what a
    load into the intended table makes of them: {"loaded", "rejected", "reasons"}; truth: where that about the
    windows of frames was written: {"path", "seconds", "windows"}, else None.
    """

    data: str
    first: int
    records: int
    bytes: int
    seconds: float
    settings: Mapping[str, int]
    kinds: Mapping[str, int]
    expected: Mapping[str, Any]
    truth: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, text: str) -> Generated:
        """From the C module's JSON. Unknown members are ignored."""
        data = json.loads(text)
        return cls(**{name: data[name] for name in cls.__slots__ if name != "truth"}, truth=data.get("truth"))

    def to_dict(self) -> dict[str, Any]:
        """For JSON and XCom."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        rate = self.records / self.seconds if self.seconds > 0 else 0
        kinds = ", ".join(f"{name} {count:,}" for name, count in self.kinds.items() if count)
        return f"{self.records:,} {self.data} in {self.seconds:.1f} s ({rate:,.0f}/s): {kinds}"

    def _repr_html_(self) -> str:
        return html_table(["kind", "records"], [(k, n) for k, n in self.kinds.items() if n], str(self))


def generate(
    data: Literal["purchases", "customers", "products", "frames"] | str,
    count: int,
    to: str | os.PathLike[str],
    *,
    first: int = 0,
    format: Literal["json", "csv"] | None = None,
    rate: float | None = None,
    partitions: int | None = None,
    replication: int = -1,
    topic_config: Mapping[str, str] | None = None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    progress: bool | Callable[[Progress], object] | Any = None,
    truth: str | os.PathLike[str] | None = None,
    truth_seconds: int = 60,
    settings: Mapping[str, int | None] | None = None,
    **more: int | None,
) -> Generated:
    """Make records [first, first + count) of a data set. Record i depends on the settings and on i alone.

    to: "kafka://host:port/topic", a path (.gz is compressed, .csv is CSV), or "-" (standard output).
    rate: records a second at most.
    partitions, replication, topic_config: of the topic, when it is not there yet.
    truth: of frames: a file for what windows of truth_seconds (up to 600) must hold after all of them, as
      JSON lines: window_start, window_end, frames, users. Frames that are late, of the far future or damaged
      count nowhere.
    settings, or keywords: the data set's numbers, such as seed, customers, products, until, weeks, and shares
      in a million: malformed, late, duplicate, unknown, extra. UsageError names one that does not exist or
      fit, and a `to` whose name says another form than is written (.zst, .tsv). Frames have a setting `rate`,
      the frames in a second of their own time: it goes into `settings`.
    """
    from headrace import _headrace

    _check_places(os.fspath(to), None if truth is None else os.fspath(truth))
    config = {
        "data": data,
        "first": first,
        "count": count,
        "format": format or ("csv" if _is_csv(os.fspath(to)) else "json"),
        "rate": rate,
        "settings": {**(settings or {}), **more},
        "truth": {"path": os.fspath(truth), "seconds": truth_seconds} if truth is not None else None,
        "to": _destination(os.fspath(to), kafka, partitions, replication, topic_config),
    }
    callback, finish = make_callback(progress, f"{data}: ")
    try:
        return Generated.from_json(_headrace.generate(json.dumps(config), callback))
    finally:
        finish()


def _check_places(to: str, truth: str | None) -> None:
    """UsageError for names that would mislead, or of one file for both."""
    if "://" not in to and to.lower().endswith((".zst", ".zstd", ".tsv", ".tab")):
        raise UsageError(
            f"{to} would not hold what its name says: JSON lines or CSV with commas are written, compressed "
            "when the name ends in .gz"
        )
    if truth == "-":
        raise UsageError("the truth goes into a file: name one")
    if (
        truth is not None
        and "://" not in to
        and to != "-"
        and os.path.realpath(to) == os.path.realpath(truth)
    ):
        raise UsageError(f"{to} cannot hold both the records and their truth: give two names")


def _is_csv(to: str) -> bool:
    return "://" not in to and to.lower().removesuffix(".gz").endswith(".csv")


def _destination(
    to: str,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None,
    partitions: int | None,
    replication: int,
    topic_config: Mapping[str, str] | None,
) -> dict[str, Any]:
    """The "to" object. UsageError for what cannot be."""
    if to.startswith("kafka://"):
        topic, settings = _source.parse_kafka(to, kafka)
        return {
            "kind": "kafka",
            "topic": topic,
            "config": settings,
            "partitions": partitions,
            "replication": replication,
            "topic_config": dict(topic_config or {}),
        }
    if "://" in to:
        raise UsageError(f"{to} cannot be written: use kafka://host:port/topic, a path, or -")
    return {"kind": "stdout"} if to == "-" or _source.is_stdout(to) else {"kind": "file", "path": to}
