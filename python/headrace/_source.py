"""Where records come from: what a user writes, turned into the "source" object of a load's settings."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from headrace.dsn import is_uri, take_parameter, without_password
from headrace.errors import UsageError

CONFIG_VARIABLE = "HEADRACE_KAFKA_CONFIG"

# servers, topic, settings
_KAFKA_URL = re.compile(
    r"kafka://((?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::\d+)?(?:,(?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::\d+)?)*)?"
    r"(?:/+([\w.%-]*)/*)?(?:\?((?:[\w.-]*(?:=[^&]*)?&)*[\w.-]*(?:=[^&]*)?))?"
)


@dataclass(frozen=True, slots=True)
class Query:
    """Rows of another PostgreSQL database: the result of a query."""

    dsn: str = field(repr=False)
    sql: str = ""

    def __str__(self) -> str:
        return f"{without_password(self.dsn)}: {self.sql}"


Source = str | os.PathLike[str] | Query | Sequence[str | os.PathLike[str]]


def read_properties(path: str | os.PathLike[str]) -> dict[str, str]:
    """The settings of a Kafka properties file: `name=value` lines, # and ! start comments. UsageError when
    unreadable.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the Kafka settings in {os.fspath(path)} cannot be read: {error}") from error
    settings = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.strip()[0] in "#!":
            continue
        name, separator, value = line.partition("=")
        if not separator or not name.strip():
            raise UsageError(f"{os.fspath(path)}, line {number}: write it as name=value")
        settings[name.strip()] = value.strip()
    return settings


def kafka_settings(kafka: Mapping[str, Any] | str | os.PathLike[str] | None) -> dict[str, str]:
    """Librdkafka's settings as strings, from a mapping, a properties file, or the file $HEADRACE_KAFKA_CONFIG
    names.
    """
    if kafka is None:
        path = os.environ.get(CONFIG_VARIABLE)
        return read_properties(path) if path else {}
    if not isinstance(kafka, Mapping):
        return read_properties(kafka)
    settings = {}
    for name, value in kafka.items():
        if isinstance(value, bool):
            settings[str(name)] = "true" if value else "false"
        elif value is not None:
            settings[str(name)] = str(value)
    return settings


def parse_kafka(
    url: str, kafka: Mapping[str, Any] | str | os.PathLike[str] | None
) -> tuple[str, dict[str, str]]:
    """(topic, librdkafka's settings) of kafka://host:port,host:port/topic?setting=value or kafka://topic.

    UsageError when no topic or no broker is named.
    """
    settings = kafka_settings(kafka)
    parts = _KAFKA_URL.fullmatch(url)
    if parts is None:  # not repeated: there may be a password in it
        raise UsageError(
            "this kafka:// URL cannot be read: write kafka://host:port,host:port/topic?setting=value. It "
            "takes no user and password: give sasl.username and sasl.password as settings (kafka=..., a "
            f"properties file, or ${CONFIG_VARIABLE})"
        )
    servers, topic, query = (part or "" for part in parts.groups())
    settings.update(dict(parse_qsl(query, keep_blank_values=True)))
    topic = unquote(topic)
    if not topic and servers and ":" not in servers and "," not in servers:
        servers, topic = "", servers
    if not topic:
        raise UsageError(f'"kafka://{servers}" names no topic: write kafka://host:port/topic')
    if not settings.get("bootstrap.servers") and not settings.get("metadata.broker.list") and not servers:
        raise UsageError(
            f'no broker is known for topic "{topic}": write kafka://host:port/{topic} or set '
            "bootstrap.servers"
        )
    if servers:
        settings["bootstrap.servers"] = servers
    if not settings.get("bootstrap.servers") and not settings.get("metadata.broker.list"):
        raise UsageError(
            f'no broker is known for topic "{topic}": write kafka://host:port/{topic} or set '
            "bootstrap.servers"
        )
    return topic, settings


def _start(start: str | datetime | None) -> str | dict[str, int]:
    """Where a partition without a stored offset starts: a word, or a time as the C module wants it."""
    return {"timestamp_ms": milliseconds(start)} if isinstance(start, datetime) else start or "earliest"


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970. UsageError for a time without a zone: it could mean anything."""
    if moment.tzinfo is None:
        raise UsageError(f"{moment.isoformat()} has no time zone: write {moment.isoformat()}+00:00 for UTC")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _kafka(url: str, kafka: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    topic, settings = parse_kafka(url, kafka)
    partitions = options.get("partitions")
    return {
        "kind": "kafka",
        "topic": topic,
        "partitions": sorted({int(p) for p in partitions}) if partitions is not None else None,
        "config": settings,
        "start": _start(options.get("start")),
        "lost_offsets": options.get("lost_offsets", "fail"),
        "until": options.get("until", "end"),
        "group": options.get("group"),
        "text": f"kafka://{settings.get('bootstrap.servers', '')}/{topic}",
    }


def _postgres_uri(url: str) -> dict[str, Any]:
    dsn, table = take_parameter(url, "table")
    dsn, query = take_parameter(dsn, "query")
    if (table is None) == (query is None):
        raise UsageError("a postgresql:// source needs ?table=schema.name or ?query=SELECT... (one of them)")
    what = {"table": table} if table is not None else {"query": query}
    return {"kind": "postgres", "dsn": dsn, **what, "text": f"{without_password(dsn)}: {table or query}"}


def expand_paths(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Files, with globs expanded in order of name. UsageError when something matches nothing or is no
    file.
    """
    found: dict[str, str] = {}  # a file that has two names (a link, ./a and a) is read once
    for path in paths:
        text = os.fspath(path)
        if text.startswith("file://"):
            text = unquote(urlsplit(text).path)
        elif "://" in text and not os.path.exists(text):  # never repeated: there may be a password in it
            raise UsageError(
                "this source is none that is known: write kafka://..., postgresql://..., file://... or a path"
            )
        matches = [text] if os.path.exists(text) else sorted(glob.glob(text, recursive=True))
        if not matches:
            raise UsageError(f"there is no file {text}")
        for match in matches:
            if os.path.isdir(match):
                raise UsageError(
                    f"{match} is a folder: name the files in it, such as {os.path.join(match, '*')}"
                )
            found.setdefault(os.path.realpath(match), match)
    if not found:
        raise UsageError("no files were given")
    return list(found.values())


def _files(paths: Iterable[str | os.PathLike[str]], identity: bool) -> dict[str, Any]:
    found = [os.path.abspath(path) for path in expand_paths(paths)]
    text = found[0] if len(found) == 1 else f"{found[0]} and {len(found) - 1} more"
    return {"kind": "file", "paths": found, "identity": identity, "text": text}


def parse(source: Source, *, kafka: Any = None, identity: bool = True, **options: Any) -> dict[str, Any]:
    """The "source" object. UsageError says what is wrong with what was written."""
    if isinstance(source, Query):
        return {"kind": "postgres", "dsn": source.dsn, "query": source.sql, "text": str(source)}
    if isinstance(source, (str, os.PathLike)):
        text = os.fspath(source)
        if text == "-":
            return {"kind": "stdin", "text": "stdin"}
        if text.startswith("kafka://"):
            return _kafka(text, kafka, options)
        if is_uri(text):
            return _postgres_uri(text)
        if "://" in text and not text.startswith("file://"):
            scheme = text.partition("://")[0]
            raise UsageError(
                f'"{scheme}://" is not a source: use kafka://, postgresql://, a path, or - for standard input'
            )
        return _files([text], identity)
    return _files(source, identity)


def guess_format(source: Mapping[str, Any], given: str | None = None) -> tuple[str, dict[str, Any]]:
    """(format, its settings) by the files' names: .csv, .tsv, with .gz or .zst after it; anything else is
    JSON lines. UsageError when the names do not agree and no format is `given`.
    """
    if source["kind"] != "file":
        return "json", {}
    first, *others = (str(path) for path in source["paths"])
    guessed = _guess_name(first)
    for other in others:
        if given is None and _guess_name(other) != guessed:
            raise UsageError(
                f"{first} and {other} have names of different formats: load them one after the other, or say "
                "with format which one all of them have"
            )
    return guessed


def _guess_name(name: str) -> tuple[str, dict[str, Any]]:
    name = name.lower()
    for ending in (".gz", ".zst", ".zstd"):
        name = name.removesuffix(ending)
    if name.endswith(".csv"):
        return "csv", {}
    if name.endswith((".tsv", ".tab")):
        return "csv", {"delimiter": "\t"}
    return "json", {}


def is_stdout(name: str) -> bool:
    """Whether a file to be written is the standard output by another name, such as /dev/stdout, a link. What
    is before it there, and what comes after it, must stay.
    """
    try:
        return os.path.samestat(os.stat(name), os.fstat(1))
    except OSError:
        return False
