"""A DAG for the tests: crash in C, where a call into Headrace would be."""

from __future__ import annotations

from airflow.sdk import DAG, task

with DAG("crash", schedule=None) as dag:

    @task
    def crash() -> None:
        """Read from address 0."""
        import ctypes

        from headrace.airflow.guard import airflow_errors

        with airflow_errors():
            ctypes.string_at(0)

    crash()
