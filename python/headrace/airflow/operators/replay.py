"""The operator that loads dead letters once more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headrace.airflow import lineage
from headrace.airflow.operators.base import HeadraceOperator, given, whole, wholes, without_nones

if TYPE_CHECKING:
    from airflow.sdk import Context


class HeadraceReplayOperator(HeadraceOperator):
    """Load dead letters once more, after the table or the cause has been mended.

    A record that goes in now is marked as replayed in the same transaction, so it cannot go in twice; one
    that does not stays where it is, with one attempt more.

    :param job: job whose dead letters to replay (templated)
    :param reason: only those rejected for this reason (templated)
    :param ids: only these (templated)
    :param limit: at most this many (templated)
    :param options: more keyword arguments of ``headrace.dead_letters.replay`` (templated)
    :param postgres_conn_id: connection of type ``postgres``: the database of the target
    """

    template_fields: Sequence[str] = (
        "job",
        "reason",
        "ids",
        "limit",
        "options",
        *HeadraceOperator.template_fields,
    )

    def __init__(
        self,
        *,
        job: str,
        reason: str | None = None,
        ids: Sequence[int] | str | None = None,
        limit: int | str | None = None,
        options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.reason = reason
        self.ids = ids
        self.limit = limit
        self.options = options

    def execute(self, context: Context) -> dict[str, Any]:
        """Replay, and return the receipt."""
        import headrace

        arguments = without_nones(
            reason=given(self.reason),
            ids=wholes("ids", self.ids),
            limit=whole("limit", self.limit),
        )
        arguments.update(self.options or {})
        receipt = self.call(
            context, lambda: headrace.dead_letters.replay(job=self.job, dsn=self.hook.dsn(), **arguments)
        )
        return self.finish(context, receipt)

    def lineage_inputs(self) -> list[lineage.Dataset]:
        """The table of dead letters."""
        return [lineage.table(*self.hook.where(), "headrace.dead_letters")]

    def lineage_outputs(self) -> list[lineage.Dataset]:
        """The table that the receipt names."""
        target = (self.receipt or {}).get("target")
        return [lineage.table(*self.hook.where(), target)] if target else []
