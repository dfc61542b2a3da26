"""headrace.plan: what load would do, without doing it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace import _settings, _source
from headrace.display import html_table, text_table


@dataclass(frozen=True, slots=True)
class Plan:
    """What load would do. `data` is the whole plan as plain JSON values; the properties are its usual
    parts.
    """

    data: Mapping[str, Any]

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """From the C module's JSON."""
        return cls(json.loads(text))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return dict(self.data)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.data, ensure_ascii=False)

    @property
    def target(self) -> Mapping[str, Any]:
        """The target as the catalog describes it: table, columns, key, partition_column, partitions,
        copy_format.
        """
        return dict(self.data.get("target") or {})

    @property
    def columns(self) -> list[Mapping[str, Any]]:
        """The target's columns and where each takes its value from."""
        return list(self.target.get("columns") or ())

    @property
    def lanes(self) -> list[Mapping[str, Any]]:
        """The partitions, or files, and the offsets that would be read."""
        return list(self.data.get("lanes") or ())

    @property
    def lag(self) -> int | None:
        """Offsets (of files: bytes) that would be read; None when the run has no end."""
        lags = [lane.get("lag") for lane in self.lanes]
        return None if None in lags else sum(int(number) for number in lags if number is not None)

    @property
    def warnings(self) -> list[str]:
        """What would go wrong, or may surprise."""
        return [str(warning) for warning in self.data.get("warnings") or ()]

    def _facts(self) -> list[tuple[str, Any]]:
        facts = [*self.data.items(), *(("target " + k, v) for k, v in self.target.items())]
        facts = [(k, ", ".join(v) if k == "target key" else v) for k, v in facts]
        return [(k, v) for k, v in facts if v not in (None, "") and not isinstance(v, (list, dict))]

    def __str__(self) -> str:
        parts = ["\n".join(f"{name}: {value}" for name, value in self._facts())]
        for rows in (self.columns, self.lanes):
            if rows:
                header = list(rows[0])
                parts.append(text_table(header, [[row.get(name) for name in header] for row in rows]))
        parts.extend(f"warning: {warning}" for warning in self.warnings)
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        parts = [html_table(["", ""], self._facts())]
        for rows in (self.columns, self.lanes):
            if rows:
                header = list(rows[0])
                parts.append(html_table(header, [[row.get(name) for name in header] for row in rows]))
        if self.warnings:
            parts.append(html_table(["warnings"], [[warning] for warning in self.warnings]))
        return "".join(parts)


def plan(source: _source.Source, target: str, *, dsn: str | None = None, **settings: Any) -> Plan:
    """Connect, check types, permissions and lag, and say what `load` with the same arguments would do. Writes
    nothing.

    Raises what load would raise.
    """
    from headrace import _headrace

    return Plan.from_json(
        _headrace.plan_load(json.dumps(_settings.build(source, target, dsn=dsn, **settings)))
    )
