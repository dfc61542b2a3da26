"""A processor under test: flow files go in, and what comes out of every relationship is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.nifi import flows

from stack.nifi import Rest

TEMPLATES = Path(__file__).resolve().parents[2] / "nifi-templates"
NEVER = "0 0 0 1 1 ?"
"""A schedule of the new year's midnight."""

RECORDS = ("PartitionRecords", "HashKeys")

FlowFile = tuple[dict[str, str], bytes]


@dataclass
class Bench:
    """One processor in a group of its own, each relationship to a queue that nobody empties."""

    rest: Rest
    group: str
    processor: str
    feeder: str
    queues: dict[str, str]
    into: str

    def feed(self, content: str = "", attributes: Mapping[str, str] | None = None) -> None:
        """Put one flow file into the processor's queue."""
        rest = self.rest
        known = rest.processor(self.feeder)["component"]["config"]["properties"]
        gone = {
            name: None for name in known if name.startswith("test.") or name in ("filename", "absolute.path")
        }
        given = {"generate-ff-custom-text": content or None, "File Size": "0B", **gone, **(attributes or {})}
        rest.change(self.feeder, {"config": {"properties": given}})
        rest.run_once(self.feeder)

    def run(self, flow_files: int = 1, patience: float = 90) -> dict[str, list[FlowFile]]:
        """Let the processor work until it has taken so many flow files; what waits at its relationships."""
        rest = self.rest

        def idle() -> bool:
            return sum(
                rest.queued(self.group).get(("feeder", "success"), 0) for _ in (1,)
            ) == 0 and not rest.active(self.group)

        rest.set_processor(self.processor, "RUNNING")
        rest.until(idle, patience, "the processor to do its work")
        rest.set_processor(self.processor, "STOPPED")
        rest.until(lambda: rest.processor(self.processor)["component"]["state"] == "STOPPED", 60, "a stop")
        return {name: rest.waiting(queue) for name, queue in self.queues.items()}

    def start_anew(self) -> None:
        """Stop the processor, if it runs, and start it."""
        self.rest.set_processor(self.processor, "STOPPED")
        self.rest.wait_valid_one(self.processor)
        self.rest.set_processor(self.processor, "RUNNING")

    def said(self) -> str:
        """What is known of the processor when a test waited for it in vain."""
        one = self.rest.processor(self.processor)
        part, status = one["component"], one["status"]["aggregateSnapshot"]
        errors = [
            attributes.get("headrace.error") for attributes, _ in self.rest.waiting(self.queues["failure"])
        ]
        return (
            f"{part['state']}, {part['validationStatus']} {part.get('validationErrors') or ''}, "
            f"tasks {status['taskCount']}, threads {status['activeThreadCount']}, "
            f"queues {self.rest.queued(self.group)}, errors {errors}, bulletins {self.rest.bulletins()}"
        )

    def counts(self) -> dict[str, int]:
        """How many flow files wait at each relationship that has any."""
        found = {
            name: count
            for (source, name), count in self.rest.queued(self.group).items()
            if source == "tested"
        }
        return {name: count for name, count in found.items() if count}


def bench(rest: Rest, kind: str, properties: Mapping[str, str | None]) -> Bench:
    """A processor of this kind, valid, with a queue before it and one behind each of its relationships."""
    group = rest.make_group(f"test {kind}")
    feeder = rest.make_processor(group, "GenerateFlowFile", "feeder", schedulingPeriod="1 day")
    given: dict[str, Any] = dict(properties)
    if kind in RECORDS:
        given["Record Reader"] = rest.make_service(group, "JsonTreeReader", "reader")
        given["Record Writer"] = rest.make_service(group, "JsonRecordSetWriter", "writer")
        rest.set_services(group, "ENABLED")
    processor = rest.make_processor(group, kind, "tested", given)
    names = [one["name"] for one in rest.processor(processor)["component"]["relationships"]]
    into = rest.connect(group, feeder, processor, ["success"])
    queues = {}
    for name in names:
        sink = rest.make_processor(group, "LogAttribute", f"sink {name}", terminate=["success"])
        queues[name] = rest.connect(group, processor, sink, [name])
    rest.wait_valid(group)
    return Bench(rest, group, processor, feeder, queues, into)


def only_by_hand(rest: Rest, group: str) -> None:
    """Let no clock start anything in a group while a test counts."""
    for entry in rest.processors(group).values():
        if entry["component"]["config"]["schedulingStrategy"] == "CRON_DRIVEN":
            rest.change(entry["id"], {"config": {"schedulingPeriod": NEVER}})


def same_flow(rest: Rest, server: flows.Server, group: str, name: str, folder: Path) -> bool:
    """Whether a group that has run is still the flow of its template: all but the values of parameters, and what
    tests change of pauses and schedules.
    """
    template = flows.read(TEMPLATES / f"{name}.json")
    schedules = {
        one["name"]: one["schedulingPeriod"]
        for one in template["flowContents"]["processors"]
        if one["schedulingStrategy"] == "CRON_DRIVEN"
    }
    rest.set_group(group, "STOPPED")
    rest.until(lambda: not rest.active(group), 60, "the flow to stop")
    for label, entry in rest.processors(group).items():
        if label in schedules:
            rest.change(entry["id"], {"config": {"schedulingPeriod": schedules[label]}})
        if entry["component"]["config"]["penaltyDuration"] == "1 sec":
            rest.change(entry["id"], {"config": {"penaltyDuration": "30 sec"}})
    file = folder / f"{name}-after.json"
    flows.export_flow(server, group, file)
    texts = []
    for definition in (flows.read(file), template):
        for context in definition["parameterContexts"].values():
            for parameter in context["parameters"]:
                parameter["value"] = None
        texts.append(flows.text_of(definition))
    return texts[0] == texts[1]
