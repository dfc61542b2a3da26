"""The window kernel against a twin in plain Python, written from docs/windows.md: several lanes, all kinds of
windows, random disorder, saves, crashes and second stages.

Hypothesis makes up a script; tests/core/window_player.c plays it on the kernel (under ASan and UBSan); the twin
says what must come out, at which step. The scripts are the same on every run; HEADRACE_TWIN_SEED=number makes
others and HEADRACE_TWIN_EXAMPLES more of them (120 unless told). A failure prints the smallest script that shows
it, to be given to the player again.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st

from tests.python.test_window import ZONES, calendar, clock, fixed, micros

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = int(os.environ.get("HEADRACE_TWIN_EXAMPLES") or 120)
SEED = os.environ.get("HEADRACE_TWIN_SEED")
SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
UNITS = ["fixed", "minute", "hour", "day", "week", "month", "year"]
LATE, FUTURE, NO_TIME = 2, 3, 4  # hr_window_verdict

Result = tuple[str, int, int, str]
"""A kind's name, start, end and key."""


# -- scripts ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """One kind of windows: how the player is told, and which windows a time is in (none for sessions)."""

    name: str
    line: str
    windows: Callable[[int], list[tuple[int, int]]] | None
    gap: int = 0


@dataclass(frozen=True)
class Row:
    lane: int
    at: int | None
    uid: int
    key: str


@dataclass(frozen=True)
class Raise:
    """The lane brought nothing while others went on: its watermark is this, at least."""

    lane: int
    at: int


@dataclass(frozen=True)
class Script:
    zone: str
    kinds: list[Kind]
    keyed: bool
    lateness: int | None
    jump: int | None
    votes: int
    lanes: int
    stages: int
    steps: list[Row | Raise | str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """What the player reads. Line numbers are the steps of its results."""
        late, jump = (-1 if value is None else value for value in (self.lateness, self.jump))
        return [
            f"zone {self.zone}",
            *(f"spec {kind.name} {kind.line}" for kind in self.kinds),
            f"open {int(self.keyed)} {late} {jump} {self.votes} {self.lanes} {self.stages}",
            *(spell(step) for step in self.steps),
            "end",
        ]


def spell(step: Row | Raise | str) -> str:
    """A step's line."""
    if isinstance(step, Raise):
        return f"raise {step.lane} {step.at}"
    if isinstance(step, Row):
        return f"row {step.lane} {'null' if step.at is None else step.at} {step.uid} {step.key}"
    return step


def fixed_kind(number: int, size: int, every: int, origin: int) -> Kind:
    return Kind(
        f"fixed{number}",
        f"{int(every != size)} 0 {size} {every if every != size else 0} 0 {origin}",
        lambda at: fixed(at, size, every, origin),
    )


def session_kind(number: int, gap: int) -> Kind:
    return Kind(f"session{number}", f"2 0 0 0 {gap} 0", None, gap)


def calendar_kind(number: int, unit: str, size: int, every: int, zone: str) -> Kind:
    tz = ZoneInfo(zone)
    kind = f"{int(every != size)} {UNITS.index(unit)} {size} {every if every != size else 0} 0 0"
    if unit in ("minute", "hour"):
        length = MINUTE if unit == "minute" else HOUR
        return Kind(f"{unit}{number}", kind, lambda at: clock(at, length, tz))
    return Kind(f"{unit}{number}", kind, lambda at: calendar(at, unit, size, every, tz))


@st.composite
def kinds_of(draw: st.DrawFn, zone: str, step: int) -> list[Kind]:
    """One to three kinds of windows that fit rows about `step` apart."""
    kinds = []
    for number in range(draw(st.integers(1, 3))):
        which = draw(st.sampled_from(["fixed", "sliding", "session", "calendar"]))
        if which == "session":
            kinds.append(session_kind(number, draw(st.sampled_from([1, step, 3 * step + 1]))))
        elif which == "calendar":
            unit = draw(
                st.sampled_from([u for u in UNITS[1:] if _length(u) * 40 > step and _length(u) < 400 * step])
            )
            many = draw(st.integers(1, 3)) if unit not in ("minute", "hour") else 1
            every = draw(st.integers(1, many)) if unit not in ("minute", "hour") else 1
            kinds.append(calendar_kind(number, unit, many, every, zone))
        else:
            every = draw(st.sampled_from([step, 2 * step + 1, 5 * step]))
            size = (
                every
                if which == "fixed"
                else every * draw(st.integers(1, 4)) + draw(st.integers(0, every - 1))
            )
            kinds.append(
                fixed_kind(number, size, every, draw(st.sampled_from([0, 7, -(10**12), 10**15 + 3])))
            )
    return kinds


def _length(unit: str) -> int:
    return {
        "minute": MINUTE,
        "hour": HOUR,
        "day": DAY,
        "week": 7 * DAY,
        "month": 30 * DAY,
        "year": 365 * DAY,
    }[unit]


STARTS = [
    micros("2026-03-28T23:00:00Z"),  # the night of Warsaw's change to summer time
    micros("2026-10-24T22:00:00Z"),
    micros("2018-11-04T01:00:00Z"),  # Sao Paulo's midnight that does not exist
    micros("2011-12-29T12:00:00Z"),  # the day that Apia left out
    micros("1969-12-31T23:30:00Z"),
    micros("1915-08-04T20:00:00Z"),  # Warsaw leaves its local mean time
    micros("1000-01-01T00:00:00Z"),
    micros("8000-06-01T00:00:00Z"),
]


@st.composite
def scripts(draw: st.DrawFn, crashes: bool, stages: int) -> Script:
    zone = draw(st.sampled_from(ZONES))
    step = draw(st.sampled_from([SECOND, MINUTE, 20 * MINUTE, 7 * HOUR, 9 * DAY]))
    kinds = draw(kinds_of(zone, step))
    lanes = draw(st.integers(1, 3)) if stages == 1 else draw(st.integers(2, 3))
    lateness = draw(st.sampled_from([0, step, 4 * step, 30 * step, None]))
    jump = None
    if lateness is not None:
        jump = draw(st.sampled_from([None, max(lateness, 2 * step), max(lateness, 50 * step)]))
    script = Script(
        zone, kinds, draw(st.booleans()), lateness, jump, draw(st.sampled_from([1, 2, 3, 8])), lanes, stages
    )
    clocks = [draw(st.sampled_from(STARTS))] * lanes
    ahead = st.sampled_from([0, 0, 1, step // 2, step, step, 3 * step])
    aside = st.sampled_from([0, 0, 0, 0, -step, -3 * step, -10 * step, -100 * step, 70 * step, None])
    acts = ["close", "raise", "mark", "snapshot", "crash"] if crashes else ["close", "raise"]
    for act in draw(st.lists(st.sampled_from(["rows", "rows", "rows", *acts]), max_size=24)):
        if act not in ("rows", "raise"):
            script.steps.append(act)
            continue
        lane = draw(st.integers(0, lanes - 1))
        if act == "raise":  # the others are so far ahead, and it goes on from about there
            clocks[lane] += draw(st.sampled_from([step, 5 * step, 60 * step, 300 * step]))
            script.steps.append(Raise(lane, clocks[lane] - (lateness or 0)))
            if crashes:
                script.steps.append("mark")  # a worker tells nobody before it is saved
            continue
        for move, off, uid, key in draw(
            st.lists(
                st.tuples(ahead, aside, st.integers(-3, 6), st.sampled_from("ab-")), min_size=1, max_size=8
            )
        ):
            clocks[lane] += move
            script.steps.append(Row(lane, None if off is None else clocks[lane] + off, uid, key))
    return script


# -- the twin ---------------------------------------------------------------------------------------------------


@dataclass
class Lane:
    """One lane's order: what it has shown, what it was raised to, and what it holds."""

    high: int | None = None
    floor: int | None = None
    held: list[int] = field(default_factory=list)
    others: int = 0


class Twin:
    """The rules, one row at a time. Rows are known by their place in the script."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.lanes = [Lane() for _ in range(script.lanes)]
        self.rows: list[Row] = []
        self.offsets: list[int] = []
        self.counts = [0] * script.lanes
        self.counted: list[list[tuple[int, int | None]]] = [[] for _ in script.kinds]
        self.verdicts: set[tuple[int, int, int, int]] = set()

    def watermark(self, lane: Lane) -> int | None:
        late = self.script.lateness
        own = None if lane.high is None or late is None else lane.high - late
        return max((mark for mark in (own, lane.floor) if mark is not None), default=None)

    def shown(self, lane: Lane) -> int | None:
        """What a jump is measured from: the high, or the one that a raised watermark stands for."""
        raised = None if lane.floor is None else lane.floor + (self.script.lateness or 0)
        return max((at for at in (lane.high, raised) if at is not None), default=None)

    def lift(self, step: Raise) -> None:
        lane = self.lanes[step.lane]
        mark = self.watermark(lane)
        if mark is None or step.at > mark:
            lane.floor = step.at

    def reached(self) -> int | None:
        """The watermark of all lanes."""
        marks = [self.watermark(lane) for lane in self.lanes]
        return None if None in marks else min(mark for mark in marks if mark is not None)

    def add(self, row: Row) -> None:
        place = len(self.rows)
        self.rows.append(row)
        self.offsets.append(self.counts[row.lane])
        self.counts[row.lane] += 1
        lane, jump, votes = self.lanes[row.lane], self.script.jump, self.script.votes
        if row.at is None:
            self.refuse(place, NO_TIME)
        elif jump is not None and ((shown := self.shown(lane)) is None or row.at > shown + jump):
            lane.held.append(place)
            if len(lane.held) == votes:
                self.believe(lane, jump)
        else:
            if lane.held:
                lane.others += 1
                if lane.others == votes:
                    self.disbelieve(lane)
            self.count(place, lane)

    def believe(self, lane: Lane, jump: int) -> None:
        """So many are held: the jump was real, up to `jump` past their median."""
        times = sorted(self.time(place) for place in lane.held)
        bound = times[(len(times) - 1) // 2] + jump
        held, lane.held, lane.others = lane.held, [], 0
        lane.held = [place for place in held if self.time(place) > bound]
        for place in held:
            if self.time(place) <= bound:
                self.count(place, lane)

    def disbelieve(self, lane: Lane) -> None:
        for place in lane.held:
            self.refuse(place, FUTURE)
        lane.held, lane.others = [], 0

    def time(self, place: int) -> int:
        at = self.rows[place].at
        assert at is not None
        return at

    def refuse(self, place: int, verdict: int, missed: int = 0) -> None:
        self.verdicts.add((self.rows[place].lane, self.offsets[place], verdict, missed))

    def count(self, place: int, lane: Lane) -> None:
        at, mark, missed = self.time(place), self.watermark(lane), 0
        for i, kind in enumerate(self.script.kinds):
            if mark is not None and (
                at < mark if kind.windows is None else all(end <= mark for _, end in kind.windows(at))
            ):
                missed |= 1 << i
            else:
                self.counted[i].append((place, mark))
        if missed:
            self.refuse(place, LATE, missed)
        lane.high = at if lane.high is None else max(lane.high, at)

    def settle(self) -> None:
        """The input is over: the majority so far decides."""
        for lane in self.lanes:
            if len(lane.held) > lane.others:
                for place in lane.held:
                    self.count(place, lane)
                lane.held = []
            else:
                self.disbelieve(lane)

    def windows(self) -> dict[Result, list[Row]]:
        """All windows that rows have counted in, with these rows."""
        found: dict[Result, list[Row]] = {}
        for kind, counted in zip(self.script.kinds, self.counted, strict=True):
            by_key: dict[str, list[Row]] = {}
            for place, mark in counted:
                row = self.rows[place]
                key = row.key if self.script.keyed else "-"
                if kind.windows is None:
                    by_key.setdefault(key, []).append(row)
                    continue
                for start, end in kind.windows(self.time(place)):
                    if mark is None or end > mark:
                        found.setdefault((kind.name, start, end, key), []).append(row)
            for key, rows in by_key.items():
                for session in sessions(rows, kind.gap):
                    start, last = session[0].at, session[-1].at
                    assert start is not None
                    assert last is not None
                    found[(kind.name, start, last + kind.gap, key)] = session
        return found


def sessions(rows: list[Row], gap: int) -> list[list[Row]]:
    """Rows of one key cut where there is a gap."""
    found: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: row.at or 0):
        if found and (row.at or 0) - (found[-1][-1].at or 0) < gap:
            found[-1].append(row)
        else:
            found.append([row])
    return found


def values(rows: list[Row]) -> list[str]:
    """count, distinct ids, distinct names, sum, min, max."""
    uids = [row.uid for row in rows]
    return [str(n) for n in (len(uids), len(set(uids)), len(set(uids)), sum(uids), min(uids), max(uids))]


@dataclass
class Expected:
    results: dict[Result, list[str]]
    steps: dict[Result, int]
    verdicts: set[tuple[int, int, int, int]]


def expect(script: Script) -> Expected:
    """What must be published, and at which step each result must come out."""
    twin = Twin(script)
    published: dict[Result, int] = {}
    pending: dict[Result, int] = {}
    first = 3 + len(script.kinds)  # the number of the first step's line
    for number, step in enumerate(script.steps, first):
        if isinstance(step, Row):
            twin.add(step)
        elif isinstance(step, Raise):
            twin.lift(step)
        elif step == "close":
            mark = twin.reached()
            for window in twin.windows() if mark is not None else ():
                if (
                    mark is not None
                    and window[2] <= mark
                    and window not in published
                    and window not in pending
                ):
                    pending[window] = number
        elif step == "crash":
            pending.clear()
        else:
            published |= pending
            pending.clear()
    twin.settle()
    found = twin.windows()
    published |= pending
    for window in found:
        published.setdefault(window, first + len(script.steps))
    return Expected({window: values(rows) for window, rows in found.items()}, published, twin.verdicts)


# -- playing ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def player() -> Path:
    """The program that plays scripts."""
    made = "../../build/core/window_player"
    done = subprocess.run(
        ["make", "-s", "-C", str(ROOT / "tests" / "core"), made], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return ROOT / "build" / "core" / "window_player"


def play(player: Path, script: Script) -> tuple[list[list[str]], list[tuple[int, int, int, int]]]:
    """Results and verdicts as they were published."""
    done = subprocess.run(
        [str(player)], input="\n".join(script.lines()) + "\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    results: list[list[str]] = []
    verdicts: list[tuple[int, int, int, int]] = []
    for line in done.stdout.splitlines():
        if line.startswith("result\t"):
            results.append(line.split("\t")[1:])
        else:
            _, lane, offset, verdict, missed = line.split()
            verdicts.append((int(lane), int(offset), int(verdict), int(missed)))
    return results, verdicts


def order(script: Script, row: list[str]) -> tuple[Any, ...]:
    """Rows of one step are in order of end, start, kind and key."""
    names = [kind.name for kind in script.kinds]
    return (int(row[3]), int(row[2]), names.index(row[1]), row[4] == "-", row[4])


def check(player: Path, script: Script, *, when: bool) -> None:
    want = expect(script)
    results, verdicts = play(player, script)
    assert sorted(verdicts) == sorted(want.verdicts)
    got = {(row[1], int(row[2]), int(row[3]), row[4]): row for row in results}
    assert len(got) == len(results), "a window came out twice"
    assert {window: row[5:] for window, row in got.items()} == want.results
    if when:
        assert {window: int(row[0]) for window, row in got.items()} == want.steps
        for before, after in itertools.pairwise(results):
            if before[0] == after[0]:
                assert order(script, before) < order(script, after)


def seeded(test: Callable[..., None]) -> Callable[..., None]:
    """The same scripts on every run, or those of HEADRACE_TWIN_SEED."""
    test = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=SEED is None,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )(test)
    return test if SEED is None else seed(int(SEED))(test)


@seeded
@given(script=scripts(crashes=False, stages=1))
def test_streams_in_one_piece(player: Path, script: Script) -> None:
    note("\n".join(script.lines()))
    check(player, script, when=True)


@seeded
@given(script=scripts(crashes=True, stages=1))
def test_streams_with_crashes(player: Path, script: Script) -> None:
    note("\n".join(script.lines()))
    check(player, script, when=True)


@seeded
@given(script=scripts(crashes=False, stages=2))
def test_two_stages_are_one(player: Path, script: Script) -> None:
    note("\n".join(script.lines()))
    check(player, script, when=False)


@seeded
@given(script=scripts(crashes=False, stages=1), mix=st.randoms(use_true_random=False))
def test_how_lanes_interleave_does_not_matter(player: Path, script: Script, mix: Any) -> None:
    """The same lanes, each in its own order, in another order among each other: the same results."""
    queues = [
        [step for step in script.steps if isinstance(step, (Row, Raise)) and step.lane == lane]
        for lane in range(script.lanes)
    ]
    steps: list[Row | Raise | str] = []
    while any(queues):
        steps.append(mix.choice([queue for queue in queues if queue]).pop(0))
        if mix.random() < 0.1:
            steps.append("close")
    other = Script(**{**script.__dict__, "steps": steps})
    (results, verdicts), (others, other_verdicts) = play(player, script), play(player, other)
    assert sorted(row[1:] for row in results) == sorted(row[1:] for row in others)
    assert sorted(verdicts) == sorted(other_verdicts)


def test_a_sparse_lane_goes_on_where_it_was_raised_to(player: Path) -> None:
    """It brought nothing for five hours, while the others went on: what it brings then is no jump."""
    script = Script("UTC", [fixed_kind(0, HOUR, HOUR, 0)], False, HOUR, HOUR, 8, 1, 1)
    script.steps.extend([*[Row(0, 0, uid, "a") for uid in range(8)], Raise(0, 5 * HOUR), "close"])
    script.steps.extend([Row(0, 6 * HOUR + MINUTE, 9, "a"), Raise(0, 7 * HOUR), "close"])
    check(player, script, when=True)
    results, verdicts = play(player, script)
    assert [row[3] for row in results] == [str(HOUR), str(7 * HOUR)]
    assert verdicts == []


def test_the_twin_and_the_kernel_can_differ(player: Path) -> None:
    """A row that only one of them gets: the check above sees it."""
    script = Script("UTC", [fixed_kind(0, MINUTE, MINUTE, 0)], False, 0, None, 8, 1, 1)
    script.steps.extend([Row(0, 5, 1, "a"), Row(0, 70 * SECOND, 2, "b"), "close"])
    check(player, script, when=True)
    results, _ = play(player, script)
    assert results == [
        ["6", "fixed0", "0", "60000000", "-", "1", "1", "1", "1", "1", "1"],
        ["7", "fixed0", "60000000", "120000000", "-", "1", "1", "1", "2", "2", "2"],
    ]
