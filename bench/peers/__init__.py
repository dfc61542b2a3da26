"""The other sides, one file each, set up as their own documentation advises.

Each is a program: it reads its settings as one JSON object from its standard input, does its work once, and
prints one JSON object with `seconds`, `records` and `cpu` (seconds, too). Connecting is part of the time,
starting the interpreter is not.
"""
