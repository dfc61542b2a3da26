"""Runs the fuzz targets.

    python -m tests.fuzz                      every target, a minute each, two at a time
    python -m tests.fuzz --seconds 300 json   one target, five minutes, from its seeds and all it learned before
    python -m tests.fuzz json --again FILE    one input alone, as after a failure
    python -m tests.fuzz --short              what `make test` runs: seeds and some seconds, the same inputs every time

FUZZ_SECONDS and FUZZ_SEED in the environment mean --seconds and --seed. An input that fails is kept in
build/fuzz/failed, and the command that runs it alone is printed. A number of runs and seconds is no promise: what
counts is that the seeds pass and that nothing new turns up.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "fuzz"
OUT = ROOT / "build" / "fuzz"
FAILED = OUT / "failed"
TARGETS = sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.c"))
SERVER = "server"  # the target that needs PostgreSQL

# bytes of an input; small ones are tried far more often
LONGEST = {
    "json": 2048,
    "csv": 2048,
    "json_oracle": 1024,
    "json_look": 1024,
    "window": 256,
    "frames": 2048,
    "debezium": 2048,
    "file": 4096,
    "timezone": 2048,
    "copy": 1024,
    "scan": 64,
    "utf8": 200,
}


@dataclass(frozen=True)
class Outcome:
    """What one run of one target came to."""

    target: str
    good: bool
    runs: int
    edges: int
    corpus: int
    seconds: float
    words: str  # what went wrong


def number(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def run(target: str, seconds: int, seed: int, corpus: Path, environment: dict[str, str]) -> Outcome:
    """One target for so many seconds; its output goes to build/fuzz/log."""
    log = OUT / "log" / f"{target}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    corpus.mkdir(parents=True, exist_ok=True)
    command = [
        str(OUT / f"fuzz_{target}"),
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-max_len={LONGEST.get(target, 512)}",
        "-timeout=20",
        "-rss_limit_mb=2560",
        "-print_final_stats=1",
        "-use_value_profile=1",
        "-detect_leaks=0",  # not after every input: once, at the end
        f"-artifact_prefix={FAILED}/{target}-",
        str(corpus),
        str(HERE / "seeds" / target),
    ]
    words = HERE / "words" / target
    if words.exists():
        command.insert(1, f"-dict={words}")
    begun = time.monotonic()
    with log.open("wb") as output:
        code = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False
        ).returncode
    text = log.read_bytes().decode(errors="replace")
    return Outcome(
        target,
        code == 0,
        number(r"stat::number_of_executed_units: (\d+)", text),
        number(r"\bcov: (\d+)", text),
        number(r"\bcorp: (\d+)", text),
        time.monotonic() - begun,
        "" if code == 0 else explain(target, text, code),
    )


def explain(target: str, text: str, code: int) -> str:
    """The lines that say what happened, and how to see it again."""
    telling = re.compile(
        r"does not hold|runtime error|ERROR: |SUMMARY: (?!libFuzzer)|differs|^  (?:document|ours|server) |^    #\d+ .* in (?:hr_|fuzz_|LLVMF)"
    )
    lines = [line for line in text.splitlines() if telling.search(line)][:14] or text.splitlines()[-5:]
    kept = re.findall(r"Test unit written to (\S+)", text)
    again = (
        f"again: python -m tests.fuzz {target} --again {kept[-1]}"
        if kept
        else f"it ended with {code}; all it said is in {OUT}/log/{target}.log"
    )
    return "\n".join(f"    {line}" for line in [*lines, again])


@contextlib.contextmanager
def server(targets: list[str]) -> Iterator[dict[str, str]]:
    """The environment for the targets: with a PostgreSQL server of our own if one of them asks for it."""
    environment = dict(os.environ)
    environment.setdefault("ASAN_OPTIONS", "allocator_may_return_null=1:detect_leaks=1")
    environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    environment["HEADRACE_FUZZ_FAILED"] = str(FAILED)
    if SERVER not in targets or "HEADRACE_FUZZ_DSN" in environment:
        yield environment
        return
    from stack import postgres

    with (
        tempfile.TemporaryDirectory(prefix="headrace-fuzz-") as folder,
        postgres.Server(Path(folder), durable=False, keep=False) as database,
    ):
        database.create_database("fuzz")
        yield environment | {"HEADRACE_FUZZ_DSN": database.dsn("fuzz")}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Run the fuzz targets.")
    parser.add_argument("targets", nargs="*", metavar="target", help=f"of: {' '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=int(os.environ.get("FUZZ_SECONDS") or 60))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("FUZZ_SEED") or 20261121))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--again", metavar="FILE", type=Path, help="run one target on one input, and nothing else"
    )
    parser.add_argument("--short", action="store_true", help="two seconds each, from the seeds alone")
    chosen = parser.parse_args()
    targets = chosen.targets or TARGETS
    unknown = sorted(set(targets) - set(TARGETS))
    if unknown:
        parser.error(f"no such target: {' '.join(unknown)}; there are: {' '.join(TARGETS)}")
    if chosen.again is not None and (len(targets) != 1 or not chosen.again.is_file()):
        parser.error("--again takes one target and a file")
    if shutil.which("clang") is None:
        parser.error("clang is not installed; `make test` and stack/setup.sh packages tests install it")
    seconds = 2 if chosen.short else chosen.seconds
    FAILED.mkdir(parents=True, exist_ok=True)
    build = ["make", "-s", "-C", str(HERE), f"-j{chosen.jobs}", *targets]
    print(
        f"FUZZ_SEED={chosen.seed} FUZZ_SECONDS={seconds}: {len(targets)} targets, {chosen.jobs} at a time",
        flush=True,
    )
    if subprocess.run(build, check=False).returncode != 0:
        print(f"the targets do not build: {shlex.join(build)}")
        return 1
    if chosen.again is not None:
        with server(targets) as environment:
            alone = [OUT / f"fuzz_{targets[0]}", chosen.again.resolve()]
            return subprocess.run(alone, env=environment, check=False).returncode
    learned = Path(tempfile.mkdtemp(prefix="corpus-", dir=OUT)) if chosen.short else OUT / "corpus"
    failed = 0
    try:
        with server(targets) as environment, ThreadPoolExecutor(chosen.jobs) as pool:
            begun = [
                pool.submit(run, target, seconds, chosen.seed, learned / target, environment)
                for target in targets
            ]
            print(f"{'target':14}{'inputs run':>12}{'edges':>8}{'kept':>8}{'seconds':>9}")
            for waiting in begun:
                one = waiting.result()
                failed += not one.good
                print(
                    f"{one.target:14}{one.runs:12,}{one.edges:8}{one.corpus:8}{one.seconds:9.1f}", flush=True
                )
                if not one.good:
                    print(f"{one.target} failed:\n{one.words}", flush=True)
    finally:
        if chosen.short:
            shutil.rmtree(learned)
    print(f"{len(targets) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
