"""`python -m bench`: measure, print a table, write build/bench.json. `python -m bench scaling`: the plots;
`python -m bench visitors`: latency, accuracy and memory of windows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench import harness, machine
from bench.harness import Bench, Options, say
from bench.results import Files

QUICK = Options(
    records=300_000,
    kafka_records=300_000,
    debezium_records=50_000,
    nifi_records=50_000,
    memory_records=600_000,
    decode_records=100_000,
    window_frames=30_000,
    vault_events=50_000,
)
"""Enough to see that everything runs; too short for the numbers to mean much."""


def parse(argv: Sequence[str]) -> tuple[Options, list[str], bool, bool]:
    """Options, names of cases (none: all), whether only to list them, and whether the sizes are small."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("cases", nargs="*", help="cases to run, or names of figures; all unless given")
    parser.add_argument("--list", action="store_true", help="print the cases and their figures")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    for name, what in (
        ("records", "records in the file"),
        ("kafka-records", "messages in the topic"),
        ("debezium-records", "messages for Debezium's sink, which is slow"),
        ("nifi-records", "records in the file of NiFi's case"),
        ("memory-records", "messages in the longest topic of the memory case"),
        ("decode-records", "records to decode"),
        ("window-frames", "frames of the window case"),
        ("vault-events", "change events of the vault case; slow sides get fewer"),
        ("partitions", "partitions of the topic"),
        ("weeks", "weeks the records are spread over"),
        ("workers", "workers of Headrace, processes of the parallel peers"),
        ("rounds", "runs of each side that count, at least 3"),
    ):
        parser.add_argument(f"--{name}", type=int, metavar="N", help=what)
    args = parser.parse_args(argv)
    options = QUICK if args.quick else Options()
    given = {
        name: getattr(args, name) for name in Options.__dataclass_fields__ if getattr(args, name) is not None
    }
    options = replace(options, **given)
    if options.rounds < 3 or min(vars(options).values()) < 1:
        parser.error("every number must be above 0, and rounds at least 3")
    return options, args.cases, args.list, args.quick


def choose(found: dict[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    """The cases that are named or have a figure that is named."""
    if not wanted:
        return found
    known = set(found) | {figure.name for module in found.values() for figure in module.FIGURES}
    for name in wanted:
        if name not in known:
            raise SystemExit(f"bench: there is no case or figure {name}; `python -m bench --list` shows them")
    return {
        name: module
        for name, module in found.items()
        if name in wanted or any(figure.name in wanted for figure in module.FIGURES)
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases. 0 even when a goal is missed: the table says so."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["scaling"]:
        from bench import scaling

        return scaling.main(words[1:])
    if words[:1] == ["visitors"]:
        from bench import visitors

        return visitors.main(words[1:])
    options, wanted, only_list, quick = parse(words)
    all_cases = harness.load_cases()
    found = choose(all_cases, wanted)
    if only_list:
        for name, module in found.items():
            print(f"{name}: {module.__doc__.splitlines()[0]}")
            for figure in module.FIGURES:
                print(f"    {figure.name}: {figure.what}")
        return 0
    about = machine.describe()
    print("\n".join(f"{name}: {value}" for name, value in about.items()))
    print("options: " + ", ".join(f"{name} {value}" for name, value in vars(options).items()), flush=True)
    with_them = {"machine": about, "options": vars(options)}
    files = Files(all_cases, with_them, quick=quick, fresh=not wanted)
    rows: list[list[str]] = []
    bench = Bench(options)
    try:
        for name, module in found.items():
            say(f"-- {name}: {module.__doc__.splitlines()[0]}")
            results, figures = harness.run_case(bench, name, module)
            files.put(name, results, figures)
            rows += harness.figure_rows(module.FIGURES, figures)
            print(f"\n{name}: {module.__doc__.splitlines()[0]}")
            print(harness.table(harness.SIDE_HEAD, harness.side_rows(results)), flush=True)
    finally:
        bench.close()
    print("\n" + harness.table(harness.FIGURE_HEAD, rows))
    say(f"written: {files.figures} and {files.details.name} beside it, with every run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
