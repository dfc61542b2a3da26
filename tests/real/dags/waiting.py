"""A DAG for the tests: wait in the triggerer until a topic has records, then load them."""

from __future__ import annotations

from airflow.sdk import DAG, Param
from headrace.airflow.operators.load import HeadraceLoadOperator
from headrace.airflow.sensors.lag import HeadraceLagSensor

CONNECTIONS = {"postgres_conn_id": "headrace_postgres", "kafka_conn_id": "headrace_kafka"}

with DAG(
    "waiting",
    schedule=None,
    params={"topic": Param("", type="string"), "records": Param(1, type="integer")},
) as dag:
    wait = HeadraceLagSensor(
        task_id="wait",
        job="waiting",
        topic="{{ params.topic }}",
        min_records="{{ params.records }}",
        poke_interval=1,
        timeout=300,
        **CONNECTIONS,
    )
    load = HeadraceLoadOperator(
        task_id="load", job="waiting", topic="{{ params.topic }}", target="shop.purchases", **CONNECTIONS
    )
    wait >> load
