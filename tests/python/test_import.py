"""`import headrace` is cheap: nothing heavy is imported until it is used. Modules are counted, not time."""

from __future__ import annotations

import subprocess
import sys

import headrace
import pytest

HEAVY = {
    *("numpy", "pandas", "pyarrow", "polars", "airflow", "tqdm", "psycopg", "psycopg2", "confluent_kafka"),
    *("argparse", "asyncio", "ctypes", "email", "http", "json", "logging", "sqlite3", "ssl", "unittest"),
    *("sqlalchemy", "zoneinfo", "headrace._headrace"),
}


def modules_after(statement: str) -> set[str]:
    """The modules of a fresh interpreter after a statement."""
    program = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{program}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_the_package_imports_next_to_nothing() -> None:
    loaded = modules_after("import headrace")
    assert "headrace" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert {name for name in loaded if name.startswith("headrace")} == {"headrace", "headrace._version"}


def test_the_command_imports_what_a_verb_needs() -> None:
    loaded = modules_after("import headrace.cli; headrace.cli.build_parser('lag')")
    assert "headrace.cli.lag" in loaded
    assert "headrace.cli.load" not in loaded
    assert loaded.isdisjoint(
        {"numpy", "pandas", "pyarrow", "polars", "airflow", "tqdm", "headrace._headrace"}
    )


def test_the_c_module_brings_no_heavy_module() -> None:
    loaded = modules_after("import headrace; headrace.Schema([('a', 'int')])")
    assert "headrace._headrace" in loaded
    assert loaded.isdisjoint({"numpy", "pandas", "pyarrow", "polars", "airflow", "tqdm"})


@pytest.mark.parametrize("name", headrace.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(headrace, name) is getattr(headrace, name)
    assert name in dir(headrace)


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        headrace.nothing_of_the_kind


def test_versions_agree() -> None:
    from headrace import _headrace

    assert _headrace.__version__ == headrace.__version__
    assert set(_headrace.versions()) >= {"libpq", "librdkafka", "jansson", "zlib", "zstd"}
