"""Put Headrace into a NiFi 2: its processors into the palette, flow definitions onto the canvas and back.

install writes the processors, with all they need, to the folder `extensions` of a NiFi home; nothing is
downloaded, then or later. import and export speak to a running NiFi through nipyapi
(pip install "headrace[nifi]"); an exported definition is normalised, so that git shows what was changed.

The password is read from a file or from NIFI_PASSWORD, never from the command line.

examples:
  headrace nifi install /opt/nifi
  headrace nifi import nifi-templates/purchases.json --url https://localhost:8443 --user admin
  headrace nifi export purchases nifi-templates/purchases.json --url https://localhost:8443 --user admin
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from headrace.cli import common
from headrace.errors import UsageError

URL = "NIFI_URL"
USER = "NIFI_USER"
PASSWORD = "NIFI_PASSWORD"  # noqa: S105 -- the variable's name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    words = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    install = words.add_parser("install", help="put the processors into a NiFi 2 home")
    install.add_argument("home", metavar="NIFI_HOME", help="where conf/ and lib/ of NiFi are")
    install.add_argument(
        "--python",
        metavar="PATH",
        help="the Python that NiFi is to run (default: as it is set, else this one)",
    )
    common.add_json(install)
    bring = words.add_parser("import", help="put a flow definition on the canvas, as a new group")
    bring.add_argument("file", metavar="FILE")
    bring.add_argument("--name", help="of the group (default: the one in the file)")
    take = words.add_parser("export", help="write a group's definition to a file, normalised")
    take.add_argument("name", metavar="GROUP", help="the group's name or id")
    take.add_argument("file", metavar="FILE")
    for word in (bring, take):
        word.add_argument("--url", help=f"of NiFi, such as https://localhost:8443 (default: ${URL})")
        word.add_argument("--user", help=f"who logs in (default: ${USER}; none: no login)")
        word.add_argument("--password-file", metavar="FILE", help=f"with the password (default: ${PASSWORD})")
        word.add_argument(
            "--ca-file",
            metavar="FILE",
            help="NiFi's certificate or its signer's (default: the machine's list)",
        )
        common.add_json(word)


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    if arguments.action == "install":
        from headrace.nifi.install import install

        done = install(arguments.home, arguments.python)
        common.say(str(done))
        if arguments.json:
            found = {"archive": str(done.archive), "python": done.python, "changed": done.changed}
            common.print_json(found)
        return 0
    from headrace.nifi import flows

    server = flows.Server(
        url=_needed(arguments.url, "--url", URL),
        user=arguments.user or os.environ.get(USER) or None,
        password=_password(arguments.password_file),
        certificate=arguments.ca_file,
    )
    if arguments.action == "import":
        made = flows.import_flow(server, arguments.file, arguments.name)
        common.say(f'"{made["name"]}" with {made["processors"]} processors is on the canvas: {made["id"]}')
        for parameter in made["unset"]:
            common.say(f"set before you start it: {parameter}")
    else:
        made = flows.export_flow(server, arguments.name, arguments.file)
        common.say(f'"{made["name"]}" with {made["processors"]} processors: {made["file"]}')
    if arguments.json:
        common.print_json(made)
    return 0


def _needed(value: str | None, option: str, variable: str) -> str:
    """The option, or the variable. UsageError without both."""
    found = value or os.environ.get(variable)
    if not found:
        raise UsageError(f"say where NiFi is: {option}, or the variable {variable}")
    return found


def _password(file: str | None) -> str | None:
    """From the file, or the environment."""
    if file is None:
        return os.environ.get(PASSWORD)
    return Path(file).read_text(encoding="utf-8").strip()
