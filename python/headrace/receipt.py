"""What a run did, as a value: from the C module's JSON, to XCom, to a notebook's table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.display import html_table


@dataclass(frozen=True, slots=True)
class Lane:
    """One partition's part of a run: offsets [offset_from, offset_to) and what became of the records in
    them. lost: how many of these offsets had been deleted by the broker before they could be read, under
    lost_offsets="earliest".
    """

    topic: str
    partition: int
    offset_from: int
    offset_to: int
    read: int = 0
    loaded: int = 0
    rejected: int = 0
    skipped: int = 0
    bytes: int = 0
    lost: int = 0

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Lane:
        """From the JSON form, where the offsets are called "from" and "to"."""
        names = ("read", "loaded", "rejected", "skipped", "bytes", "lost")
        counts = {name: int(data.get(name) or 0) for name in names}
        return cls(
            topic=str(data["topic"]),
            partition=int(data["partition"]),
            offset_from=int(data["from"]),
            offset_to=int(data["to"]),
            **counts,
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "topic": self.topic,
            "partition": self.partition,
            "from": self.offset_from,
            "to": self.offset_to,
            "read": self.read,
            "loaded": self.loaded,
            "rejected": self.rejected,
            "skipped": self.skipped,
            "bytes": self.bytes,
            "lost": self.lost,
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a run did. read = loaded + rejected + skipped, or the run has failed.

    tables: rows per table (partition); rejects: records per reason; error: None, or a dict with code and
    message.
    """

    run_id: str
    job: str
    target: str
    mode: str
    source: str
    state: str
    read: int = 0
    loaded: int = 0
    rejected: int = 0
    skipped: int = 0
    bytes: int = 0
    seconds: float = 0.0
    started_at: str | None = None
    finished_at: str | None = None
    offsets: tuple[Lane, ...] = ()
    tables: Mapping[str, int] = field(default_factory=dict)
    rejects: Mapping[str, int] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None

    @classmethod
    def from_json(cls, text: str) -> Receipt:
        """From the JSON text of run_load, of headrace.receipts.detail or of to_json()."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Receipt:
        """From the JSON object. Unknown members are ignored, so that an older library reads a newer
        receipt.
        """
        return cls(
            run_id=str(data["run_id"]),
            job=str(data["job"]),
            target=str(data["target"]),
            mode=str(data["mode"]),
            source=_source_text(data.get("source")),
            state=str(data["state"]),
            **{name: int(data.get(name) or 0) for name in ("read", "loaded", "rejected", "skipped", "bytes")},
            seconds=float(data.get("seconds") or 0.0),
            started_at=data.get("started_at"),
            finished_at=data.get("finished_at"),
            offsets=tuple(Lane.from_dict(lane) for lane in data.get("offsets") or ()),
            tables={str(name): int(rows) for name, rows in (data.get("tables") or {}).items()},
            rejects={str(reason): int(count) for reason, count in (data.get("rejects") or {}).items()},
            error=data.get("error"),
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, with nothing but JSON's own types in it."""
        return {
            "run_id": self.run_id,
            "job": self.job,
            "target": self.target,
            "mode": self.mode,
            "source": self.source,
            "state": self.state,
            "read": self.read,
            "loaded": self.loaded,
            "rejected": self.rejected,
            "skipped": self.skipped,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "offsets": [lane.to_dict() for lane in self.offsets],
            "tables": dict(self.tables),
            "rejects": dict(self.rejects),
            "error": dict(self.error) if self.error is not None else None,
        }

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def balances(self) -> bool:
        """Whether every record is accounted for, in the total and in each partition."""
        lanes_ok = all(lane.read == lane.loaded + lane.rejected + lane.skipped for lane in self.offsets)
        return lanes_ok and self.read == self.loaded + self.rejected + self.skipped

    @property
    def rate(self) -> float:
        """Records read a second."""
        return self.read / self.seconds if self.seconds > 0 else 0.0

    def __str__(self) -> str:
        parts = [
            f"{self.job}: {self.state}. {self.read:,} read = {self.loaded:,} loaded + {self.rejected:,} "
            "rejected"
            f" + {self.skipped:,} skipped, {self.seconds:.1f} s ({self.rate:,.0f} records/s) into "
            f"{self.target}"
        ]
        if self.rejects:
            parts.append(
                "rejected: " + ", ".join(f"{reason} {count:,}" for reason, count in self.rejects.items())
            )
        parts += [
            f"{lane.topic}/{lane.partition}: {lane.lost:,} records were deleted before they could be read"
            for lane in self.offsets
            if lane.lost
        ]
        if self.error is not None:
            parts.append(f"error: {self.error.get('message', self.error)}")
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        head = html_table(
            ["job", "target", "mode", "state", "read", "loaded", "rejected", "skipped", "bytes", "seconds"],
            [
                [
                    *[self.job, self.target, self.mode, self.state, self.read, self.loaded, self.rejected],
                    *[self.skipped, self.bytes, f"{self.seconds:.2f}"],
                ]
            ],
        )
        parts = [head]
        if self.tables:
            parts.append(html_table(["table", "rows"], self.tables.items()))
        if self.rejects:
            parts.append(html_table(["rejected because", "records"], self.rejects.items()))
        return "".join(parts)


def _source_text(source: Any) -> str:
    """The source in one line; an object (of other versions) is shown as JSON."""
    if source is None or isinstance(source, str):
        return source or ""
    return json.dumps(source, sort_keys=True)
