"""Operators: load, refresh, replay, generate."""
