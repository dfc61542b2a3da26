"""The mapping file of a vault: which source table feeds which hubs, links and satellites. Errors name the
line.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from headrace._hash import Recipe
from headrace.errors import UsageError

RECIPES: tuple[str, ...] = get_args(Recipe)
EXACT = "exact"

FORMATS = ("debezium", "debezium-avro")
AVRO = FORMATS[1]
DEBEZIUM: Mapping[str, tuple[str, ...]] = {
    "time": ("adaptive", "adaptive_time_microseconds", "millis", "micros", "nanos"),
    "decimal": ("string", "base64"),
    "binary": ("base64", "hex"),
    "unavailable": (),
}
"""What can be said of events that bring no schema, and the values there are; none: any text."""

# Columns that the vault adds begin so; those of sources may not.
OURS = "dv_"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST = 63 - len("headrace_0000_")


class MappingError(UsageError):
    """The mapping file cannot be used; the message begins with file:line."""


@dataclass(frozen=True, slots=True)
class Hub:
    """A business key: its columns and their types."""

    name: str
    keys: Mapping[str, str]

    @property
    def table(self) -> str:
        """The hub's table, without the schema."""
        return f"hub_{self.name}"

    @property
    def hash(self) -> str:
        """Its hash key's column."""
        return f"{self.name}_hk"


@dataclass(frozen=True, slots=True)
class Link:
    """A relationship: role -> hub."""

    name: str
    roles: Mapping[str, str]

    @property
    def table(self) -> str:
        """The link's table, without the schema."""
        return f"link_{self.name}"

    @property
    def hash(self) -> str:
        """Its hash key's column."""
        return f"{self.name}_hk"


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns of a source table that hold a hub's business key, in a role."""

    role: str
    hub: str
    columns: tuple[str, ...]

    @property
    def hash(self) -> str:
        """The column of its hash among the events'."""
        return f"{self.role}_hk"


@dataclass(frozen=True, slots=True)
class Satellite:
    """Descriptive columns that change together."""

    name: str
    columns: tuple[str, ...]

    @property
    def table(self) -> str:
        """The satellite's table, without the schema."""
        return f"sat_{self.name}"

    @property
    def diff(self) -> str:
        """The column of its hash diff in the tracking satellite."""
        return f"{self.name}_hd"


@dataclass(frozen=True, slots=True)
class Table:
    """A source table and where its columns go."""

    source: str
    name: str
    topic: str
    record_source: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    references: Mapping[str, Reference]
    parent: str
    links: tuple[str, ...]
    satellites: tuple[Satellite, ...]
    ignore: tuple[str, ...]
    order: int

    @property
    def tracking(self) -> str:
        """The table of its events."""
        return f"trk_{self.name}"

    @property
    def staging(self) -> str:
        """The empty table whose columns are what events are read as."""
        return f"stg_{self.name}"

    @property
    def identity(self) -> str:
        """The column of the hash key that its events have in common."""
        return f"{self.parent}_hk"


@dataclass(frozen=True, slots=True)
class VaultMapping:
    """A whole mapping file."""

    path: str
    schema: str
    recipe: str
    diff_recipe: str
    zone: str
    job: str
    slot: str | None
    heartbeat: str | None
    hubs: Mapping[str, Hub]
    links: Mapping[str, Link]
    tables: Mapping[str, Table] = field(repr=False)
    format: str = FORMATS[0]
    avro: Mapping[str, str] = field(default_factory=dict)
    debezium: Mapping[str, str] = field(default_factory=dict)

    def groups(self) -> list[list[Table]]:
        """Tables that are loaded side by side, in the order of their groups."""
        orders = sorted({table.order for table in self.tables.values()})
        return [[t for t in self.tables.values() if t.order == order] for order in orders]

    def hub_of(self, table: Table, role: str) -> Hub:
        """The hub behind a role of a table."""
        return self.hubs[table.references[role].hub]

    def link_columns(self, table: Table, link: str) -> list[str]:
        """The columns of a source table that a link's key is made of, in the order they are hashed."""
        return [c for role in self.links[link].roles for c in table.references[role].columns]

    def job_of(self, table: Table) -> str:
        """The job that loads a table, to which its offsets belong."""
        return f"{self.job}.{table.name}"

    def chosen(self, names: Sequence[str] | None) -> list[Table]:
        """The tables of these names (of the source or short), or all. UsageError for one that is not
        there, and for none.
        """
        if names is None:
            return list(self.tables.values())
        if not names:
            raise UsageError("the list of tables is empty: leave it out for all of them")
        by_name = {t.source: t for t in self.tables.values()} | {t.name: t for t in self.tables.values()}
        for name in names:
            if name not in by_name:
                raise UsageError(f"{self.path} has no table {name}{_suggestion(name, by_name)}")
        return [by_name[name] for name in names]


def read_mapping(mapping: str | os.PathLike[str] | VaultMapping) -> VaultMapping:
    """Read and check a mapping file (YAML). MappingError names file, line and what to do."""
    if isinstance(mapping, VaultMapping):
        return mapping
    path = Path(mapping)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the mapping {path} cannot be read: {error}") from None
    return parse_mapping(text, str(path))


def parse_mapping(text: str, name: str = "vault.yaml") -> VaultMapping:
    """The same for a text; `name` stands before the line in messages."""
    try:
        yaml: Any = importlib.import_module("yaml")  # it has no type hints
    except ImportError:
        raise UsageError("mapping files need PyYAML: pip install 'headrace[vault]'") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise MappingError(f"{name}:{line}: this is not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise MappingError(f"{name}: this is not YAML: {error}") from None
    if root is None:
        raise MappingError(f"{name}:1: the file is empty")
    return _Reader(name).mapping(_Node(name, root))


def _suggestion(word: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(word, list(known), 1, 0.5)
    if close:
        return f": did you mean {close[0]}?"
    return f": there are {', '.join(known)}" if known else ""


class _Node:
    """A YAML node that knows its line."""

    def __init__(self, file: str, node: Any) -> None:
        self.file = file
        self.node = node

    def fail(self, problem: str) -> MappingError:
        return MappingError(f"{self.file}:{self.node.start_mark.line + 1}: {problem}")

    def entries(self, what: str) -> Iterator[tuple[str, _Node, _Node]]:
        """Key, the key's node, value. Each key once."""
        if self.node.id != "mapping":
            raise self.fail(f"{what} must be a mapping of names to values")
        seen: dict[str, int] = {}
        for key, value in self.node.value:
            name = _Node(self.file, key)
            text = name.text(f"a name in {what}")
            if text in seen:
                raise name.fail(f"{text} is named twice in {what}; the first is in line {seen[text]}")
            seen[text] = key.start_mark.line + 1
            yield text, name, _Node(self.file, value)

    def fields(self, what: str, known: Sequence[str], needed: Sequence[str] = ()) -> dict[str, _Node]:
        """The values by key; keys not in `known` are errors."""
        found = {}
        for key, name, value in self.entries(what):
            if key not in known:
                raise name.fail(f"{what} has no setting {key}{_suggestion(key, known)}")
            found[key] = value
        for key in needed:
            if key not in found:
                raise self.fail(f"{what} needs the setting {key}")
        return found

    def text(self, what: str) -> str:
        if self.node.id != "scalar" or self.node.tag.endswith(":null") or not self.node.value:
            raise self.fail(f"{what} must be a text")
        return str(self.node.value)

    def name(self, what: str) -> str:
        """A name that becomes part of the vault's own names."""
        text = self.text(what)
        if not _NAME.fullmatch(text):
            raise self.fail(f"{what} is {text}: use letters, digits and _ only")
        if text != text.lower():
            raise self.fail(f"{what} is {text}: use lower case, as PostgreSQL folds names to it")
        if len(text) > _LONGEST:
            raise self.fail(f"{what} is longer than {_LONGEST} characters: {text}")
        return text

    def choice(self, what: str, known: Sequence[str]) -> str:
        text = self.text(what)
        if text not in known:
            raise self.fail(f"{what} cannot be {text}{_suggestion(text, known)}")
        return text

    def number(self, what: str) -> int:
        if self.node.id != "scalar" or not re.fullmatch(r"-?\d{1,9}", self.node.value):
            raise self.fail(f"{what} must be a whole number")
        return int(self.node.value)

    def items(self, what: str) -> list[_Node]:
        """A list; one value alone is a list of one."""
        if self.node.id == "scalar":
            return [self]
        if self.node.id != "sequence":
            raise self.fail(f"{what} must be a list")
        return [_Node(self.file, node) for node in self.node.value]


class _Reader:
    """Nodes to a VaultMapping; every reference is checked where it stands."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.hubs: dict[str, Hub] = {}
        self.links: dict[str, Link] = {}
        self.satellites: dict[str, str] = {}

    def mapping(self, root: _Node) -> VaultMapping:
        known = ("vault", "source", "hubs", "links", "tables")
        top = root.fields("the mapping", known, ("vault", "source", "hubs", "tables"))
        vault = top["vault"].fields("vault", ("schema", "recipe", "diff_recipe", "zone", "job"), ("schema",))
        told = ("topics", "slot", "heartbeat", "record_source", "format", "avro", "debezium")
        source = top["source"].fields("source", told, ("topics",))
        recipe = self.recipe(vault, "recipe", RECIPES[0])
        diff_recipe = self.recipe(vault, "diff_recipe", EXACT)
        for name, node, value in top["hubs"].entries("hubs"):
            self.hubs[node.name("a hub")] = self.hub(name, value)
        if "links" in top:
            for name, node, value in top["links"].entries("links"):
                self.links[node.name("a link")] = self.link(name, value)
        schema = vault["schema"].name("schema")
        tables = self.tables(top["tables"], source)
        self.check_used(top, tables)
        return VaultMapping(
            path=self.file,
            schema=schema,
            recipe=recipe,
            diff_recipe=diff_recipe,
            zone=vault["zone"].text("zone") if "zone" in vault else "UTC",
            job=vault["job"].text("job") if "job" in vault else schema,
            slot=source["slot"].text("slot") if "slot" in source else None,
            heartbeat=source["heartbeat"].text("heartbeat") if "heartbeat" in source else None,
            hubs=self.hubs,
            links=self.links,
            tables=tables,
            format=source["format"].choice("format", FORMATS) if "format" in source else FORMATS[0],
            avro=self.avro(top["source"], source),
            debezium=self.debezium(source["debezium"]) if "debezium" in source else {},
        )

    def avro(self, node: _Node, source: Mapping[str, _Node]) -> dict[str, str]:
        """The registry and the user it knows us as. Never the password: mappings are shared and kept."""
        wanted = "format" in source and source["format"].text("format") == AVRO
        if "avro" not in source:
            if wanted:
                raise node.fail(f"format {AVRO} needs avro: {{registry: http://...}}, where the schemas are")
            return {}
        if not wanted:
            raise source["avro"].fail(f"avro is for format: {AVRO}")
        for name, key, _ in source["avro"].entries("avro"):
            if name == "password":
                raise key.fail(
                    "passwords do not belong in a mapping: put it into the environment as "
                    "HEADRACE_REGISTRY_PASSWORD"
                )
        fields = source["avro"].fields("avro", ("registry", "user"), ("registry",))
        registry = fields["registry"].text("registry")
        scheme, _, rest = registry.partition("://")
        if scheme not in ("http", "https") or not rest:
            raise fields["registry"].fail("registry must begin with http:// or https://")
        if "@" in rest.partition("/")[0]:
            raise fields["registry"].fail(
                "user and password are no part of registry: name the user with user:, and put the password "
                "into the environment as HEADRACE_REGISTRY_PASSWORD"
            )
        return {name: node.text(name) for name, node in fields.items()}

    def debezium(self, node: _Node) -> dict[str, str]:
        fields = node.fields("debezium", tuple(DEBEZIUM))
        return {
            name: value.choice(name, DEBEZIUM[name]) if DEBEZIUM[name] else value.text(name)
            for name, value in fields.items()
        }

    def recipe(self, vault: Mapping[str, _Node], name: str, default: str) -> str:
        recipe = vault[name].text(name) if name in vault else default
        if recipe not in RECIPES:
            raise vault[name].fail(f"there is no recipe {recipe}{_suggestion(recipe, RECIPES)}")
        return recipe

    def hub(self, name: str, node: _Node) -> Hub:
        keys = self.columns(node, f"hub {name}")
        if not keys:
            raise node.fail(f"hub {name} needs at least one business key column with its type")
        return Hub(name, keys)

    def columns(self, node: _Node, what: str) -> dict[str, str]:
        found = {}
        for name, key, value in node.entries(f"the columns of {what}"):
            if name.startswith(OURS):
                raise key.fail(
                    f"column {name} of {what}: names beginning with {OURS} are those the vault adds"
                )
            if len(name.encode()) > 63:
                raise key.fail(f"column {name} of {what}: PostgreSQL has no names beyond 63 bytes")
            kind = value.text(f"the type of {name}")
            if ";" in kind or "--" in kind:
                raise value.fail(f"the type of {name} is no type: {kind}")
            found[name] = kind
        return found

    def link(self, name: str, node: _Node) -> Link:
        roles = {}
        if node.node.id == "sequence":  # roles called like their hubs
            pairs = [(item.name(f"a role of link {name}"), item) for item in node.items("roles")]
        else:
            pairs = [(key.name(f"a role of link {name}"), value) for _, key, value in node.entries(name)]
        for role, value in pairs:
            hub = value.text(f"the hub of role {role}")
            if hub not in self.hubs:
                raise value.fail(f"link {name}: there is no hub {hub}{_suggestion(hub, self.hubs)}")
            if role in roles:
                raise value.fail(f"link {name} has the role {role} twice: give them names, as role: hub")
            roles[role] = hub
        if len(roles) < 2:
            raise node.fail(f"link {name} needs two roles or more, as role: hub")
        return Link(name, roles)

    def tables(self, node: _Node, source: Mapping[str, _Node]) -> dict[str, Table]:
        found: dict[str, Table] = {}
        shorts: dict[str, str] = {}
        topics: dict[str, str] = {}
        for name, key, value in node.entries("tables"):
            table = self.table(name, key, value, source)
            if table.name in shorts:
                raise key.fail(
                    f"tables {shorts[table.name]} and {name} are both called {table.name} in the vault: "
                    "give one another name, with name:"
                )
            if table.topic in topics:
                raise key.fail(f"tables {topics[table.topic]} and {name} have the same topic {table.topic}")
            shorts[table.name] = topics[table.topic] = name
            found[name] = table
        if not found:
            raise node.fail("tables names no table")
        return found

    def table(self, source: str, key: _Node, node: _Node, defaults: Mapping[str, _Node]) -> Table:
        what = f"table {source}"
        known = (
            *("name", "topic", "record_source", "columns", "key", "references", "parent"),
            *("links", "satellites", "ignore", "order"),
        )
        fields = node.fields(what, known, ("columns", "key", "references", "parent"))
        if source.count(".") != 1 or source.startswith(".") or source.endswith("."):
            raise key.fail(f"{what}: write it as schema.table")
        schema, _, short = source.partition(".")
        name = fields["name"].name("name") if "name" in fields else short
        if not _NAME.fullmatch(name) or name != name.lower() or len(name) > _LONGEST:
            raise key.fail(f"{what}: give it a plain lower-case name for the vault, with name:")
        topic = self.topic(fields, defaults, schema, short, source)
        columns = self.columns(fields["columns"], what)
        references = self.references(fields["references"], columns, what)
        table = Table(
            source=source,
            name=name,
            topic=topic,
            record_source=self.record_source(fields, defaults, topic),
            columns=columns,
            key=self.column_list(fields["key"], columns, f"the key of {what}"),
            references=references,
            parent=fields["parent"].text("parent"),
            links=self.table_links(fields.get("links"), references, what),
            satellites=self.table_satellites(fields.get("satellites"), columns, what),
            ignore=self.column_list(fields["ignore"], columns, "ignore") if "ignore" in fields else (),
            order=fields["order"].number("order") if "order" in fields else 1,
        )
        return self.check_table(table, key, fields)

    def topic(
        self,
        fields: Mapping[str, _Node],
        defaults: Mapping[str, _Node],
        schema: str,
        short: str,
        source: str,
    ) -> str:
        if "topic" in fields:
            return fields["topic"].text(f"the topic of {source}")
        pattern = defaults["topics"].text("topics")
        try:
            return pattern.format(schema=schema, table=short)
        except (KeyError, IndexError, ValueError):
            raise defaults["topics"].fail(
                f"topics is {pattern}: only {{schema}} and {{table}} can be filled in"
            ) from None

    def record_source(self, fields: Mapping[str, _Node], defaults: Mapping[str, _Node], topic: str) -> str:
        for settings in (fields, defaults):
            if "record_source" in settings:
                return settings["record_source"].text("record_source")
        return topic

    def references(self, node: _Node, columns: Mapping[str, str], what: str) -> dict[str, Reference]:
        found = {}
        for _, key, value in node.entries(f"the references of {what}"):
            role = key.name("a role")
            hub, list_node = role, value
            if value.node.id == "mapping":
                fields = value.fields(f"role {role}", ("hub", "columns"), ("columns",))
                list_node = fields["columns"]
                hub = fields["hub"].text("hub") if "hub" in fields else role
            if hub not in self.hubs:
                raise value.fail(f"{what}, role {role}: there is no hub {hub}{_suggestion(hub, self.hubs)}")
            names = self.column_list(list_node, columns, f"role {role} of {what}")
            kinds = self.hubs[hub].keys
            if len(names) != len(kinds):
                raise value.fail(
                    f"{what}, role {role}: hub {hub} has {len(kinds)} business key column(s) "
                    f"({', '.join(kinds)}), not {len(names)}"
                )
            for name, (hub_column, kind) in zip(names, kinds.items(), strict=True):
                if columns[name].lower() != kind.lower():
                    raise value.fail(
                        f"{what}, role {role}: column {name} is {columns[name]}, but {hub_column} of hub "
                        f"{hub} is {kind}; their hashes would differ"
                    )
            found[role] = Reference(role, hub, names)
        return found

    def column_list(self, node: _Node, columns: Mapping[str, str], what: str) -> tuple[str, ...]:
        names: list[str] = []
        for item in node.items(what):
            name = item.text(f"a column in {what}")
            if name not in columns:
                raise item.fail(f"{what}: there is no column {name}{_suggestion(name, columns)}")
            if name in names:
                raise item.fail(f"{what} names column {name} twice")
            names.append(name)
        if not names:
            raise node.fail(f"{what} names no column")
        return tuple(names)

    def table_links(
        self, node: _Node | None, references: Mapping[str, Reference], what: str
    ) -> tuple[str, ...]:
        names: list[str] = []
        for item in node.items(f"the links of {what}") if node is not None else ():
            name = item.text("a link")
            if name not in self.links:
                raise item.fail(f"{what}: there is no link {name}{_suggestion(name, self.links)}")
            if name in names:
                raise item.fail(f"{what} names link {name} twice")
            for role, hub in self.links[name].roles.items():
                if role not in references:
                    raise item.fail(f"{what}: link {name} needs the role {role} among the references")
                if references[role].hub != hub:
                    raise item.fail(
                        f"{what}: role {role} refers to hub {references[role].hub}, "
                        f"but in link {name} to {hub}"
                    )
            if name in references:
                raise item.fail(f"{what}: {name} is a role and a link; give the role another name")
            names.append(name)
        return tuple(names)

    def table_satellites(
        self, node: _Node | None, columns: Mapping[str, str], what: str
    ) -> tuple[Satellite, ...]:
        found: list[Satellite] = []
        for _, key, value in node.entries(f"the satellites of {what}") if node is not None else ():
            name = key.name("a satellite")
            if name in self.satellites:
                raise key.fail(f"satellite {name} belongs to {self.satellites[name]} already")
            self.satellites[name] = what
            found.append(Satellite(name, self.column_list(value, columns, f"satellite {name}")))
        return tuple(found)

    def check_table(self, table: Table, key: _Node, fields: Mapping[str, _Node]) -> Table:
        what = f"table {table.source}"
        parents = [*table.references, *table.links]
        if table.parent not in parents:
            raise fields["parent"].fail(
                f"{what}: parent {table.parent} is neither a role nor a link of it"
                f"{_suggestion(table.parent, parents)}"
            )
        if table.parent in table.links:
            made_of = [c for r in self.links[table.parent].roles for c in table.references[r].columns]
        else:
            made_of = list(table.references[table.parent].columns)
        if set(made_of) != set(table.key):
            raise fields["parent"].fail(
                f"{what}: the key is ({', '.join(table.key)}), but parent {table.parent} is made of "
                f"({', '.join(made_of)}); every row needs a hash key of its own"
            )
        kept = {c for s in table.satellites for c in s.columns} | set(made_of)
        kept |= {
            c for link in table.links for r in self.links[link].roles for c in table.references[r].columns
        }
        for role, reference in table.references.items():
            linked = role == table.parent or any(role in self.links[link].roles for link in table.links)
            if not linked:
                raise fields["references"].fail(
                    f"{what}: role {role} ({', '.join(reference.columns)}) is in none of its links"
                )
        for name in table.columns:
            if name not in kept and name not in table.ignore:
                raise fields["columns"].fail(
                    f"{what}: column {name} goes nowhere: put it into a satellite, a reference, or ignore"
                )
            if name in kept and name in table.ignore:
                raise fields["ignore"].fail(f"{what}: column {name} is used, so it is not ignored")
        added = {f"{name}_hk" for name in parents} | {s.diff for s in table.satellites}
        for name in table.columns:
            if name in added:
                raise key.fail(
                    f"{what}: column {name} is also the name of a hash; rename the role or satellite"
                )
        return table

    def check_used(self, top: Mapping[str, _Node], tables: Mapping[str, Table]) -> None:
        for name in self.links:
            if not any(name in table.links for table in tables.values()):
                raise top["links"].fail(f"no table feeds link {name}")
        for name in self.hubs:
            if not any(r.hub == name for table in tables.values() for r in table.references.values()):
                raise top["hubs"].fail(f"no table feeds hub {name}")
