"""The table of coverage, and the list of what is not covered, with reasons."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Reason:
    """Why lines need not be run: those of `files` in the function `function` (a pattern each) that look so. `alone`: it
    says nothing of the lines beside them.
    """

    files: str
    function: str
    line: re.Pattern[str]
    text: str
    alone: bool = False

    def holds(self, file: str, function: str, line: str) -> bool:
        """Whether this is the reason of a line."""
        return fnmatch(file, self.files) and fnmatch(function, self.function) and bool(self.line.search(line))


def read_reasons(path: Path) -> list[Reason]:
    """From a file with, on each line: FILES | FUNCTION | REGULAR EXPRESSION | REASON, and perhaps | alone. ValueError
    for any other.
    """
    reasons = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split(" | ")]
        if not 4 <= len(parts) <= 5 or not all(parts) or parts[4:] not in ([], ["alone"]):
            raise ValueError(
                f"{path.name}:{number}: FILES | FUNCTION | REGULAR EXPRESSION | REASON, and perhaps | alone, is expected, "
                f"not: {line}"
            )
        reasons.append(Reason(parts[0], parts[1], re.compile(parts[2]), parts[3], len(parts) == 5))
    return reasons


@dataclass
class Count:
    """Lines and branches, how many there are and how many were run."""

    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_run: int = 0

    def add(self, other: Count) -> None:
        """Add up."""
        self.lines += other.lines
        self.lines_run += other.lines_run
        self.branches += other.branches
        self.branches_run += other.branches_run

    def row(self, name: str) -> str:
        """A line of the table."""
        return (
            f"{name:36} {self.lines_run:6} of {self.lines:6} {percent(self.lines_run, self.lines)}"
            f" {self.branches_run:6} of {self.branches:6} {percent(self.branches_run, self.branches)}"
        )


def percent(part: int, whole: int) -> str:
    """Like  97.3 %."""
    return f"{100 * part / whole if whole else 100:6.1f} %"


@dataclass(frozen=True)
class Uncovered:
    """A line that no test ran."""

    file: str
    number: int
    function: str
    text: str
    reason: str | None


def count(lines: Iterable[dict[str, Any]]) -> Count:
    """Of one file. Lines that gcovr leaves out are no code."""
    found = Count()
    for line in lines:
        found.lines += 1
        found.lines_run += line["count"] > 0
        found.branches += len(line["branches"])
        found.branches_run += sum(branch["count"] > 0 for branch in line["branches"])
    return found


def code(file: dict[str, Any]) -> list[dict[str, Any]]:
    """Its lines of code; a line that stands in several functions (a header's) counts once."""
    merged: dict[int, dict[str, Any]] = {}
    for line in file["lines"]:
        if line.get("gcovr/noncode") or line.get("gcovr/excluded"):
            continue
        first = merged.setdefault(line["line_number"], {**line, "branches": list(line["branches"])})
        if first is not line and line["count"] > first["count"]:
            first["count"] = line["count"]
            if len(line["branches"]) >= len(first["branches"]):
                first["branches"] = line["branches"]
    return [merged[number] for number in sorted(merged)]


def begin(source: list[str], number: int) -> int:
    """The first line of the statement that a line belongs to: it goes on where the line before cannot have ended."""
    while number > 1 and re.search(
        r"([,(=?\"]|&&|\|\||\bPRI\w+)$", re.sub(r"\s*/\*.*\*/\s*$", "", source[number - 2]).rstrip()
    ):
        number -= 1
    return number


def statements(source: list[str], numbers: list[int]) -> list[list[int]]:
    """The numbers of lines, those of one statement together."""
    found: list[list[int]] = []
    for number in numbers:
        if found and begin(source, found[-1][0]) == begin(source, number):
            found[-1].append(number)
        else:
            found.append([number])
    return found


def blocks(source: list[str], numbers: list[int]) -> list[list[int]]:
    """The numbers of lines, those together that run one after the other or not at all: of one depth, nothing between."""

    def depth(number: int) -> int:
        first = source[begin(source, number) - 1]
        return len(first) - len(first.lstrip())

    found: list[list[int]] = []
    for statement in statements(source, numbers):
        between = source[found[-1][-1] : statement[0] - 1] if found else []
        apart = any(line.strip() for line in between) or re.match(
            r"\s*(case\b|default:|\w+:$)", source[statement[0] - 1]
        )
        if found and depth(found[-1][0]) == depth(statement[0]) and not apart:
            found[-1] += statement
        else:
            found.append(statement)
    return found


RAISES = re.compile(r"\bPyErr_(Set|Format)|\bhr_error_(set|data)\(")


def uncovered(
    name: str, lines: list[dict[str, Any]], source: list[str], reasons: list[Reason]
) -> Iterator[Uncovered]:
    """Lines of a file that were not run; those that can only run together share a reason of one of them. A statement
    that tells of an error needs one of its own: somebody's mistake is no matter of what is freed, or returned, beside it.
    """
    functions = {line["line_number"]: line.get("function_name") or "" for line in lines if line["count"] == 0}
    for block in blocks(source, sorted(functions)):
        own: dict[int, list[Reason]] = {}
        for number in block:
            text = source[begin(source, number) - 1 : number]
            own[number] = [r for r in reasons if any(r.holds(name, functions[number], line) for line in text)]
        lent = [reason for number in block for reason in own[number] if not reason.alone]
        for statement in statements(source, block):
            shared = [reason for number in statement for reason in own[number]]
            if not RAISES.search("\n".join(source[begin(source, statement[0]) - 1 : statement[-1]])):
                shared += lent
            for number in statement:
                reason = next((reason.text for reason in own[number] + shared), None)
                yield Uncovered(name, number, functions[number], source[number - 1].strip(), reason)


def stretches(lines: list[Uncovered]) -> Iterator[str]:
    """file:first-last, with the function, the first line's text and the reason."""
    for _, group in groupby(
        enumerate(lines), key=lambda pair: (pair[1].file, pair[1].number - pair[0], pair[1].reason)
    ):
        part = [line for _, line in group]
        first, last = part[0], part[-1]
        where = f"{first.number}" if first is last else f"{first.number}-{last.number}"
        yield f"{first.file}:{where}  {first.function}()  {first.text}" + (
            f"   [{first.reason}]" if first.reason else ""
        )


def report(found: dict[str, Any], reasons_file: Path, folder: Path) -> None:
    """Print the table; write it and the list of lines."""
    reasons = read_reasons(reasons_file)
    rooms: dict[str, Count] = defaultdict(Count)
    rows, missing = [], []
    for file in sorted(found["files"], key=lambda file: str(file["file"])):
        name = file["file"]
        lines = code(file)
        counted = count(lines)
        rows.append(counted.row(name))
        rooms["/".join(name.split("/")[:2])].add(counted)
        rooms["all"].add(counted)
        source = (folder / "tree" / name).read_text().splitlines()
        missing += uncovered(name, lines, source, reasons)
    heading = f"{'':36} {'lines':>25} {'branches':>25}"
    sums = [rooms[name].row(name) for name in sorted(rooms, key=lambda name: (name == "all", name))]
    explained = [line for line in missing if line.reason]
    rest = [line for line in missing if not line.reason]
    said = f"{len(missing)} lines were not run: {len(explained)} with a reason, {len(rest)} without"
    (folder / "table.txt").write_text("\n".join([heading, *rows, "", *sums, "", said]) + "\n")
    listing = ["Without a reason:", *stretches(rest), "", "With a reason:", *stretches(explained)]
    (folder / "uncovered.txt").write_text("\n".join(listing) + "\n")
    print(
        "\n".join(
            [heading, *rows, "", *sums, "", said, f"coverage: the lines are in {folder / 'uncovered.txt'}"]
        )
    )
