"""Headrace measured against its peers, in turn, on the same data: `python -m bench --help`.

    data.py     what is loaded: files, topics, tables; reproducible
    servers.py  PostgreSQL and Kafka, tuned, and the CPU time they take
    harness.py  runs the sides of a case in turn and makes ratios of medians
    ours.py     Headrace's side, a program of its own
    peers/      the other sides, one file each; every one is a program that anyone can run
    cases/      one file for each question: which sides, which ratios
    c/          small C programs, compiled when they are needed

Nothing in tests/ is timed; this package is where time is measured.
"""
