"""Connection strings: what may be shown of them. Passwords never leave this module."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

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
    # An @ inside an unescaped password belongs to the password: the last one ends it.
    parts = urlsplit(dsn)
    user, at, hosts = parts.netloc.rpartition("@")
    netloc = user.partition(":")[0] + at + hosts
    query = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k.lower() not in _SECRETS]
    return urlunsplit((parts.scheme, netloc, parts.path, urlencode(query, quote_via=quote, safe="/:,"), ""))


def take_parameter(dsn: str, name: str) -> tuple[str, str | None]:
    """Take one parameter of our own out of a URI's query: (the URI without it, its value or None)."""
    parts = urlsplit(dsn)
    query = parse_qsl(parts.query, keep_blank_values=True)
    value = next((v for k, v in query if k == name), None)
    if value is None:
        return dsn, None
    rest = urlencode([(k, v) for k, v in query if k != name], quote_via=quote, safe="/:,")
    return urlunsplit((parts.scheme, parts.netloc, parts.path, rest, parts.fragment)), value
