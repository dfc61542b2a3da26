"""Passwords and keys: made at random on first use, kept in files that only their owner can read.

They go to the servers through files or the environment, never through a command line (which every user of the
machine can read) and never into a log.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all, and private from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def kept(path: Path, make: Callable[[], str]) -> str:
    """The secret in this file, made and kept there if there is none yet."""
    if not path.exists():
        write_private(path, make() + "\n")
    return path.read_text().strip()


def password() -> str:
    """A password of 24 letters and digits: strong, and safe in URLs, shells and pgpass files."""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"
    return "".join(secrets.choice(alphabet) for _ in range(24))


def key() -> str:
    """A signing key of 64 random bytes."""
    return secrets.token_hex(64)


def fernet() -> str:
    """A key in the form that Airflow encrypts connections with."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
