"""Flow definitions: into a NiFi, out of it, and in the one form that is kept in git.

Needs nipyapi (pip install "headrace[nifi]"), which speaks NiFi's REST interface.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from headrace.errors import FatalError, RetriableError, UsageError

# What NiFi adds to a definition that says nothing about the flow, or another thing at every export.
_GONE = {"instanceIdentifier", "lastUpdated"}
_UNAVAILABLE = (502, 503, 504)
LOADING = 120
"""Seconds that an export waits for NiFi to load the processors of the group."""


@dataclass(frozen=True)
class Server:
    """Where a NiFi is, and who asks. certificate: the file of its certificate or of who signed it; None for
    the machine's own list.
    """

    url: str
    user: str | None = None
    password: str | None = None
    certificate: str | None = None


def import_flow(server: Server, file: str | os.PathLike[str], name: str | None = None) -> dict[str, Any]:
    """Import a definition as a new group on the canvas; {"id", "name", "processors", "parameters"}.

    Its parameter contexts are made where there are none of their names; where there are, NiFi keeps their
    values. Sensitive parameters come without values: set them before the flow is started. UsageError for a
    file that is no definition, RetriableError for a NiFi that does not answer, FatalError when it refuses.
    """
    path = Path(file)
    definition = read(path)
    chosen = name or str(definition["flowContents"].get("name") or path.stem)
    nipyapi = _connect(server)
    try:
        root = nipyapi.canvas.get_process_group(nipyapi.canvas.get_root_pg_id(), "id")
        made = nipyapi.versioning.import_process_group_definition(
            parent_pg=root, flow_definition=path.read_text(encoding="utf-8"), position=(0.0, 0.0)
        )
        if made.component.name != chosen:
            made = nipyapi.canvas.update_process_group(made, {"name": chosen})
    except Exception as error:
        raise _failure("import", server, error) from error
    contexts = definition.get("parameterContexts") or {}
    unset = sorted(
        f"{context}: {one['name']}"
        for context, content in contexts.items()
        for one in content["parameters"]
        if one.get("sensitive") and not one.get("value")
    )
    processors = len(definition["flowContents"].get("processors") or [])
    return {"id": made.id, "name": chosen, "processors": processors, "unset": unset}


def export_flow(server: Server, name: str, file: str | os.PathLike[str]) -> dict[str, Any]:
    """Write the definition of a group, normalised, to a file; {"id", "name", "file", "processors"}.

    UsageError when there is no group of this name or id, or several of the name; RetriableError while NiFi is
    still loading its processors, because their definitions would not be whole.
    """
    nipyapi = _connect(server)
    try:
        group = nipyapi.canvas.get_process_group(name, "name", greedy=False)
        if group is None:
            group = nipyapi.canvas.get_process_group(name, "id")
    except ValueError:
        group = None
    except Exception as error:
        raise _failure("export", server, error) from error
    if group is None or isinstance(group, list):
        found = f"{len(group)} groups are" if isinstance(group, list) else "no group is"
        raise UsageError(
            f'{found} named "{name}" in the NiFi at {server.url}: give a name or an id that is one'
        )
    try:
        _wait_loaded(nipyapi, group)
        text = nipyapi.versioning.export_process_group_definition(group, mode="json")
    except Exception as error:
        raise _failure("export", server, error) from error
    definition = normalise(json.loads(text))
    write(definition, file)
    processors = len(definition["flowContents"].get("processors") or [])
    return {"id": group.id, "name": group.component.name, "file": os.fspath(file), "processors": processors}


def _wait_loaded(nipyapi: ModuleType, group: Any) -> None:
    """Wait until NiFi has loaded all processors of a group: one in Python takes seconds after an import, and
    until then NiFi knows neither its properties nor its relationships.
    """
    end = time.monotonic() + LOADING
    while loading := [
        one.component.name
        for one in nipyapi.canvas.list_all_processors(group.id)
        if not one.component.relationships
    ]:
        if time.monotonic() > end:
            raise RetriableError(
                f"NiFi is still loading {', '.join(sorted(loading))} of {group.component.name} after "
                f"{LOADING} s: look at its log, or try again later",
                code="server",
            )
        time.sleep(0.5)


def read(file: str | os.PathLike[str]) -> dict[str, Any]:
    """A definition. UsageError when the file is none."""
    try:
        definition = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"{os.fspath(file)} cannot be read as a flow definition: {error}") from error
    if not isinstance(definition, dict) or not isinstance(definition.get("flowContents"), dict):
        raise UsageError(f"{os.fspath(file)} is no flow definition: it has no flowContents")
    return definition


def write(definition: Mapping[str, Any], file: str | os.PathLike[str]) -> None:
    """Write a definition in the form that is kept in git."""
    Path(file).write_text(text_of(definition), encoding="utf-8")


def text_of(definition: Mapping[str, Any]) -> str:
    """A definition as text: two spaces, keys in order, a line break at the end."""
    return json.dumps(definition, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def normalise(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition that is equal for equal flows, whatever NiFi it comes from and when.

    Identifiers are made of the names of what they belong to, what NiFi says of the instance is left out, and
    lists whose order means nothing are sorted. The result can be imported as it is. UsageError where two
    processors of one group share a name, because they could not be told apart.
    """
    contents = json.loads(json.dumps(definition))
    known: dict[str, str] = {}
    flow = contents["flowContents"]
    _name_all(flow, "", known)
    contents = _cleaned(contents, known)
    flow = contents["flowContents"]
    flow["position"] = {"x": 0.0, "y": 0.0}
    contents.pop("latest", None)
    for empty in ("externalControllerServices", "parameterProviders"):
        contents.setdefault(empty, {})
    return dict(contents)


def _name_all(group: Mapping[str, Any], path: str, known: dict[str, str]) -> None:
    """Note a lasting identifier for everything in a group, made of where it stands."""
    import uuid

    here = f"{path}/{group.get('name') if path else 'flow'}"

    def note(thing: Mapping[str, Any], kind: str, label: str) -> None:
        name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"headrace:{kind}:{here}/{label}"))
        if name in known.values():
            raise UsageError(f'two parts of the group {here} are named "{label}": rename one')
        known[thing["identifier"]] = name
        if thing.get("instanceIdentifier"):
            known[thing["instanceIdentifier"]] = name

    known[group["identifier"]] = str(uuid.uuid5(uuid.NAMESPACE_URL, f"headrace:group:{here}"))
    if group.get("instanceIdentifier"):
        known[group["instanceIdentifier"]] = known[group["identifier"]]
    for kind in ("processors", "controllerServices", "inputPorts", "outputPorts", "funnels", "labels"):
        for number, thing in enumerate(group.get(kind) or []):
            note(thing, kind, str(thing.get("name") or thing.get("label") or number))
    for link in group.get("connections") or []:
        ends = [f"{link[end]['name']}" for end in ("source", "destination")]
        note(link, "connections", "->".join([*ends, *sorted(link.get("selectedRelationships") or [])]))
    for inner in group.get("processGroups") or []:
        _name_all(inner, here, known)


def _cleaned(value: Any, known: Mapping[str, str], key: str = "") -> Any:
    """A value with lasting identifiers, without what says nothing, its lists in order."""
    if isinstance(value, dict):
        return {
            name: _cleaned(inner, known, name) for name, inner in sorted(value.items()) if name not in _GONE
        }
    if isinstance(value, list):
        inner = [_cleaned(one, known, key) for one in value]
        return inner if key == "bends" else sorted(inner, key=_order)
    if isinstance(value, str):
        return known.get(value, value)
    return value


def _order(value: Any) -> str:
    """What a list is sorted by: names first, so that a reader finds things."""
    if isinstance(value, dict):
        return json.dumps([value.get("name") or "", value.get("identifier") or "", value], sort_keys=True)
    return json.dumps(value, sort_keys=True)


def _connect(server: Server) -> ModuleType:
    """nipyapi, logged in. UsageError without nipyapi, FatalError for a wrong password."""
    try:
        import nipyapi
    except ImportError as error:
        raise UsageError('this needs nipyapi: pip install "headrace[nifi]"') from error
    if not server.url.startswith(("https://", "http://")):
        raise UsageError(f"{server.url} is no URL of a NiFi: write https://host:8443")
    base = server.url.rstrip("/").removesuffix("/nifi").removesuffix("/nifi-api")
    config = nipyapi.config.nifi_config
    config.host = f"{base}/nifi-api"
    config.verify_ssl = True
    config.ssl_ca_cert = server.certificate
    config.api_client = None
    if server.user is None:
        return nipyapi  # type: ignore[no-any-return]
    if base.startswith("http://"):
        raise UsageError(
            "a NiFi with a login is asked by https:// only: a password must not be sent in clear"
        )
    try:
        nipyapi.security.service_login(
            service="nifi", username=server.user, password=server.password or "", bool_response=False
        )
    except Exception as error:
        raise _failure("log in", server, error) from error
    return nipyapi  # type: ignore[no-any-return]


def _failure(what: str, server: Server, error: Exception) -> Exception:
    """Our own exception for one of nipyapi's."""
    if isinstance(error, (UsageError, FatalError, RetriableError)):
        return error
    status = getattr(error, "status", None)
    detail = str(getattr(error, "body", None) or error).strip().splitlines()
    said = detail[0][:500] if detail else type(error).__name__
    message = f"could not {what} at the NiFi of {server.url}: {said}"
    if status in _UNAVAILABLE or (not status and not isinstance(error, ValueError)):
        return RetriableError(message, code="server")
    return FatalError(message, code="server")
