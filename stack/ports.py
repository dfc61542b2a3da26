"""Choosing ports on 127.0.0.1: the code of the package, which notebooks use as well."""

from headrace.embedded.ports import LOOPBACK, answers, is_free, pick

__all__ = ["LOOPBACK", "answers", "is_free", "pick"]
