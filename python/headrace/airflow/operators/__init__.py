"""Operators: load, refresh, replay, generate, produce, window, results."""
