"""What stands around every call from Airflow into Headrace: crashes end the task, errors become Airflow's."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException, AirflowFailException


def guard_against_crashes() -> None:
    """Let a crash in C end the task.

    A task process inherits from DAG parsing a handler of SIGSEGV that is written in Python: after a crash
    it never gets to run, the faulting instruction is tried again for ever, and the task stays ``running``.
    Signals can only be set in the main thread; elsewhere nothing is changed.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Around calls into Headrace: retriable errors become AirflowException, others AirflowFailException.

    Airflow tries again after the first and fails the task at once after the second; the cause is kept.
    """
    guard_against_crashes()
    from headrace import errors

    try:
        yield
    except errors.RetriableError as error:
        raise AirflowException(f"{error} (worth another try)") from error
    except errors.HeadraceError as error:
        raise AirflowFailException(f"{error} (trying again would not help)") from error
