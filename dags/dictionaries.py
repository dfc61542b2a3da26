"""
### Dictionaries: customers and products, daily

Brings `mart.customers` and `mart.products` up to date from the shop's operational tables
`shop.customers` and `shop.products`: new keys are inserted, known ones updated, by primary key. Keys that
are gone from the shop stay, so that old purchases keep their names. Running it twice changes nothing.

Source and target are two connections (`headrace_postgres` for both in the example); rows stream through the
worker in batches. Mail goes out on success and on failure through the connection `headrace_smtp`.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Asset, CronTriggerTimetable
from headrace.airflow.dag_parts import mail_params, mailed, owned
from headrace.airflow.notifications.smtp import EVERY_RUN
from headrace.airflow.operators.refresh import HeadraceRefreshOperator

SOURCE = "headrace_postgres"
TARGET = "headrace_postgres"
TABLES = ("customers", "products")


with DAG(
    dag_id="dictionaries",
    dag_display_name="dictionaries",
    description="Customers and products of the shop into the mart, by key",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("30 4 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["headrace", "postgresql", "example"],
    **owned(
        retries=3,
        retry_delay=timedelta(seconds=30),
        retry_exponential_backoff=2.0,
        max_retry_delay=timedelta(minutes=10),
    ),
    **mailed(TABLES),
    params=mail_params(EVERY_RUN),
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
