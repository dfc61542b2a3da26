"""headrace.vault_plan: what vault_load would do, and what stands in its way. Writes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace._headrace import Connection
from headrace.display import html_table, text_table
from headrace.errors import HeadraceError, RetriableError
from headrace.vault.contract import changed_hashes, compare, tables_there
from headrace.vault.load import kafka_settings, load_settings, topics_there
from headrace.vault.mapping import Table, VaultMapping, read_mapping


@dataclass(frozen=True, slots=True)
class VaultPlan:
    """What vault_load would do: lag per table, and what stands in its way."""

    tables: Sequence[Mapping[str, Any]]
    problems: Sequence[str]
    warnings: Sequence[str]

    @property
    def lag(self) -> int:
        """Messages that would be read."""
        return sum(int(table["lag"] or 0) for table in self.tables)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "lag": self.lag,
            "tables": [dict(table) for table in self.tables],
            "problems": list(self.problems),
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def _rows(self) -> tuple[list[str], list[list[Any]]]:
        header = ["table", "topic", "partitions", "lag", "hubs", "links", "satellites"]
        return header, [[", ".join(v) if isinstance(v, list) else v for v in t.values()] for t in self.tables]

    def __str__(self) -> str:
        parts = [text_table(*self._rows())]
        parts += [f"problem: {problem}" for problem in self.problems]
        parts += [f"warning: {warning}" for warning in self.warnings]
        parts.append(f"{self.lag:,} messages would be read")
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        header, rows = self._rows()
        lines = [["problem", p] for p in self.problems] + [["warning", w] for w in self.warnings]
        return html_table(header, rows, f"{self.lag:,} to load") + (
            html_table(["", ""], lines) if lines else ""
        )


def vault_plan(
    mapping: str | os.PathLike[str] | VaultMapping,
    *,
    dsn: str | None = None,
    brokers: str | None = None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    tables: Sequence[str] | None = None,
    **settings: Any,
) -> VaultPlan:
    """Connect, compare the mapping with the tables there are, and say what vault_load would read.

    The arguments are vault_load's. Problems are what vault_load would fail on: missing tables, missing
    columns, other types, other hashes. Warnings are topics that are not there yet, and where
    hashes that the database makes by itself would differ (headrace.hash_check). Raises RetriableError when
    the database or the brokers cannot be reached.
    """
    from headrace._hash import hash_check

    read = read_mapping(mapping)
    chosen = read.chosen(tables)
    with Connection(dsn or "") as connection:
        found = tables_there(connection, read)
        problems = compare(read, chosen, found) + changed_hashes(connection, read, found)
        warnings = hash_check(connection, zone=read.zone)
    there = topics_there(kafka_settings(brokers, kafka))
    warnings += [
        f"topic {table.topic} is not there yet: Debezium makes it with the first event of {table.source}"
        for table in chosen
        if table.topic not in there
    ]
    listed = []
    for table in chosen:
        lag, partitions = None, None
        if table.staging in found and table.topic in there:
            built = load_settings(read, table, dsn=dsn, brokers=brokers, kafka=kafka, **settings)
            lag, partitions = _ask(built, table, problems)
        listed.append(
            {
                "table": table.source,
                "topic": table.topic,
                "partitions": partitions,
                "lag": lag,
                "hubs": sorted({r.hub for r in table.references.values()}),
                "links": sorted(table.links),
                "satellites": [s.name for s in table.satellites],
            }
        )
    return VaultPlan(listed, problems, warnings)


def _ask(settings: Mapping[str, Any], table: Table, problems: list[str]) -> tuple[int | None, int | None]:
    from headrace import _headrace

    try:
        lanes = json.loads(_headrace.plan_load(json.dumps(settings)))["lanes"]
    except RetriableError:
        raise
    except HeadraceError as error:
        problems.append(f"{table.source}: {error}")
        return None, None
    return sum(int(lane["lag"] or 0) for lane in lanes), len(lanes)
