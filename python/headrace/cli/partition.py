"""Split a file of JSON lines or CSV by ISO week, day or month of one column, in the folders that Hive, Spark
and Arrow know.

Records go as they are, byte for byte, to OUT/<column>_<unit>=<period>/part-00000.jsonl. Records without a
readable time go to OUT/_rejects/part-00000.jsonl, with their reasons in OUT/_rejects/reasons.jsonl.

examples:
  headrace partition events.jsonl.gz --column at --out events/
  zstdcat o.jsonl.zst | headrace partition - --column order.at --unit-of-numbers ms --by day --out orders/
  headrace partition old.csv --column created_at --zone Europe/Warsaw --out old/
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, cast

from headrace.cli import common
from headrace.errors import RetriableError, UsageError

PIECE = 16 << 20
OPEN_FILES = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("file", metavar="FILE", help="JSON lines or CSV, plain or gzip; - for standard input")
    parser.add_argument(
        "--column", required=True, metavar="PATH", help="the time: a key, a path (order.created), a column"
    )
    parser.add_argument("--by", choices=["week", "day", "month"], default="week", help="default: week (ISO)")
    parser.add_argument("--zone", default="UTC", help="time zone of the periods (default: UTC)")
    parser.add_argument(
        "--unit-of-numbers", choices=["s", "ms", "us", "ns"], help="read numbers as times since 1970"
    )
    parser.add_argument("--format", choices=["json", "csv"], help="default: by the file's name, else json")
    parser.add_argument(
        "--delimiter", default=None, metavar="C", help="csv: between fields (default: a comma, in .tsv a tab)"
    )
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="made when it is missing; must hold no parts yet"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 when records were rejected")
    common.add_json(parser)


class Writer:
    """The parts being written, drafts until all of them are whole; at most OPEN_FILES are open at once."""

    def __init__(self, folder: Path, name: str, ending: str, header: bytes) -> None:
        self.folder = folder
        self.name = name
        self.ending = ending
        self.header = header
        self.files: dict[str, IO[bytes]] = {}
        self.counts: dict[str, int] = {}
        self.drafts: dict[Path, Path] = {}

    def path(self, value: str) -> Path:
        """The part of a period, or "_rejects"."""
        place = value if value == "_rejects" else f"{self.name}={value}"
        return self.folder / place / f"part-00000{self.ending}"

    def draft(self, path: Path, content: bytes) -> Path:
        """Begin a file with its first bytes. UsageError when there is one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise UsageError(f"{path} is there already: give an empty folder as --out")
        draft = self.drafts[path] = path.with_name(f"{path.name}.part")
        draft.write_bytes(content)
        return draft

    def write(self, value: str, records: list[bytes]) -> None:
        """Append records to a part."""
        if not records:
            return
        file = self.files.get(value)
        if file is None:
            if len(self.files) >= OPEN_FILES:
                self.files.pop(next(iter(self.files))).close()
            path = self.path(value)
            draft = self.drafts[path] if value in self.counts else self.draft(path, self.header)
            file = self.files[value] = draft.open("ab")
        file.write(b"\n".join(records) + b"\n")
        self.counts[value] = self.counts.get(value, 0) + len(records)

    def finish(self) -> None:
        """Close all parts and give them their names."""
        while self.files:
            self.files.popitem()[1].close()
        for path, draft in self.drafts.items():
            draft.replace(path)

    def abandon(self) -> None:
        """Remove what was written, and folders that hold nothing else."""
        for file in self.files.values():
            with suppress(OSError):
                file.close()
        for path, draft in self.drafts.items():  # nothing had these names before
            for made in (draft, path):
                with suppress(OSError):
                    made.unlink()
            with suppress(OSError):
                path.parent.rmdir()
        with suppress(OSError):
            self.folder.rmdir()


def open_input(name: str) -> IO[bytes]:
    """The bytes of a file, decompressed when it is gzip. UsageError for zstd, which Python cannot read by
    itself.
    """
    # closed by the caller
    file: IO[bytes] = sys.stdin.buffer if name == "-" else open(name, "rb")  # noqa: SIM115
    start = cast("Any", file).peek(4)[:4]
    if start[:2] == b"\x1f\x8b":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if start == b"\x28\xb5\x2f\xfd":
        raise UsageError(f"{name} is compressed with zstd: write zstdcat {name} | headrace partition - ...")
    return file


def same_file(file: IO[bytes], name: str) -> bool:
    """Whether `name` is the open file, no terminal or pipe: opening it for writing would empty that."""
    try:
        there = os.stat(name)
    except FileNotFoundError:
        return False
    return stat.S_ISREG(there.st_mode) and os.path.samestat(there, os.fstat(file.fileno()))


def _read(file: IO[bytes], size: int) -> bytes:
    try:
        return file.read(size)
    except EOFError as error:
        raise RetriableError(
            f"{file.name}: its gzip stream is cut short, as that of a file which is still being copied is: "
            "try again when it is whole",
            code="io",
        ) from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(
            f"{file.name}: its gzip stream is damaged ({error}): get the file once more"
        ) from error


def pieces(file: IO[bytes], whole: bool) -> Iterator[bytes]:
    """The input in pieces that end with a line; as one piece when a line break need not end a record
    (CSV). UsageError when it cannot be decompressed, RetriableError when it is cut.
    """
    if whole:
        yield _read(file, -1)
        return
    rest = b""
    while block := _read(file, PIECE):
        cut = block.rfind(b"\n") + 1
        if not cut:
            rest += block
            continue
        yield rest + block[:cut]
        rest = block[cut:]
    if rest:
        yield rest


def run(arguments: argparse.Namespace) -> int:
    """Split."""
    from headrace import Schema, _source, decode_csv, decode_json, partition
    from headrace._headrace import csv_header

    guessed, csv = _source.guess_format({"kind": "file", "paths": [arguments.file]})
    is_csv = (arguments.format or guessed) == "csv"
    delimiter = arguments.delimiter or csv.get("delimiter", ",")
    time: dict[str, str] = {"path": arguments.column.replace(".", "\\.") if is_csv else arguments.column}
    if arguments.unit_of_numbers:
        time["unit"] = arguments.unit_of_numbers
    schema = Schema([("time", "timestamptz", True), ("raw", "text", True)], {"time": time, "raw": "$raw"})
    name = f"{arguments.column.rpartition('.')[2]}_{arguments.by}"
    writer = Writer(Path(arguments.out), name, ".csv" if is_csv else ".jsonl", b"")
    reasons: IO[bytes] | None = None
    rejected: dict[str, int] = {}
    try:
        with ExitStack() as stack:
            file = stack.enter_context(open_input(arguments.file))
            for piece in pieces(file, is_csv):
                if is_csv:
                    writer.header = csv_header(piece, delimiter) + b"\n"
                decoded = decode_csv(piece, schema, delimiter) if is_csv else decode_json(piece, schema)
                batch, rejects = decoded
                for value, rows in partition(batch, "time", arguments.by, arguments.zone).items():
                    texts = (rows.column_text(1, row) or "" for row in range(len(rows)))
                    writer.write(value, [text.encode() for text in texts])
                writer.write("_rejects", [reject["raw"] or b"" for reject in rejects])
                for reject in rejects:
                    rejected[reject["reason"]] = rejected.get(reject["reason"], 0) + 1
                    if reasons is None:
                        draft = writer.draft(writer.folder / "_rejects" / "reasons.jsonl", b"")
                        reasons = stack.enter_context(draft.open("wb"))
                    told = {k: v for k, v in reject.items() if k not in ("raw", "index", "offset", "line")}
                    reasons.write(json.dumps(told, ensure_ascii=False).encode() + b"\n")
        writer.finish()
    except BaseException:
        writer.abandon()
        raise
    return _report(arguments, writer, rejected)


def _report(arguments: argparse.Namespace, writer: Writer, rejected: dict[str, int]) -> int:
    counts = dict(sorted(writer.counts.items()))
    count_rejected = counts.pop("_rejects", 0)
    written = sum(counts.values())
    files = {str(writer.path(value)): count for value, count in counts.items()}
    common.say(
        f"{written + count_rejected:,} read = {written:,} written to {len(files)} files + "
        f"{count_rejected:,} rejected"
    )
    if arguments.json:
        result = {"read": written + count_rejected, "written": written, "rejected": count_rejected}
        common.print_json({**result, "files": files, "rejects": rejected})
    return common.EXIT_REJECTS if arguments.strict and count_rejected else 0
