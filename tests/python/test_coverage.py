"""The report of `make coverage`: sums, reasons, and the list of what was not run."""

from __future__ import annotations

import json
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from stack.paths import ROOT
from tests.coverage.report import read_reasons, report

SOURCE = """int f(void)
{
    if (a())
        return hr_error_nomem(error);
    if (b())
        return 2;
    return 3;
}
"""


def line(number: int, count: int, *branches: int) -> dict[str, Any]:
    return {
        "line_number": number,
        "count": count,
        "function_name": "f",
        "branches": [{"count": branch} for branch in branches],
    }


def test_every_reason_in_use_can_be_read() -> None:
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "csrc").rglob("*.[ch]")]
    for reason in read_reasons(ROOT / "tests/coverage/reasons.txt"):
        assert any(fnmatch(file, reason.files) for file in files), reason


@pytest.mark.parametrize("text", ["a | b | c", "* | f | x |", "*.c f x y", "a | b | c | d | e"])
def test_a_reason_without_its_parts_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "reasons.txt"
    path.write_text(f"# a remark\n\n{text}\n")
    with pytest.raises(ValueError, match=r"reasons\.txt:3"):
        read_reasons(path)


def test_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tree/csrc/core").mkdir(parents=True)
    (tmp_path / "tree/csrc/core/f.c").write_text(SOURCE)
    reasons = tmp_path / "reasons.txt"
    reasons.write_text("csrc/core/*.c | * | hr_error_nomem | memory ran out\n")
    lines = [line(3, 5, 5, 0), line(4, 0), line(5, 5, 0, 5), line(6, 0), line(7, 5)]
    # the same header line in two functions: run if it ran in one
    lines += [line(7, 0)]
    found = json.loads(json.dumps({"files": [{"file": "csrc/core/f.c", "lines": lines}]}))
    report(found, reasons, tmp_path)
    printed = capsys.readouterr().out
    row = next(text for text in printed.splitlines() if text.startswith("all "))
    assert row.split() == ["all", "3", "of", "5", "60.0", "%", "2", "of", "4", "50.0", "%"]
    assert "2 lines were not run: 1 with a reason, 1 without" in printed
    listed = (tmp_path / "uncovered.txt").read_text().splitlines()
    assert listed == [
        "Without a reason:",
        "csrc/core/f.c:6  f()  return 2;",
        "",
        "With a reason:",
        "csrc/core/f.c:4  f()  return hr_error_nomem(error);   [memory ran out]",
    ]


BLOCKS = """int f(void)
{
    if (a()) {
        g();
        h(1,
          hr_error_nomem(error));
        return 1;
    }
    if (b())
        return 2;
    i();
    if (c()) {
        return hr_error_nomem(error);
    }
    return 3;
    switch (d()) {
    case 1: return 4;
    case 2: return hr_error_nomem(error);
    case 3: return 5;
    }
}
"""


def test_what_runs_together_shares_a_reason(tmp_path: Path) -> None:
    """Lines 4 to 7 run all or none; 10 and 11 do not, nor 13 and 15, nor the cases."""
    (tmp_path / "tree/csrc/core").mkdir(parents=True)
    (tmp_path / "tree/csrc/core/f.c").write_text(BLOCKS)
    reasons = tmp_path / "reasons.txt"
    reasons.write_text("csrc/core/*.c | * | hr_error_nomem | memory ran out\n")
    lines = [line(number, 0) for number in (4, 5, 6, 7, 10, 11, 13, 15, 17, 18, 19)]
    report({"files": [{"file": "csrc/core/f.c", "lines": lines}]}, reasons, tmp_path)
    assert (tmp_path / "uncovered.txt").read_text().splitlines() == [
        "Without a reason:",
        "csrc/core/f.c:10-11  f()  return 2;",
        "csrc/core/f.c:15  f()  return 3;",
        "csrc/core/f.c:17  f()  case 1: return 4;",
        "csrc/core/f.c:19  f()  case 3: return 5;",
        "",
        "With a reason:",
        "csrc/core/f.c:4-7  f()  g();   [memory ran out]",
        "csrc/core/f.c:13  f()  return hr_error_nomem(error);   [memory ran out]",
        "csrc/core/f.c:18  f()  case 2: return hr_error_nomem(error);   [memory ran out]",
    ]


def test_a_statement_has_the_reason_of_its_beginning(tmp_path: Path) -> None:
    """The compiler may count no code in its first line."""
    (tmp_path / "tree/csrc/core").mkdir(parents=True)
    (tmp_path / "tree/csrc/core/f.c").write_text(BLOCKS)
    (tmp_path / "reasons.txt").write_text("csrc/core/*.c | * | h\\(1 | h never fails\n")
    report(
        {"files": [{"file": "csrc/core/f.c", "lines": [line(6, 0), line(11, 0)]}]},
        tmp_path / "reasons.txt",
        tmp_path,
    )
    assert (tmp_path / "uncovered.txt").read_text().splitlines()[-1] == (
        "csrc/core/f.c:6  f()  hr_error_nomem(error));   [h never fails]"
    )


def test_a_statement_goes_on_after_the_macros_of_a_format(tmp_path: Path) -> None:
    """Lines 5 to 7 are one: "..." PRId64 cannot be its end."""
    (tmp_path / "tree/csrc/core").mkdir(parents=True)
    (tmp_path / "tree/csrc/core/f.c").write_text(RAISES)
    (tmp_path / "reasons.txt").write_text("csrc/* | * | hr_error_set | never so\n")
    found = {"files": [{"file": "csrc/core/f.c", "lines": [line(number, 0) for number in (5, 6, 7)]}]}
    report(found, tmp_path / "reasons.txt", tmp_path)
    assert (tmp_path / "uncovered.txt").read_text().splitlines()[-1] == (
        "csrc/core/f.c:5-7  f()  return hr_error_set(error, HR_EUSAGE,   [never so]"
    )


RAISES = """int f(void)
{
    if (a()) {
        g(1);
        return hr_error_set(error, HR_EUSAGE,
                            "no %" PRId64
                            " and no", number);
    }
    if (b()) {
        g(2);
        PyErr_SetString(PyExc_ValueError, "no");
        g(3);
        return -1;
    }
    if (c()) {
        g(4);
        return hr_error_data(error, HR_REASON_RANGE, NULL, 0, "no");
    }
    if (d()) {
        PyErr_Format(PyExc_ValueError, "%d", hr_error_nomem(error));
        return -1;
    }
    return hr_error_nomem(error);
}
"""


def test_what_raises_has_a_reason_of_its_own_or_none(tmp_path: Path) -> None:
    """What stands beside it says nothing of the mistake that it tells. Its own reason may stand in any of its lines,
    and may be that of its block.
    """
    (tmp_path / "tree/csrc/core").mkdir(parents=True)
    (tmp_path / "tree/csrc/core/f.c").write_text(RAISES)
    reasons = tmp_path / "reasons.txt"
    reasons.write_text(
        "csrc/* | * | g\\(\\d\\)|return -1; | given back\ncsrc/* | * | hr_error_nomem | memory ran out\n"
    )
    lines = [line(number, 0) for number in (4, 5, 6, 7, 10, 11, 12, 13, 16, 17, 20, 21)]
    report({"files": [{"file": "csrc/core/f.c", "lines": lines}]}, reasons, tmp_path)
    assert (tmp_path / "uncovered.txt").read_text().splitlines() == [
        "Without a reason:",
        "csrc/core/f.c:5-7  f()  return hr_error_set(error, HR_EUSAGE,",
        'csrc/core/f.c:11  f()  PyErr_SetString(PyExc_ValueError, "no");',
        'csrc/core/f.c:17  f()  return hr_error_data(error, HR_REASON_RANGE, NULL, 0, "no");',
        "",
        "With a reason:",
        "csrc/core/f.c:4  f()  g(1);   [given back]",
        "csrc/core/f.c:10  f()  g(2);   [given back]",
        "csrc/core/f.c:12-13  f()  g(3);   [given back]",
        "csrc/core/f.c:16  f()  g(4);   [given back]",
        'csrc/core/f.c:20  f()  PyErr_Format(PyExc_ValueError, "%d", hr_error_nomem(error));   [memory ran out]',
        "csrc/core/f.c:21  f()  return -1;   [given back]",
    ]


def test_a_reason_may_be_that_of_its_own_lines_alone(tmp_path: Path) -> None:
    """It says nothing of what runs with them; nor does it stand in the way of one that does."""
    (tmp_path / "tree/csrc/core").mkdir(parents=True)
    (tmp_path / "tree/csrc/core/f.c").write_text(BLOCKS)
    reasons = tmp_path / "reasons.txt"
    reasons.write_text("csrc/* | * | g\\(\\) | a pause | alone\n")
    found = {"files": [{"file": "csrc/core/f.c", "lines": [line(number, 0) for number in (4, 5, 6, 7)]}]}
    report(found, reasons, tmp_path)
    assert (tmp_path / "uncovered.txt").read_text().splitlines() == [
        "Without a reason:",
        "csrc/core/f.c:5-7  f()  h(1,",
        "",
        "With a reason:",
        "csrc/core/f.c:4  f()  g();   [a pause]",
    ]
    with reasons.open("a") as more:
        more.write("csrc/* | * | return 1 | never so\n")
    report(found, reasons, tmp_path)
    assert (tmp_path / "uncovered.txt").read_text().splitlines()[-2:] == [
        "csrc/core/f.c:4  f()  g();   [a pause]",
        "csrc/core/f.c:5-7  f()  h(1,   [never so]",
    ]
