"""
### Airports: change events to a Data Vault, verified

What changes in the airline's database goes into the vault of `sql/airports/vault.yaml`, and then the vault is
compared with the database it came from, row by row.

| task | does |
|---|---|
| `tables` | makes the tables of the vault that are missing |
| `load` | reads each table's topic to its end: hubs, links and satellites, exactly once |
| `verify` | rebuilds every source table from the vault and compares it with the source as it is then |
| `equal` | ends the run with a failure when anything differs |

**Changes wake it, the schedule is the net.** A trigger looks at the topics every 15 seconds; when one has
more than was loaded, a run starts. Should a wake-up be lost, the quarter of an hour starts one. What is read
is bounded by offsets in the vault's database, so a run too many or too few loses and doubles nothing.

**Loading twice is loading once.** Events carry their place in the source's log; what is there already changes
nothing, and what comes late lands where it belongs.

**The source may go on changing** while it is verified: one snapshot of it is compared with the events whose
transactions that snapshot sees.

**Mail** goes out on failure, and so on every difference, with the first of them in it; on success as the
param `mail` says. Connections: `headrace_vault` (the vault's database), `headrace_airports` (the source, to
read), `headrace_kafka`, `headrace_smtp`. Where the mapping names a schema registry with a user, its password
is read from `HEADRACE_REGISTRY_PASSWORD`. docs/airports.md explains the whole.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable, task
from headrace.airflow.dag_parts import count_param, mail_params, mailed, max_seconds_param, owned
from headrace.airflow.notifications.smtp import TROUBLE
from headrace.airflow.triggers.lag import HeadraceLagTrigger

log = logging.getLogger(__name__)

VAULT = "headrace_vault"
SOURCE = "headrace_airports"
KAFKA = "headrace_kafka"
MAPPING = Path(__file__).resolve().parent.parent / "sql" / "airports" / "vault.yaml"

WATCHED = ("bookings", "tickets", "ticket_flights", "flights")
"""Hardly anything happens at an airline that leaves these alone; the schedule is for the rest."""
SHOWN = 10
"""Differences that a mail shows."""

changes = Asset(
    "airports.changes",
    watchers=[
        AssetWatcher(
            name=f"airports.bookings.{table}",
            trigger=HeadraceLagTrigger(
                job=f"vault.{table}",
                topic=f"airports.bookings.{table}",
                poll_interval=15,
                wait_for_topic=True,  # Debezium makes it with the first event of the table
                postgres_conn_id=VAULT,
                kafka_conn_id=KAFKA,
            ),
        )
        for table in WATCHED
    ],
)
vault = Asset("vault.airports")


with DAG(
    dag_id="airports_vault",
    dag_display_name="airports_vault",
    description="Change events of the airline into a Data Vault, and the proof that it equals its source",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/15 * * * *", timezone="UTC"), assets=[changes]
    ),
    catchup=False,
    max_active_runs=1,
    tags=["headrace", "kafka", "postgresql", "data vault", "example"],
    **owned(),
    **mailed(["load"], more_task_id="verify"),
    params={
        "threads": count_param(
            2, "Tables side by side", "Each has a thread and a database connection of its own."
        ),
        "max_seconds": max_seconds_param("Seconds at most, for each table"),
        "patience": count_param(
            120,
            "Patience",
            "Seconds that verify waits for change capture to have sent what it compares.",
            most=86_400,
        ),
        **mail_params(TROUBLE, "Failures, and so differences, always are."),
    },
) as dag:

    @task(doc_md="Make the tables of the vault that are missing.")
    def tables() -> None:
        """Run the DDL of the mapping, which may be run any number of times."""
        import headrace
        from headrace.airflow.guard import airflow_errors
        from headrace.airflow.hooks.headrace import HeadraceHook
        from headrace.vault import vault_ddl

        hook = HeadraceHook(VAULT)
        with airflow_errors():
            headrace.migrations.apply(hook.dsn())
            ddl = vault_ddl(MAPPING)
        with hook.get_conn() as conn:
            conn.execute(ddl)

    @task(
        outlets=[vault],
        show_return_value_in_logs=False,
        doc_md="Load what the topics have.",
    )
    def load(params: dict[str, Any], outlet_events: Any) -> dict[str, Any]:
        """Return the sum of the receipts of all tables, with `hubs`, `links` and `satellites`: new rows."""
        from headrace.airflow import receipts
        from headrace.airflow.guard import airflow_errors
        from headrace.airflow.hooks.headrace import HeadraceHook
        from headrace.vault import vault_load

        hook = HeadraceHook(VAULT, KAFKA, application_name="headrace airports_vault.load")
        with airflow_errors():
            receipt = vault_load(
                MAPPING,
                dsn=hook.dsn(),
                kafka=hook.kafka(),
                threads=params["threads"],
                max_seconds=params["max_seconds"],
            )
        log.info("%s", receipt)
        total = receipts.combine(each.to_dict() for each in receipt.receipts.values())
        total |= {"job": "airports_vault", "seconds": receipt.seconds}
        total |= {"hubs": receipt.hubs, "links": receipt.links, "satellites": receipt.satellites}
        outlet_events[vault].extra = {
            name: total[name] for name in ("read", "rejected", "hubs", "links", "satellites", "seconds")
        }
        return total

    @task(show_return_value_in_logs=False, doc_md="Compare the vault with its source, row by row.")
    def verify(params: dict[str, Any]) -> dict[str, Any]:
        """Return what a mail can show: rows compared, differences, and the first of them."""
        from headrace.airflow.guard import airflow_errors
        from headrace.airflow.hooks.headrace import HeadraceHook
        from headrace.vault import vault_verify

        hook = HeadraceHook(VAULT, KAFKA, application_name="headrace airports_vault.verify")
        with airflow_errors():
            found = vault_verify(
                MAPPING,
                hook.dsn(SOURCE),
                dsn=hook.dsn(),
                kafka=hook.kafka(),
                load=True,
                patience=params["patience"],
                keep=SHOWN,
            )
        log.info("%s", found)
        told: dict[str, Any] = {
            "differences": found.differences,
            "rows compared": found.rows,
            "as of LSN": found.lsn,
        }
        lines = [line for line in str(found).splitlines() if line.startswith("bookings.") and ": " in line]
        return told | {f"difference {number}": line for number, line in enumerate(lines[:SHOWN], 1)}

    @task(retries=0, doc_md="Fail when the vault differs from its source.")
    def equal(found: dict[str, Any]) -> int:
        """Return how many rows were compared.

        :raises AirflowFailException: when any of them differs
        """
        from airflow.sdk.exceptions import AirflowFailException

        if found["differences"]:
            first = found.get("difference 1", "see the log of verify")
            raise AirflowFailException(
                f"The vault differs from its source in {found['differences']:,} rows; the first: {first}"
            )
        return int(found["rows compared"])

    made, loaded, verified = tables(), load(), verify()
    made >> loaded >> verified
    equal(verified)
