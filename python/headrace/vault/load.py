"""headrace.vault_load: change events of many topics into a vault, exactly once, side by side."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace import _load, _settings, _source, migrations
from headrace._headrace import Connection
from headrace.display import html_table, text_table
from headrace.errors import SchemaError
from headrace.receipt import Receipt
from headrace.vault.contract import check
from headrace.vault.mapping import Table, VaultMapping, read_mapping
from headrace.vault.settings import column_map, vault_settings
from headrace.vault.side_by_side import SideBySide

DEFAULT_THREADS = 2


@dataclass(frozen=True, slots=True)
class VaultReceipt:
    """What a run did: the receipt of each table's load, and their sums."""

    receipts: Mapping[str, Receipt]
    seconds: float
    waiting: Sequence[str] = ()
    """Tables whose topics are not there yet: Debezium makes a topic with the first event."""

    def _sum(self, name: str) -> int:
        return sum(int(getattr(receipt, name)) for receipt in self.receipts.values())

    def _rows(self, prefix: str) -> int:
        return sum(
            int(rows)
            for receipt in self.receipts.values()
            for table, rows in receipt.tables.items()
            if table.rpartition(".")[2].startswith(prefix)
        )

    @property
    def events(self) -> int:
        """Messages read, tombstones included."""
        return self._sum("read")

    @property
    def loaded(self) -> int:
        """Events that are in the vault, be it that they were there before."""
        return self._sum("loaded")

    @property
    def rejected(self) -> int:
        """Events in headrace.dead_letters."""
        return self._sum("rejected")

    @property
    def skipped(self) -> int:
        """Tombstones."""
        return self._sum("skipped")

    @property
    def hubs(self) -> int:
        """New rows in hubs."""
        return self._rows("hub_")

    @property
    def links(self) -> int:
        """New rows in links."""
        return self._rows("link_")

    @property
    def satellites(self) -> int:
        """New rows in satellites, without tracking satellites."""
        return self._rows("sat_")

    @property
    def tracked(self) -> int:
        """New events in tracking satellites."""
        return self._rows("trk_")

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("events", "loaded", "rejected", "skipped", "hubs", "links", "satellites", "tracked")
        sums = {name: getattr(self, name) for name in names}
        tables = {name: receipt.to_dict() for name, receipt in self.receipts.items()}
        return {**sums, "seconds": self.seconds, "waiting": list(self.waiting), "tables": tables}

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def _table(self) -> tuple[list[str], list[list[Any]]]:
        header = ["table", "events", "loaded", "rejected", "skipped", "seconds"]
        rows = [
            [name, r.read, r.loaded, r.rejected, r.skipped, f"{r.seconds:.1f}"]
            for name, r in self.receipts.items()
        ]
        return header, rows

    def _summary(self) -> str:
        waiting = f"; no topic yet: {', '.join(self.waiting)}" if self.waiting else ""
        return (
            f"{self.events:,} events in {self.seconds:.1f} s: {self.hubs:,} hub, {self.links:,} link and "
            f"{self.satellites:,} satellite rows are new, {self.rejected:,} events rejected"
            f"{waiting}"
        )

    def __str__(self) -> str:
        header, rows = self._table()
        return f"{text_table(header, rows)}\n{self._summary()}"

    def _repr_html_(self) -> str:
        header, rows = self._table()
        return html_table(header, rows, self._summary())


def vault_load(
    mapping: str | os.PathLike[str] | VaultMapping,
    *,
    dsn: str | None = None,
    brokers: str | None = None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    tables: Sequence[str] | None = None,
    threads: int = DEFAULT_THREADS,
    progress: Callable[[str], object] | None = None,
    **settings: Any,
) -> VaultReceipt:
    """Load the topics of a mapping into the vault, from where the last run stopped to their ends now.

    dsn: of the vault's database; brokers, kafka: bootstrap.servers, and librdkafka's settings as a mapping or
      the path of a properties file
    tables: only these, by their source's or short names
    threads: how many tables are loaded side by side; groups of the mapping's `order` come one after the other
    progress: called with a table's name when its load has ended
    settings: of headrace.load, such as max_seconds, batch_records, workers, start; format, avro and debezium
      go before the mapping's, avro={"user", "password"} beside its registry

    A topic that is not there yet is left for the next run (`waiting` of the receipt). Each table is a job of
    its own, "<job>.<table>", with its offsets, receipts and dead letters. Loading the same events again, in
    whatever order, changes nothing. Raises SchemaError where tables or hashes are not those of
    the mapping, and what headrace.load raises, when the loads beside it have ended; an
    interrupt rolls back what is not committed.
    """
    read = read_mapping(mapping)
    started = time.monotonic()
    chosen = {table.source for table in read.chosen(tables)}
    known = kafka_settings(brokers, kafka)
    there = topics_there(known)
    waiting = [t.source for t in read.tables.values() if t.source in chosen and t.topic not in there]
    chosen.difference_update(waiting)
    migrations.apply(dsn or "")
    with Connection(dsn or "") as connection:
        check(connection, read, [t for t in read.tables.values() if t.source in chosen])
    receipts: dict[str, Receipt] = {}
    side = SideBySide(threads, "headrace-vault")

    def one(table: Table) -> None:
        built = load_settings(read, table, dsn=dsn, kafka=known, **settings)
        try:
            receipts[table.source] = _load.run(built, progress=side.watch)
        except SchemaError as error:
            raise SchemaError(f"{table.source}: {error}") from error
        if progress is not None:
            progress(table.source)

    for group in read.groups():
        side.run([t for t in group if t.source in chosen], one)
    ordered = {name: receipts[name] for name in read.tables if name in receipts}
    return VaultReceipt(ordered, time.monotonic() - started, waiting)


def kafka_settings(
    brokers: str | None, kafka: Mapping[str, Any] | str | os.PathLike[str] | None
) -> dict[str, str]:
    """Librdkafka's settings, with the brokers."""
    known = _source.kafka_settings(kafka)
    if brokers:
        known["bootstrap.servers"] = brokers
    return known


def topics_there(kafka: Mapping[str, str]) -> set[str]:
    """The names of the topics that the brokers have. UsageError when no broker is named."""
    from headrace import topics

    return {topic.name for topic in topics.list(kafka)}


def load_settings(
    mapping: VaultMapping,
    table: Table,
    *,
    dsn: str | None = None,
    brokers: str | None = None,
    kafka: Mapping[str, Any] | str | os.PathLike[str] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """The settings of one table's load, as the C module wants them."""
    options = {
        "format": mapping.format,
        "zone": mapping.zone,
        "run_id": str(uuid.uuid4()),
        **settings,
    }
    for name, told in (("avro", mapping.avro), ("debezium", mapping.debezium)):
        if merged := {**told, **(settings.get(name) or {})}:
            options[name] = merged
    return _settings.build(
        f"kafka://{table.topic}",
        f'"{mapping.schema}"."{table.staging}"',
        dsn=dsn,
        job=mapping.job_of(table),
        mode="vault",
        key=table.key,
        map=column_map(mapping, table),
        vault=vault_settings(mapping, table),
        kafka=kafka_settings(brokers, kafka),
        **options,
    )
