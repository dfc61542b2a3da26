"""Every entry of the module survives memory that runs out: the n-th allocation fails for all n, and each time there is a
MemoryError (or what the work says), never a crash, and afterwards everything works as before.

A build of its own, where allocations can be made to fail (csrc/core/alloc.h under -DHR_FAULTS, tests/core/faults.c).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ["libpq", "rdkafka", "jansson", "libzstd", "libxxhash", "zlib", "libcurl"]


def run(*command: str | Path) -> str:
    """The output of a command; the test fails with what it said when it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module, built so that its allocations can fail."""
    folder = tmp_path_factory.mktemp("faults")
    sources = [*(ROOT / "csrc").rglob("*.c"), ROOT / "tests/core/faults.c"]
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O0", "-fPIC", "-pthread", "-DHR_FAULTS", f"-I{ROOT / 'csrc'}"]
    flags += [f"-I{sysconfig.get_paths()['include']}", *run("pkg-config", "--cflags", *LIBRARIES).split()]

    def compile_one(source: Path) -> Path:
        target = folder / f"{'-'.join(source.relative_to(ROOT).with_suffix('').parts)}.o"
        run("cc", *flags, "-c", source, "-o", target)
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, sources))
    module = folder / f"_headrace{sysconfig.get_config_var('EXT_SUFFIX')}"
    run(
        "cc",
        "-shared",
        *objects,
        "-o",
        module,
        *run("pkg-config", "--libs", *LIBRARIES).split(),
        "-lm",
        "-pthread",
    )
    return module


PREPARE = """
import ctypes, gc, importlib.util, sys, types
import headrace
from headrace import errors
path = sys.argv[1]
spec = importlib.util.spec_from_file_location("headrace._headrace", path)
h = importlib.util.module_from_spec(spec)
sys.modules["headrace._headrace"] = h
spec.loader.exec_module(h)
lib = ctypes.CDLL(path)
lib.hr_fault_arm.argtypes = [ctypes.c_long, ctypes.c_bool]
lib.hr_fault_fired.restype = ctypes.c_bool
class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks x y".split()]
libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Mallinfo
def in_use():
    # what malloc has handed out; Python's own small objects do not come from it
    gc.collect()
    info = libc.mallinfo2()
    return info.uordblks + info.hblkhd
columns = [("id", "int", True), ("t", "text"), ("n", "numeric"), ("a", "text[]"), ("at", "timestamptz"), ("j", "jsonb")]
window_job = '{"job":"j","run_id":"r","source":{"kind":"kafka","topic":"t","config":{"no.such.setting":1}},"to":"u","late":"v",\
"columns":[{"name":"ts","type":"timestamptz","unit":"s"},{"name":"k","type":"text","path":"a.b"}],"time":"ts","by":["k"],\
"aggregates":[{"name":"n","function":"distinct","column":"k"}],"windows":[{"name":"day","kind":"tumbling","unit":"day","size":1}]}'
schema = h.Schema(columns, {"t": "x.y"})
good = b'{"id":1,"x":{"y":"te\\\\u00e9xt"},"n":1.5,"a":["p",null],"at":"2026-11-21T00:00:00Z","j":{"k":[1]}}\\n' * 70
bad = b'{"id":"x"}\\n{broken\\n{"at":1}\\n'
batch, _ = h.decode_json(good, schema)
copied = batch.to_copy()
changes = h.Schema([("id", "int", True), ("t", "text"), ("n", "numeric(10,2)"), ("op", "text")], {"op": "$op"})
change = b'{"before":null,"after":{"id":1,"t":"a","n":"1.50"},"source":{"lsn":5},"op":"c","ts_ms":1}\\n' * 70
writer = '{"type":"record","name":"r","fields":[{"name":"id","type":"int"},{"name":"t","type":["null","string"]}]}'
reader = h.Schema([("id", "int", True), ("t", "text")])
sides = '{"left":{"dsn":"host=127.0.0.1 port=1","begin":"BEGIN","query":"SELECT 1"},"right":{"dsn":"host=127.0.0.1 port=1","begin":"BEGIN",\
"query":"SELECT 1"},"key":1,"memory":1000000,"keep":10}'
config = '{"job":"j","run_id":"6f0b3c3e-8f4e-4a9c-9d0e-000000000001","source":{"kind":"stdin"},"target":{"dsn":"host=127.0.0.1 port=1","table":"t"}}'
"""

WORKS = {
    "schema": 'h.Schema(columns, {"t": "x.y", "j": "$rest"}).names',
    "what a schema says": "(schema.types, schema.columns, repr(schema), len(schema))",
    "what a batch says": "(len(batch), repr(batch), batch.num_columns, batch.schema.names, batch.nbytes > 0)",
    "html": "len(batch._repr_html_()) > 0",
    "capsules": "(len(batch.__arrow_c_array__()), bool(batch.__arrow_c_schema__()), bool(schema.__arrow_c_schema__()))",
    "versions": "h.versions()",
    "hash": "h.hash_rows(batch, ['t', 'n'], 'h').num_columns",
    "upper case": "(h.upper_case('straße'), h.hash_kernels())",
    "window": "h.window(batch, (('w', 'tumbling', None, 3600000000, 0, 0, 0),), 'at', ('t',),"
    " (('c', 'count', None, 0),))[0].num_rows",
    "json": "h.decode_json(good, schema)[0].num_rows",
    "json rejects": "h.decode_json(bad, schema)[1]",
    "json of an iterable": "h.decode_json(['{\"id\":1}', b'{}', None], schema)[1]",
    "change events": "h.decode_debezium(change + b'{broken\\n', changes)[1]",
    "avro": "(h.decode_avro([b'\\x02\\x02\\x02a', b'\\x02'], reader, writer)[1])",
    "csv": "h.decode_csv('id,t\\n1,\"a\"\"b\"\\nx,b\\n', h.Schema([('id', 'int'), ('t', 'text')]))[1]",
    "csv header": "h.csv_header(bytearray(b'\\xef\\xbb\\xbf\\n\"a\\nb\";c\\n1;2\\n'), delimiter=';')",
    "partition": "[len(p[4]) for p in h.partition(batch, 'at', 'day', 'Europe/Warsaw')]",
    "to_copy": "batch.to_copy()",
    "to_copy text": "batch.to_copy('text')",
    "from_copy": "h.Batch.from_copy(copied, schema).num_rows",
    "column_text": "[batch.column_text(c, 0) for c in range(6)]",
    "arrow schema": "len(h.Schema.from_arrow(schema))",
    "arrow array": "h.Batch.from_arrow(batch).num_rows",
    "arrow stream": "h.Batch.from_arrow(types.SimpleNamespace(__arrow_c_stream__=batch.__arrow_c_stream__)).num_rows",
    "load": "h.run_load(config)",
    "plan": "h.plan_load(config)",
    "window a topic": "h.run_window(window_job)",
    "connection": "h.Connection('host=127.0.0.1 port=1')",
    "compare": "h.compare_queries(sides)",
    "offsets": 'h.kafka_offsets(\'{"config":{"no.such.setting":1},"topic":"t"}\')',
    "create a topic": 'h.kafka_create_topic(\'{"config":{"no.such.setting":1},"topic":"t"}\')',
    "delete a topic": 'h.kafka_delete_topic(\'{"config":{"no.such.setting":1},"topic":"t"}\')',
    "delete a group": 'h.kafka_delete_group(\'{"config":{"no.such.setting":1},"group":"t"}\')',
    "topics": 'h.kafka_topics(\'{"config":{"no.such.setting":1}}\')',
    "messages": 'h.read_messages(\'{"kind":"kafka","topic":"t","config":{"no.such.setting":1}}\', print)',
    "produce": 'h.produce(\'{"path":"-","topic":"t","key":"uid","config":{"no.such.setting":1}}\')',
    "generate": 'h.generate(\'{"data":"purchases","count":10,"to":{"kind":"file","path":"\' + sys.argv[2] + \'"}}\')[:40]',
}

WALK = """
def work():
    try:
        return WORK_OF_THE_TEST
    except MemoryError:
        return MemoryError
    except errors.HeadraceError as error:
        return type(error), str(error)

expected = work()
assert expected is not MemoryError

def walk():
    failed = 0
    for forever in (False, True):
        for n in range(1, 100_000):
            lib.hr_fault_arm(n, forever)
            result = work()
            fired = lib.hr_fault_fired()
            lib.hr_fault_arm(0, False)
            if not fired:
                assert result == expected, (n, result, expected)
                break
            failed += result is MemoryError
            # an allocation that can be done without may fail without a trace
            assert result is MemoryError or result == expected, (n, result, expected)
        else:
            raise AssertionError("it never ends")
    return failed

failed = walk()
assert failed > 0
walk()
before = in_use()
for _ in range(10):
    walk()
grown = in_use() - before
# the smallest leak at one place would show ten times
assert grown < 10 * 16, f"{grown} bytes were not given back"
assert work() == expected
print("survived", failed)
"""


PYTHON_ONLY = {"csv header", "what a schema says", "what a batch says", "versions"}
"""These take memory from Python alone."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in WORKS if name not in PYTHON_ONLY])
def test_memory_that_runs_out_is_survived(name: str, faulty: Path, tmp_path: Path) -> None:
    program = (
        f"import sys; sys.path[:] = {sys.path!r}\n" + PREPARE + WALK.replace("WORK_OF_THE_TEST", WORKS[name])
    )
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program, str(faulty), str(tmp_path / "made.jsonl")],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        # one arena and no caches of threads: what is given back is seen to be given back
        env=os.environ | {"MALLOC_ARENA_MAX": "1", "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("survived")


# For what needs a server, tests/real/test_out_of_memory.py walks these with a connection `c`.
SERVER_WORKS = {
    "query": "c.query('SELECT $1::int, $2::text, NULL', [1, 'a'])",
    "a refused query": "c.query('SELECT 1 / 0')",
    "script": "c.script('SELECT 1; SELECT 2')",
    "connection": "with_connection(lambda c: (c.server_version > 0, c.query('SELECT 1'), c.close()))",
}
SPELLED = {
    "__repr__": "repr(",
    "__len__": "len(",
    "__enter__": "with_connection(",
    "__exit__": "with_connection(",
}


def entries() -> list[str]:
    """Every function, method and property that the module has."""
    from headrace import _headrace

    names = [name for name in vars(_headrace) if not name.startswith("__")]
    for kind in (_headrace.Schema, _headrace.Batch, _headrace.Connection):
        names += [name for name in vars(kind) if name not in {"__doc__", "__module__", "__new__"}]
    return names


def test_every_entry_is_walked() -> None:
    walked = " ".join([*WORKS.values(), *SERVER_WORKS.values(), PREPARE])
    spelled = {name: re.escape(SPELLED[name]) if name in SPELLED else rf"\b{name}\b" for name in entries()}
    missing = [name for name, pattern in spelled.items() if not re.search(pattern, walked)]
    assert missing == [], "add a work to WORKS or SERVER_WORKS for each"


@pytest.fixture(scope="session")
def pyfaults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the module pyfaults, which lets Python's own allocations fail."""
    folder = tmp_path_factory.mktemp("pyfaults")
    module = folder / f"pyfaults{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_paths()["include"]
    run(
        "cc",
        "-shared",
        "-fPIC",
        "-Wall",
        "-Werror",
        f"-I{include}",
        ROOT / "tests/python/pyfaults.c",
        "-o",
        module,
    )
    return folder


# Leaks are not looked for here: Python itself loses objects where its memory runs out (list.extend of 3.11).
PYTHON_WALK = """
def work():
    return WORK_OF_THE_TEST

def told(result):
    return (type(result), str(result)) if isinstance(result, BaseException) else result

expected = told(pyfaults.call(0, False, work, (), {})[0])

def walk():
    failed = 0
    for forever in (False, True):
        for n in range(1, 100_000):
            result, fired = pyfaults.call(n, forever, work, (), {})
            if not fired:
                assert told(result) == expected, (n, result, expected)
                break
            failed += isinstance(result, MemoryError)
            assert isinstance(result, MemoryError) or told(result) == expected, (n, forever, result, expected)
            result = None
        else:
            raise AssertionError("it never ends")
    return failed

assert walk() > 0
assert told(pyfaults.call(0, False, work, (), {})[0]) == expected
print("survived")
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", WORKS)
def test_pythons_memory_that_runs_out_is_survived(name: str, pyfaults: Path, tmp_path: Path) -> None:
    prepare = PREPARE[PREPARE.index("columns = [") :]
    program = (
        f"import sys; sys.path[:] = {[*sys.path, str(pyfaults)]!r}\n"
        "import gc, types, pyfaults\nimport headrace, headrace.display\nfrom headrace import _headrace as h\n"
        + prepare
        + PYTHON_WALK.replace("WORK_OF_THE_TEST", WORKS[name])
    )
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program, "unused", str(tmp_path / "made.jsonl")],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "survived\n"
