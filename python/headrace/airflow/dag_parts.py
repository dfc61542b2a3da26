"""What the example DAGs have in common: whom a run belongs to, and the mails that it ends with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import Param

from headrace.airflow.notifications.smtp import MAIL_CHOICES, ReceiptNotifier

SMTP = "headrace_smtp"
TEAM = "data-team"
ADDRESS = "data-team@example.com"


def owned(retries: int = 2, retry_delay: timedelta = timedelta(seconds=10), **more: Any) -> dict[str, Any]:
    """Arguments of a DAG: its owner, and the retries of its tasks. more: other default_args."""
    return {
        "owner_links": {TEAM: f"mailto:{ADDRESS}"},
        "default_args": {"owner": TEAM, "retries": retries, "retry_delay": retry_delay, **more},
    }


def mailed(receipt_task_ids: Sequence[str], **more: Any) -> dict[str, Any]:
    """Arguments of a DAG: a mail when a run has ended, as the params of mail_params say.

    receipt_task_ids: the tasks that return receipts; more: of ReceiptNotifier
    """

    def mail(failed: bool) -> ReceiptNotifier:
        return ReceiptNotifier(
            to="{{ params.mail_to }}",
            failed=failed,
            receipt_task_ids=receipt_task_ids,
            smtp_conn_id=SMTP,
            **more,
        )

    return {"on_success_callback": mail(failed=False), "on_failure_callback": mail(failed=True)}


def mail_params(default: str, failures: str = "Failures are always mailed.") -> dict[str, Param]:
    """The params `mail`, which successful runs are worth one, and `mail_to`."""
    return {
        "mail": Param(
            default,
            type="string",
            enum=list(MAIL_CHOICES),
            title="Mail on",
            description=f"Which successful runs are worth a mail. {failures}",
        ),
        "mail_to": Param(
            os.environ.get("HEADRACE_MAIL_TO", ADDRESS), type="string", format="email", title="Mail to"
        ),
    }


def max_seconds_param(title: str = "Seconds at most") -> Param:
    """How long a load reads."""
    return Param(
        600,
        type=["null", "integer"],
        minimum=1,
        maximum=86_400,
        title=title,
        description="Stop reading after this time; the next run goes on there. Empty: no limit.",
    )


def count_param(default: int, title: str, description: str, most: int = 64) -> Param:
    """A number of threads, tasks or seconds, from 1 up."""
    return Param(default, type="integer", minimum=1, maximum=most, title=title, description=description)
