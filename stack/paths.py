"""Where the checkout and what is made in it lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

BUILD = ROOT / "build"
"""Everything that is made and may be deleted: stamps, downloads, the data of the running services."""

SERVICES = BUILD / "stack"
"""Data, logs, secrets and the state file of the services that `python -m stack up` starts."""
