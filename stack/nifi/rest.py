"""NiFi's REST interface: log in, ask, wait. Nothing in it is about Headrace."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

CLIENT = {"clientId": "headrace", "version": 0}


class NiFiError(RuntimeError):
    """NiFi refused, or did not answer. `status`: of HTTP, 0 for no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Rest:
    """A running NiFi. `certificate`: the file of the one that the server must show."""

    def __init__(self, url: str, certificate: Path, patience: float = 60) -> None:
        self.url = f"{url}/nifi-api"
        self.patience = patience
        self._token = ""
        context = ssl.create_default_context(cafile=str(certificate))
        handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
        self._opener = urllib.request.build_opener(*handlers)

    def login(self, user: str, password: str) -> None:
        """Get a token for the calls that follow. NiFiError for a wrong password."""
        body = urlencode({"username": user, "password": password}).encode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self._token = self._send("POST", "/access/token", body, form).decode()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One call; what came back, of JSON."""
        data = None if body is None else json.dumps(body).encode()
        answer = self._send(method, path, data, {"Content-Type": "application/json"})
        return json.loads(answer) if answer else None

    # -- what is there
    # -----------------------------------------------------------------------------------------------

    def types(self) -> dict[str, dict[str, Any]]:
        """The processors of the palette by simple name."""
        found = self.ask("GET", "/flow/processor-types")["processorTypes"]
        return {one["type"].rpartition(".")[2]: one for one in found}

    def flow(self, group: str) -> dict[str, Any]:
        """The direct contents of a group: processors, connections, processGroups..."""
        return dict(self.ask("GET", f"/flow/process-groups/{group}")["processGroupFlow"]["flow"])

    def processors(self, group: str) -> dict[str, dict[str, Any]]:
        """The processors of a group and of the groups in it, by name."""
        flow = self.flow(group)
        found = {entry["component"]["name"]: entry for entry in flow["processors"]}
        for inner in flow["processGroups"]:
            found |= self.processors(inner["id"])
        return found

    def queued(self, group: str) -> dict[tuple[str, str], int]:
        """How many flow files wait, by (source's name, relationship), in a group and those in it."""
        found: dict[tuple[str, str], int] = {}
        for connection in self.flow(group)["connections"]:
            component = connection["component"]
            count = int(connection["status"]["aggregateSnapshot"]["flowFilesQueued"])
            for name in component.get("selectedRelationships") or [""]:
                key = (component["source"]["name"], name)
                found[key] = found.get(key, 0) + count
        for inner in self.flow(group)["processGroups"]:
            found |= self.queued(inner["id"])
        return found

    def waiting(self, connection: str, patience: float = 30) -> list[tuple[dict[str, str], bytes]]:
        """The (attributes, content) of up to a hundred flow files that wait in a connection."""
        path = f"/flowfile-queues/{connection}"
        request = self.ask("POST", f"{path}/listing-requests")["listingRequest"]["id"]
        listing: dict[str, Any] = {}

        def finished() -> bool:
            listing.update(self.ask("GET", f"{path}/listing-requests/{request}")["listingRequest"])
            return bool(listing["finished"])

        self.until(finished, patience, "a queue to be listed", pause=0.1)
        self.ask("DELETE", f"{path}/listing-requests/{request}")
        found = []
        for one in listing["flowFileSummaries"]:
            place = f"{path}/flowfiles/{one['uuid']}"
            attributes = self.ask("GET", place)["flowFile"]["attributes"]
            content = self._send("GET", f"{place}/content", None, {}) if one["size"] else b""
            found.append((dict(attributes), content))
        return found

    def counters(self) -> dict[str, int]:
        """The values of all counters that UpdateCounter adds to, summed over processors, by name."""
        found: dict[str, int] = {}
        for counter in self.ask("GET", "/counters")["counters"]["aggregateSnapshot"]["counters"]:
            if not counter["context"].startswith("All "):
                found[counter["name"]] = found.get(counter["name"], 0) + int(counter["valueCount"])
        return found

    def bulletins(self) -> list[str]:
        """The last error messages, oldest first."""
        board = self.ask("GET", "/flow/bulletin-board?limit=50")["bulletinBoard"]["bulletins"]
        return [one["bulletin"]["message"] for one in board if one.get("bulletin")]

    # -- what is made
    # -----------------------------------------------------------------------------------------------

    def make_group(self, name: str, parent: str = "root") -> str:
        """An empty group; its id."""
        component = {"name": name, "position": {"x": 0, "y": 0}}
        made = self.ask(
            "POST", f"/process-groups/{parent}/process-groups", {"revision": CLIENT, "component": component}
        )
        return str(made["id"])

    def make_processor(
        self,
        group: str,
        kind: str,
        name: str,
        properties: Mapping[str, str | None] | None = None,
        *,
        terminate: Sequence[str] = (),
        patience: float = 120,
        **config: Any,
    ) -> str:
        """A processor of the palette; its id. Waits until NiFi has looked at it."""
        entry = self.types()[kind]
        component = {"type": entry["type"], "bundle": entry["bundle"], "name": name}
        component["position"] = {"x": 0, "y": 0}
        made = self.ask(
            "POST", f"/process-groups/{group}/processors", {"revision": CLIENT, "component": component}
        )["id"]
        self.until(
            lambda: bool(self.processor(made)["component"]["relationships"]), patience, f"{name} to load"
        )
        chosen = {
            "properties": dict(properties or {}),
            "autoTerminatedRelationships": list(terminate),
            **config,
        }
        self.change(made, {"config": chosen})
        return str(made)

    def processor(self, number: str) -> dict[str, Any]:
        """A processor as it stands."""
        return dict(self.ask("GET", f"/processors/{number}"))

    def change(self, number: str, component: Mapping[str, Any], patience: float = 60) -> None:
        """Change a processor. Waits while it ends its last task, as `set_processor` does."""

        def accepted() -> bool:
            body = {"revision": self.processor(number)["revision"], "component": {"id": number, **component}}
            try:
                self.ask("PUT", f"/processors/{number}", body)
            except NiFiError as error:
                if error.status == 400 and "while the Processor is running" in str(error):
                    return False
                raise
            return True

        self.until(accepted, patience, "a processor to take its settings")

    def connect(self, group: str, source: str, target: str, relationships: Sequence[str]) -> str:
        """A connection between two processors; its id."""
        ends = {
            name: {"id": number, "groupId": group, "type": "PROCESSOR"}
            for name, number in (("source", source), ("destination", target))
        }
        body = {"revision": CLIENT, "component": {**ends, "selectedRelationships": list(relationships)}}
        return str(self.ask("POST", f"/process-groups/{group}/connections", body)["id"])

    def make_service(
        self, group: str, kind: str, name: str, properties: Mapping[str, str | None] | None = None
    ) -> str:
        """A controller service, its settings the default ones unless they are given; its id."""
        found = self.ask("GET", "/flow/controller-service-types")["controllerServiceTypes"]
        entry = next(one for one in found if one["type"].rpartition(".")[2] == kind)
        component = {"type": entry["type"], "bundle": entry["bundle"], "name": name}
        component["properties"] = dict(properties or {})
        body = {"revision": CLIENT, "component": component}
        return str(self.ask("POST", f"/process-groups/{group}/controller-services", body)["id"])

    def set_parameters(self, context: str, values: Mapping[str, str], secret: Sequence[str] = ()) -> None:
        """Set parameters of the context of this name; names in `secret` are sensitive."""
        contexts = self.ask("GET", "/flow/parameter-contexts")["parameterContexts"]
        entity = next(one for one in contexts if one["component"]["name"] == context)
        parameters = [
            {"parameter": {"name": name, "value": value, "sensitive": name in secret}}
            for name, value in values.items()
        ]
        number = entity["id"]
        component = {"id": number, "parameters": parameters}
        body = {"revision": entity["revision"], "id": number, "component": component}
        path = f"/parameter-contexts/{number}/update-requests"
        request = self.ask("POST", path, body)["request"]["requestId"]
        self.until(
            lambda: bool(self.ask("GET", f"{path}/{request}")["request"]["complete"]), 60, "parameters"
        )
        failure = self.ask("GET", f"{path}/{request}")["request"].get("failureReason")
        self.ask("DELETE", f"{path}/{request}")
        if failure:
            raise NiFiError(f"the parameters of {context} were refused: {failure}")

    # -- what runs
    # -----------------------------------------------------------------------------------------------

    def delete_group(self, group: str) -> None:
        """Stop a group, empty its queues and delete it."""
        self.set_group(group, "STOPPED")
        self.until(lambda: not self.active(group) and not self._running(group), 60, "a group to stop")
        request = self.ask("POST", f"/process-groups/{group}/empty-all-connections-requests")["dropRequest"][
            "id"
        ]
        path = f"/process-groups/{group}/empty-all-connections-requests/{request}"
        self.until(lambda: bool(self.ask("GET", path)["dropRequest"]["finished"]), 60, "queues to be emptied")
        self.ask("DELETE", path)
        self.set_services(group, "DISABLED")
        version = self.ask("GET", f"/process-groups/{group}")["revision"]["version"]
        self.ask("DELETE", f"/process-groups/{group}?version={version}&clientId=headrace")

    def active(self, group: str) -> int:
        """How many threads work in a group."""
        status = self.ask("GET", f"/flow/process-groups/{group}/status?recursive=true")["processGroupStatus"]
        return int(status["aggregateSnapshot"]["activeThreadCount"])

    def _running(self, group: str) -> bool:
        return any(one["component"]["state"] == "RUNNING" for one in self.processors(group).values())

    def set_group(self, group: str, state: str) -> None:
        """RUNNING or STOPPED, a group with all in it."""
        self.ask("PUT", f"/flow/process-groups/{group}", {"id": group, "state": state})

    def set_services(self, group: str, state: str, patience: float = 60) -> None:
        """ENABLED or DISABLED, the controller services of a group; waits for it."""
        self.ask("PUT", f"/flow/process-groups/{group}/controller-services", {"id": group, "state": state})
        path = f"/flow/process-groups/{group}/controller-services"
        path += "?includeAncestorGroups=false&includeDescendantGroups=true"
        self.until(
            lambda: all(
                s["component"]["state"] == state for s in self.ask("GET", path)["controllerServices"]
            ),
            patience,
            f"services to be {state}",
        )

    def set_processor(self, number: str, state: str, patience: float = 60) -> None:
        """RUNNING, STOPPED or RUN_ONCE. Waits while the processor ends its last task: NiFi calls it stopped
        then, and still refuses to start it.
        """

        def accepted() -> bool:
            revision = self.processor(number)["revision"]
            try:
                self.ask("PUT", f"/processors/{number}/run-status", {"revision": revision, "state": state})
            except NiFiError as error:
                if error.status == 409 and "STOPPING" in str(error):
                    return False
                raise
            return True

        self.until(accepted, patience, f"a processor to become {state}")

    def run_once(self, number: str, patience: float = 60) -> None:
        """Let a processor run once, schedule or not; waits until it is stopped again.

        A processor whose settings were changed a moment ago is sometimes never run: one that has not begun
        after a third of the patience is asked again.
        """

        def stopped() -> bool:
            return bool(self.processor(number)["component"]["state"] == "STOPPED")

        def begun() -> bool:
            seen = self.processor(number)["status"]["aggregateSnapshot"]
            return bool(seen["activeThreadCount"] or seen["taskCount"] != before)

        for last in (False, False, True):
            self.wait_valid_one(number)
            before = self.processor(number)["status"]["aggregateSnapshot"]["taskCount"]
            self.set_processor(number, "RUN_ONCE")
            try:
                self.until(stopped, patience / 3, "a processor to run")
            except NiFiError:
                if begun():
                    self.until(stopped, patience, "a processor to end its task")
                elif last:
                    raise
                else:
                    self.set_processor(number, "STOPPED")
                    self.until(stopped, patience, "a processor to stop")
                    continue
            return

    def wait_valid(self, group: str, patience: float = 120) -> None:
        """Wait until all processors of a group are valid; NiFiError says why one is not."""

        def faults() -> list[str]:
            return [
                f"{name}: {one['validationStatus']} {one.get('validationErrors')}"
                for name, entry in self.processors(group).items()
                if (one := entry["component"])["validationStatus"] != "VALID"
            ]

        try:
            self.until(lambda: not faults(), patience, "valid processors", pause=1)
        except NiFiError as error:
            raise NiFiError(f"{error}: {'; '.join(faults())}") from None

    def wait_valid_one(self, number: str, patience: float = 120) -> None:
        """Wait until one processor is valid."""
        self.until(
            lambda: self.processor(number)["component"]["validationStatus"] == "VALID", patience, "a verdict"
        )

    def until(self, true: Callable[[], bool], patience: float, what: str, pause: float = 0.3) -> None:
        """Wait until something is true; NiFiError when that takes too long."""
        end = time.monotonic() + patience
        while not true():
            if time.monotonic() > end:
                raise NiFiError(f"waited {patience:.0f} s for {what} in vain")
            time.sleep(pause)

    # -- flow definitions
    # -----------------------------------------------------------------------------------------------

    def upload(self, name: str, definition: bytes, parent: str = "root", x: float = 0) -> str:
        """Import a flow definition as a new group, `x` to the right of the middle; its id."""
        mark = uuid.uuid4().hex
        fields = {"groupName": name, "positionX": str(x), "positionY": "0", "clientId": "headrace"}
        fields["disconnectedNodeAcknowledged"] = "false"
        parts = [
            f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in fields.items()
        ]
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="flow.json"\r\n'
        parts.append(head.encode() + b"Content-Type: application/json\r\n\r\n" + definition + b"\r\n")
        body = b"".join(parts) + f"--{mark}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        path = f"/process-groups/{parent}/process-groups/upload"
        return str(json.loads(self._send("POST", path, body, kind))["id"])

    def download(self, group: str) -> Any:
        """The flow definition of a group."""
        return self.ask("GET", f"/process-groups/{group}/download?includeReferencedServices=true")

    # -- inside
    # -----------------------------------------------------------------------------------------------

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
        known = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        request = urllib.request.Request(  # noqa: S310 -- the address is the server's own
            self.url + path, method=method, data=body, headers={**headers, **known}
        )
        try:
            with self._opener.open(request, timeout=self.patience) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            reason = error.read().decode(errors="replace")[:800]
            raise NiFiError(f"{method} {path}: {error.code} {reason}", error.code) from None
        except OSError as error:
            raise NiFiError(f"{method} {self.url}{path}: no answer: {error}") from error
