"""Connection strings: what may be shown of them. Passwords never leave this module."""

from __future__ import annotations

import re
from urllib.parse import unquote

_SECRETS = ("password", "sslpassword", "passfile_content", "oauth_client_secret")
# keyword = value, where value is 'quoted with \' inside' or runs to the next blank
_PAIR = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s\\]|\\.)*)")


def is_uri(dsn: str) -> bool:
    """Whether it is the URI form."""
    return dsn.startswith(("postgresql://", "postgres://"))


def has_password(dsn: str | None) -> bool:
    """Whether the string itself holds a password."""
    return bool(dsn) and dsn != without_password(dsn or "")


def without_password(dsn: str | None) -> str:
    """The string with nothing secret in it, to be shown."""
    if not dsn:
        return ""
    if is_uri(dsn):
        return _uri_without_password(dsn)
    return _PAIR.sub(lambda pair: "" if pair[1].lower() in _SECRETS else pair[0], dsn).strip()


def _uri_without_password(dsn: str) -> str:
    # Up to the last @: an unescaped / ? or @ in a password must not let a part of it out.
    shown = re.sub(r"^(\w+://[^:/?#@]*):.*@", r"\1@", dsn, flags=re.DOTALL)
    start, _, query = shown.partition("?")
    kept = [
        pair for pair in query.split("&") if pair and unquote(pair.partition("=")[0]).lower() not in _SECRETS
    ]
    return start + ("?" + "&".join(kept) if kept else "")


def take_parameter(dsn: str, name: str) -> tuple[str, str | None]:
    """Take one parameter of our own out of a URI's query: (the URI without it, its value or None)."""
    start, _, query = dsn.partition("?")
    pairs = [pair for pair in query.split("&") if pair]
    ours = [pair for pair in pairs if pair.partition("=")[0] == name]
    if not ours:
        return dsn, None
    rest = [pair for pair in pairs if pair not in ours]
    return start + ("?" + "&".join(rest) if rest else ""), unquote(ours[-1].partition("=")[2])
