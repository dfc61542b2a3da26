"""Sensors: wait until there is something to load."""
