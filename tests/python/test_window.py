"""headrace.window against a twin in plain Python: the rules of docs/windows.md once more, one row at a time."""

from __future__ import annotations

import json
import math
import random
import warnings
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import headrace
import pyarrow as pa
import pytest

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US = timedelta(microseconds=1)
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
ZONES = [
    "UTC",
    "Europe/Warsaw",
    "America/New_York",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "Asia/Kathmandu",  # five hours and three quarters
    "America/Sao_Paulo",  # changed at midnight
    "Africa/Cairo",
    "Pacific/Apia",  # left out a whole day
    "Atlantic/Azores",
]
SCHEMA = pa.schema(
    [
        ("at", pa.timestamp("us", tz="UTC")),
        ("uid", pa.int64()),
        ("name", pa.string()),
        ("key", pa.string()),
        ("amount", pa.decimal128(12, 2)),
        ("real", pa.float64()),
    ]
)
AGGREGATES: dict[str, Any] = {
    "rows": "count",
    "uids": ("distinct", "uid"),
    "names": ("distinct", "name"),
    "known": ("count", "uid"),
    "about": ("distinct_hll", "uid"),
    "sum": ("sum", "uid"),
    "total": ("sum", "amount"),
    "reals": ("sum", "real"),
    "low": ("min", "amount"),
    "high": ("max", "real"),
    "last": ("max", "at"),
}
Row = tuple[int | None, int | None, str | None, str | None, Decimal | None, float | None]


def micros(text: str) -> int:
    return (datetime.fromisoformat(text).astimezone(UTC) - EPOCH) // US


# -- windows of a time ------------------------------------------------------------------------------------------


def moment(at: int) -> datetime:
    return EPOCH + at * US


def begins(local: datetime, zone: ZoneInfo) -> int:
    """When a local midnight is: in a gap as if the clock had not jumped yet, the second one when it comes twice."""
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    assert first is not None
    assert second is not None
    return (local.replace(tzinfo=UTC) - EPOCH) // US - (second if first > second else first) // US


def unit_of(day: datetime, unit: str) -> int:
    if unit == "day":
        return day.toordinal()
    if unit == "week":
        return (day.toordinal() - 1) // 7
    return day.year * 12 + day.month - 1 if unit == "month" else day.year


def unit_start(number: int, unit: str) -> datetime:
    if unit == "day":
        return datetime.fromordinal(number)
    if unit == "week":
        return datetime.fromordinal(number * 7 + 1)
    return datetime(number // 12, number % 12 + 1, 1) if unit == "month" else datetime(number, 1, 1)


def calendar(at: int, unit: str, size: int, every: int, zone: ZoneInfo) -> list[tuple[int, int]]:
    number = unit_of(moment(at).astimezone(zone).replace(tzinfo=None), unit)
    while begins(unit_start(number, unit), zone) > at:
        number -= 1
    while begins(unit_start(number + 1, unit), zone) <= at:
        number += 1
    epoch = unit_of(datetime(1970, 1, 1), unit)  # multiples are counted from the unit's own zero
    zero = {"day": epoch, "week": epoch, "month": 0, "year": 0}[unit]
    found = []
    first = (number - zero) // every * every + zero
    while True:
        start, end = begins(unit_start(first, unit), zone), begins(unit_start(first + size, unit), zone)
        if end <= at:
            return found
        found.append((start, end))
        first -= every


def clock(at: int, length: int, zone: ZoneInfo) -> list[tuple[int, int]]:
    """The hour or minute of the local clock, cut where the clock changes; second by second where it does."""

    def offset(when: int) -> int:
        found = moment(when).astimezone(zone).utcoffset()
        assert found is not None
        return found // US

    here = offset(at)
    start = (at + here) // length * length - here
    end = start + length
    second = 1_000_000
    if offset(start) != here:
        start = next(s for s in range(start, at + 1, second) if offset(s) == here)
    if offset(end - 1) != here:
        end = next(s for s in range(end, at, -second) if offset(s - 1) == here)
    return [(start, end)]


def fixed(at: int, size: int, every: int, origin: int) -> list[tuple[int, int]]:
    found = []
    start = (at - origin) // every * every + origin
    while start + size > at:
        found.append((start, start + size))
        start -= every
    return found


# -- the stream -------------------------------------------------------------------------------------------------


def stream(  # noqa: C901 - the rules, in one place
    rows: list[Row], kinds: list[dict[str, Any]], lateness: int | None, jump: int | None, votes: int = 8
) -> tuple[list[list[int]], list[tuple[int, str, list[int]]]]:
    """For each kind of windows the rows that count, and the rows that do not: (row, reason, kinds missed)."""
    counted: list[list[int]] = [[] for _ in kinds]
    open_at: dict[int, int | None] = {}
    refused: list[tuple[int, str, list[int]]] = []
    high: int | None = None
    held: list[int] = []
    behind = 0

    def count(row: int) -> None:
        nonlocal high
        at = rows[row][0]
        assert at is not None
        watermark = None if high is None or lateness is None else high - lateness
        missed = []
        for i, kind in enumerate(kinds):
            if watermark is None:
                late = False
            elif kind["kind"] == "session":
                late = at < watermark
            else:
                late = all(end <= watermark for _, end in kind["windows"](at))
            if late:
                missed.append(i)
            else:
                counted[i].append(row)
        open_at[row] = watermark
        if missed:
            refused.append((row, "late", missed))
        high = at if high is None else max(high, at)

    for row, (at, *_) in enumerate(rows):
        if at is None:
            refused.append((row, "null", []))
            continue
        if jump is not None and (high is None or at > high + jump):
            held.append(row)
        else:
            if held and behind + 1 >= votes:
                refused += [(h, "future", []) for h in held]
                held, behind = [], 0
            count(row)
            behind += bool(held)
        if len(held) == votes:
            times = sorted(rows[h][0] or 0 for h in held)
            bound = times[(len(times) - 1) // 2] + (jump or 0)
            won = [h for h in held if (rows[h][0] or 0) <= bound]
            held = [h for h in held if h not in won]
            for h in won:
                count(h)
            behind = 0
    if len(held) > behind:
        for h in held:
            count(h)
    else:
        refused += [(h, "future", []) for h in held]
    for kind in kinds:
        kind["watermarks"] = open_at
    return counted, refused


def sessions(rows: list[Row], chosen: Iterable[int], gap: int) -> dict[tuple[int, int, Any], list[int]]:
    by_key: dict[Any, list[int]] = {}
    for row in chosen:
        by_key.setdefault(rows[row][3], []).append(row)
    found: dict[tuple[int, int, Any], list[int]] = {}
    for key, of_key in by_key.items():
        of_key.sort(key=lambda row: rows[row][0] or 0)
        run: list[int] = []
        for row in [*of_key, None]:
            if run and (row is None or (rows[row][0] or 0) - (rows[run[-1]][0] or 0) >= gap):
                found[(rows[run[0]][0] or 0, (rows[run[-1]][0] or 0) + gap, key)] = run
                run = []
            if row is not None:
                run.append(row)
    return found


def groups(
    rows: list[Row], kind: dict[str, Any], chosen: list[int], keyed: bool
) -> dict[tuple[int, int, Any], list[int]]:
    """(start, end, key) to the rows in it."""
    if kind["kind"] == "session":
        plain = rows if keyed else [(*row[:3], None, *row[4:]) for row in rows]
        return sessions(plain, chosen, kind["gap"])
    found: dict[tuple[int, int, Any], list[int]] = {}
    for row in chosen:
        watermark = kind["watermarks"][row]
        for start, end in kind["windows"](rows[row][0]):
            if watermark is None or end > watermark:
                found.setdefault((start, end, rows[row][3] if keyed else None), []).append(row)
    return found


def computed(rows: list[Row], chosen: list[int]) -> dict[str, Any]:
    """AGGREGATES of these rows."""
    at, uid, name, _, amount, real = zip(*(rows[row] for row in chosen), strict=True)

    def known(values: Iterable[Any]) -> list[Any]:
        return [value for value in values if value is not None]

    return {
        "rows": len(chosen),
        "uids": len(set(known(uid))),
        "names": len(set(known(name))),
        "known": len(known(uid)),
        "about": len(set(known(uid))),  # sparse sketches are as good as exact
        "sum": sum(known(uid)) if known(uid) else None,
        "total": sum(known(amount)) if known(amount) else None,
        "reals": math.fsum(known(real)) if known(real) else None,
        "low": min(known(amount), default=None),
        "high": max(known(real), default=None),
        "last": moment(max(known(at))),
    }


def order(key: tuple[int, int, Any, int]) -> tuple[Any, ...]:
    start, end, value, spec = key
    return (end, start, spec, value is None, (value or "").encode())


def expected(
    rows: list[Row], kinds: list[dict[str, Any]], lateness: int | None, jump: int | None, keyed: bool
) -> tuple[list[dict[str, Any]], list[tuple[int, str, list[int]]]]:
    counted, refused = stream(rows, kinds, lateness, jump)
    table: dict[tuple[int, int, Any, int], list[int]] = {}
    for i, (kind, chosen) in enumerate(zip(kinds, counted, strict=True)):
        for (start, end, key), inside in groups(rows, kind, chosen, keyed).items():
            table[(start, end, key, i)] = inside
    result = []
    for key in sorted(table, key=order):
        row: dict[str, Any] = {"window": kinds[key[3]]["name"]} if len(kinds) > 1 else {}
        row |= {"window_start": moment(key[0]), "window_end": moment(key[1])}
        if keyed:
            row["key"] = key[2]
        result.append(row | computed(rows, table[key]))
    return result, refused


def batch_of(rows: list[Row]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(SCHEMA)
    return pa.RecordBatch.from_arrays(
        [pa.array(list(values), field.type) for values, field in zip(columns, SCHEMA, strict=True)],
        schema=SCHEMA,
    )


def check(
    rows: list[Row], kinds: list[dict[str, Any]], lateness: int | None, jump: int | None, keyed: bool
) -> None:
    keywords: dict[str, Any] = dict(kinds[0]["keywords"])
    if len(kinds) > 1:
        keywords["unit"] = [kind["name"] for kind in kinds]
    want, refused = expected(rows, kinds, lateness, jump, keyed)
    got, rejects = headrace.window(
        batch_of(rows),
        "at",
        by="key" if keyed else (),
        lateness=None if lateness is None else timedelta(microseconds=lateness),
        jump=None if jump is None else timedelta(microseconds=jump),
        aggregates=AGGREGATES,
        rejects=True,
        **keywords,
    )
    assert pa.table(got).to_pylist() == want
    assert [(r["index"], r["reason"]) for r in rejects] == [(row, reason) for row, reason, _ in refused]
    for reject, (_, reason, missed) in zip(rejects, refused, strict=True):
        if reason == "late":
            assert reject["windows"] == [kinds[i]["name"] for i in missed]


def make_rows(chance: random.Random, start: int, step: int, count: int, wild: bool) -> list[Row]:
    """A walk through time with disorder, equal times, nulls, and some times from elsewhere."""
    at = start
    rows: list[Row] = []
    for _ in range(count):
        at += chance.choice([0, 0, 1, step // 3, step, 2 * step])
        time: int | None = (
            at - chance.choice([0, 0, 0, step // 2, step * 5, step * 40]) * chance.random().__round__()
        )
        if chance.random() < 0.02:
            time = None
        elif wild and chance.random() < 0.03:
            time = chance.choice(
                [micros("9999-06-01T00:00:00Z"), micros("1910-05-05T12:34:56Z"), -1, 0, at + 50 * step]
            )
        uid = None if chance.random() < 0.05 else chance.choice([0, -1, 2**63 - 1, chance.randrange(30)])
        rows.append(
            (
                time,
                uid,
                None if chance.random() < 0.05 else f"user {chance.randrange(40)}" * chance.choice([0, 1, 9]),
                None if chance.random() < 0.1 else chance.choice(["a", "b", "ż", "ab", ""]),
                None if chance.random() < 0.05 else Decimal(chance.randrange(-(10**12) + 1, 10**12)) / 100,
                None
                if chance.random() < 0.05
                else chance.choice([1e16, -1e16, 1.0, 0.1, 5e-324, 1e300, -1e300, chance.random()]),
            )
        )
    return rows


def make_kinds(chance: random.Random) -> tuple[list[dict[str, Any]], int]:
    """Some kind of windows, and how far apart rows should be."""
    which = chance.choice(["tumbling", "sliding", "session", "clock", "calendar", "many"])
    if which == "session":
        gap = chance.choice([1, 1_000_000, 30 * MINUTE])
        return [
            {
                "name": "session",
                "kind": "session",
                "gap": gap,
                "keywords": {"gap": timedelta(microseconds=gap)},
            }
        ], max(gap // 2, 3)
    if which in ("tumbling", "sliding"):
        every = chance.choice([1, 7, 1_000_000, MINUTE, HOUR])
        size = every if which == "tumbling" else every * chance.randrange(1, 5) + chance.randrange(every)
        start = chance.choice([None, datetime(2001, 2, 3, 4, 5, 6, 7), datetime(2100, 1, 1, tzinfo=UTC)])
        origin = 0 if start is None else (start.replace(tzinfo=UTC) - EPOCH) // US
        keywords: dict[str, Any] = {"size": timedelta(microseconds=size), "origin": start}
        if which == "sliding":
            keywords["every"] = timedelta(microseconds=every)

        def windows(at: int) -> list[tuple[int, int]]:
            return fixed(at, size, every, origin)

        return [{"name": which, "kind": which, "windows": windows, "keywords": keywords}], max(every // 3, 3)
    zone = chance.choice(ZONES)
    tz = ZoneInfo(zone)
    if which == "clock":
        unit = chance.choice(["minute", "hour"])
        return [calendar_kind(unit, 1, 1, zone, tz)], (HOUR if unit == "hour" else MINUTE) // 3
    if which == "calendar":
        unit = chance.choice(["day", "week", "month", "year"])
        size = chance.choice([1, 1, 2, 3, 7])
        every = chance.choice([size, 1, max(1, size - 1)])
        kind = calendar_kind(unit, size, every, zone, tz)
        return [kind], {"day": DAY // 5, "week": DAY, "month": 5 * DAY, "year": 60 * DAY}[unit]
    units = ["minute", "hour", "day", "week", "month", "year"]
    return [calendar_kind(unit, 1, 1, zone, tz) for unit in units], chance.choice(
        [MINUTE // 2, HOUR // 2, 10 * DAY]
    )


def calendar_kind(unit: str, size: int, every: int, zone: str, tz: ZoneInfo) -> dict[str, Any]:
    if unit in ("minute", "hour"):
        length = MINUTE if unit == "minute" else HOUR

        def windows(at: int) -> list[tuple[int, int]]:
            return clock(at, length, tz)
    else:

        def windows(at: int) -> list[tuple[int, int]]:
            return calendar(at, unit, size, every, tz)

    keywords: dict[str, Any] = {"unit": unit, "zone": zone}
    if (size, every) != (1, 1):
        keywords |= {"size": size, "every": every}
    return {"name": unit, "kind": "calendar", "windows": windows, "keywords": keywords}


@pytest.mark.parametrize("seed", range(120))
def test_random_streams(seed: int) -> None:
    chance = random.Random(seed)
    kinds, step = make_kinds(chance)
    start = chance.choice(
        [
            micros("2026-03-28T20:00:00Z"),  # before Warsaw's and Cairo's changes of the clock
            micros("2026-10-24T21:00:00Z"),
            micros("2018-11-03T20:00:00Z"),  # Sao Paulo
            micros("2011-12-29T00:00:00Z"),  # Apia
            micros("1969-12-31T22:00:00Z"),
            micros("1915-08-04T20:00:00Z"),  # Warsaw leaves its local mean time
            chance.randrange(micros("1950-01-01T00:00:00Z"), micros("2036-01-01T00:00:00Z")),
        ]
    )
    rows = make_rows(chance, start, step, chance.choice([0, 1, 5, 30, 200]), wild=chance.random() < 0.5)
    lateness = chance.choice([None, 0, 1, step, 10 * step])
    jump = (
        None
        if lateness is None
        else chance.choice([None, max(lateness, 3 * step), max(lateness, 100 * step)])
    )
    check(rows, kinds, lateness, jump, keyed=chance.random() < 0.5)


@pytest.mark.parametrize("seed", range(5))
def test_order_does_not_matter_within_the_lateness(seed: int) -> None:
    chance = random.Random(seed)
    times = sorted(chance.randrange(0, HOUR) for _ in range(2000))
    rows: list[Row] = [(at, chance.randrange(100), "n", "k", None, chance.uniform(-1e6, 1e6)) for at in times]
    late = [*rows]
    late.sort(key=lambda row: (row[0] or 0) + chance.randrange(10 * MINUTE))
    for keywords in ({"size": "1m"}, {"size": "10m", "every": "1m"}, {"gap": "2s"}):
        tables = []
        for each in (rows, late):
            got, rejects = headrace.window(
                batch_of(each),
                "at",
                lateness="10m",
                jump=None,
                aggregates=AGGREGATES,
                rejects=True,
                **keywords,
            )
            assert rejects == []
            tables.append(pa.table(got).to_pylist())
        assert tables[0] == tables[1]


def window_rows(texts: list[str | None], **keywords: Any) -> list[tuple[str, int]]:
    """(start, rows) of timestamps as JSON brings them."""
    schema = headrace.Schema([("at", "timestamptz")])
    batch, bad = headrace.decode_json("\n".join(json.dumps({"at": text}) for text in texts), schema)
    assert bad == []
    table = pa.table(headrace.window(batch, "at", **keywords)).to_pylist()
    return [(row["window_start"].isoformat(), row["count"]) for row in table]


def test_a_leap_second_is_the_next_minute() -> None:
    got = window_rows(
        ["2016-12-31T23:59:59.9Z", "2016-12-31T23:59:60Z", "2017-01-01T00:00:01Z"], unit="minute"
    )
    assert got == [("2016-12-31T23:59:00+00:00", 1), ("2017-01-01T00:00:00+00:00", 2)]


def test_an_hour_that_comes_twice_is_two_windows() -> None:
    texts = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T01:59:59Z"]
    got = window_rows(texts, unit="hour", zone="Europe/Warsaw")
    assert got == [("2026-10-25T00:00:00+00:00", 1), ("2026-10-25T01:00:00+00:00", 2)]


def test_a_day_of_23_hours() -> None:
    schema = headrace.Schema([("at", "timestamptz")])
    batch, _ = headrace.decode_json('{"at": "2026-03-29T12:00:00Z"}', schema)
    row = pa.table(headrace.window(batch, "at", unit="day", zone="Europe/Warsaw")).to_pylist()[0]
    assert row["window_end"] - row["window_start"] == timedelta(hours=23)


@pytest.mark.parametrize("unit", ["week", "day", "month"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Warsaw", "America/Sao_Paulo"])
def test_windows_are_the_periods_of_partitions(unit: Any, zone: str) -> None:
    chance = random.Random(unit + zone)
    schema = headrace.Schema([("at", "timestamptz")])
    lines = "\n".join(
        json.dumps({"at": moment(chance.randrange(-(10**15), 2 * 10**15)).isoformat()}) for _ in range(3000)
    )
    batch, _ = headrace.decode_json(lines, schema)
    from headrace import _headrace

    periods = {
        low: (high, len(part)) for _, _, low, high, part in _headrace.partition(batch, "at", unit, zone)
    }
    rows = pa.table(headrace.window(batch, "at", unit=unit, zone=zone)).to_pylist()
    found = {(r["window_start"] - EPOCH) // US: ((r["window_end"] - EPOCH) // US, r["count"]) for r in rows}
    assert found == periods


def test_one_frame_from_the_year_9999_closes_nothing() -> None:
    rows: list[Row] = [(at * 1_000_000, at % 7, None, None, None, None) for at in range(100)]
    rows.insert(50, (micros("9999-01-01T00:00:00Z"), 1, None, None, None, None))
    got, rejects = headrace.window(
        batch_of(rows), "at", size="10s", lateness="5s", distinct="uid", rejects=True
    )
    assert [row["distinct_uid"] for row in pa.table(got).to_pylist()] == [7] * 10
    assert rejects == [{"index": 50, "reason": "future", "windows": ["tumbling"]}]


def test_times_without_a_window() -> None:
    lines = '{"at": null}\n{"at": "infinity"}\n{"at": "-infinity"}\n{"at": "9999-12-31T23:59:59Z"}\n{"at": "0001-01-01T00:00:00Z"}'
    batch, bad = headrace.decode_json(lines, headrace.Schema([("at", "timestamptz")]))
    assert bad == []
    got, rejects = headrace.window(batch, "at", unit="day", rejects=True)
    assert len(got) == 2
    assert [(reject["index"], reject["reason"]) for reject in rejects] == [
        (0, "null"),
        (1, "range"),
        (2, "range"),
    ]


def test_what_is_left_out_is_told() -> None:
    table = pa.table({"at": pa.array([None, 0], pa.timestamp("us"))})
    with pytest.warns(UserWarning, match="1 null"):
        headrace.window(table, "at", size="1m")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        headrace.window(table.slice(1), "at", size="1m")


def test_dates_and_times_without_a_zone_keep_their_clock() -> None:
    days = pa.table({"day": pa.array([0, 1, 31], pa.date32())})
    got = pa.table(headrace.window(days, "day", unit="month", zone="America/New_York")).to_pylist()
    assert [(row["window_start"], row["count"]) for row in got] == [
        (datetime(1970, 1, 1), 2),
        (datetime(1970, 2, 1), 1),
    ]


def test_sums_have_the_types_of_the_server() -> None:
    table = pa.table(
        {
            "at": pa.array([0, 1], pa.timestamp("us")),
            "small": pa.array([2**31 - 1] * 2, pa.int32()),
            "big": pa.array([2**63 - 1] * 2, pa.int64()),
            "exact": pa.array([Decimal("0.01"), Decimal("9.99")], pa.decimal128(5, 2)),
            "real": pa.array([0.1, 0.2], pa.float32()),
        }
    )
    sums: dict[str, Any] = {name: ("sum", name) for name in ("small", "big", "exact", "real")}
    row = pa.table(headrace.window(table, "at", size="1m", aggregates=sums))
    assert [str(field.type) for field in row.schema][2:] == [
        "int64",
        "decimal128(38, 0)",
        "decimal128(38, 2)",
        "double",
    ]
    assert row["small"].to_pylist() == [2**32 - 2]
    assert row["big"].to_pylist() == [Decimal(2**64 - 2)]


def test_floats_are_summed_exactly() -> None:
    chance = random.Random(4)
    values = [math.ldexp(chance.uniform(-1, 1), chance.randrange(-1070, 1020)) for _ in range(3000)]
    values += [-v for v in values[:1500]]
    for _ in range(20):
        chance.shuffle(values)
        table = pa.table({"at": pa.array([0] * len(values), pa.timestamp("us")), "x": values})
        got = pa.table(headrace.window(table, "at", size="1m", aggregates={"x": ("sum", "x")}))
        assert got["x"].to_pylist() == [math.fsum(values)]
        values = values[: len(values) * 2 // 3]
        if not values:
            break


def test_half_way_sums_are_rounded_to_even() -> None:
    for values in (
        [1.0, 2**-53],
        [1.0, 2**-53, 5e-324],
        [1.0 + 2**-52, 2**-53],
        [5e-324, 5e-324],
        [-1.0, -(2**-53), -5e-324],
    ):
        table = pa.table({"at": pa.array([0] * len(values), pa.timestamp("us")), "x": values})
        got = pa.table(headrace.window(table, "at", size="1m", aggregates={"x": ("sum", "x")}))
        assert got["x"].to_pylist() == [math.fsum(values)]
    special = {
        "a": [math.inf, 1.0],
        "b": [math.inf, -math.inf],
        "c": [math.nan, 1.0],
        "d": [1.7e308, 1.7e308],
    }
    table = pa.table({"at": pa.array([0, 0], pa.timestamp("us")), **special})
    row = pa.table(
        headrace.window(table, "at", size="1m", aggregates={c: ("sum", c) for c in special})
    ).to_pylist()[0]
    assert (row["a"], row["d"]) == (math.inf, math.inf)
    assert math.isnan(row["b"])
    assert math.isnan(row["c"])


def test_polars_comes_in() -> None:
    import polars as pl

    frame = pl.DataFrame({"at": [datetime(2026, 1, 1), datetime(2026, 1, 2)], "uid": ["x", "y"]})
    got = pl.DataFrame(headrace.window(frame, "at", unit="day", distinct="uid"))
    assert got["distinct_uid"].to_list() == [1, 1]


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({}, "size, unit or gap"),
        ({"size": "1 fortnight"}, "fortnight"),
        ({"size": "-5m"}, "-5m"),
        ({"size": "0s"}, "more than nothing"),
        ({"size": "1m", "every": "2m"}, "no window"),
        ({"size": "1h", "every": "1ms"}, "1024"),
        ({"gap": "1m", "size": "1m"}, "sessions"),
        ({"unit": "fortnight"}, "fortnight"),
        ({"unit": "minute", "size": 5}, "duration"),
        ({"unit": "day", "size": "1d"}, "number of units"),
        ({"unit": "day", "origin": datetime(2026, 1, 1)}, "origin"),
        ({"size": "1m", "zone": "Nowhere/Land"}, "Nowhere"),
        ({"size": "1m", "by": "nothing"}, "nothing"),
        ({"size": "1m", "distinct": "nothing"}, "nothing"),
        ({"size": "1m", "aggregates": {"x": ("median", "uid")}}, "median"),
        ({"size": "1m", "aggregates": {"x": ("sum", "name")}}, "sum"),
        ({"size": "1m", "aggregates": {"x": ("distinct_hll", "uid", 3)}}, "4 to 18"),
        ({"size": "1m", "aggregates": {"key": "count"}, "by": "key"}, "key"),
        ({"size": "1m", "lateness": "soon"}, "soon"),
    ],
)
def test_settings_that_cannot_be(keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(headrace.UsageError, match=words):
        headrace.window(batch_of([]), "at", **keywords)


def test_the_time_must_be_a_time() -> None:
    with pytest.raises(headrace.UsageError, match="timestamptz"):
        headrace.window(batch_of([]), "uid", size="1m")
    with pytest.raises(TypeError):
        headrace.window([1, 2], "at", size="1m")


def test_a_sum_that_fits_no_column() -> None:
    most = Decimal(10**38 - 1)
    table = pa.table(
        {"at": pa.array([0, 0], pa.timestamp("us")), "x": pa.array([most, most], pa.decimal128(38, 0))}
    )
    with pytest.raises(headrace.DataError, match="fits no"):
        headrace.window(table, "at", size="1m", aggregates={"x": ("sum", "x")})


def durations() -> list[tuple[str, Callable[[], timedelta]]]:
    return [
        ("250ms", lambda: timedelta(milliseconds=250)),
        ("1h 30m", lambda: timedelta(minutes=90)),
        ("2 days", lambda: timedelta(days=2)),
        ("1.5s", lambda: timedelta(seconds=1.5)),
    ]


@pytest.mark.parametrize(("text", "length"), durations())
def test_durations(text: str, length: Callable[[], timedelta]) -> None:
    row = pa.table(headrace.window(batch_of([(0, 1, None, None, None, None)]), "at", size=text)).to_pylist()[
        0
    ]
    assert row["window_end"] - row["window_start"] == length()
