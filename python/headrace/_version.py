"""The version of Headrace; setup.py and pyproject.toml read it here."""

__version__ = "0.1.0"
