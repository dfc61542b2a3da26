"""
### Dictionaries: customers and products, daily

Brings `mart.customers` and `mart.products` up to date from the shop's operational tables
`shop.customers` and `shop.products`: new keys are inserted, known ones updated, by primary key. Keys that
are gone from the shop stay, so that old purchases keep their names. Running it twice changes nothing.

Source and target are two connections (`headrace_postgres` for both in the example); rows stream through the
worker in batches. Mail goes out on success and on failure through the connection `headrace_smtp`.
"""

from __future__ import annotations

import os
from datetime import timedelta

from airflow.sdk import DAG, Asset, CronTriggerTimetable, Param
from headrace.airflow.notifications.smtp import EVERY_RUN, MAIL_CHOICES, ReceiptNotifier
from headrace.airflow.operators.refresh import HeadraceRefreshOperator

SOURCE = "headrace_postgres"
TARGET = "headrace_postgres"
SMTP = "headrace_smtp"
TABLES = ("customers", "products")


def mail(failed: bool) -> ReceiptNotifier:
    """The mail that a run ends with."""
    return ReceiptNotifier(
        to="{{ params.mail_to }}", failed=failed, receipt_task_ids=TABLES, smtp_conn_id=SMTP
    )


with DAG(
    dag_id="dictionaries",
    dag_display_name="dictionaries",
    description="Customers and products of the shop into the mart, by key",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("30 4 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["headrace", "postgresql", "example"],
    owner_links={"data-team": "mailto:data-team@example.com"},
    default_args={
        "owner": "data-team",
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=10),
    },
    on_success_callback=mail(failed=False),
    on_failure_callback=mail(failed=True),
    params={
        "mail": Param(
            EVERY_RUN,
            type="string",
            enum=list(MAIL_CHOICES),
            title="Mail on",
            description="Which successful runs are worth a mail. Failures are always mailed.",
        ),
        "mail_to": Param(
            os.environ.get("HEADRACE_MAIL_TO", "data-team@example.com"),
            type="string",
            format="email",
            title="Mail to",
        ),
    },
) as dag:
    for table in TABLES:
        HeadraceRefreshOperator(
            task_id=table,
            source_table=f"shop.{table}",
            target=f"mart.{table}",
            job=f"dictionaries.{table}",
            source_postgres_conn_id=SOURCE,
            postgres_conn_id=TARGET,
            outlets=[Asset(f"mart.{table}")],
            doc_md=f"Upsert `shop.{table}` into `mart.{table}`.",
        )
