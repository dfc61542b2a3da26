"""Mails on how a DAG run or a task went, with the receipt in them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow.providers.smtp.notifications.smtp import SmtpNotifier

from headrace.airflow import receipts

if TYPE_CHECKING:
    from airflow.sdk import Context

EVERY_RUN = "every run"
RUNS_WITH_RECORDS = "runs that read records"
TROUBLE = "failures and rejected records"
MAIL_CHOICES = (EVERY_RUN, RUNS_WITH_RECORDS, TROUBLE)
"""What the DAG param ``mail`` may say; failures are always mailed."""


@dataclass(frozen=True)
class Story:
    """What a mail tells, collected from the context of a callback."""

    dag_id: str
    run_id: str
    failed: bool
    reason: str = ""
    failed_tasks: tuple[str, ...] = ()
    receipt: Mapping[str, Any] | None = None
    dead_letters: Mapping[str, Any] | None = None
    link: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


def subject(story: Story) -> str:
    """The subject line: what happened first, then where."""
    if story.failed:
        return f"[FAILED] {story.dag_id}: {', '.join(story.failed_tasks) or 'run failed'}"
    if story.receipt is None:
        return f"[ok] {story.dag_id}"
    rejected = int(story.receipt["rejected"])
    if rejected:
        return f"[{rejected:,} rejected] {story.dag_id}: {int(story.receipt['loaded']):,} records loaded"
    return f"[ok] {story.dag_id}: {int(story.receipt['loaded']):,} records loaded"


def body(story: Story) -> str:
    """The mail as HTML: what happened, the receipt, why records were rejected, what to do. All escaped."""
    parts = [f"<h3>{html.escape(story.dag_id)}: {'failed' if story.failed else 'succeeded'}</h3>"]
    if story.failed:
        tasks = ", ".join(story.failed_tasks)
        shown = html.escape(tasks or "see the run")
        parts.append(f"<p>Failed tasks: <b>{shown}</b>. {html.escape(story.reason)}</p>")
        parts.append(
            "<p>Nothing is half-loaded: rows and offsets are committed together, and the next run goes on "
            "where this one stopped.</p>"
        )
    if story.receipt is not None:
        parts.append(receipts.as_html(story.receipt))
    if story.dead_letters:
        parts.append(_rejects(story.dead_letters))
    if story.more:
        parts.append(receipts.html_table(("", ""), story.more.items()))
    parts.append(f"<p>Run: {html.escape(story.run_id)}</p>")
    if story.link:
        address = html.escape(story.link, quote=True)
        parts.append(f'<p><a href="{address}">{address}</a></p>')
    return "\n".join(parts)


def _rejects(letters: Mapping[str, Any]) -> str:
    """Examples of rejected records and the command that replays them."""
    names = ("reason", "column_name", "value", "message", "topic", "partition", "offset")
    rows = [
        [str(example.get(name)) if example.get(name) is not None else "" for name in names]
        for example in letters.get("examples") or []
    ]
    parts = ["<p>Rejected records are kept in <b>headrace.dead_letters</b>. Examples:</p>"] if rows else []
    if rows:
        parts.append(
            receipts.html_table(
                ("Reason", "Column", "Value", "Message", "Topic", "Partition", "Offset"), rows
            )
        )
    if letters.get("replay"):
        parts.append(f"<p>When mended: <code>{html.escape(str(letters['replay']))}</code></p>")
    return "\n".join(parts)


class ReceiptNotifier(SmtpNotifier):
    """The SmtpNotifier of the smtp provider, with subject and body made from the run's receipt.

    For ``on_success_callback`` and ``on_failure_callback`` of a DAG or a task. Values from the data are
    escaped and never seen by the template engine. When the DAG has a param ``mail``, it decides which
    successful runs are worth a mail (see ``MAIL_CHOICES``); failures are always mailed.

    :param to: who gets the mail
    :param failed: whether this tells of a failure
    :param receipt_task_ids: tasks whose XCom is a receipt; several are summed
    :param dead_letters_task_id: task whose XCom is the report on rejected records
    :param more_task_id: task whose XCom is a mapping of what else to tell, by its name
    :param smtp_conn_id: connection of type ``smtp``; its ``from_email`` is the sender
    """

    def __init__(
        self,
        to: str | Iterable[str],
        *,
        failed: bool,
        receipt_task_ids: Iterable[str] = (),
        dead_letters_task_id: str | None = None,
        more_task_id: str | None = None,
        smtp_conn_id: str = "smtp_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(to=to, smtp_conn_id=smtp_conn_id, subject="", html_content="", **kwargs)
        self.failed = failed
        self.receipt_task_ids = tuple(receipt_task_ids)
        self.dead_letters_task_id = dead_letters_task_id
        self.more_task_id = more_task_id

    def notify(self, context: Context) -> None:
        """Send the mail, unless the DAG's param ``mail`` says that this run is not worth one."""
        story = self.story(context)
        if not worth_a_mail(story, (context.get("params") or {}).get("mail")):
            self.log.info("No mail: the param 'mail' asks for none on this run.")
            return
        self.subject = subject(story)
        self.html_content = body(story)
        super().notify(context)

    def story(self, context: Context) -> Story:
        """What the context knows about the run; what is missing is left out, and the mail goes."""
        values: Mapping[str, Any] = context
        ti = values.get("ti")
        dag_run = values.get("dag_run")
        dag = values.get("dag")
        run_id = str(values.get("run_id") or getattr(dag_run, "run_id", "") or "")
        return Story(
            dag_id=str(getattr(dag, "dag_id", "") or getattr(ti, "dag_id", "")),
            run_id=run_id,
            failed=self.failed,
            reason=str(values.get("reason") or values.get("exception") or ""),
            failed_tasks=self._failed_tasks(ti, run_id) if self.failed else (),
            receipt=self._receipt(ti),
            dead_letters=self._pull(ti, self.dead_letters_task_id) if self.dead_letters_task_id else None,
            link=self._link(ti, dag, run_id),
            more=(self._pull(ti, self.more_task_id) or {}) if self.more_task_id else {},
        )

    def _receipt(self, ti: Any) -> dict[str, Any] | None:
        found = [value for task_id in self.receipt_task_ids if (value := self._pull(ti, task_id))]
        if not found:
            return None
        return found[0] if len(found) == 1 else receipts.combine(found)

    def _pull(self, ti: Any, task_id: str) -> Any:
        """The XCom of a task, or None: a task that did not run has none, and a mail goes out all the same."""
        if ti is None:
            return None
        try:
            value = ti.xcom_pull(task_ids=task_id, map_indexes=None)
        except Exception as error:
            self.log.warning("The mail goes without the result of %s: %s", task_id, error)
            return None
        return value if isinstance(value, Mapping) else None

    def _failed_tasks(self, ti: Any, run_id: str) -> tuple[str, ...]:
        if ti is None:
            return ()
        try:
            states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[run_id]).get(run_id, {})
        except Exception as error:
            self.log.warning("The mail goes without the names of the failed tasks: %s", error)
            return (ti.task_id,) if getattr(ti, "task_id", None) else ()
        return tuple(sorted(task for task, state in states.items() if str(state) == "failed"))

    @staticmethod
    def _link(ti: Any, dag: Any, run_id: str) -> str:
        from urllib.parse import quote

        from airflow.sdk.configuration import conf

        base = conf.get("api", "base_url", fallback="")
        dag_id = getattr(dag, "dag_id", None) or getattr(ti, "dag_id", None)
        if not base or not dag_id:
            return ""
        return f"{base.rstrip('/')}/dags/{quote(str(dag_id))}/runs/{quote(run_id)}"


def worth_a_mail(story: Story, choice: str | None) -> bool:
    """Whether a run is mailed: failures always, successes as the DAG's param ``mail`` says."""
    if story.failed or choice not in (RUNS_WITH_RECORDS, TROUBLE):
        return True
    if story.receipt is None:
        return False
    return int(story.receipt["rejected" if choice == TROUBLE else "read"]) > 0
