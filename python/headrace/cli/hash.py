"""Add hash keys and hash diffs to records: JSON lines or CSV in, the same records out, each with its hashes
as hex at the end.

Values are hashed as text, as they stand in the record, unless --type names the SQL type of the table they go
to: then they are read and printed as PostgreSQL does it (7.50 of a numeric(10,1) is 7.5). Records that cannot
be read are left out, counted and, with --rejects, kept with their reasons. docs/hash-keys.md says which bytes
are hashed.

examples:
  headrace hash customers.jsonl --key customer_hk=customer_id --diff customer_hd=name,email,city
  zcat old.csv.gz | headrace hash - --format csv --key order_hk=shop,number --type number=bigint | zstd
  headrace hash events.jsonl --key hk=user.id,at --type at=timestamptz --zone Europe/Warsaw --out hashed.jsonl
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from headrace import _source
from headrace.cli import common
from headrace.cli.partition import open_input, pieces, same_file
from headrace.errors import UsageError

if TYPE_CHECKING:
    from headrace import Batch, Schema

RAW = "$raw"
_TOKEN = re.compile(
    r'("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*(:?)|[{}\[\]]'
)  # possessive: a long text takes no memory


@dataclass(frozen=True)
class Hash:
    """One hash to add: its name, and the columns it is made of; a single one stands alone."""

    name: str
    columns: Sequence[str]
    diff: bool

    def add(self, batch: Batch, arguments: argparse.Namespace) -> Batch:
        """The batch with this hash as its last column, in hex."""
        from headrace import hash_diff, hash_keys

        columns = self.columns if len(self.columns) > 1 else self.columns[0]
        make = hash_diff if self.diff else hash_keys
        # a name of our own: a column that is hashed may have the hash's name
        name = f"$hash {batch.num_columns}"
        return make(batch, columns, recipe=arguments.recipe, name=name, output="hex", zone=arguments.zone)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("file", metavar="FILE", help="JSON lines or CSV, plain or gzip; - for standard input")
    parser.add_argument(
        "--key",
        dest="keys",
        metavar="NAME=COLUMN,...",
        action="append",
        default=[],
        help="a hash key of these columns (in JSON keys, or paths like user.id); repeat for more",
    )
    parser.add_argument(
        "--diff",
        dest="diffs",
        metavar="NAME=COLUMN,...",
        action="append",
        default=[],
        help="a hash diff: the columns are sorted by name, and it is never null",
    )
    parser.add_argument(
        "--type",
        dest="types",
        metavar="COLUMN=TYPE",
        action="append",
        default=[],
        help="the SQL type of a column (default: text, the value as it stands)",
    )
    parser.add_argument(
        "--recipe",
        default="automate_dv",
        help="automate_dv (default), automate_dv_sha256, automate_dv_cased, plain, "
        "plain_sha256, exact or exact_sha256",
    )
    parser.add_argument(
        "--zone", default="UTC", help="TimeZone in which timestamptz is hashed (default: UTC)"
    )
    parser.add_argument("--format", choices=["json", "csv"], help="default: by the file's name, else json")
    parser.add_argument(
        "--delimiter", default=None, metavar="C", help="csv: between fields (default: a comma, in .tsv a tab)"
    )
    parser.add_argument("--out", metavar="FILE", help="where the records go (default: standard output)")
    parser.add_argument(
        "--rejects",
        metavar="FILE",
        help="where unreadable records go, as JSON lines; its folder is made when it is missing. "
        "Without such records there is no file",
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 when records were rejected")
    common.add_json(parser)


def parse_pair(option: str, pair: str) -> tuple[str, str]:
    """NAME=REST. UsageError when it is not."""
    name, separator, rest = pair.partition("=")
    if not name or not separator or not rest:
        raise UsageError(
            f"{option} {pair}: write it as NAME={'TYPE' if option == '--type' else 'COLUMN,...'}"
        )
    return name, rest


def parse_hashes(arguments: argparse.Namespace) -> list[Hash]:
    """The hashes asked for, keys first. UsageError for none, or two of one name."""
    hashes = [
        Hash(name, [column.strip() for column in columns.split(",")], diff)
        for option, pairs, diff in (("--key", arguments.keys, False), ("--diff", arguments.diffs, True))
        for name, columns in (parse_pair(option, pair) for pair in pairs)
    ]
    if not hashes:
        raise UsageError("nothing to do: give --key NAME=COLUMN,... or --diff NAME=COLUMN,...")
    names = [one.name for one in hashes]
    if len(set(names)) < len(names):
        raise UsageError(f"two hashes have the same name: {', '.join(names)}")
    # a name with a dot is a path of JSON's when it is a column, and another key when it is a hash
    hashed = {column for one in hashes for column in one.columns if "." not in column}
    refuse_taken(names, hashed)
    if any(not column for one in hashes for column in one.columns):
        raise UsageError(
            "a column's name is empty: write --key NAME=COLUMN,COLUMN without a comma at the end"
        )
    return hashes


def refuse_taken(names: Sequence[str], there: Iterable[str], where: str = "") -> None:
    """UsageError when a hash has the name of a column that is there: the output would have it twice."""
    if taken := sorted(set(names).intersection(there)):
        raise UsageError(f'{where}there is a column "{taken[0]}" already: give the hash another name')


def json_keys(raw: str) -> set[str]:
    """The keys of a record, which is known to be a JSON object; not those of what is nested in it."""
    try:
        return set(json.loads(raw, parse_int=str, parse_float=str))  # numbers may have any length here
    except RecursionError:  # nested deeper than that reader goes
        return _outer_keys(raw)


def _outer_keys(raw: str) -> set[str]:
    found, depth = set(), 0
    for token in _TOKEN.finditer(raw):
        if token[1] is None:
            depth += 1 if token[0] in "{[" else -1
        elif depth == 1 and token[2]:
            found.add(str(json.loads(token[1])))
    return found


def make_schema(hashes: list[Hash], types: list[str], is_csv: bool) -> Schema:
    """The columns that are hashed, and the record as it stands."""
    from headrace import Schema

    named = dict(parse_pair("--type", pair) for pair in types)
    columns = list(dict.fromkeys(column for one in hashes for column in one.columns))
    if unused := [column for column in named if column not in columns]:
        raise UsageError(f"--type {unused[0]}={named[unused[0]]}: no hash has this column")
    return Schema(
        [*((column, named.get(column, "text")) for column in columns), (RAW, "text", True)],
        {**{column: column.replace(".", "\\.") if is_csv else column for column in columns}, RAW: RAW},
    )


def json_line(names: Sequence[str]) -> Callable[[str, Sequence[str | None]], str]:
    """Adds hashes to a record that is a JSON object."""
    keys = [json.dumps(name, ensure_ascii=False) for name in names]

    def line(raw: str, values: Sequence[str | None]) -> str:
        # keys are looked at where a name, or an escape that may stand for it, is in the record at all
        if "\\" in raw or any(name in raw for name in names):
            refuse_taken(names, json_keys(raw), f"record {raw[:80]}: ")
        body = raw.rstrip()[:-1].rstrip()
        comma = "" if body.endswith("{") else ","
        quoted = ("null" if value is None else f'"{value}"' for value in values)
        added = ",".join(f"{key}:{value}" for key, value in zip(keys, quoted, strict=True))
        return f"{body}{comma}{added}}}\n"

    return line


def csv_line(delimiter: str) -> Callable[[str, Sequence[str | None]], str]:
    """Adds hashes to a record that is a line of CSV; null is the empty field."""

    def line(raw: str, values: Sequence[str | None]) -> str:
        return delimiter.join([raw.rstrip("\r\n"), *(value or "" for value in values)]) + "\n"

    return line


def csv_header(piece: bytes, delimiter: str, hashes: Sequence[Hash]) -> bytes:
    """The header with the names of the hashes. UsageError when it has not the columns that are hashed."""
    from headrace import _headrace

    header = _headrace.csv_header(piece, delimiter)
    text = io.StringIO(header.decode(errors="replace"), newline="")  # a quoted name may hold line breaks
    there = next(csv.reader(text, delimiter=delimiter), [])
    for column in (column for one in hashes for column in one.columns):
        if column not in there:
            raise UsageError(f'there is no column "{column}" in the header: {", ".join(there)}')
    names = [one.name for one in hashes]
    refuse_taken(names, there)
    quoted = [f'"{name}"' if delimiter in name or '"' in name else name for name in names]
    return delimiter.encode().join([header, *(name.encode() for name in quoted)]) + b"\n"


def _regular(name: str) -> bool:
    """Whether a file of this name is or would be a plain one, no pipe, terminal or /dev/null."""
    try:
        return stat.S_ISREG(os.stat(name).st_mode)
    except FileNotFoundError:
        return True


@contextmanager
def _output(name: str) -> Iterator[IO[bytes]]:
    """The file for records. A plain one is whole when it gets its name, and what was there before stays until
    then, and when it fails. The standard output by another name is that; what is no plain file else is
    written to as it is.
    """
    if _source.is_stdout(name):
        yield sys.stdout.buffer
        return
    if not _regular(name):
        with open(name, "wb") as file:
            yield file
        return
    path = Path(os.path.realpath(name))  # what a link leads to, not the link
    draft = path.with_name(f"{path.name}.part")
    try:
        with draft.open("wb") as file:
            yield file
        if path.exists():
            draft.chmod(stat.S_IMODE(path.stat().st_mode))
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def _refuse_same(file: IO[bytes], arguments: argparse.Namespace) -> None:
    """UsageError when two of what is read, written and kept are the same file."""
    for option, name in (("--out", arguments.out), ("--rejects", arguments.rejects)):
        if name and same_file(file, name):
            raise UsageError(f"{option} {name} is the file that is read: give another name")
    if arguments.out and arguments.rejects and _regular(arguments.out):
        out, rejects = (os.path.realpath(name) for name in (arguments.out, arguments.rejects))
        if out == rejects or (
            os.path.exists(out) and os.path.exists(rejects) and os.path.samefile(out, rejects)
        ):
            raise UsageError(f"--out and --rejects are the same file, {arguments.out}: give two names")


@contextmanager
def _rejects(name: str) -> Iterator[IO[bytes]]:
    """The file for rejects, empty; its folder is made when it is missing. It is there from the start, so that
    a place where nothing can be written is noticed at once, and goes when nothing was rejected; where it may
    not be removed, as in a folder of somebody else's, it stays, empty.
    """
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        try:
            yield file
        finally:
            file.flush()
            made = os.fstat(file.fileno())
            # not a pipe, a terminal or /dev/null, nor what a link leads to
            if stat.S_ISREG(made.st_mode) and made.st_size == 0 and not path.is_symlink():
                with suppress(OSError):
                    path.unlink()


def run(arguments: argparse.Namespace) -> int:
    """Hash."""
    from headrace import decode_csv, decode_json

    guessed, guessed_csv = _source.guess_format({"kind": "file", "paths": [arguments.file]})
    is_csv = (arguments.format or guessed) == "csv"
    delimiter = arguments.delimiter or guessed_csv.get("delimiter", ",")
    if arguments.json and not arguments.out:
        raise UsageError("--json prints the result on standard output: give --out FILE for the records")
    hashes = parse_hashes(arguments)
    names = [one.name for one in hashes]
    schema = make_schema(hashes, arguments.types, is_csv)
    line = csv_line(delimiter) if is_csv else json_line(names)
    written = 0
    rejected: dict[str, int] = {}
    with ExitStack() as stack:
        file = stack.enter_context(open_input(arguments.file))
        _refuse_same(file, arguments)
        out = stack.enter_context(_output(arguments.out)) if arguments.out else sys.stdout.buffer
        kept = stack.enter_context(_rejects(arguments.rejects)) if arguments.rejects else None
        for number, piece in enumerate(pieces(file, is_csv)):
            if is_csv and number == 0:
                out.write(csv_header(piece, delimiter, hashes))
            batch, rejects = decode_csv(piece, schema, delimiter) if is_csv else decode_json(piece, schema)
            first = batch.num_columns
            for one in hashes:
                batch = one.add(batch, arguments)
            text, columns = batch.column_text, range(first, batch.num_columns)
            out.write(
                "".join(
                    line(text(first - 1, row) or "", [text(column, row) for column in columns])
                    for row in range(len(batch))
                ).encode()
            )
            written += len(batch)
            for reject in rejects:
                rejected[reject["reason"]] = rejected.get(reject["reason"], 0) + 1
                if sum(rejected.values()) == 1:
                    common.say(f"headrace hash: the first record left out: {reject['message']}")
                if kept is not None:
                    told = {**reject, "raw": (reject["raw"] or b"").decode(errors="replace")}
                    kept.write(json.dumps(told, ensure_ascii=False).encode() + b"\n")
        out.flush()
    return _report(arguments, written, rejected)


def _report(arguments: argparse.Namespace, written: int, rejected: dict[str, int]) -> int:
    count = sum(rejected.values())
    common.say(f"{written + count:,} read = {written:,} hashed + {count:,} rejected")
    if arguments.json:
        result = {"read": written + count, "hashed": written, "rejected": count}
        common.print_json({**result, "out": arguments.out, "rejects": rejected})
    return common.EXIT_REJECTS if arguments.strict and count else 0
