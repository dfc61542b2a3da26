"""
### Data for the example: tables, topic, dictionaries, purchases

Run it by hand. It makes what is missing and adds new purchases each time:

| task | does |
|---|---|
| `tables` | makes the tables of `sql/purchases` |
| `stretch` | takes the next stretch of purchases, so that runs add to one another |
| `dictionary` | makes up customers and products and upserts them into `shop.customers` and `shop.products` |
| `generate` | sends purchases to the topic, which is made if it is missing |

The data is made up from a seed, linked (customers and products of a purchase exist, its amount is price times
quantity) and spread over the last weeks. Shares of it can be damaged, late, sent twice, or refer to unknown
customers and products; the XCom of `generate` says how many of each there are, and what a load should give.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, task
from headrace.airflow.operators.generate import HeadraceGenerateOperator

log = logging.getLogger(__name__)

POSTGRES = "headrace_postgres"
KAFKA = "headrace_kafka"
SQL = Path(__file__).resolve().parent.parent / "sql" / "purchases"


def per_million(value: int, title: str, description: str) -> Param:
    """A share of the records, in a million."""
    return Param(
        value,
        type="integer",
        minimum=0,
        maximum=200_000,
        title=f"{title}, in a million",
        description=description,
    )


with DAG(
    dag_id="purchases_data",
    dag_display_name="purchases_data",
    description="Make the tables of the example, and as many purchases as you like",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=["headrace", "kafka", "postgresql", "example", "generator"],
    owner_links={"data-team": "mailto:data-team@example.com"},
    default_args={"owner": "data-team", "retries": 2, "retry_delay": timedelta(seconds=10)},
    params={
        "purchases": Param(
            1_000_000,
            type="integer",
            minimum=1,
            maximum=1_000_000_000,
            title="Purchases",
            description="How many messages to send.",
        ),
        "bad_per_million": per_million(
            1_000, "Damaged", "Messages that no load can take: broken JSON, wrong types, missing values..."
        ),
        "late_per_million": per_million(0, "Late", "Purchases from before the weeks below."),
        "duplicates_per_million": per_million(
            0, "Sent twice", "Messages that repeat an earlier one exactly."
        ),
        "unknown_per_million": per_million(
            0, "Unknown", "Purchases of customers or products in no dictionary."
        ),
        "weeks": Param(
            8,
            type="integer",
            minimum=1,
            maximum=500,
            title="Weeks",
            description="The purchases are spread over so many weeks before now.",
        ),
        "customers": Param(20_000, type="integer", minimum=1, maximum=10_000_000, title="Customers"),
        "products": Param(2_000, type="integer", minimum=1, maximum=10_000_000, title="Products"),
        "seed": Param(
            1,
            type="integer",
            title="Seed",
            description="The same seed makes the same data, linked across tables.",
        ),
        "topic": Param(
            "purchases",
            type="string",
            pattern="^[A-Za-z0-9._-]{1,249}$",
            title="Topic",
            description="Made if it is missing.",
        ),
        "partitions": Param(
            4,
            type="integer",
            minimum=1,
            maximum=1000,
            title="Partitions",
            description="Of a topic that has to be made.",
        ),
    },
) as dag:

    @task(doc_md="Make the tables of sql/purchases that are missing.")
    def tables() -> None:
        """Run the SQL files, which may be run any number of times."""
        from headrace.airflow.hooks.headrace import HeadraceHook

        with HeadraceHook(POSTGRES).get_conn() as conn:
            for name in ("01_shop.sql", "02_mart.sql"):
                conn.execute((SQL / name).read_text(encoding="utf-8"))
                log.info("%s: done", name)

    @task(doc_md="Take the next stretch of purchases for this run.")
    def stretch(params: dict[str, Any], run_id: str) -> dict[str, int]:
        """Return the number of the first purchase, and the time before which they happened."""
        from headrace.airflow.hooks.headrace import HeadraceHook

        with HeadraceHook(POSTGRES).get_conn() as conn:
            conn.execute("LOCK TABLE shop.generated IN EXCLUSIVE MODE")
            conn.execute(
                "INSERT INTO shop.generated (run_id, first, purchases) "
                "SELECT %s, coalesce(max(first + purchases), 0), %s FROM shop.generated "
                "ON CONFLICT (run_id) DO NOTHING",
                (run_id, params["purchases"]),
            )
            first, until = conn.execute(
                "SELECT first, extract(epoch FROM until)::bigint FROM shop.generated WHERE run_id = %s",
                (run_id,),
            ).fetchone()
        return {"first": first, "until": until}

    @task(
        map_index_template="{{ task.op_kwargs['table'] }}",
        show_return_value_in_logs=False,
        doc_md="Make up a dictionary and upsert it into its table.",
    )
    def dictionary(table: str, params: dict[str, Any]) -> dict[str, Any]:
        """Return the receipt."""
        import json
        import tempfile

        import headrace
        from headrace.airflow.guard import airflow_errors
        from headrace.airflow.hooks.headrace import HeadraceHook

        with tempfile.TemporaryDirectory() as folder, airflow_errors():
            path = Path(folder) / f"{table}.jsonl.gz"
            headrace.generate(table, params[table], path, seed=params["seed"])
            receipt = headrace.load(
                path,
                f"shop.{table}",
                dsn=HeadraceHook(POSTGRES).dsn(),
                job=f"purchases_data.{table}",
                mode="upsert",
                identity=False,
            )
        log.info("%s", receipt)
        plain: dict[str, Any] = json.loads(receipt.to_json())
        return plain

    # Not tried again: what a broken try has sent is in the topic already. Run the DAG again for more.
    generate = HeadraceGenerateOperator(
        task_id="generate",
        data="purchases",
        topic="{{ params.topic }}",
        count="{{ params.purchases }}",
        first="{{ ti.xcom_pull(task_ids='stretch')['first'] }}",
        settings={
            "seed": "{{ params.seed }}",
            "customers": "{{ params.customers }}",
            "products": "{{ params.products }}",
            "weeks": "{{ params.weeks }}",
            "until": "{{ ti.xcom_pull(task_ids='stretch')['until'] }}",
            "malformed": "{{ params.bad_per_million }}",
            "late": "{{ params.late_per_million }}",
            "duplicate": "{{ params.duplicates_per_million }}",
            "unknown": "{{ params.unknown_per_million }}",
        },
        partitions="{{ params.partitions }}",
        retries=0,
        postgres_conn_id=POSTGRES,
        kafka_conn_id=KAFKA,
        doc_md="Send the purchases to the topic.",
    )

    made = tables()
    made >> stretch() >> generate
    made >> dictionary.expand(table=["customers", "products"])
