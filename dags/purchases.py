"""
### Purchases: Kafka to PostgreSQL, exactly once

Every 15 minutes, the new purchase events of a Kafka topic go into `shop.purchases`, a table partitioned by
ISO week.

| task | does |
|---|---|
| `plan` | checks table, topic and rights first; splits the topic's partitions into shares |
| `load` | one task a share: threads read, decode and `COPY`; rows and offsets commit together |
| `unfinished` | lists shares that failed for reasons that may pass; a lasting error ends the run here |
| `careful_load` | the fallback for these shares: one after the other, one thread, small transactions |
| `summary` | sums the receipts and checks them against the table, row by row counted |
| `rejects` | branches: are there rejected records? |
| `dead_letter_report` | why, three examples, and the command that replays them |
| `clean` | nothing was rejected |

**Catching up is safe.** What is read is bounded by offsets, not by the schedule: the offsets lie in the
target's database (`headrace.offsets`) and move in the same transaction as the rows. A run that is late, tried
again, cleared, started twice or killed half-way neither loses nor doubles anything; a missed run is made up
for by the next one.

**Bad records never stop a load.** They are kept in `headrace.dead_letters` with reason, column, value,
position and bytes. When table or sender are mended: `headrace dead-letters replay purchases`.

**Mail** goes out on success and on failure through the connection `headrace_smtp`; the param `mail` says how
often.
Connections: `headrace_postgres`, `headrace_kafka`, `headrace_smtp`.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, CronTriggerTimetable, Param, task
from headrace.airflow.dag_parts import count_param, mail_params, mailed, max_seconds_param, owned
from headrace.airflow.notifications.smtp import EVERY_RUN
from headrace.airflow.operators.load import HeadraceLoadOperator

log = logging.getLogger(__name__)

POSTGRES = "headrace_postgres"
KAFKA = "headrace_kafka"
JOB = "purchases"

purchases = Asset("shop.purchases")


with DAG(
    dag_id="purchases",
    dag_display_name="purchases",
    description="Kafka to the weekly partitions of shop.purchases, exactly once",
    doc_md=__doc__,
    # No start date: after unpausing, the next quarter of an hour is the first run. With catchup=True nothing
    # would go wrong either, but there is nothing to catch up: the first run reads all there is.
    schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    tags=["headrace", "kafka", "postgresql", "example"],
    **owned(),
    **mailed(["summary"], dead_letters_task_id="dead_letter_report"),
    params={
        "topic": Param(
            "purchases",
            type="string",
            pattern="^[A-Za-z0-9._-]{1,249}$",
            title="Topic",
            description="Kafka topic with one JSON document for each purchase.",
        ),
        "target": Param(
            "shop.purchases",
            type="string",
            pattern=r"^[^.\s]+\.[^.\s]+$",
            title="Table",
            description="Where the purchases go, as schema.table. Its definition says how events are read.",
        ),
        "mode": Param(
            "append",
            type="string",
            enum=["append", "upsert"],
            title="Mode",
            description="append keeps every event; upsert needs a primary key (sql/purchases/upsert.sql).",
        ),
        "max_records": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=10_000_000_000,
            title="Records at most, for each share",
            description="Stop after about this many; the next run goes on there. Empty: all there are.",
        ),
        "max_seconds": max_seconds_param(),
        "shares": count_param(
            2, "Shares", "Over how many tasks the topic's partitions are spread, on one machine or many."
        ),
        "workers": count_param(1, "Threads of each share", "Each has a database connection of its own."),
        "batch_records": count_param(
            50_000,
            "Records a transaction",
            "More is faster, up to a point; less holds locks for a shorter time.",
            most=1_000_000,
        ),
        "count_rows": Param(
            True,
            type="boolean",
            title="Count the table",
            description="Count the table before and after, and compare. Turn off when that takes too long.",
        ),
        **mail_params(EVERY_RUN),
    },
) as dag:

    @task(doc_md="Check first, then split the partitions of the topic into shares.")
    def plan(params: dict[str, Any], ti: Any) -> list[list[int]]:
        """Return the shares, and leave the state of the table before the run as XCom `account`."""
        import headrace
        from headrace.airflow import lag
        from headrace.airflow.accounts import open_account
        from headrace.airflow.guard import airflow_errors
        from headrace.airflow.hooks.headrace import HeadraceHook

        hook = HeadraceHook(POSTGRES, KAFKA, application_name="headrace purchases.plan")
        dsn, kafka = hook.dsn(), hook.kafka()
        topic, target = params["topic"], params["target"]
        with airflow_errors():
            headrace.migrations.apply(dsn)
            checked = headrace.plan(
                f"kafka://{topic}", target, dsn=dsn, kafka=kafka, job=JOB, mode=params["mode"]
            )
            log.info("%s", checked)
            shares = lag.shares(lag.measure(JOB, topic, dsn, kafka), params["shares"])
        with hook.get_conn() as conn:
            account = open_account(conn, JOB, topic, target, count_rows=params["count_rows"])
        ti.xcom_push(key="account", value=account)
        return shares

    settings: dict[str, Any] = {
        "target": "{{ params.target }}",
        "topic": "{{ params.topic }}",
        "job": JOB,
        "mode": "{{ params.mode }}",
        "max_records": "{{ params.max_records }}",
        "max_seconds": "{{ params.max_seconds }}",
        "postgres_conn_id": POSTGRES,
        "kafka_conn_id": KAFKA,
        "map_index_template": "partitions {{ task.partitions | join(', ') }}",
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=5),
    }

    shares = plan()

    load = HeadraceLoadOperator.partial(
        task_id="load",
        workers="{{ params.workers }}",
        batch_records="{{ params.batch_records }}",
        retries=3,
        **settings,
    ).expand(partitions=shares)

    @task(trigger_rule="all_done", retries=0, doc_md="Which shares are still to be loaded? Usually none.")
    def unfinished(ti: Any) -> list[list[int]]:
        """Return the shares that `load` could not load for reasons that may pass.

        :raises AirflowFailException: when the plan failed, or a share failed for a reason that lasts.
        """
        from airflow.sdk.exceptions import AirflowFailException
        from headrace.airflow.operators.base import LASTING_ERROR

        planned = ti.xcom_pull(task_ids="plan")
        if planned is None:
            raise AirflowFailException("There is no plan; see the log of the task plan.")
        indexes = list(range(len(planned)))
        lasting = [e for e in ti.xcom_pull(task_ids="load", key=LASTING_ERROR, map_indexes=indexes) if e]
        if lasting:
            raise AirflowFailException(f"Trying again or with more care would not help: {lasting[0]}")
        receipts = ti.xcom_pull(task_ids="load", map_indexes=indexes)
        return [share for share, receipt in zip(planned, receipts, strict=True) if receipt is None]

    # The fallback: where a database is short of connections or memory, or a connection does not last, one
    # thread with small transactions still gets through. Shares that were loaded are not touched; without
    # unfinished ones this is skipped.
    careful_load = HeadraceLoadOperator.partial(
        task_id="careful_load",
        workers=1,
        batch_records=2_000,
        retries=2,
        max_active_tis_per_dagrun=1,
        **settings,
    ).expand(partitions=(left := unfinished()))

    @task(
        trigger_rule="none_failed",
        retries=0,
        outlets=[purchases],
        show_return_value_in_logs=False,
        doc_md="Sum the receipts, and check them against the table and the offsets.",
    )
    def summary(ti: Any, outlet_events: Any) -> dict[str, Any]:
        """Return the sum of all receipts of this run.

        :raises AirflowFailException: when anything does not add up.
        """
        from airflow.sdk.exceptions import AirflowFailException
        from headrace.airflow import receipts
        from headrace.airflow.accounts import close_account
        from headrace.airflow.hooks.headrace import HeadraceHook

        seen = []
        for task_id, planned in (("load", "plan"), ("careful_load", "unfinished")):
            indexes = list(range(len(ti.xcom_pull(task_ids=planned) or [])))
            seen += [r for r in ti.xcom_pull(task_ids=task_id, map_indexes=indexes) if r] if indexes else []
        with HeadraceHook(POSTGRES, KAFKA).get_conn() as conn:
            total = close_account(conn, ti.xcom_pull(task_ids="plan", key="account"), seen)
        log.info("%s", receipts.text(total))
        if total["faults"]:
            raise AirflowFailException("The books do not balance: " + "; ".join(total["faults"]))
        outlet_events[purchases].extra = {
            name: total[name] for name in (*receipts.COUNTS, "seconds", "job", "target")
        }
        return total

    @task.branch(retries=0, doc_md="Go to the report when records were rejected.")
    def rejects(ti: Any) -> str:
        """Return the task to go on with."""
        return "dead_letter_report" if ti.xcom_pull(task_ids="summary")["rejected"] else "clean"

    @task(
        show_return_value_in_logs=False,
        doc_md="Why records were rejected, three examples, and the command that replays them.",
    )
    def dead_letter_report(ti: Any) -> dict[str, Any]:
        """Return counts by reason, examples, and the command."""
        from headrace.airflow import receipts
        from headrace.airflow.accounts import dead_letter_report as report
        from headrace.airflow.hooks.headrace import HeadraceHook

        total = ti.xcom_pull(task_ids="summary")
        with HeadraceHook(POSTGRES, KAFKA).get_conn() as conn:
            letters = report(conn, JOB, total["runs"])
        log.info("%s", receipts.letters_text(letters))
        return letters

    clean = EmptyOperator(task_id="clean", doc_md="Nothing was rejected.")

    load >> left
    [left, careful_load] >> (total := summary())
    total >> (branch := rejects()) >> [dead_letter_report(), clean]
