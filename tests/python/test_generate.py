"""Generated data from Python and the command line: reproducible, linked, and what it claims to be."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import headrace
import pytest
from headrace import Progress, Schema, _headrace, decode_json
from headrace.cli import main

UNTIL = 1_795_000_000
PURCHASES = [
    ("purchase_id", "bigint", True),
    ("customer_id", "integer", True),
    ("product_id", "integer", True),
    ("quantity", "integer", True),
    ("amount", "numeric(12,2)", True),
    ("currency", "char(3)", True),
    ("channel", "text"),
    ("purchased_at", "timestamptz", True),
]


def test_the_same_settings_make_the_same_bytes(tmp_path: Path) -> None:
    one, two, part = tmp_path / "1.jsonl", tmp_path / "2.jsonl.gz", tmp_path / "3.jsonl"
    made = headrace.generate("purchases", 5000, one, seed=3, malformed=10_000, until=UNTIL)
    headrace.generate("purchases", 5000, two, seed=3, malformed=10_000, until=UNTIL)
    headrace.generate("purchases", 100, part, first=4000, seed=3, malformed=10_000, until=UNTIL)
    data = one.read_bytes()
    assert gzip.decompress(two.read_bytes()) == data
    assert data.split(b"\n")[4000:4100] == part.read_bytes().split(b"\n")[:100]
    assert (made.records, made.bytes, made.settings["seed"]) == (5000, len(data) - 5000, 3)
    assert sum(made.kinds.values()) == 5000
    other = tmp_path / "4.jsonl"
    headrace.generate("purchases", 5000, other, seed=4, until=UNTIL)
    assert other.read_bytes() != data


def test_the_expected_rejects_are_those_of_the_decoder(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    made = headrace.generate(
        "purchases", 20_000, path, malformed=50_000, unknown=10_000, late=5_000, until=UNTIL
    )
    batch, rejects = decode_json(path.read_bytes(), Schema(PURCHASES))
    assert len(batch) == made.expected["loaded"]
    assert len(rejects) == made.expected["rejected"] > 500
    reasons: dict[str, int] = {}
    for reject in rejects:
        reasons[reject["reason"]] = reasons.get(reject["reason"], 0) + 1
    assert reasons == made.expected["reasons"]


def test_purchases_belong_to_customers_and_products(tmp_path: Path) -> None:
    settings = {"customers": 50, "products": 20, "until": UNTIL}
    headrace.generate("customers", 50, tmp_path / "c.csv")
    headrace.generate("products", 20, tmp_path / "p.csv")
    headrace.generate("purchases", 1000, tmp_path / "b.jsonl", **settings)
    with (tmp_path / "c.csv").open(newline="") as file:
        customers = {int(row["customer_id"]) for row in csv.DictReader(file)}
    with (tmp_path / "p.csv").open(newline="") as file:
        products = {int(row["product_id"]): row for row in csv.DictReader(file)}
    assert len(customers) == 50
    assert len(products) == 20
    for line in (tmp_path / "b.jsonl").read_text().splitlines():
        purchase = json.loads(line)
        assert purchase["customer_id"] in customers
        assert purchase["product_id"] in products


def test_progress_and_exceptions(tmp_path: Path) -> None:
    seen: list[Progress] = []
    headrace.generate("purchases", 200_000, tmp_path / "p.jsonl", progress=seen.append)
    assert (seen[-1].read, seen[-1].total_records) == (200_000, 200_000)

    def stop(progress: Progress) -> None:
        raise LookupError("enough")

    path = tmp_path / "q.jsonl"
    with pytest.raises(LookupError, match="enough"):
        headrace.generate("purchases", 10**12, path, progress=stop)
    assert not path.exists()


@pytest.mark.parametrize(
    ("data", "to", "settings"),
    [
        ("unheard of", "x.jsonl", {}),
        ("purchases", "x.jsonl", {"nothing": 1}),
        ("purchases", "x.jsonl", {"malformed": 10**7}),
        ("purchases", "http://host/x", {}),
        ("purchases", "kafka://topic", {}),
        ("purchases", "x.jsonl", {"rate": -1}),
    ],
)
def test_settings_that_cannot_be(data: str, to: str, settings: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(headrace.UsageError):
        headrace.generate(data, 1, to if "://" in to else tmp_path / to, **settings)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(headrace.HeadraceError, match="cannot be written"):
        headrace.generate("customers", 1, tmp_path / "nowhere" / "x.csv")


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """The command `headrace generate`."""
    program = f"import sys; sys.path[:] = {sys.path!r}; from headrace.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, "generate", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_command_writes_to_standard_output() -> None:
    done = command("purchases", "--count", "3", "--to", "-")
    assert done.returncode == 0
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 3
    assert "3 purchases" in done.stderr


def test_command_tells_what_it_made(tmp_path: Path) -> None:
    done = command(
        "purchases", "--count", "2k", "--to", str(tmp_path / "x.jsonl"), "--set", "seed=9", "--json"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["records"], told["settings"]["seed"]) == (2000, 9)


@pytest.mark.parametrize(
    "words", [["--to", "-", "--json"], ["--to", "x", "--set", "seed"], ["--to", "x", "--set", "nothing=1"]]
)
def test_command_refuses(words: list[str]) -> None:
    done = command("purchases", "--count", "1", *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("first", [0, 70_000])
@pytest.mark.parametrize("rate", [7, 300, 40_000])
@pytest.mark.parametrize("seconds", [60, 7])
def test_the_truth_about_frames_is_what_a_reader_finds(
    tmp_path: Path, first: int, rate: int, seconds: int
) -> None:
    """Many seconds, few and parts of one: the truth is made in stretches of windows."""
    path, truth = tmp_path / "stream.jsonl.gz", tmp_path / "truth.jsonl"
    settings = {"rate": rate, "users": 500, "late": 20_000, "future": 1000, "malformed": 50_000, "size": 500}
    made = headrace.generate(
        "frames", 20_000, path, first=first, truth=truth, truth_seconds=seconds, settings=settings, fields=20
    )
    due = made.settings["start"]
    users: dict[int, list[int]] = {}
    with gzip.open(path, "rb") as file:
        for number, line in enumerate(file, first):
            try:
                frame = json.loads(line)
                when = int(frame["ts"])
            except (ValueError, TypeError):
                continue
            if due + number // rate - 120 <= when <= due + number // rate:
                users.setdefault(when // seconds * seconds, []).append(frame["uid"])
    told = [json.loads(line) for line in truth.read_text().splitlines()]
    assert told == [
        {
            "window_start": moment(start),
            "window_end": moment(start + seconds),
            "frames": len(found),
            "users": len(set(found)),
        }
        for start, found in sorted(users.items())
    ]
    assert made.truth == {"path": str(truth), "seconds": seconds, "windows": len(told)}
    assert sum(window["frames"] for window in told) == made.kinds["plain"] + made.kinds["disordered"]
    assert not list(tmp_path.glob("*.part"))


def test_a_truth_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(headrace.UsageError, match="made of frames only"):
        headrace.generate("purchases", 1, tmp_path / "a", truth=tmp_path / "t")
    with pytest.raises(headrace.UsageError, match="1 to 600 seconds"):
        headrace.generate("frames", 1, tmp_path / "a", truth=tmp_path / "t", truth_seconds=3600)
    with pytest.raises(headrace.HeadraceError, match="cannot be written"):
        headrace.generate("frames", 1, tmp_path / "a", truth=tmp_path / "nowhere" / "t")
    assert list(tmp_path.iterdir()) == []


def test_settings_of_the_module_itself(tmp_path: Path) -> None:
    """null stands for what was not told; a truth without a path is refused."""
    path = tmp_path / "x.jsonl"

    def make(**more: object) -> None:
        to = {"kind": "file", "path": str(path)}
        _headrace.generate(json.dumps({"data": "frames", "count": 3, "to": to} | more))

    make(settings={"seed": None, "rate": 1}, truth=None)
    assert len(path.read_bytes().splitlines()) == 3
    for truth in ({}, {"path": ""}, {"path": 3}):
        with pytest.raises(headrace.UsageError, match='"truth" must have a path'):
            make(truth=truth)
    with pytest.raises(headrace.UsageError, match="must be a whole number"):
        make(settings={"seed": "x"})
    assert list(tmp_path.iterdir()) == [path]


def test_files_that_cannot_be_put_in_place(tmp_path: Path) -> None:
    """A folder of that name stands there, or none where one is wanted: trying again does not help, and nothing
    is left beside it.
    """
    folder = tmp_path / "x.jsonl"
    folder.mkdir()
    for place in (folder, tmp_path / "none" / "x.jsonl", tmp_path / ("x" * 300)):
        with pytest.raises(headrace.UsageError, match="cannot be"):
            headrace.generate("customers", 1, place)
        with pytest.raises(headrace.UsageError, match="cannot be"):
            headrace.generate("frames", 1, tmp_path / "y.jsonl", truth=place)
    assert folder.is_dir()
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_a_full_disk_is_told(name: str, tmp_path: Path) -> None:
    """A limit on the size of files stands for it. What was written so far goes."""
    program = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "import resource, signal, headrace\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "try:\n"
        f"    headrace.generate('customers', int(sys.argv[1]), {str(tmp_path / name)!r})\n"
        "except headrace.RetriableError as error:\n"
        "    print(error)\n"
    )
    for count in (2_000, 200_000):
        done = subprocess.run(
            [sys.executable, "-c", program, str(count)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "cannot be written: File too large" in done.stdout, done.stderr
        assert list(tmp_path.iterdir()) == []


def test_command_writes_the_truth_beside_the_frames(tmp_path: Path) -> None:
    stream, truth = tmp_path / "stream.jsonl", tmp_path / "truth.jsonl"
    words = [
        "--to",
        str(stream),
        "--truth",
        str(truth),
        "--truth-window",
        "5m",
        "--set",
        "rate=100",
        "--json",
    ]
    done = command("frames", "--count", "100k", "--set", "size=500", "--set", "fields=20", *words)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["settings"]["rate"] == 100
    assert told["truth"]["windows"] == len(truth.read_text().splitlines()) == 5  # the first by disorder
    assert command("frames", "--count", "1", *words[:4], "--truth-window", "1.5").returncode == 2


def test_what_a_link_leads_to_is_written_and_the_link_stays(tmp_path: Path) -> None:
    """/dev/stdout is a link: it must not be replaced by a file."""
    for name in ("frames", "truth"):
        (tmp_path / f"{name}.real").write_text("old")
        (tmp_path / name).symlink_to(f"{name}.real")
    words = ["generate", "frames", "--count", "3", "--to", str(tmp_path / "frames")]
    assert main([*words, "--truth", str(tmp_path / "truth"), "--quiet"]) == 0
    for name in ("frames", "truth"):
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / f"{name}.real").read_text().startswith("{")


def test_a_truth_goes_into_a_pipe_and_the_pipe_stays(tmp_path: Path) -> None:
    """And so does a device: --truth /dev/null must not make a file of it."""
    pipe = tmp_path / "truth"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        words = ["generate", "frames", "--count", "3", "--to", str(tmp_path / "frames")]
        assert main([*words, "--truth", str(pipe), "--quiet"]) == 0
        assert os.read(reader, 1).startswith(b"{")
    finally:
        os.close(reader)
    assert pipe.is_fifo()
