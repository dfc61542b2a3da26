"""The exceptions of Headrace; the C module raises them (csrc/module/errors.c) and nothing else of its own.

`retriable` and `fatal` say what a caller should do: an Airflow task retries or fails at once, the CLI exits
with `exit_code`.
"""

from __future__ import annotations

from typing import Any


class HeadraceError(Exception):
    """Something went wrong. All others derive from it.

    Attributes: code (a word: "usage", "data", "server", "kafka"...), retriable, fatal, sqlstate
    (PostgreSQL's), reason (why a record was rejected), row, column (a name), offset (bytes into the record),
    receipt (of the failed run, as a Receipt), each None when unknown.
    """

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        code: str = "usage",
        retriable: bool = False,
        fatal: bool = False,
        sqlstate: str | None = None,
        reason: str | None = None,
        row: int | None = None,
        column: str | None = None,
        offset: int | None = None,
        receipt: Any = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retriable = retriable
        self.fatal = fatal
        self.sqlstate = sqlstate
        self.reason = reason
        self.row = row
        self.column = column
        self.offset = offset
        self.receipt = receipt

    def __reduce__(self) -> tuple[Any, ...]:
        # Tasks hand exceptions from process to process by pickle.
        return (type(self), self.args, self.__dict__)

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter print: where it happened in the caller's code, and what to do about it."""
        from headrace.display import short_traceback

        return short_traceback(self)


class RetriableError(HeadraceError):
    """Trying again later may help: a server is away, busy or starting."""

    exit_code = 3

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, **{"retriable": True, **details})


class CancelledError(RetriableError):
    """The run was asked to stop; what was not committed was rolled back."""


class FatalError(HeadraceError):
    """Trying again cannot help: a person has to change something."""

    exit_code = 4

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, **{"fatal": True, **details})


class UsageError(FatalError):
    """The caller asked for something that cannot be: a setting, an argument, a file name."""

    exit_code = 2


class FencedError(FatalError):
    """Another worker took this job over; it goes on there."""


class SchemaError(FatalError):
    """The target's definition cannot be used, or permissions on it are missing."""


class BalanceError(FatalError):
    """read != loaded + rejected + skipped: a defect of Headrace. The run was rolled back."""


class DataError(HeadraceError):
    """Data cannot become what was asked for, where there is no place to put rejects."""
