"""Passwords and keys: the code of the package, which notebooks use as well."""

from headrace.embedded.secrets import fernet, kept, key, password, write_private

__all__ = ["fernet", "kept", "key", "password", "write_private"]
