"""Triggers: the waiting itself, in the triggerer."""
