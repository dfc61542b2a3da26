"""What all Headrace operators share: connections, error classes, the crash guard, the ways of a receipt."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from headrace.airflow import receipts
from headrace.airflow.guard import airflow_errors
from headrace.airflow.hooks.headrace import HeadraceHook

if TYPE_CHECKING:
    from airflow.sdk import Context

    from headrace import Progress
    from headrace.airflow.lineage import Dataset

T = TypeVar("T")

FAILED_RECEIPT = "failed_receipt"
"""XCom key under which a try that failed leaves the receipt of what it had committed until then."""

LASTING_ERROR = "lasting_error"
"""XCom key under which a task that failed for a reason that trying again cannot mend leaves that reason."""

_PROGRESS_SECONDS = 15.0


def given(text: str | None) -> str | None:
    """A text from what a template rendered: None, "", "None" and "null" mean "not given"."""
    return None if text is None or text.strip().lower() in ("", "none", "null") else text


def whole(name: str, value: Any) -> int | None:
    """A whole number from what a template rendered: None, "", "None" and "null" mean "not given".

    :raises AirflowFailException: when it is no whole number.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "none", "null")):
        return None
    try:
        if isinstance(value, bool):
            raise ValueError(value)
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise AirflowFailException(f"{name} must be a whole number, not {value!r}") from None


def number(name: str, value: Any) -> float | None:
    """A number from what a template rendered, as ``whole`` does.

    :raises AirflowFailException: when it is no number.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "none", "null")):
        return None
    try:
        if isinstance(value, bool):
            raise ValueError(value)
        return float(value)
    except (TypeError, ValueError):
        raise AirflowFailException(f"{name} must be a number, not {value!r}") from None


def wholes(name: str, value: Any) -> list[int] | None:
    """Whole numbers from what a template rendered: a list, or a text such as "12", "0, 1" or "[0, 1]"; None,
    "", "None" and "null" mean "not given".

    :raises AirflowFailException: when one of them is no whole number.
    """
    if isinstance(value, str):  # never letter by letter: "12" is not 1 and 2
        if given(value) is None:
            return None
        inner = value.strip().removeprefix("[").removesuffix("]")
        value = inner.split(",") if inner.strip() else []
    elif isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if value is None:
        return None
    try:
        numbers = [whole(name, each) for each in value]
    except TypeError:
        raise AirflowFailException(f"{name} must be a list of whole numbers, not {value!r}") from None
    found = [number for number in numbers if number is not None]
    if len(found) < len(numbers):
        raise AirflowFailException(f"{name} has something that is no whole number in it: {value!r}")
    return found


def names(value: str | Sequence[str]) -> list[str]:
    """One name, or several."""
    return [value] if isinstance(value, str) else list(value)


def without_nones(**settings: Any) -> dict[str, Any]:
    """The settings that were given, so that Headrace's own defaults hold for the others."""
    return {name: value for name, value in settings.items() if value is not None}


class HeadraceOperator(BaseOperator):
    """Base of the Headrace operators; use those.

    :param postgres_conn_id: connection of type ``postgres``: the database of the target
    :param kafka_conn_id: connection of type ``kafka``; its extra holds librdkafka settings
    :param kafka_config: librdkafka settings laid over those of the connection
    """

    template_fields: Sequence[str] = ("postgres_conn_id", "kafka_conn_id", "kafka_config")
    template_fields_renderers = {"kafka_config": "json"}  # noqa: RUF012 - the form Airflow documents
    ui_color = "#dbeafe"

    def __init__(
        self,
        *,
        postgres_conn_id: str = "postgres_default",
        kafka_conn_id: str = "kafka_default",
        kafka_config: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.postgres_conn_id = postgres_conn_id
        self.kafka_conn_id = kafka_conn_id
        self.kafka_config = kafka_config
        self.receipt: dict[str, Any] | None = None
        self._in_headrace = False
        self._last_progress = 0.0

    @cached_property
    def hook(self) -> HeadraceHook:
        """The hook on this task's connections."""
        return HeadraceHook(
            postgres_conn_id=self.postgres_conn_id,
            kafka_conn_id=self.kafka_conn_id,
            kafka_config=self.kafka_config,
            application_name=f"headrace {self.dag_id}.{self.task_id}"[:63],
        )

    def call(self, context: Context, work: Callable[[], T]) -> T:
        """Run ``work``, which calls into Headrace, and turn its errors into those that Airflow acts on.

        Retriable errors become AirflowException (Airflow tries again), everything that trying again cannot
        mend becomes AirflowFailException, with its text left as XCom LASTING_ERROR. The receipt of what a
        failed run had committed is left as XCom FAILED_RECEIPT.
        """
        try:
            with airflow_errors():
                self._in_headrace = True
                self._last_progress = time.monotonic()
                return work()
        except AirflowException as error:
            self._leave_traces(context, error)
            raise
        finally:
            self._in_headrace = False

    def finish(self, context: Context, receipt: Any) -> dict[str, Any]:
        """Show a receipt in the log, count it in StatsD, add it to the asset events; return it for XCom.

        :raises AirflowFailException: when the receipt does not balance.
        """
        plain = as_plain(receipt)
        self.receipt = plain
        self.log.info("Receipt %s\n%s", plain.get("run_id", ""), receipts.text(plain))
        count_in_statsd(plain)
        summary = {name: plain.get(name) for name in ("run_id", "job", "target", "seconds", *receipts.COUNTS)}
        for outlet in self.outlets or []:
            context["outlet_events"][outlet].extra = dict(summary)
        if not receipts.balances(plain):
            raise AirflowFailException(f"The receipt does not balance: {receipts.headline(plain)}")
        return plain

    def progress(self, done: Progress) -> None:
        """Log how far a load is, every quarter of a minute."""
        now = time.monotonic()
        if now - self._last_progress >= _PROGRESS_SECONDS:
            self._last_progress = now
            share = f"{done.fraction:.0%}, " if done.fraction is not None else ""
            self.log.info(
                "Progress: %s%s records, %s rejected, %s records/s",
                share,
                f"{done.read:,}",
                f"{done.rejected:,}",
                f"{done.rate:,.0f}",
            )

    def on_kill(self) -> None:
        """Cancel a running load: Headrace looks at signals many times a second and rolls back what is open.

        Airflow calls this from its handler of SIGTERM, so the exception rises out of the C call itself.
        """
        if self._in_headrace:
            self._in_headrace = False
            raise AirflowException(
                "Cancelled. The open transaction was rolled back; committed batches stay, and the next run "
                "goes on behind them."
            )

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Tell OpenLineage what was read and written, with the numbers of rows."""
        from headrace.airflow import lineage

        if self.receipt is None:
            return None
        return lineage.facets(self.receipt, self.lineage_inputs(), self.lineage_outputs())

    def lineage_inputs(self) -> list[Dataset]:
        """What the task reads, as OpenLineage names it."""
        return []

    def lineage_outputs(self) -> list[Dataset]:
        """What the task writes, as OpenLineage names it."""
        return []

    def _leave_traces(self, context: Context, error: AirflowException) -> None:
        """Keep why the task fails for good, and the receipt of what was committed before the error."""
        if isinstance(error, AirflowFailException):
            context["ti"].xcom_push(key=LASTING_ERROR, value=str(error.__cause__ or error))
        receipt = getattr(error.__cause__, "receipt", None)
        if receipt is not None:
            plain = as_plain(receipt)
            self.log.info("Before the error: %s", receipts.text(plain))
            count_in_statsd(plain)
            context["ti"].xcom_push(key=FAILED_RECEIPT, value=plain)


def as_plain(receipt: Any) -> dict[str, Any]:
    """A receipt, or its JSON text, as a plain dict of JSON values, which is what XCom takes."""
    plain: dict[str, Any] = json.loads(receipt if isinstance(receipt, str) else receipt.to_json())
    return plain


def count_in_statsd(receipt: Mapping[str, Any]) -> None:
    """Count a receipt in the metrics of Airflow (StatsD or OpenTelemetry, as configured).

    Counters ``headrace.<job>.read``, ``.loaded``, ``.rejected``, ``.skipped``, ``.bytes``; timer
    ``headrace.<job>.duration``; gauges ``headrace.<job>.records_per_second`` and
    ``headrace.<job>.rejected_per_million``.
    """
    from airflow.sdk.observability import stats

    job = stats.normalize_name_for_stats(str(receipt.get("job") or "load"), log_warning=False)
    tags = {"job": job, "target": str(receipt.get("target") or "")}
    for name in receipts.COUNTS:
        stats.incr(f"headrace.{job}.{name}", int(receipt.get(name) or 0), tags=tags)
    stats.timing(f"headrace.{job}.duration", 1000 * float(receipt.get("seconds") or 0), tags=tags)
    stats.gauge(f"headrace.{job}.records_per_second", round(receipts.rate(receipt), 1), tags=tags)
    if int(receipt["read"]) > 0:
        share = 1_000_000 * int(receipt["rejected"]) / int(receipt["read"])
        stats.gauge(f"headrace.{job}.rejected_per_million", round(share, 1), tags=tags)
