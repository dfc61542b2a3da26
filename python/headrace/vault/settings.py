"""A table of the mapping as the setting "vault" of a load: hashes, relations and the statements that move the
stages on (csrc/io/vault/vault_plan.h).
"""

from __future__ import annotations

from typing import Any

from headrace.vault.ddl import (
    STAGING,
    ZERO,
    literal,
    parent_column,
    qualified,
    quote,
    row_columns,
    tracked_links,
)
from headrace.vault.mapping import Satellite, Table, VaultMapping

RANK = "dv_seq"
_GAPS = "pg_temp.headrace_gaps"
_LATE = "pg_temp.headrace_late"
_LAST = "pg_temp.headrace_last"
_FIRST = "pg_temp.headrace_first"


def column_map(mapping: VaultMapping, table: Table) -> dict[str, str]:
    """Where the columns of the staging table come from. A dot in a name is no path."""
    plain = {c: c.replace("\\", "\\\\").replace(".", "\\.") for c in row_columns(mapping, table)}
    return plain | {column: source for column, _, source in STAGING}


def vault_settings(mapping: VaultMapping, table: Table) -> dict[str, Any]:
    """The setting "vault"."""
    builder = _Builder(mapping, table)
    return {
        "recipe": mapping.recipe,
        "diff_recipe": mapping.diff_recipe,
        "op": "dv_op",
        "lsn": "dv_lsn",
        "unchanged": "dv_unchanged",
        "key": list(table.key),
        "identity": table.identity,
        "hashes": builder.hashes(),
        "source": table.record_source,
        "relations": builder.relations(),
        "known": builder.known(),
        "begin": builder.begin(),
        "gaps": builder.gaps(),
        "late": builder.late(),
    }


class _Builder:
    """The parts of one table's settings."""

    def __init__(self, mapping: VaultMapping, table: Table) -> None:
        self.mapping = mapping
        self.table = table
        self.parent = quote(parent_column(mapping, table))
        self.tracking = qualified(mapping, table.tracking)
        self.source = literal(table.record_source)
        self.stages: list[str] = []  # the statements that make them
        self.straight: list[tuple[str, str, list[str], list[str]]] = []  # table, stage, columns of both

    def hashes(self) -> list[dict[str, Any]]:
        """Every role's, link's and satellite's."""
        key = set(self.table.key)
        found = [
            {
                "name": reference.hash,
                "columns": list(reference.columns),
                "of_deletes": set(reference.columns) <= key,
                "whole": True,
            }
            for reference in self.table.references.values()
        ]
        for link in self.table.links:
            columns = self.mapping.link_columns(self.table, link)
            found.append({"name": f"{link}_hk", "columns": columns, "of_deletes": set(columns) <= key})
        found += [
            {"name": s.diff, "columns": sorted(s.columns, key=str.lower), "diff": True}
            for s in self.table.satellites
        ]
        return found

    def relations(self) -> list[dict[str, Any]]:
        """Hubs and links in the order of their names, which is the same for every table, then events, then
        satellites.
        """
        self.stages, self.straight = [], []
        found = []
        for hub in sorted({r.hub for r in self.table.references.values()}):
            found += self.hub(hub)
        for link in sorted(self.table.links):
            found.append(self.link(link))
        found.append(self.events())
        found += [self.satellite(s) for s in self.table.satellites]
        return found

    def begin(self) -> str:
        """The stages, made anew."""
        gaps = (
            "CREATE TEMP TABLE headrace_gaps "
            f"(place bigint, key bytea, lsn bigint, seq smallint, created boolean){_EMPTIED}"
        )
        late = f"CREATE TEMP TABLE headrace_late (key bytea){_EMPTIED}"
        diffs = "".join(f", {quote(s.diff)} bytea" for s in self.table.satellites)
        last = (
            "CREATE TEMP TABLE headrace_last (key bytea, first_lsn bigint, first_seq smallint, lsn bigint, "
            f"seq smallint{diffs}){_EMPTIED}"
        )
        first = f"CREATE TEMP TABLE headrace_first (key bytea, lsn bigint, seq smallint){_EMPTIED}"
        names = [
            "headrace_gaps",
            "headrace_late",
            "headrace_last",
            "headrace_first",
            *(f"headrace_{i}" for i in range(len(self.stages))),
        ]
        dropped = ", ".join(f"pg_temp.{name}" for name in names)
        return "; ".join([f"DROP TABLE IF EXISTS {dropped}", gaps, late, last, first, *self.stages])

    def stage(self, columns: list[tuple[str, str]]) -> str:
        """Note one more stage; its name."""
        name = f"headrace_{len(self.stages)}"
        listed = ", ".join(f"{quote(c)} {kind}" for c, kind in columns)
        self.stages.append(f"CREATE TEMP TABLE {name} ({listed}){_EMPTIED}")
        return f"pg_temp.{name}"

    def direct(self, table: str, stage: str, columns: list[str], staged: list[str]) -> str:
        """Where a COPY goes that leaves the stage out. columns: the table's names of the stage's columns."""
        self.straight.append((table, stage, columns, staged))
        return f"{qualified(self.mapping, table)} ({', '.join(map(quote, columns))}, dv_record_source)"

    def known(self) -> dict[str, str]:
        """What the vault has of the batch's keys, and whether its tables still have the types of the stages.
        Nobody alters them before the transaction ends: a lock that asks for no more than what rows ask for.
        """
        diffs = "".join(f", t.{quote(s.diff)}" for s in self.table.satellites)
        query = (
            f"SELECT f.key, t.dv_lsn, t.dv_seq{diffs} FROM {_FIRST} f "
            f"JOIN LATERAL (SELECT * FROM {self.tracking} t WHERE t.{self.parent} = f.key "
            "ORDER BY t.dv_lsn DESC, t.dv_seq DESC LIMIT 1) t ON true"
        )
        same, names = [], []
        for table, stage, columns, staged in self.straight:
            name = qualified(self.mapping, table)
            names.append(f"ONLY {name}")
            pairs = ", ".join(f"({literal(c)}, {literal(s)})" for c, s in zip(columns, staged, strict=True))
            same.append(
                "NOT EXISTS ("
                f"SELECT FROM (VALUES {pairs}) c (mine, staged) "
                "LEFT JOIN pg_catalog.pg_attribute a ON a.attname = c.mine "
                f"AND a.attrelid = {literal(name)}::pg_catalog.regclass "
                "LEFT JOIN pg_catalog.pg_attribute b ON b.attname = c.staged "
                f"AND b.attrelid = {literal(stage)}::pg_catalog.regclass "
                "WHERE a.atttypid IS NULL OR a.atttypid IS DISTINCT FROM b.atttypid) "
                # no COPY goes into a table with policies, an INSERT does
                f"AND NOT pg_catalog.row_security_active({literal(name)}::pg_catalog.regclass)"
            )
        return {
            "stage": f"{_FIRST} (key, lsn, seq)",
            "clear": f"TRUNCATE {_FIRST}",
            "query": query,
            "direct": f"LOCK TABLE {', '.join(names)} IN ROW EXCLUSIVE MODE; SELECT {' AND '.join(same)}",
        }

    def relation(
        self, kind: str, table: str, hash_name: str, columns: list[tuple[str, str]], *, stage: str, merge: str
    ) -> dict[str, Any]:
        return {
            "kind": kind,
            "table": f"{self.mapping.schema}.{table}",
            "hash": hash_name,
            "stage": stage,
            "columns": [c for c, _ in columns],
            "merge": merge,
        }

    def hub(self, name: str) -> list[dict[str, Any]]:
        """A hub takes the keys of all roles that refer to it in one statement, in the order of the keys: two
        loads that bring the same new keys then wait for each other, never in a circle.
        """
        hub = self.mapping.hubs[name]
        roles = [r for r in self.table.references.values() if r.hub == name]
        found, selects = [], []
        for reference in roles:
            columns = [(reference.hash, "bytea")]
            columns += [(c, self.table.columns[c]) for c in reference.columns]
            stage = self.stage(columns)
            listed = ", ".join(quote(c) for c, _ in columns)
            selects.append(f"SELECT {listed} FROM {stage}")
            found.append(self.relation("keys", hub.table, reference.hash, columns, stage=stage, merge=""))
        ordered = "ORDER BY c0 " if len(roles) > 1 else ""  # each stage is in order already
        into = ", ".join(quote(c) for c in (hub.hash, *hub.keys))
        names = ", ".join(f"c{i}" for i in range(len(hub.keys) + 1))
        found[-1]["merge"] = (
            f"INSERT INTO {qualified(self.mapping, hub.table)} ({into}, dv_record_source) "
            f"SELECT {names}, {self.source} FROM ({' UNION ALL '.join(selects)}) s ({names}) "
            f"{ordered}ON CONFLICT DO NOTHING"
        )
        if len(roles) == 1 and set(self.table.key) <= set(roles[0].columns):
            staged = [roles[0].hash, *roles[0].columns]
            found[0]["direct"] = self.direct(hub.table, found[0]["stage"], [hub.hash, *hub.keys], staged)
        return found

    def link(self, name: str) -> dict[str, Any]:
        link = self.mapping.links[name]
        columns = [(link.hash, "bytea")]
        columns += [(f"{role}_hk", "bytea") for role in link.roles]
        stage = self.stage(columns)
        listed = ", ".join(quote(c) for c, _ in columns)
        merge = (
            f"INSERT INTO {qualified(self.mapping, link.table)} ({listed}, dv_record_source) "
            f"SELECT {listed}, {self.source} FROM {stage} ON CONFLICT DO NOTHING"
        )
        made = self.relation("keys", link.table, link.hash, columns, stage=stage, merge=merge)
        if set(self.table.key) <= set(self.mapping.link_columns(self.table, name)):
            names = [c for c, _ in columns]
            made["direct"] = self.direct(link.table, stage, names, names)
        return made

    def events(self) -> dict[str, Any]:
        """Only a truncation is an event of no row: any other without a key is refused by NOT NULL."""
        columns = [(self.table.identity, "bytea"), ("dv_lsn", "bigint"), (RANK, "smallint")]
        columns += [("dv_op", "text"), ("dv_txid", "bigint"), ("dv_source_ts", "timestamptz")]
        columns += [(f"{link}_hk", "bytea") for link in tracked_links(self.table)]
        columns += [(s.diff, "bytea") for s in self.table.satellites]
        stage = self.events_stage = self.stage(columns)
        rest = ", ".join(quote(c) for c, _ in columns[1:])
        merge = (
            f"INSERT INTO {self.tracking} ({self.parent}, {rest}, dv_record_source) "
            f"SELECT CASE WHEN dv_op = 't' THEN {ZERO} ELSE {quote(self.table.identity)} END, {rest}, "
            f"{self.source} FROM {stage} ON CONFLICT DO NOTHING"
        )
        made = self.relation(
            "events", self.table.tracking, self.table.identity, columns, stage=stage, merge=merge
        )
        names = [c for c, _ in columns]
        mine = [parent_column(self.mapping, self.table), *names[1:]]
        return {**made, "direct": self.direct(self.table.tracking, stage, mine, names)}

    def satellite(self, satellite: Satellite) -> dict[str, Any]:
        """A row goes in when the event before it has another hash diff. Within the batch that is so already;
        what is left to ask is the last event in the vault of each key (_LAST), for the first of the batch.
        Where a key has later events in the vault, each row looks for the event before it (`slow`).
        """
        columns = [(self.table.identity, "bytea"), ("dv_lsn", "bigint"), (RANK, "smallint")]
        columns += [("dv_source_ts", "timestamptz"), (satellite.diff, "bytea")]
        columns += [(c, self.table.columns[c]) for c in satellite.columns]
        stage = self.stage(columns)
        kept = ", ".join(quote(c) for c in satellite.columns)
        diff, key = quote(satellite.diff), quote(self.table.identity)
        insert = (
            f"INSERT INTO {qualified(self.mapping, satellite.table)} "
            f"({self.parent}, dv_lsn, dv_seq, dv_source_ts, dv_hash_diff, {kept}, dv_record_source) "
            f"SELECT s.{key}, s.dv_lsn, s.dv_seq, s.dv_source_ts, s.{diff}, "
            f"{', '.join('s.' + quote(c) for c in satellite.columns)}, {self.source} FROM {stage} s "
        )
        merge = (
            f"{insert} LEFT JOIN {_LAST} l ON l.key = s.{key} AND l.first_lsn = s.dv_lsn "
            f"AND l.first_seq = s.dv_seq WHERE l.key IS NULL OR s.{diff} IS DISTINCT FROM l.{diff} "
            "ON CONFLICT DO NOTHING"
        )
        slow = (
            f"{insert} WHERE s.{diff} IS DISTINCT FROM (SELECT t.{diff} FROM {self.tracking} t "
            f"WHERE t.{self.parent} = s.{key} AND (t.dv_lsn, t.dv_seq) < (s.dv_lsn, s.dv_seq) "
            "ORDER BY t.dv_lsn DESC, t.dv_seq DESC LIMIT 1) ON CONFLICT DO NOTHING"
        )
        made = self.relation("history", satellite.table, satellite.diff, columns, stage=stage, merge=merge)
        mine = [parent_column(self.mapping, self.table), "dv_lsn", RANK, "dv_source_ts", "dv_hash_diff"]
        mine += satellite.columns
        direct = self.direct(satellite.table, stage, mine, [c for c, _ in columns])
        return {**made, "slow": slow, "direct": direct}

    def gaps(self) -> dict[str, Any] | None:
        """Where a value is that an event left out: in the satellite's row in force before it, or in the hub
        that the link in force leads to. Of a create, in those of the row that the delete of the same LSN
        ended. What is null there is not known.
        """
        satellites = {
            c: number for number, s in reversed([*enumerate(self.table.satellites)]) for c in s.columns
        }
        linked, link_joins = self.linked_columns({*satellites, *self.table.key})
        listed = [f"s{number}.{quote(c)}::text" for c, number in satellites.items()] + list(linked.values())
        if not listed:
            return None
        before = "({0}.dv_lsn, {0}.dv_seq) < (k.lsn, k.seq) ORDER BY {0}.dv_lsn DESC, {0}.dv_seq DESC LIMIT 1"
        joins = [
            f"LEFT JOIN LATERAL (SELECT * FROM {qualified(self.mapping, satellite.table)} x "
            f"WHERE x.{self.parent} = k.key AND {before.format('x')}) s{number} ON true"
            for number, satellite in enumerate(self.table.satellites)
        ]
        ended = (
            f"SELECT t.{self.parent} AS key, t.dv_lsn, t.dv_seq FROM {self.tracking} t "
            "WHERE g.created AND t.dv_op = 'd' AND t.dv_lsn = g.lsn LIMIT 1"
        )
        place = (
            "SELECT CASE WHEN g.created THEN d.key ELSE g.key END AS key, g.lsn, "
            "CASE WHEN g.created THEN d.dv_seq ELSE g.seq END AS seq"
        )
        query = (
            f"SELECT g.place, {', '.join(listed)} FROM {_GAPS} g LEFT JOIN LATERAL ({ended}) d ON true "
            f"CROSS JOIN LATERAL ({place}) k JOIN LATERAL (SELECT t.* FROM {self.tracking} t "
            f"WHERE t.{self.parent} = k.key AND {before.format('t')}) p ON p.dv_op <> 'd' "
            f"{' '.join([*joins, *link_joins])}"
        )
        places = [f"c{number}" for number in range(len(listed))]
        sizes = (
            f"SELECT place, {', '.join(f'octet_length({c})' for c in places)} "
            f"FROM ({query}) q (place, {', '.join(places)})"
        )
        return {"columns": [*satellites, *linked], "stage": _GAPS, "query": query, "sizes": sizes}

    def linked_columns(self, others: set[str]) -> tuple[dict[str, str], list[str]]:
        """The columns that only the hubs of the links in force have, and the joins that lead there."""
        found: dict[str, str] = {}
        joins: list[str] = []
        for number, name in enumerate(tracked_links(self.table)):
            link = self.mapping.links[name]
            needed = [
                role
                for role in link.roles
                if any(c not in others and c not in found for c in self.table.references[role].columns)
            ]
            if not needed:
                continue
            joins.append(
                f"LEFT JOIN {qualified(self.mapping, link.table)} l{number} "
                f"ON l{number}.{quote(link.hash)} = p.{quote(name + '_hk')}"
            )
            for place, role in enumerate(needed):
                hub, alias = self.mapping.hub_of(self.table, role), f"h{number}_{place}"
                joins.append(
                    f"LEFT JOIN {qualified(self.mapping, hub.table)} {alias} "
                    f"ON {alias}.{quote(hub.hash)} = l{number}.{quote(role + '_hk')}"
                )
                for column, key in zip(self.table.references[role].columns, hub.keys, strict=True):
                    if column not in others:
                        found.setdefault(column, f"{alias}.{quote(key)}::text")
        return found, joins

    def late(self) -> dict[str, Any]:
        """Keys of the batch that have later events in the vault already. Their satellites are gone through
        again: a row that was left out, because it repeated the one before, may follow another one now.
        """
        key = quote(self.table.identity)
        diffs = "".join(f", t.{quote(s.diff)}" for s in self.table.satellites)
        last = (
            f"DELETE FROM {_LAST}; INSERT INTO {_LAST} "
            f"SELECT s.{key}, s.dv_lsn, s.dv_seq, t.dv_lsn, t.dv_seq{diffs} FROM (SELECT DISTINCT ON ({key}) "
            f"{key}, dv_lsn, dv_seq FROM {self.events_stage} WHERE {key} IS NOT NULL "
            f"ORDER BY {key}, dv_lsn, dv_seq) s "
            f"JOIN LATERAL (SELECT * FROM {self.tracking} t WHERE t.{self.parent} = s.{key} "
            "ORDER BY t.dv_lsn DESC, t.dv_seq DESC LIMIT 1) t ON true"
        )
        find = (
            f"DELETE FROM {_LATE}; INSERT INTO {_LATE} SELECT key FROM {_LAST} "
            "WHERE (lsn, seq) >= (first_lsn, first_seq)"
        )
        repairs = []
        for satellite in self.table.satellites:
            table, diff = qualified(self.mapping, satellite.table), quote(satellite.diff)
            kept = ", ".join(quote(c) for c in satellite.columns)
            repairs.append(
                f"INSERT INTO {table} "
                f"({self.parent}, dv_lsn, dv_seq, dv_source_ts, dv_hash_diff, {kept}, dv_record_source) "
                f"SELECT e.{self.parent}, e.dv_lsn, e.dv_seq, e.dv_source_ts, e.{diff}, "
                f"{', '.join('c.' + quote(c) for c in satellite.columns)}, e.dv_record_source "
                f"FROM (SELECT t.*, lag(t.{diff}) OVER (PARTITION BY t.{self.parent} "
                f"ORDER BY t.dv_lsn, t.dv_seq) AS dv_before FROM {self.tracking} t "
                f"WHERE t.{self.parent} IN (SELECT key FROM {_LATE})) e "
                f"JOIN LATERAL (SELECT * FROM {table} x WHERE x.{self.parent} = e.{self.parent} "
                f"AND x.dv_hash_diff = e.{diff} LIMIT 1) c ON true "
                f"WHERE e.{diff} IS DISTINCT FROM e.dv_before ON CONFLICT DO NOTHING"
            )
        return {"last": last, "find": find, "repair": repairs}


_EMPTIED = " ON COMMIT DELETE ROWS"
