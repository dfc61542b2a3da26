"""A DAG for the tests: replay the dead letters of `purchases`."""

from __future__ import annotations

from airflow.sdk import DAG
from headrace.airflow.operators.replay import HeadraceReplayOperator

with DAG("mend", schedule=None) as dag:
    HeadraceReplayOperator(task_id="replay", job="purchases", postgres_conn_id="headrace_postgres")
