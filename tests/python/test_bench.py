"""The parts of bench/ that measure nothing: pictures, records of other shapes, the settings of a peer."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import plot, shapes
from bench.__main__ import main
from bench.data import COLUMNS
from bench.harness import Run
from bench.peers import debezium_jdbc, fields_simdjson
from bench.plot import Panel, Series, draw, linear_ticks, log_ticks, number, pictures
from bench.results import Files
from bench.scaling import SCALES

SVG = "{http://www.w3.org/2000/svg}"


def words(document: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(document).iter(f"{SVG}text")]


def test_numbers_are_short() -> None:
    assert [number(value) for value in (0, 0.5, 2, 1500, 20000, 1_500_000)] == [
        "0",
        "0.5",
        "2",
        "1.5k",
        "20k",
        "1.5M",
    ]


@pytest.mark.parametrize("highest", [0.03, 1, 7, 99, 1_000_000, 1_312_345.6])
def test_linear_ticks_are_even_and_reach_the_highest(highest: float) -> None:
    ticks = linear_ticks(highest)
    assert ticks[0] == 0
    assert ticks[-2] < highest <= ticks[-1] * 1.0001
    assert len({round(b - a, 9) for a, b in pairwise(ticks)}) == 1
    assert 3 <= len(ticks) <= 6


@pytest.mark.parametrize(("lowest", "highest"), [(1, 1), (50, 50000), (3, 7), (0.5, 2e6), (999, 1001)])
def test_log_ticks_enclose_the_values(lowest: float, highest: float) -> None:
    ticks = log_ticks(lowest, highest)
    assert ticks[0] <= lowest * 1.0001
    assert ticks[-1] >= highest * 0.9999
    assert ticks == sorted(ticks)


def test_a_plot_has_its_title_units_lines_and_runs() -> None:
    lines = [
        Series("Kafka & file", [(1, 100, 90, 110), (10, 200, 200, 200)]),
        Series("psql", [(1, 50, 40, 60), (10, 201, 180, 220)]),
    ]
    panel = Panel("Columns", "columns", "records a second", lines)
    document = draw("Columns of <a> table", [panel, panel], "a note")
    said = words(document)
    for expected in ("Columns of <a> table", "columns", "records a second", "Kafka & file", "psql", "a note"):
        assert expected in said
    assert document.count("<polyline") == 4
    assert document.count("<circle") == 4
    # the names of lines that end at nearly one height are moved apart
    heights = [float(y) for y in re.findall(r"<text x='\d+\.\d' y='(\d+\.\d)'[^>]*>(?:Kafka|psql)", document)]
    assert abs(heights[0] - heights[1]) >= 12.9


def test_pictures_are_drawn_from_the_file_of_a_measurement(tmp_path: Path) -> None:
    runs = [
        {"seconds": seconds, "client_cpu": 1.0, "postgres_cpu": 0.5, "kafka_cpu": 0.0}
        for seconds in (2.0, 1.0, 4.0)
    ]
    points = [
        {"series": "Kafka", "x": x, "records": 1000 * x, "bytes": 100_000 * x, "runs": runs} for x in (1, 10)
    ]
    measured = {
        "title": "Columns",
        "x_label": "columns",
        "units": ["records", "bytes", "cpu"],
        "log_y": True,
        "note": "",
        "points": points,
    }
    path = tmp_path / "scaling.json"
    path.write_text(json.dumps({"plots": {"columns": measured}}))
    (file,) = pictures(path, tmp_path / "pictures")
    assert file.name == "scaling-columns.svg"
    said = words(file.read_text())
    assert {"Columns", "records a second", "bytes of JSON a second"} <= set(said)
    assert any(word.startswith("CPU microseconds a record") for word in said)
    assert "2k" in said  # microseconds: 1.5 s for 1000 records, under the next round number


def test_every_plot_of_the_documentation_is_one_that_is_measured() -> None:
    page = (plot.ROOT / "docs" / "performance.md").read_text()
    shown = set(re.findall(r"pictures/scaling-(\w+)\.svg", page))
    assert shown == set(SCALES)
    for name in shown:
        assert ElementTree.parse(plot.PICTURES / f"scaling-{name}.svg").getroot().tag == f"{SVG}svg"


@pytest.mark.parametrize("number_of", [1, 7, 100])
def test_records_have_a_value_for_each_column(number_of: int, tmp_path: Path) -> None:
    shape = shapes.columns(number_of, 20_003)
    messages = list(shape.messages())
    assert len(messages) == 20_003
    assert list(json.loads(messages[0])) == [name for name, _ in shape.columns]
    assert sum(map(len, messages)) == shape.bytes()
    object.__setattr__(shape, "folder", tmp_path)
    assert shape.lines().read_bytes().splitlines() == messages


@pytest.mark.parametrize("size", [50, 51, 1000])
def test_messages_have_the_size_that_is_asked_for(size: int) -> None:
    for message in shapes.sized(size, 10, "stored").messages():
        assert len(message) == size
        assert list(json.loads(message)) == ["id", "body"]


def test_the_sink_gets_a_schema_of_all_columns() -> None:
    fields = json.loads(debezium_jdbc.schema())["fields"]
    assert [field["field"] for field in fields] == [name for name, _ in COLUMNS]
    server = {"host": "h", "port": "1", "database": "d", "user": "u", "password": "${file:/f:p}"}
    insert = debezium_jdbc.settings("topic", "bench.t", server, tasks=2, upsert=False)
    upsert = debezium_jdbc.settings("topic", "bench.t", server, tasks=2, upsert=True)
    assert insert["tasks.max"] == "2"
    assert "reWriteBatchedInserts=true" in insert["connection.url"]
    assert (insert["insert.mode"], upsert["insert.mode"]) == ("insert", "upsert")
    assert upsert["use.reduction.buffer"] == "true"
    # where the settings have no schema, the messages bring it
    usual = debezium_jdbc.settings("topic", "bench.t", server, tasks=2, upsert=False, usual=True)
    assert insert["value.converter.schema.content"] == debezium_jdbc.schema()
    assert "value.converter.schema.content" not in usual
    (message,) = debezium_jdbc.embedded([b'{"purchase_id": 1}'])
    assert json.loads(message) == {
        "schema": json.loads(debezium_jdbc.schema()),
        "payload": {"purchase_id": 1},
    }


def test_cases_may_be_measured_on_different_occasions(tmp_path: Path) -> None:
    def files(commit: str, *, quick: bool = False, fresh: bool = False) -> Files:
        return Files(["a", "b"], {"machine": {"commit": commit}}, quick=quick, fresh=fresh, folder=tmp_path)

    first = files("1", fresh=True)
    first.put("a", {"side": [Run(10, 2.0)]}, {"a_vs_b": 3.0})
    first.put("gone", {"side": [Run(10, 2.0)]}, {"gone_vs_b": 3.0})
    files("2").put("b", {"side": [Run(10, 4.0)]}, {"b_vs_c": 5.0})
    files("3", quick=True).put("b", {"side": [Run(1, 4.0)]}, {"b_vs_c": 0.1})
    assert json.loads(first.figures.read_text()) == {"a_vs_b": 3.0, "b_vs_c": 5.0}
    cases = json.loads(first.details.read_text())["cases"]
    assert [cases[name]["machine"]["commit"] for name in ("a", "b")] == ["1", "2"]
    assert cases["b"]["runs"]["side"][0]["seconds"] == 4.0
    files("4", fresh=True).put("b", {"side": [Run(10, 4.0)]}, {"b_vs_c": 6.0})
    assert json.loads(first.figures.read_text()) == {"b_vs_c": 6.0}


def test_a_mistyped_plot_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["scaling", "colums"])
    assert "there is no plot colums" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["scaling", "--rounds", "2"])


def accepted(command: list[str]) -> set[str]:
    """The damaged frames of bench/c/damaged.h that a program takes."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


def test_who_checks_what_of_a_frame() -> None:
    assert accepted(fields_simdjson.headrace("check")) == set()
    assert accepted(fields_simdjson.simdjson("dom", "check")) == set()
    assert accepted(fields_simdjson.simdjson("ondemand", "check")) == {
        "a number that is none",
        "a needless zero",
        "a literal that is none",
        "a missing value",
        "a missing comma",
        "a comma too many",
        "a missing colon",
        "a wrong bracket",
        "a key without quotes",
        "an unknown escape",
        "half a surrogate pair",
        "text behind the end",
    }
