"""A DAG for the tests: load files."""

from __future__ import annotations

from airflow.sdk import DAG, Param
from headrace.airflow.operators.load import HeadraceLoadOperator

with DAG("files", schedule=None, params={"files": Param("", type="string")}) as dag:
    HeadraceLoadOperator(
        task_id="load",
        files="{{ params.files }}",
        target="shop.purchases",
        postgres_conn_id="headrace_postgres",
    )
