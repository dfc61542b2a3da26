"""What the verbs share: options, output, and errors as exit codes."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from headrace import dsn as dsns
from headrace.display import printable, text_table
from headrace.errors import HeadraceError, UsageError
from headrace.progress import Line
from headrace.receipt import Receipt

EXIT_REJECTS = 1
EXIT_RETRIABLE = 3
EXIT_FATAL = 4
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Terminated(BaseException):
    """SIGTERM: whoever started us (Kubernetes, Airflow, a service manager) wants us to end now, and well."""


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")


def add_database(parser: argparse.ArgumentParser) -> None:
    """--dsn."""
    parser.add_argument(
        "--dsn",
        metavar="CONNINFO",
        help="the database, as a URI or host=... dbname=...; what is left out comes from PG* variables "
        "as in psql",
    )


def add_kafka(parser: argparse.ArgumentParser, brokers: bool = False) -> None:
    """--kafka-config, -X and, where no kafka:// URL is given, --brokers."""
    group = parser.add_argument_group("Kafka")
    if brokers:
        group.add_argument("--brokers", "--bootstrap", metavar="HOST:PORT", help="bootstrap.servers")
    group.add_argument(
        "--kafka-config",
        metavar="FILE",
        help="properties file with librdkafka settings (default: $HEADRACE_KAFKA_CONFIG)",
    )
    group.add_argument(
        "-X",
        dest="kafka_settings",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="one librdkafka setting, over those of the file; repeat for more",
    )


def kafka_settings(arguments: argparse.Namespace) -> dict[str, str]:
    """The settings of add_kafka's options together. UsageError when one is not NAME=VALUE."""
    from headrace import _source

    settings = _source.kafka_settings(arguments.kafka_config)
    for pair in arguments.kafka_settings:
        name, separator, value = pair.partition("=")
        if not separator:
            raise UsageError(f"-X {pair}: write it as NAME=VALUE")
        settings[name] = value
    if getattr(arguments, "brokers", None):
        settings["bootstrap.servers"] = arguments.brokers
    return settings


def topic_url(topic: str) -> str:
    """A topic as written with --brokers, or a kafka:// URL, as the latter."""
    return topic if "://" in topic else f"kafka://{topic}"


def number(text: str) -> int:
    """A whole number above 0, with k, M or G (thousands) and underscores allowed: 500k, 2_000_000."""
    factor = {"k": 1000, "m": 1000_000, "g": 1000_000_000}.get(text[-1:].lower(), 1)
    try:
        value = int(text if factor == 1 else text[:-1]) * factor
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be above 0")
    return value


def seconds(text: str) -> float:
    """A length of time: 90, 90s, 15m, 2h."""
    factor = {"s": 1, "m": 60, "h": 3600}.get(text[-1:].lower())
    try:
        value = float(text if factor is None else text[:-1]) * (factor or 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a length of time: write 90, 15m or 2h") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} must be above 0")
    return value


def warn_about_password(dsn: str | None) -> None:
    """The arguments of a process are visible to every user of the machine."""
    if dsns.has_password(dsn):
        say(
            "warning: the password in --dsn is visible to other users in the list of processes; use "
            "~/.pgpass or PGPASSFILE"
        )


def say(text: str) -> None:
    """A line for people, on stderr, whatever control characters came in with data."""
    lines = text.expandtabs(4).split("\n")
    sys.stderr.write("\n".join(printable(line) for line in lines) + "\n")
    sys.stderr.flush()


def show(
    arguments: argparse.Namespace, data: Any, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """A listing: JSON with --json, else a table; both on stdout."""
    if arguments.json:
        print_json(data)
        return
    listed = list(rows)
    print(text_table(header, listed) if listed else "(none)")


def print_json(data: Any) -> None:
    """One line of JSON on stdout."""
    print(json.dumps(data, ensure_ascii=False), flush=True)


def finish(arguments: argparse.Namespace, receipt: Receipt) -> int:
    """Tell what a run did: the summary on stderr, with --json the receipt on stdout. Returns the exit
    code.
    """
    say(str(receipt))
    if arguments.json:
        print_json(receipt.to_dict())
    return EXIT_REJECTS if getattr(arguments, "strict", False) and receipt.rejected else 0


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def guarded(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Run a verb; turn what it raises into a message and an exit code."""
    if threading.current_thread() is not threading.main_thread():
        return _guarded(run, arguments)  # signals are the main thread's
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        return _guarded(run, arguments)
    finally:
        signal.signal(signal.SIGTERM, before)


def _guarded(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    try:
        return run(arguments)
    except HeadraceError as error:
        if hasattr(error.receipt, "to_dict"):
            say(str(error.receipt))
        say(f"headrace {arguments.verb}: {error}")
        report(arguments, error)
        return error.exit_code
    except MemoryError:
        say(f"headrace {arguments.verb}: out of memory; try fewer workers or smaller batches")
        return EXIT_RETRIABLE
    except KeyboardInterrupt:
        say(f"headrace {arguments.verb}: interrupted; what was not committed was rolled back")
        return EXIT_INTERRUPTED
    except Terminated:
        say(f"headrace {arguments.verb}: terminated; what was not committed was rolled back")
        return EXIT_TERMINATED
    except BrokenPipeError:
        # Whoever read our output (head, less) has gone; Python must not complain about it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        say(f"headrace {arguments.verb}: {error}")
        return EXIT_FATAL
    except Exception:
        # A defect. Python would exit with 1, which is taken: it means rejects.
        traceback.print_exc()
        say(f"headrace {arguments.verb}: this is a defect of Headrace; please report the lines above")
        return EXIT_FATAL


def report(arguments: argparse.Namespace, error: HeadraceError) -> None:
    """With --json, a failure is JSON on stdout too."""
    if not getattr(arguments, "json", False):
        return
    receipt = error.receipt.to_dict() if hasattr(error.receipt, "to_dict") else None
    details = {
        "code": error.code,
        "message": str(error),
        "retriable": error.retriable,
        "fatal": error.fatal,
        "sqlstate": error.sqlstate,
    }
    print_json({"error": details, "receipt": receipt})


def progress(arguments: argparse.Namespace, label: str) -> Line | None:
    """A line for a terminal, and not for who asked for quiet."""
    if getattr(arguments, "quiet", False) or not sys.stderr.isatty():
        return None
    return Line(sys.stderr, f"{label}: ")
