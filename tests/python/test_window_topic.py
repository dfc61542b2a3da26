"""Settings of window jobs: what they become, and what is refused before anything is connected."""

from __future__ import annotations

import json
from typing import Any

import headrace
import pytest
from headrace import _headrace
from headrace._window_topic import WindowProgress, WindowReceipt, build
from headrace.cli import build_parser
from headrace.cli import window as cli
from headrace.cli.window_metrics import Metrics
from headrace.errors import UsageError

LOST = {"count": 2, "from": 3, "to": 5, "why": "gone"}
GOOD: dict[str, Any] = {"job": "j", "time": "ts", "brokers": "127.0.0.1:1"}


def test_fields_become_columns() -> None:
    """One for each place and type; keys have their own names."""
    built = build(
        "frames",
        "to",
        **GOOD,
        time_unit="ms",
        by=["where=geo.country", "plan:integer"],
        distinct=["user.id:bigint", "sites=site"],
        aggregates={
            "most": ("max", "amount"),
            "rows": "count",
            "about": ("distinct_hll", "user.id:bigint", 12),
        },
    )
    assert built["columns"] == [
        {"name": "ts", "type": "timestamptz", "path": "ts", "not_null": True, "unit": "ms"},
        {"name": "where", "type": "text", "path": "geo.country"},
        {"name": "plan", "type": "integer", "path": "plan"},
        {"name": "user.id", "type": "bigint", "path": "user.id"},
        {"name": "site", "type": "text", "path": "site"},
        {"name": "amount", "type": "numeric", "path": "amount"},
    ]
    assert built["by"] == ["where", "plan"]
    assert built["aggregates"] == [
        {"name": "users", "function": "distinct", "column": "user.id"},
        {"name": "sites", "function": "distinct", "column": "site"},
        {"name": "most", "function": "max", "column": "amount"},
        {"name": "rows", "function": "count"},
        {"name": "about", "function": "distinct_hll", "column": "user.id", "precision": 12},
    ]


def test_kinds_of_windows() -> None:
    """As they are written on the command line."""
    built = build("frames", "to", **GOOD, windows=["minute", "5m", "10m/1m", "session 30m"])
    assert built["windows"] == [
        {"name": "minute", "kind": "tumbling", "unit": "minute", "size": 1},
        {"name": "5m", "kind": "tumbling", "size": 300_000_000},
        {"name": "10m/1m", "kind": "sliding", "size": 600_000_000, "every": 60_000_000},
        {"name": "session 30m", "kind": "session", "gap": 1_800_000_000},
    ]
    assert built["aggregates"] == [{"name": "count", "function": "count"}]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"brokers": None}, "no broker is known"),
        ({"time_unit": "h"}, "time_unit"),
        ({"windows": "fortnight"}, "write minute"),
        ({"windows": "5 parsecs"}, "no duration"),
        ({"windows": "session x"}, "no duration"),
        ({"distinct": "=uid"}, "no field"),
        ({"distinct": "uid:drop table"}, "unknown type|cannot|no field|type"),
        ({"distinct": ["uid", "other"]}, "two results"),
        ({"by": ["a", "a:bigint"]}, "two columns of the key"),
        ({"lateness": "-1h"}, "no duration"),
        ({"job": "a/b"}, "job's name"),
        ({"job": ""}, "job's name"),
        ({"to": "frames"}, "read from and written to"),
        ({"late_topic": "to"}, "one topic"),
        ({"workers": 0}, "1 to 64 workers"),
        ({"lost_offsets": "none"}, "write fail or earliest"),
        ({"zone": "Mars/Olympus"}, "time zone"),
        ({"windows": ["minute", "minute"]}, "two kinds of windows"),
        ({"aggregates": {"x": ("median", "a")}}, "no aggregate"),
        ({"aggregates": {"window": "count"}}, "window"),
        ({"aggregates": {"users": ("distinct_hll", "uid", 99)}}, "precision|between|registers"),
        ({"until": "forever", "close_all": True}, "never over"),
        ({"kafka": {"no.such.setting": "1"}}, "no.such.setting"),
        ({"kafka": {"group.id": "mine"}}, "group.id"),
        ({"kafka": {"isolation.level": "read_uncommitted"}}, "isolation.level"),
        ({"job": "mine", "to": "mine-state"}, "mine-state"),
        ({"job": "mine", "late_topic": "mine-partials"}, "mine-partials"),
    ],
)
def test_what_cannot_be_is_said(wrong: dict[str, Any], words: str) -> None:
    """Before any broker is asked: there is none here."""
    arguments: dict[str, Any] = {"topic": "frames", "to": "to", **GOOD, "aggregates": {"n": "count"}, **wrong}
    with pytest.raises(UsageError, match=words):
        headrace.window_topic(**arguments)


def parse(*words: str) -> dict[str, Any]:
    """The library's arguments of a command line."""
    line = ["window", "frames", "--to", "t", "--job", "j", "--time", "ts", "--bootstrap", "b:1", *words]
    return cli.settings(build_parser("window").parse_args(line))


def test_the_command_line() -> None:
    """Each option, as the library takes it."""
    found = parse(
        "--windows", "minute,day", "--tumbling", "5m", "--session", "1h", "--distinct", "uid", "--count", "rows",
        "--sum", "amount:bigint", "--max", "top=amount", "--distinct-hll", "ips=ip@12", "--by", "country",
        "--jump", "none", "--forever", "--set", "security.protocol=ssl",
    )  # fmt: skip
    assert found["windows"] == ["minute", "day", "5m", "session 1h"]
    assert found["aggregates"] == {
        "rows": "count",
        "ips": ("distinct_hll", "ip", 12),
        "sum_amount": ("sum", "amount:bigint"),
        "top": ("max", "amount"),
    }
    assert (found["jump"], found["until"], found["by"]) == (None, "forever", ["country"])
    assert found["kafka"] == {"security.protocol": "ssl", "bootstrap.servers": "b:1"}
    assert parse()["windows"] == ["minute"]
    with pytest.raises(UsageError, match="two results"):
        parse("--sum", "a", "--sum", "a:bigint")


def test_a_receipt_comes_back_as_it_went() -> None:
    """Through JSON, with what later versions add left out."""
    receipt = WindowReceipt.from_dict(
        {
            "job": "j",
            "run_id": "r",
            "state": "succeeded",
            "source": "s",
            "to": "t",
            "frames": 10,
            "counted": 7,
        }
        | {"late": 1, "malformed": 1, "held": 1, "seconds": 2.0, "new": 1}
        | {"partitions": [{"topic": "s", "partition": 0, "from": 5, "to": 15, "frames": 10, "lost": LOST}]}
    )
    assert receipt.balances()
    assert WindowReceipt.from_json(receipt.to_json()) == receipt
    assert (receipt.error_rate, receipt.rate) == (0.2, 5.0)
    assert json.loads(receipt.to_json())["partitions"][0]["from"] == 5
    assert json.loads(receipt.to_json())["partitions"][0]["lost"] == LOST
    assert "s/0: lost 2 frames, from offset 3 to 5: gone" in str(receipt)
    assert "10 frames = 7 counted + 1 late" in str(receipt)
    assert "<table" in receipt._repr_html_()
    assert not WindowReceipt.from_dict(receipt.to_dict() | {"late": 2}).balances()


def test_metrics_are_for_this_machine() -> None:
    """Other places are refused; the text is what Prometheus reads."""
    for place in ("0.0.0.0:0", "example.org:80", "9090", "127.0.0.1:x", "127.0.0.1:99999"):
        with pytest.raises(UsageError, match="for this machine only"):
            Metrics(place, "j")
    with Metrics("127.0.0.1:0", 'a"b') as metrics:
        metrics.update(WindowProgress(frames=3, late=1, seconds=2.0, watermark="2026-01-01T00:00:00Z"))
        assert 'headrace_window_frames_total{job="a\\"b"} 3' in metrics.text
        assert 'headrace_window_watermark_seconds{job="a\\"b"} 1767225600.0' in metrics.text
        with pytest.raises(UsageError):
            Metrics(f"127.0.0.1:{metrics.port}", "j")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"job": None}, "object"),
        ({"job": 3}, "object"),
        ({"workers": "x"}, "object"),
        ({"workers": 65}, "1 to 64 workers"),
        ({"commit_ms": 0}, "no negative times"),
        ({"max_seconds": -1.0}, "no negative times"),
        ({"table": {"name": 3}}, '"table"'),
        ({"lost_offsets": "skip"}, 'lost_offsets is "skip"'),
        ({"source": {"config": {}}}, "names no topic"),
        ({"source": {"topic": "", "config": {}}}, "names no topic"),
        ({"source": {"topic": "to", "config": {}}}, "cannot be read from and written to"),
        ({"time": "other"}, 'no column "other"'),
        ({"by": ["other"]}, 'no column "other"'),
        ({"windows": []}, "1 to 16 kinds of windows, not 0"),
        ({"windows": [{"name": str(n), "kind": "session", "gap": 1} for n in range(17)]}, "not 17"),
        ({"columns": [{"name": "ts", "type": "timestamptz", "unit": "years"}]}, 'times "years" is not known'),
        ({"columns": [{"name": 3}]}, "column"),
        ({"zone": "Nowhere/Else"}, "Nowhere/Else"),
    ],
)
def test_what_the_module_itself_refuses(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        _headrace.run_window(json.dumps(build("frames", "to", **GOOD, max_seconds=1e12) | changes))
    assert words in str(caught.value)
