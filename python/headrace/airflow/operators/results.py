"""The operator that reads the results of windows from their topic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from headrace.airflow import lineage
from headrace.airflow.operators.base import HeadraceOperator, given, whole

if TYPE_CHECKING:
    from airflow.sdk import Context


class HeadraceResultsOperator(HeadraceOperator):
    """Read what a window worker has put out, show it in the log, plot it.

    Fails when a window came again after its final result: that must not happen, and trying again would not
    mend it.

    XCom has ``results`` (how many), ``windows`` (how many of each kind), ``early`` (not final yet),
    ``foreign`` (messages that are no results), ``first`` and ``last`` (the times of the windows), ``rows``
    (the last of them), and ``plot`` (the file, when one was asked for).

    :param topic: the result topic (templated)
    :param window: only these windows, such as ``minute`` (templated)
    :param since: only windows that start at this time or later: a text with date, time and zone (templated)
    :param until: only windows that start before (templated)
    :param plot: file to plot to, ``.png``, ``.svg`` or ``.pdf``, on the worker's machine (templated); needs
        matplotlib
    :param column: what to plot (templated); by default users, or the first number there is
    :param rows: how many results to show and to return (templated)
    :param kafka_conn_id: connection of type ``kafka``
    :param kafka_config: librdkafka settings laid over those of the connection

    .. seealso:: ``dags/visitors.py``
    """

    template_fields: Sequence[str] = (
        "topic",
        "window",
        "since",
        "until",
        "plot",
        "column",
        "rows",
        *HeadraceOperator.template_fields,
    )

    def __init__(
        self,
        *,
        topic: str,
        window: str | None = None,
        since: str | None = None,
        until: str | None = None,
        plot: str | None = None,
        column: str | None = None,
        rows: int | str = 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.topic = topic
        self.window = window
        self.since = since
        self.until = until
        self.plot = plot
        self.column = column
        self.rows = rows

    def execute(self, context: Context) -> dict[str, Any]:
        """Read, and return the last of them."""
        import headrace

        since, until = moment("since", self.since), moment("until", self.until)
        kafka, window = self.hook.kafka(), given(self.window)
        found = self.call(
            context,
            lambda: headrace.results(self.topic, window=window, since=since, until=until, kafka=kafka),
        )
        shown = whole("rows", self.rows) or 0
        self.log.info("%s\n%s", found, found.table(shown))
        if found.repeated:
            raise AirflowFailException(f"{self.topic}: windows came again after their final result: {found}")
        windows: dict[str, int] = {}
        for result in found:
            windows[result["window"]] = windows.get(result["window"], 0) + 1
        plain: dict[str, Any] = {
            "topic": self.topic,
            "results": len(found),
            "windows": windows,
            "early": sum(not result.get("final", True) for result in found),
            "foreign": found.foreign,
            "first": found[0]["window_start"] if len(found) else None,
            "last": found[-1]["window_end"] if len(found) else None,
            "rows": found.rows[-shown:] if shown else [],
            "plot": None,
        }
        plot = given(self.plot)
        if plot is not None and len(found):
            self.call(context, lambda: found.plot(plot, window=window, column=given(self.column)))
            plain["plot"] = plot
            self.log.info("The plot is %s", plot)
        self.receipt = {"read": found.messages, "loaded": len(found)}
        for outlet in self.outlets or []:
            context["outlet_events"][outlet].extra = {k: v for k, v in plain.items() if k != "rows"}
        return plain

    def lineage_inputs(self) -> list[lineage.Dataset]:
        """The topic."""
        return [lineage.topic(self.hook.brokers(), self.topic)]


def moment(name: str, text: str | None) -> datetime | None:
    """A time from what a template rendered; one without a zone is UTC.

    :raises AirflowFailException: when it is no time.
    """
    from headrace._results import parse_moment
    from headrace.errors import UsageError

    if given(text) is None:
        return None
    try:
        return parse_moment(str(text), name)
    except UsageError as error:
        raise AirflowFailException(str(error)) from None
