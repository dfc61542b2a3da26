"""The tables, views and functions of a vault as SQL: idempotent, one transaction."""

from __future__ import annotations

import os

from headrace.vault.mapping import Hub, Link, Satellite, Table, VaultMapping, read_mapping

ZERO = "'\\x00000000000000000000000000000000'::bytea"
"""Stands for the key of events that are about a whole table: a truncation."""

STAGING = (
    ("dv_op", "text NOT NULL", "$op"),
    ("dv_lsn", "bigint", "$lsn"),
    ("dv_txid", "bigint", "$txid"),
    ("dv_source_ts", "timestamptz", "$source_ts"),
    ("dv_unchanged", "text[]", "$unchanged"),
)
"""What is known of an event besides the row: column, type, reserved source."""

SETTINGS = "dv_settings"
"""The table of what the vault's hashes are made by."""

_LOADED = ("dv_load_ts timestamptz NOT NULL DEFAULT now()", "dv_record_source text NOT NULL")


def quote(name: str) -> str:
    """An identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"


def ddl(mapping: str | os.PathLike[str] | VaultMapping) -> str:
    """The SQL script that makes everything a vault needs, or adds what is missing: hubs, links, satellites,
    tracking satellites, staging tables, current views, histories, and functions as of an LSN, a time or a
    snapshot.

    MappingError when the mapping cannot be used. Running it again changes nothing; a column that was added to
    a satellite's mapping is added to its table.
    """
    read = read_mapping(mapping)
    parts = [
        f"-- Made by `headrace vault ddl {os.path.basename(read.path)}`; change the mapping instead.",
        "BEGIN;",
        f"CREATE SCHEMA IF NOT EXISTS {quote(read.schema)};",
        _settings(read),
        _make(),
        _visible(read),
    ]
    parts += [_hub(read, hub) for hub in read.hubs.values()]
    parts += [_link(read, link) for link in read.links.values()]
    for table in read.tables.values():
        parts.append(_staging(read, table))
        parts.append(_tracking(read, table))
        parts += [_satellite(read, table, satellite) for satellite in table.satellites]
    for table in read.tables.values():
        parts.append(_views(read, table))
    parts.append("COMMIT;")
    return "\n\n".join(parts) + "\n"


def hash_settings(mapping: VaultMapping) -> dict[str, str]:
    """What keys and hash diffs depend on: with another value of any, new hashes would not be the old ones."""
    found = {"recipe": mapping.recipe, "diff_recipe": mapping.diff_recipe, "zone": mapping.zone}
    found |= {f"hub {hub.name}": ", ".join(hub.keys) for hub in mapping.hubs.values()}
    return found | {
        f"link {link.name}": ", ".join(f"{role}: {hub}" for role, hub in link.roles.items())
        for link in mapping.links.values()
    }


def body(text: str) -> str:
    """The text in dollar quotes that it does not have in itself."""
    tag = "dv"
    while f"${tag}$" in text:
        tag += "_"
    return f"${tag}${text}${tag}$"


def _settings(mapping: VaultMapping) -> str:
    """Remember what the hashes are made by; refuse another."""
    name = qualified(mapping, SETTINGS)
    values = ", ".join(f"({literal(n)}, {literal(v)})" for n, v in hash_settings(mapping).items())
    check = f"""
DECLARE
    changed text;
BEGIN
    SELECT pg_catalog.string_agg(pg_catalog.format('%s is %s in the mapping, but the vault was made with %s',
        w.name, w.value, s.value), '; ') INTO changed
    FROM (VALUES {values}) w (name, value) JOIN {name} s ON s.name = w.name AND s.value <> w.value;
    IF changed IS NOT NULL THEN
        RAISE EXCEPTION '%: its hashes are others. Change the mapping back, or make a new vault', changed;
    END IF;
    INSERT INTO {name} (name, value) VALUES {values} ON CONFLICT DO NOTHING;
END
"""
    made = _create(
        name, ["name text PRIMARY KEY", "value text NOT NULL"], "What the hashes of this vault are made by"
    )
    return f"{made}\nDO {body(check)};"


def _make() -> str:
    """A function of this session that replaces views and functions, or makes them anew where the old ones
    have other columns; what was granted stays granted. Views of ours that depend on one made anew go and come
    back further down; those of others stop the script.
    """
    code = """
DECLARE
    object text := CASE kind WHEN 'VIEW' THEN 'TABLE' ELSE kind END;
    own text;
    found record;
BEGIN
    BEGIN
        EXECUTE definition;
    EXCEPTION WHEN invalid_table_definition OR invalid_function_definition THEN
        IF kind = 'VIEW' THEN
            FOR found IN
                SELECT c.oid::pg_catalog.regclass::text AS name, c.relacl AS acl FROM pg_catalog.pg_class c
                WHERE c.relkind = 'v' AND c.oid <> signature::pg_catalog.regclass
                  AND pg_catalog.obj_description(c.oid, 'pg_class') LIKE '% as it is now, %'
                  AND EXISTS (SELECT FROM pg_catalog.pg_depend d
                    JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
                    WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.ev_class = c.oid
                      AND d.refobjid = signature::pg_catalog.regclass)
            LOOP
                INSERT INTO pg_temp.headrace_grants VALUES (found.name, found.acl);
                EXECUTE pg_catalog.format('DROP VIEW %s', found.name);
            END LOOP;
            INSERT INTO pg_temp.headrace_grants SELECT signature::pg_catalog.regclass::text, relacl
                FROM pg_catalog.pg_class WHERE oid = signature::pg_catalog.regclass;
        ELSE
            INSERT INTO pg_temp.headrace_grants SELECT signature::pg_catalog.regprocedure::text, proacl
                FROM pg_catalog.pg_proc WHERE oid = signature::pg_catalog.regprocedure;
        END IF;
        EXECUTE pg_catalog.format('DROP %s %s', kind, signature);
        EXECUTE definition;
    END;
    own := CASE kind WHEN 'VIEW' THEN signature::pg_catalog.regclass::text
        ELSE signature::pg_catalog.regprocedure::text END;
    IF EXISTS (SELECT FROM pg_temp.headrace_grants WHERE name = own AND acl IS NOT NULL) THEN
        EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM PUBLIC', object, signature);
    END IF;
    FOR found IN
        SELECT a.*, CASE a.grantee WHEN 0 THEN 'PUBLIC'
            ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END AS role
        FROM pg_temp.headrace_grants g, pg_catalog.aclexplode(g.acl) a WHERE g.name = own
    LOOP
        EXECUTE pg_catalog.format('GRANT %s ON %s %s TO %s%s', found.privilege_type, object, signature,
            found.role, CASE WHEN found.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
    END LOOP;
END
"""
    return (
        "DROP TABLE IF EXISTS pg_temp.headrace_grants;\n"
        "CREATE TEMP TABLE headrace_grants (name text, acl aclitem[]) ON COMMIT DROP;\n"
        "CREATE OR REPLACE FUNCTION pg_temp.headrace_make(kind text, signature text, definition text)\n"
        f"RETURNS void LANGUAGE plpgsql AS {body(code)};"
    )


def _made(kind: str, signature: str, definition: str) -> str:
    """Make or replace a view or function, given as its CREATE OR REPLACE statement."""
    call = f"PERFORM pg_temp.headrace_make({literal(kind)}, {literal(signature)}, {literal(definition)});"
    return f"DO {body(f'BEGIN {call} END')};"


def qualified(mapping: VaultMapping, name: str) -> str:
    """A table of the vault."""
    return f"{quote(mapping.schema)}.{quote(name)}"


def parent_column(mapping: VaultMapping, table: Table) -> str:
    """The column of the parent's hash key in satellites and tracking satellites."""
    if table.parent in table.links:
        return mapping.links[table.parent].hash
    return mapping.hub_of(table, table.parent).hash


def tracked_links(table: Table) -> list[str]:
    """The links whose keys the tracking satellite keeps: all but the parent, whose key is there already."""
    return [link for link in table.links if link != table.parent]


def _create(name: str, lines: list[str], comment: str) -> str:
    body = ",\n    ".join(lines)
    return (
        f"CREATE TABLE IF NOT EXISTS {name} (\n    {body}\n);\nCOMMENT ON TABLE {name} IS {literal(comment)};"
    )


def _hub(mapping: VaultMapping, hub: Hub) -> str:
    lines = [f"{quote(hub.hash)} bytea PRIMARY KEY"]
    lines += [f"{quote(name)} {kind} NOT NULL" for name, kind in hub.keys.items()]
    return _create(qualified(mapping, hub.table), [*lines, *_LOADED], f"Hub: {', '.join(hub.keys)}")


def _link(mapping: VaultMapping, link: Link) -> str:
    lines = [f"{quote(link.hash)} bytea PRIMARY KEY"]
    lines += [f"{quote(role + '_hk')} bytea" for role in link.roles if role + "_hk" != link.hash]
    roles = ", ".join(role if role == hub else f"{role} ({hub})" for role, hub in link.roles.items())
    return _create(qualified(mapping, link.table), [*lines, *_LOADED], f"Link: {roles}")


def _staging(mapping: VaultMapping, table: Table) -> str:
    name = qualified(mapping, table.staging)
    lines = [f"{quote(c)} {kind}" for c, kind in table.columns.items() if c not in table.ignore]
    lines += [f"{c} {kind}" for c, kind, _ in STAGING]
    made = _create(name, lines, f"Always empty: its columns are what events of {table.source} are read as")
    return made + _add_columns(name, table, [c for c in table.columns if c not in table.ignore])


def _add_columns(name: str, table: Table, columns: list[str]) -> str:
    return "".join(
        f"\nALTER TABLE {name} ADD COLUMN IF NOT EXISTS {quote(c)} {table.columns[c]};" for c in columns
    )


def _tracking(mapping: VaultMapping, table: Table) -> str:
    parent = quote(parent_column(mapping, table))
    name = qualified(mapping, table.tracking)
    added = [f"{quote(link + '_hk')} bytea" for link in tracked_links(table)]
    added += [f"{quote(s.diff)} bytea" for s in table.satellites]
    lines = [
        "dv_lsn bigint NOT NULL",
        "dv_txid bigint",
        "dv_source_ts timestamptz",
        _LOADED[0],
        "dv_seq smallint NOT NULL",
        "dv_op text NOT NULL",
        f"{parent} bytea NOT NULL",
        *added,
        _LOADED[1],
        f"PRIMARY KEY ({parent}, dv_lsn, dv_seq)",
    ]
    made = _create(
        name,
        lines,
        f"Tracking satellite: every event of {table.source}, with the hash diff of each satellite and the "
        "key of each link that it left the row with; op d ends the row, op t under the zero key ends all",
    )
    made += "".join(f"\nALTER TABLE {name} ADD COLUMN IF NOT EXISTS {column};" for column in added)
    # Events come nearly in the order of their LSN: a block range index costs a load next to nothing.
    index = quote(f"{table.tracking}_lsn")
    return made + f"\nCREATE INDEX IF NOT EXISTS {index} ON {name} USING brin (dv_lsn);"


def _satellite(mapping: VaultMapping, table: Table, satellite: Satellite) -> str:
    parent = quote(parent_column(mapping, table))
    name = qualified(mapping, satellite.table)
    lines = [
        "dv_lsn bigint NOT NULL",
        "dv_source_ts timestamptz",
        _LOADED[0],
        "dv_seq smallint NOT NULL",
        f"{parent} bytea NOT NULL",
        "dv_hash_diff bytea NOT NULL",
        *[f"{quote(c)} {table.columns[c]}" for c in satellite.columns],
        _LOADED[1],
        f"PRIMARY KEY ({parent}, dv_lsn, dv_seq)",
    ]
    made = _create(
        name, lines, f"Satellite of {table.parent}: {', '.join(satellite.columns)} of {table.source}"
    )
    return made + _add_columns(name, table, list(satellite.columns))


def _visible(mapping: VaultMapping) -> str:
    """Whether a transaction, whose number Debezium gives without its epoch, is visible in a snapshot."""
    name = qualified(mapping, "dv_visible")
    return f"""CREATE OR REPLACE FUNCTION {name}(txid bigint, snapshot pg_catalog.pg_snapshot) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $dv$
    SELECT pg_catalog.pg_visible_in_snapshot(pg_catalog.xid8(CASE
        WHEN full_id - latest > 2147483648 THEN full_id - 4294967296
        WHEN latest - full_id > 2147483648 THEN full_id + 4294967296
        ELSE full_id END::pg_catalog.text), snapshot)
    FROM (SELECT latest, CASE WHEN txid >= 4294967296 THEN txid
            ELSE latest / 4294967296 * 4294967296 + txid END AS full_id
          FROM (SELECT pg_catalog.pg_snapshot_xmax(snapshot)::pg_catalog.text::bigint AS latest) s) t
$dv$;
COMMENT ON FUNCTION {name}(bigint, pg_catalog.pg_snapshot) IS
    'Whether the transaction, given with or without its epoch, is visible in the snapshot of the source';"""


def row_columns(mapping: VaultMapping, table: Table) -> list[str]:
    """The columns a source row is rebuilt with, in the mapping's order."""
    return [c for c in table.columns if c not in table.ignore]


def _sources(mapping: VaultMapping, table: Table) -> tuple[dict[str, str], list[str]]:
    """Where each column of a rebuilt row comes from, and the joins that bring it."""
    found: dict[str, str] = {}
    joins: list[str] = []
    parent = quote(parent_column(mapping, table))
    for number, satellite in enumerate(table.satellites):
        alias = f"s{number}"
        joins.append(
            f"LEFT JOIN LATERAL (SELECT * FROM {qualified(mapping, satellite.table)} x\n"
            f"        WHERE x.{parent} = e.{parent} AND (x.dv_lsn, x.dv_seq) <= (e.dv_lsn, e.dv_seq)\n"
            f"        ORDER BY x.dv_lsn DESC, x.dv_seq DESC LIMIT 1) {alias} ON true"
        )
        for column in satellite.columns:
            found.setdefault(column, f"{alias}.{quote(column)}")
    if table.parent not in table.links:
        joins.append(_hub_join(mapping, table, table.parent, key=f"e.{parent}", alias="hp", found=found))
    for number, link in enumerate(table.links):
        link_key = f"e.{parent}" if link == table.parent else f"e.{quote(link + '_hk')}"
        needed = [
            role
            for role in mapping.links[link].roles
            if any(c not in found for c in table.references[role].columns)
        ]
        if not needed:
            continue
        joins.append(
            f"LEFT JOIN {qualified(mapping, mapping.links[link].table)} l{number} "
            f"ON l{number}.{quote(link + '_hk')} = {link_key}"
        )
        for place, role in enumerate(needed):
            key = f"l{number}.{quote(role + '_hk')}"
            joins.append(_hub_join(mapping, table, role, key=key, alias=f"h{number}_{place}", found=found))
    return found, joins


def _hub_join(
    mapping: VaultMapping, table: Table, role: str, *, key: str, alias: str, found: dict[str, str]
) -> str:
    hub = mapping.hub_of(table, role)
    for column, business in zip(table.references[role].columns, hub.keys, strict=True):
        found.setdefault(column, f"{alias}.{quote(business)}")
    return f"LEFT JOIN {qualified(mapping, hub.table)} {alias} ON {alias}.{quote(hub.hash)} = {key}"


def _last_events(mapping: VaultMapping, table: Table, condition: str) -> str:
    """The last event of each row that is still there, among those that meet the condition."""
    parent = quote(parent_column(mapping, table))
    tracking = qualified(mapping, table.tracking)
    return f"""SELECT last.* FROM (
        SELECT DISTINCT ON (t.{parent}) t.* FROM {tracking} t
        WHERE t.{parent} <> {ZERO}{condition}
        ORDER BY t.{parent} DESC, t.dv_lsn DESC, t.dv_seq DESC) last
    WHERE last.dv_op <> 'd' AND last.dv_lsn > coalesce((
        SELECT max(t.dv_lsn) FROM {tracking} t WHERE t.{parent} = {ZERO} AND t.dv_op = 't'{condition}), -1)"""


_AS_OF = """
          AND (lsn IS NULL OR t.dv_lsn <= lsn)
          AND (at IS NULL OR t.dv_source_ts <= at)
          AND (snapshot IS NULL OR t.dv_op = 'r' OR t.dv_txid IS NULL OR {visible}(t.dv_txid, snapshot))"""


def _views(mapping: VaultMapping, table: Table) -> str:
    columns = row_columns(mapping, table)
    found, joins = _sources(mapping, table)
    listed = ", ".join(f"{found[c]} AS {quote(c)}" for c in columns)
    joined = "\n    ".join(joins)
    parent = quote(parent_column(mapping, table))
    alive, row = qualified(mapping, f"alive_{table.name}"), qualified(mapping, f"row_{table.name}")
    as_of, history = (
        qualified(mapping, f"row_{table.name}_as_of"),
        qualified(mapping, f"history_{table.name}"),
    )
    pit = qualified(mapping, f"pit_{table.name}")
    condition = _AS_OF.format(visible=qualified(mapping, "dv_visible"))
    typed = ", ".join(f"{quote(c)} {table.columns[c]}" for c in columns)
    current = [qualified(mapping, f"current_{s.name}") for s in table.satellites]
    arguments = "bigint, timestamptz, pg_catalog.pg_snapshot"
    last = f"CREATE OR REPLACE VIEW {alive} AS\n    {_last_events(mapping, table, '')}"
    parts = [_made("VIEW", alive, last)]
    parts.append(
        f"COMMENT ON VIEW {alive} IS {literal(f'The last event of every row that {table.source} has now')};"
    )
    now = f"CREATE OR REPLACE VIEW {row} AS\n    SELECT {listed}\n    FROM {alive} e\n    {joined}"
    parts.append(_made("VIEW", row, now))
    parts.append(
        f"COMMENT ON VIEW {row} IS {literal(f'{table.source} as it is now, rebuilt from the vault')};"
    )
    defaults = (
        "lsn bigint DEFAULT NULL, at timestamptz DEFAULT NULL, snapshot pg_catalog.pg_snapshot DEFAULT NULL"
    )
    rebuilt = f"\n    SELECT {listed}\n    FROM ({_last_events(mapping, table, condition)}) e\n    {joined}\n"
    then = (
        f"CREATE OR REPLACE FUNCTION {as_of}({defaults})\nRETURNS TABLE ({typed})\n"
        f"LANGUAGE sql STABLE ROWS 100000 AS {body(rebuilt)}"
    )
    parts.append(_made("FUNCTION", f"{as_of}({arguments})", then))
    comment = f"{table.source} as it was at an LSN, a time or a snapshot of the source (null: now)"
    parts.append(f"COMMENT ON FUNCTION {as_of}({arguments}) IS {literal(comment)};")
    for satellite, view in zip(table.satellites, current, strict=True):
        parts.append(_current(mapping, table, satellite, view=view, alive=alive, parent=parent))
    parts.append(_history(mapping, table, history, parent))
    parts.append(_point_in_time(mapping, table, pit, parent))
    return "\n".join(parts)


def _current(
    mapping: VaultMapping, table: Table, satellite: Satellite, *, view: str, alive: str, parent: str
) -> str:
    comment = literal(f"Satellite {satellite.name} as it is now, of rows that are still there")
    definition = f"""CREATE OR REPLACE VIEW {view} AS
    SELECT s.* FROM {alive} e
    JOIN LATERAL (SELECT * FROM {qualified(mapping, satellite.table)} x
        WHERE x.{parent} = e.{parent} AND (x.dv_lsn, x.dv_seq) <= (e.dv_lsn, e.dv_seq)
        ORDER BY x.dv_lsn DESC, x.dv_seq DESC LIMIT 1) s ON true"""
    return f"{_made('VIEW', view, definition)}\nCOMMENT ON VIEW {view} IS {comment};"


def _history(mapping: VaultMapping, table: Table, view: str, parent: str) -> str:
    """Each event with the time it holds for: until the next one, or until a truncation."""
    tracking = qualified(mapping, table.tracking)
    links = "".join(f", t.{quote(link + '_hk')}" for link in tracked_links(table))
    comment = literal(
        f"Every event of {table.source} with the LSNs and times it holds for; op d and t hold nothing"
    )
    definition = f"""CREATE OR REPLACE VIEW {view} AS
    SELECT t.{parent}{links}, t.dv_op, t.dv_lsn AS valid_from_lsn, t.dv_source_ts AS valid_from,
        least(lead(t.dv_lsn) OVER w, ended.dv_lsn) AS valid_to_lsn,
        least(lead(t.dv_source_ts) OVER w, ended.dv_source_ts) AS valid_to
    FROM {tracking} t
    LEFT JOIN LATERAL (SELECT z.dv_lsn, z.dv_source_ts FROM {tracking} z
        WHERE z.{parent} = {ZERO} AND z.dv_op = 't' AND z.dv_lsn > t.dv_lsn
        ORDER BY z.dv_lsn LIMIT 1) ended ON true
    WHERE t.{parent} <> {ZERO}
    WINDOW w AS (PARTITION BY t.{parent} ORDER BY t.dv_lsn, t.dv_seq)"""
    return f"{_made('VIEW', view, definition)}\nCOMMENT ON VIEW {view} IS {comment};"


def _point_in_time(mapping: VaultMapping, table: Table, pit: str, parent: str) -> str:
    """Point in time: which row of each satellite was in force."""
    condition = "\n          AND t.dv_source_ts <= at"
    typed = f"{parent} bytea, dv_lsn bigint, dv_seq smallint"
    listed, joins = f"e.{parent}, e.dv_lsn, e.dv_seq", []
    for number, satellite in enumerate(table.satellites):
        typed += f", {quote(satellite.name + '_lsn')} bigint, {quote(satellite.name + '_seq')} smallint"
        listed += f", s{number}.dv_lsn, s{number}.dv_seq"
        joins.append(
            f"LEFT JOIN LATERAL (SELECT x.dv_lsn, x.dv_seq FROM {qualified(mapping, satellite.table)} x\n"
            f"        WHERE x.{parent} = e.{parent} AND (x.dv_lsn, x.dv_seq) <= (e.dv_lsn, e.dv_seq)\n"
            f"        ORDER BY x.dv_lsn DESC, x.dv_seq DESC LIMIT 1) s{number} ON true"
        )
    joined = "\n    ".join(joins)
    comment = literal(f"Point in time: rows of {table.source} at a time, and the key of each satellite's row")
    code = f"""
    SELECT {listed}
    FROM ({_last_events(mapping, table, condition)}) e
    {joined}
"""
    definition = (
        f"CREATE OR REPLACE FUNCTION {pit}(at timestamptz) RETURNS TABLE ({typed})\n"
        f"LANGUAGE sql STABLE ROWS 100000 AS {body(code)}"
    )
    made = _made("FUNCTION", f"{pit}(timestamptz)", definition)
    return f"{made}\nCOMMENT ON FUNCTION {pit}(timestamptz) IS {comment};"
