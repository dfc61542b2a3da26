"""The rows whose keys are hashed: a number and a name, some 24 bytes as text; the same for every side."""

from __future__ import annotations


def columns(rows: int) -> tuple[list[int], list[str]]:
    """Numbers of seven digits, and names in mixed case with 9 to 16 characters."""
    return [1_000_000 + row for row in range(rows)], [
        f"Customer {row * 7919 % 1_000_003}" for row in range(rows)
    ]


def texts(rows: int) -> list[str]:
    """What is hashed of each row, ready: docs/hash-keys.md, recipe automate_dv."""
    return [f"{number}||{name.upper()}" for number, name in zip(*columns(rows), strict=True)]
