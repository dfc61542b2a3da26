"""Drives the example DAGs through Airflow's REST API, as a person would with the buttons, and tells what came
of it.

Progress goes to the log; the tables and the JSON line of `make demo` are made from what `run` returns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from headrace.airflow import accounts, receipts

from stack.airflow import USER, ApiError, Client
from stack.services import SHOP, Stack

log = logging.getLogger(__name__)

JOB = "purchases"
TARGET = "shop.purchases"
DAGS = ("purchases_data", "dictionaries", "purchases")
"""In the order of the demo."""

ENDED = ("success", "failed")


class JobFailed(RuntimeError):
    """A DAG run did not succeed; the message has its failed tasks and the end of their logs."""


class Jobs:
    """The DAGs of a running Airflow."""

    def __init__(self, client: Client, say: Callable[[str], None] = log.info) -> None:
        self._client = client
        self._say = say

    def known(self, dag_id: str, patience: float = 120) -> None:
        """Wait until Airflow has read a DAG.

        :raises JobFailed: when it could not be read, with the error
        """
        end = time.monotonic() + patience
        while True:
            try:
                self._client.request("GET", f"/api/v2/dags/{dag_id}")
                return
            except ApiError as error:
                if error.status != 404:
                    raise
            errors = self._client.request("GET", "/api/v2/importErrors")["import_errors"]
            if errors:
                raise JobFailed(f"Airflow cannot read {errors[0]['filename']}:\n{errors[0]['stack_trace']}")
            if time.monotonic() > end:
                raise JobFailed(f"Airflow has not found the DAG {dag_id} within {patience:.0f} s")
            time.sleep(1)

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run, by schedule too."""
        self._client.request("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def trigger(self, dag_id: str, params: Mapping[str, Any] | None = None) -> str:
        """Start a run with these params; its id."""
        body = {"logical_date": None, "conf": dict(params or {})}
        return str(self._client.request("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        """The state of a run: queued, running, success or failed."""
        return str(self._client.request("GET", self._path(dag_id, run_id))["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        answer = self._client.request("GET", self._path(dag_id, run_id) + "/taskInstances?limit=1000")
        return list(answer["task_instances"])

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task returned, or None."""
        path = (
            f"{self._path(dag_id, run_id)}/taskInstances/{task_id}/xcomEntries/return_value?deserialize=true"
        )
        try:
            return self._client.request("GET", path)["value"]
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def wait(self, dag_id: str, run_id: str, patience: float = 3600) -> None:
        """Wait for the end of a run, telling each task that ends.

        :raises JobFailed: when the run fails, or has not ended in time
        """
        end = time.monotonic() + patience
        told: dict[tuple[str, int], str] = {}
        while True:
            state = self.state(dag_id, run_id)
            for task in self.tasks(dag_id, run_id):
                self._tell(dag_id, task, told)
            if state in ENDED:
                break
            if time.monotonic() > end:
                raise JobFailed(f"{dag_id} has not ended after {patience:.0f} s; it is {state}")
            time.sleep(1)
        if state == "failed":
            raise JobFailed(self.why_failed(dag_id, run_id))

    def run(self, dag_id: str, params: Mapping[str, Any] | None = None, patience: float = 3600) -> str:
        """Trigger a run and wait for its end; its id."""
        run_id = self.trigger(dag_id, params)
        self.wait(dag_id, run_id, patience)
        return run_id

    def settle(self, dag_id: str, patience: float = 3600) -> None:
        """Wait until no run of a DAG is queued or running: the schedule may have started one beside ours."""
        end = time.monotonic() + patience
        path = f"/api/v2/dags/{dag_id}/dagRuns?state=running&state=queued"
        while self._client.request("GET", path)["total_entries"]:
            if time.monotonic() > end:
                raise JobFailed(f"{dag_id} still runs after {patience:.0f} s")
            time.sleep(1)

    def why_failed(self, dag_id: str, run_id: str) -> str:
        """The failed tasks of a run with the end of their logs."""
        parts = [f"the run {run_id} of {dag_id} failed"]
        for task in self.tasks(dag_id, run_id):
            if task["state"] == "failed":
                parts.append(
                    f"{task['task_id']}, try {task['try_number']}:\n{self._log_end(dag_id, run_id, task)}"
                )
        return "\n\n".join(parts)

    def _log_end(self, dag_id: str, run_id: str, task: Mapping[str, Any], lines: int = 15) -> str:
        path = (
            f"{self._path(dag_id, run_id)}/taskInstances/{task['task_id']}/logs/{task['try_number']}"
            f"?map_index={task['map_index']}&full_content=true"
        )
        content = self._client.request("GET", path)["content"]
        texts = [str(entry.get("event", "")) if isinstance(entry, dict) else str(entry) for entry in content]
        errors = [
            f"{detail.get('exc_type')}: {detail.get('exc_value')}"
            for entry in content
            if isinstance(entry, dict)
            for detail in entry.get("error_detail") or []
        ]
        return "\n".join(f"  {line}" for text in [*texts[-lines:], *errors] for line in text.splitlines())

    def _tell(self, dag_id: str, task: Mapping[str, Any], told: dict[tuple[str, int], str]) -> None:
        key, state = (task["task_id"], task["map_index"]), str(task["state"])
        if told.get(key) == state:
            return
        told[key] = state
        name = f"{dag_id}.{task['task_id']}" + (f"[{task['map_index']}]" if task["map_index"] >= 0 else "")
        if state == "success":
            self._say(f"{name}: done in {float(task['duration'] or 0):.1f} s")
        elif state in ("failed", "up_for_retry"):
            self._say(f"{name}: {'will be tried again' if state == 'up_for_retry' else 'FAILED'}")

    @staticmethod
    def _path(dag_id: str, run_id: str) -> str:
        return f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}"


def run(stack: Stack, purchases: int = 1_000_000, bad_per_million: int = 1_000) -> dict[str, Any]:
    """Generate purchases, refresh the dictionaries, load: through Airflow, on running services.

    :return: the sum of all receipts of the job since the start, with ``dead_letters`` (a report), ``weeks``
        (rows by partition), ``dictionaries`` (their receipts), and ``generated``
    :raises JobFailed: when a run fails or the books do not balance
    """
    jobs = Jobs(stack.airflow.client())
    for dag_id in DAGS:
        jobs.known(dag_id)
        jobs.unpause(dag_id)
    with stack.postgres.connect(SHOP) as conn:
        since = accounts.now(conn)
    log.info(
        "Generating %s purchases, of which %s in a million are bad.", f"{purchases:,}", f"{bad_per_million:,}"
    )
    data_run = jobs.run("purchases_data", {"purchases": purchases, "bad_per_million": bad_per_million})
    log.info("Refreshing the dictionaries.")
    dictionary_run = jobs.run("dictionaries")
    log.info("Loading the purchases.")
    jobs.run("purchases")
    jobs.settle("purchases")
    with stack.postgres.connect(SHOP) as conn:
        written = accounts.receipts_since(conn, JOB, TARGET, since)
        total = receipts.combine(written)
        total["seconds"] = accounts.seconds(conn, [receipt["run_id"] for receipt in written])
        total["receipt_list"] = written
        total["dead_letters"] = accounts.dead_letter_report(conn, JOB, [r["run_id"] for r in written])
        total["weeks"] = accounts.partitions(conn, TARGET)
    total["job"] = JOB
    total["generated"] = jobs.xcom("purchases_data", data_run, "generate")
    total["dictionaries"] = [
        jobs.xcom("dictionaries", dictionary_run, name) for name in ("customers", "products")
    ]
    check(total)
    return total


def check(total: Mapping[str, Any]) -> None:
    """Hold what was loaded against what was generated.

    :raises JobFailed: when the receipts do not balance, or say something else than the generator expects
    """
    if not receipts.balances(total):
        raise JobFailed(f"the books do not balance: {receipts.headline(total)}")
    generated = total["generated"]
    if total["read"] < generated["records"]:
        raise JobFailed(f"{generated['records']:,} purchases were sent, but {total['read']:,} were read")
    expected = generated["expected"]
    if total["read"] > generated["records"]:
        return  # there were others in the topic already
    for name in ("loaded", "rejected"):
        if total[name] != expected[name]:
            raise JobFailed(f"{expected[name]:,} purchases should be {name}, but {total[name]:,} are")


def report(stack: Stack, total: Mapping[str, Any]) -> str:
    """What `make demo` prints before its JSON line."""
    loaded: Mapping[str, int] = total["tables"]
    weeks = [(name, rows, loaded.get(name, 0)) for name, rows in total["weeks"].items()]
    weeks.append(("all", sum(rows for _, rows, _ in weeks), sum(new for _, _, new in weeks)))
    runs = [
        (
            r["run_id"],
            r["started_at"][:19],
            r["state"],
            r["read"],
            r["loaded"],
            r["rejected"],
            r["skipped"],
            r["seconds"],
        )
        for r in total["receipt_list"]
    ]
    names = ("receipt", "started", "state", "read", "loaded", "rejected", "skipped", "seconds")
    airflow = stack.airflow
    parts = [
        "PARTITIONS\n" + receipts.grid(("table", "rows", "of them now"), weeks),
        "RECEIPTS (headrace.receipts)\n" + receipts.grid(names, runs),
        *(receipts.headline(receipt) for receipt in total["dictionaries"] if receipt),
        receipts.headline(total),
        "REJECTED (headrace.dead_letters)\n" + receipts.letters_text(total["dead_letters"]),
        'the command finds the services after: eval "$(.venv/bin/python -m stack env)"',
        f"AIRFLOW\n{airflow.url}/dags/purchases\nuser {USER}, password {airflow.password}\n"
        f"mails are in {stack.mail.inbox}",
    ]
    return "\n\n".join(parts)


def line(total: Mapping[str, Any]) -> dict[str, Any]:
    """What goes into the JSON on the last line of `make demo`."""
    names = ("job", "target", "read", "loaded", "rejected", "skipped", "bytes", "seconds", "rejects")
    return {name: total.get(name) for name in names} | {
        "records_per_second": round(receipts.rate(total)),
        "partitions": len(total["weeks"]),
    }
