"""Connection strings: what may be shown of them. Passwords never leave this module.

Only what has been understood and is known to be harmless is shown. A string that libpq could not read (a
password with a blank and no quotes, a password with a slash in a URI, another program's form of URI) is not
shown at all: any word of it may be a part of the password.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

UNREADABLE = "(a connection string that cannot be read)"

_SHOWN = {
    "host", "hostaddr", "port", "dbname", "user", "passfile", "require_auth", "channel_binding",
    "connect_timeout", "client_encoding", "application_name", "fallback_application_name", "keepalives",
    "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "replication",
    "gssencmode", "sslmode", "requiressl", "sslnegotiation", "sslcompression", "sslcert", "sslkey",
    "sslcertmode", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "requirepeer",
    "ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib", "gssdelegation",
    "service", "target_session_attrs", "load_balance_hosts", "table", "query",
}  # fmt: skip
# One keyword = value of libpq's form; the value is 'quoted with \' inside' or runs to the next blank.
_PAIR = re.compile(
    r"\s*([^\s=]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s\\']|\\.)(?:[^\s\\]|\\.)*|(?=\s|\Z))(?=\s|\Z)", re.DOTALL
)
_HOST = r"(?:[\w.%-]*|\[[0-9a-fA-F:.%]*\])(?::\d*)?"
_URI = re.compile(
    rf"(postgres(?:ql)?://)(?:([^:/?@]*)(:[^/?@]*)?@)?({_HOST}(?:,{_HOST})*)(/[^?@]*)?(?:\?([^@]*))?"
)


def is_uri(dsn: str) -> bool:
    """Whether it is the URI form."""
    return dsn.startswith(("postgresql://", "postgres://"))


def has_password(dsn: str | None) -> bool:
    """Whether the string itself holds a password, or may hold one."""
    shown, secret = _look(dsn or "")
    return secret or shown is None


def without_password(dsn: str | None) -> str:
    """The string with nothing secret in it, to be shown; UNREADABLE when it cannot be told what is secret."""
    shown, _ = _look(dsn or "")
    return UNREADABLE if shown is None else shown


def _look(dsn: str) -> tuple[str | None, bool]:
    """What may be shown (None: nothing), and whether something secret was left out."""
    return _look_at_uri(dsn) if is_uri(dsn) else _look_at_pairs(dsn)


def _is_secret(name: str) -> bool:
    return "password" in name or "secret" in name


def _look_at_pairs(dsn: str) -> tuple[str | None, bool]:
    shown, secret, at = [], False, 0
    text = dsn.rstrip()
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            return None, True
        at = pair.end()
        if pair[1] in _SHOWN:
            shown.append(pair[0].strip())
        secret = secret or _is_secret(pair[1].lower())
    return " ".join(shown), secret


def _look_at_uri(dsn: str) -> tuple[str | None, bool]:
    parts = _URI.fullmatch(dsn)
    if parts is None:
        return None, True
    scheme, user, password, hosts, path, query = parts.groups()
    secret, kept = password is not None, []
    for pair in filter(None, (query or "").split("&")):
        name = unquote(pair.partition("=")[0])
        if name in _SHOWN:
            kept.append(pair)
        secret = secret or _is_secret(name.lower())
    start = scheme + (f"{user}@" if user else "") + hosts + (path or "")
    return start + ("?" + "&".join(kept) if kept else ""), secret


def take_parameter(dsn: str, name: str) -> tuple[str, str | None]:
    """Take one parameter of our own out of a URI's query: (the URI without it, its value or None)."""
    start, _, query = dsn.partition("?")
    pairs = [pair for pair in query.split("&") if pair]
    ours = [pair for pair in pairs if pair.partition("=")[0] == name]
    if not ours:
        return dsn, None
    rest = [pair for pair in pairs if pair not in ours]
    return start + ("?" + "&".join(rest) if rest else ""), unquote(ours[-1].partition("=")[2])
