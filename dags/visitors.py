"""
### Visitors: unique users a minute from a Kafka topic, by event time

Every 15 minutes, or on demand, the frames that a site has sent are counted: different users by minute,
hour and day, in one pass.

| task | does |
|---|---|
| `produce` | sends a file of frames to the topic, keyed by user; skipped when no file is given |
| `window` | reads the frames that are new, counts, puts out each window that is over: once, for good |
| `report` | reads the results back, shows the last of them, plots users a minute |

**When a window is put out.** A frame may be `lateness` behind the latest one of its partition. So a minute is
over when a frame has come that is later than its end by the lateness. The last minutes of a run therefore
stay open, and a later run puts them out; `close_all` does so at once, when the input is over for good.

**Late frames do not vanish.** They go to the topic `visitors-late` with the reason, and are counted in the
receipt, as are damaged frames and those from the far future.

**Running it again is safe.** State and offsets are committed in one Kafka transaction with the results. A run
that is late, tried again, killed or started twice neither loses a frame nor puts a window out twice.

**Another window or lateness** is another count: give it a job and a result topic of its own.

The receipts are the tasks' XComs. Connections: `headrace_kafka`, and `headrace_postgres` for a table.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Asset, CronTriggerTimetable, Param
from headrace.airflow.operators.produce import HeadraceProduceOperator
from headrace.airflow.operators.results import HeadraceResultsOperator
from headrace.airflow.operators.window import HeadraceWindowOperator

POSTGRES = "headrace_postgres"
KAFKA = "headrace_kafka"
NAME = "^[A-Za-z0-9._-]{1,200}$"
DURATION = r"^\s*(\d+(\.\d+)?\s*(ms|s|sec|m|min|h|d|w|(second|minute|hour|day|week)s?)\s*)+$"
MOMENT = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"

visitors = Asset("visitors")


def name(value: str, title: str, description: str) -> Param:
    """A topic or a job."""
    return Param(value, type="string", pattern=NAME, title=title, description=description)


def moment(title: str, description: str) -> Param:
    """A time, or nothing."""
    return Param(None, type=["null", "string"], pattern=MOMENT, title=title, description=description)


with DAG(
    dag_id="visitors",
    dag_display_name="visitors",
    description="Unique users a minute from a Kafka topic, by event time, exactly once",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("*/15 * * * *", timezone="UTC"),
    catchup=False,  # what is read is bounded by offsets, not by the schedule: a missed run is made up for
    max_active_runs=1,
    tags=["headrace", "kafka", "windows", "example"],
    owner_links={"data-team": "mailto:data-team@example.com"},
    default_args={"owner": "data-team", "retries": 2, "retry_delay": timedelta(seconds=10)},
    params={
        "file": Param(
            None,
            type=["null", "string"],
            title="File to send first",
            description="JSON lines, also gzip or zstd, on the worker's machine. Empty: others send frames.",
        ),
        "rate": Param(
            None,
            type=["null", "number"],
            exclusiveMinimum=0,
            title="Frames a second at most",
            description="How fast to send the file. Empty: as fast as it goes.",
        ),
        "topic": name("frames", "Topic", "Kafka topic with one JSON object for each frame."),
        "partitions": Param(
            4,
            type="integer",
            minimum=1,
            maximum=1000,
            title="Partitions",
            description="Of the topic, when a file is sent and it has to be made.",
        ),
        "results": name("visitors", "Topic of the results", "One final message for each window."),
        "job": name("visitors", "Job", "Its state is kept under this name."),
        "keyed": Param(
            True,
            type="boolean",
            title="Keyed by user",
            description="No user is in two partitions, so their counts add. Else sets of users are merged.",
        ),
        "windows": Param(
            "minute,hour,day",
            type="string",
            title="Windows",
            description="minute, hour, day, week, month, year; 5m, 10m/1m (sliding), session 30m.",
        ),
        "zone": Param("UTC", type="string", title="Time zone", description="In which days and longer begin."),
        "lateness": Param(
            "1h",
            type="string",
            pattern=DURATION,
            title="Lateness",
            description="How far behind a frame may come. Longer: later results, more memory, fewer late.",
        ),
        "close_all": Param(
            False,
            type="boolean",
            title="The input is over",
            description="Put out every window now. Frames of these times that come later are late.",
        ),
        "from": moment(
            "From", "Report windows from here on; a new job starts with messages sent since then."
        ),
        "to": moment("To", "Report windows that start before."),
        "max_records": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=10_000_000_000,
            title="Frames at most",
            description="Stop after about this many; the next run goes on there. Empty: all there are.",
        ),
        "workers": Param(
            2,
            type="integer",
            minimum=1,
            maximum=64,
            title="Threads",
            description="They share the partitions.",
        ),
        "table": Param(
            None,
            type=["null", "string"],
            pattern=r"^[^.\s]+\.[^.\s]+$",
            title="Table",
            description="Also write the results there, as schema.table; made if it is missing.",
        ),
        "plot": Param(
            None,
            type=["null", "string"],
            pattern=r"\.(png|svg|pdf)$",
            title="Plot",
            description="A file for a plot of users a minute, on the worker's machine.",
        ),
    },
) as dag:
    connections = {"postgres_conn_id": POSTGRES, "kafka_conn_id": KAFKA}

    produce = HeadraceProduceOperator(
        task_id="produce",
        source="{{ params.file or '' }}",
        topic="{{ params.topic }}",
        key="uid",
        rate="{{ params.rate }}",
        partitions="{{ params.partitions }}",
        retries=0,  # another try would send the file again
        doc_md="Send a file of frames, keyed by user.",
        **connections,
    )

    window = HeadraceWindowOperator(
        task_id="window",
        topic="{{ params.topic }}",
        to="{{ params.results }}",
        job="{{ params.job }}",
        time="ts",
        time_unit="s",
        distinct="uid:bigint",
        keyed="{{ params.keyed }}",
        windows="{{ params.windows }}",
        zone="{{ params.zone }}",
        lateness="{{ params.lateness }}",
        late_topic="{{ params.results }}-late",
        table="{{ params.table }}",
        close_all="{{ params.close_all }}",
        start="{{ params['from'] or 'earliest' }}",
        workers="{{ params.workers }}",
        max_records="{{ params.max_records }}",
        trigger_rule="none_failed",
        retries=3,
        retry_exponential_backoff=2.0,
        max_retry_delay=timedelta(minutes=5),
        outlets=[visitors],
        doc_md="Count the new frames, put out the windows that are over.",
        **connections,
    )

    report = HeadraceResultsOperator(
        task_id="report",
        topic="{{ params.results }}",
        since="{{ params['from'] }}",
        until="{{ params.to }}",
        plot="{{ params.plot }}",
        trigger_rule="none_failed",
        doc_md="Read the results back and show the last of them.",
        **connections,
    )

    produce >> window >> report
