"""What a notebook shows: batches as tables, a bar that is drawn again in place, errors in a few lines."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import headrace
import pytest
from headrace import Schema, decode_json
from headrace.display import SHOWN_CHARACTERS, SHOWN_COLUMNS, short_traceback
from headrace.errors import RetriableError, UsageError
from headrace.progress import NotebookBar, Progress, in_notebook, make_callback
from headrace.receipt import Receipt


class Front:
    """An IPython kernel whose front end is a list of what is on the page."""

    def __init__(self) -> None:
        self.page: list[str] = []
        self.display = SimpleNamespace(display=self._display)
        self.shell: Any = SimpleNamespace(kernel=object())

    def get_ipython(self) -> Any:
        return self.shell

    def _display(self, shown: Any, display_id: bool) -> Any:
        assert display_id
        self.page.append(shown._repr_html_())
        place = len(self.page) - 1

        def update(again: Any) -> None:
            self.page[place] = again._repr_html_()

        return SimpleNamespace(update=update)


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Front:
    made = Front()
    monkeypatch.setitem(sys.modules, "IPython", made)  # type: ignore[arg-type]
    return made


def test_a_batch_is_a_table() -> None:
    lines = '{"a": 1, "b": "<script>alert(1)</script>"}\n{"a": null, "b": "' + "x" * 1000 + '"}\n'
    batch, _ = decode_json(lines, Schema([("a", "int"), ("b", "text")]))
    shown = batch._repr_html_()
    assert "2 rows" in shown
    assert "<th>a (integer)</th><th>b (text)</th>" in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "<script" not in shown
    assert "x" * (SHOWN_CHARACTERS - 1) + "…" in shown
    assert "x" * SHOWN_CHARACTERS not in shown
    assert '<td style="color: gray">null</td>' in shown


def test_a_large_batch_is_cut() -> None:
    names = [f"c{i}<b>" for i in range(SHOWN_COLUMNS + 5)]
    batch, _ = decode_json('{"c0<b>": 1}\n' * 50, Schema([(name, "int") for name in names]))
    shown = batch._repr_html_()
    assert "50 rows, the first 20 shown; the first 40 of 45 columns" in shown
    assert shown.count("<tr>") == 21
    assert shown.count("<th>") == SHOWN_COLUMNS
    assert "c0&lt;b&gt; (integer)" in shown
    assert "<b>" not in shown


def test_the_bar_is_drawn_in_place(front: Front) -> None:
    assert in_notebook()
    callback, finish = make_callback(True, "shop <1>: ")
    assert callback
    assert front.page == []
    callback('{"read": 250, "total_records": 1000, "seconds": 2}')
    callback('{"read": 1000, "rejected": 7, "total_records": 1000, "seconds": 4}')
    assert len(front.page) == 1
    assert '<progress max="1" value="1.000"' in front.page[0]
    assert "shop &lt;1&gt;: " in front.page[0]
    assert "100% 1,000 records, 7 rejected, 250/s, 4 s" in front.page[0]
    finish()
    assert len(front.page) == 1


def test_a_bar_without_an_end_stops_moving(front: Front) -> None:
    bar = NotebookBar("t: ")
    bar(Progress(read=5, seconds=1))
    assert "<progress style" in front.page[0]
    bar.close()
    assert "<progress" not in front.page[0]
    assert repr(bar) == "t: 5 records, 5/s, 1 s"


def test_nothing_is_drawn_for_a_run_that_never_began(front: Front) -> None:
    _, finish = make_callback(True, "t: ")
    finish()
    assert front.page == []


def test_a_terminal_is_no_notebook(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    front.shell = SimpleNamespace()
    assert not in_notebook()
    front.shell = None
    assert not in_notebook()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_a_run_that_tells_no_time_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([100.0, 102.0])
    monkeypatch.setattr("headrace.progress.time.monotonic", lambda: next(moments))
    seen: list[Progress] = []
    callback, _ = make_callback(seen.append)
    assert callback
    callback('{"read": 10}')
    assert seen == [Progress(read=10, seconds=2.0)]


def test_errors_are_short() -> None:
    def cell() -> None:
        headrace.load("nowhere://x", "t")

    with pytest.raises(UsageError) as caught:
        cell()
    place, call, message = short_traceback(caught.value)
    assert place.endswith("cell()")
    assert call.startswith(f"{__file__}, line ")
    assert call.endswith('headrace.load("nowhere://x", "t")')
    assert message == f"UsageError: {caught.value}"
    assert caught.value._render_traceback_() == [place, call, message]


def test_errors_say_what_helps() -> None:
    receipt = Receipt("run", "job", "t", "append", "s", "failed", read=5, loaded=5, error={"message": "gone"})
    with pytest.raises(RetriableError) as caught:
        raise RetriableError("the server is gone", receipt=receipt) from OSError("cut")
    lines = short_traceback(caught.value)[1:]
    assert lines[0] == "RetriableError: the server is gone"
    assert lines[1] == "  because of OSError: cut"
    assert lines[2].startswith("  job: failed. 5 read = 5 loaded")
    assert lines[3].startswith("  Trying again later may help")
    assert len(lines) == 4


def test_cells_have_no_names() -> None:
    program = "import headrace\ndef inner():\n    headrace.Schema([('a', 'int'), ('a', 'int')])\ninner()\n"
    with pytest.raises(headrace.HeadraceError) as caught:
        exec(compile(program, "/tmp/ipykernel_123/456.py", "exec"), {})
    lines = short_traceback(caught.value)
    assert lines[1:3] == ["this cell, line 4", "a cell, line 3"]
