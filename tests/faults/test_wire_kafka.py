"""The wire to Kafka is cut at each kind of message: the load gets there all the same, with every message once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import headrace
import pytest

from stack import ports
from tests.faults import balance, seeds
from tests.faults.wire import Action, Fault, Moment, Wire
from tests.real.load_kit import PURCHASES, execute, produce, purchase

pytestmark = pytest.mark.real

ALL = os.environ.get("HEADRACE_FAULTS") == "all"
TOTAL = 600
_STEPS = (
    "versions",
    "metadata",
    "metadata answer",
    "list offsets",
    "list offsets answer",
    "fetch",
    "fetch answer",
)
_EVERY: list[tuple[str, Moment, Action, int]] = [
    (step, when, do, nth)
    for step in _STEPS
    for when in ("before", "half", "after")
    for do in ("cut", "fin", "client", "server")
    for nth in (1, 2)
]


@pytest.fixture
def filled(broker: object, new_topic: Callable[..., str], dsn: str) -> str:
    """A topic with messages, and a target for them."""
    topic = new_topic(partitions=2)
    produce(broker.bootstrap, topic, (purchase(number) for number in range(TOTAL)))  # type: ignore[attr-defined]
    execute(dsn, PURCHASES)
    return topic


def load(wire: Wire, topic: str, dsn: str) -> headrace.Receipt:
    source = f"kafka://{ports.LOOPBACK}:{wire.port}/{topic}"
    # small answers, so that there are several
    settings = {
        "message.max.bytes": 8000,
        "fetch.max.bytes": 8000,
        "fetch.message.max.bytes": 4000,
        "reconnect.backoff.max.ms": 500,
    }
    return headrace.load(source, "shop.purchases", dsn=dsn, job="wire", batch_records=100, kafka=settings)


@pytest.mark.parametrize(
    "case",
    _EVERY if ALL else sorted(seeds.chance("kafka").sample(_EVERY, 8)),
    ids=lambda case: " ".join(map(str, case)),
)
def test_cut_between_us_and_the_broker(
    kafka_wire: Wire, filled: str, dsn: str, case: tuple[str, Moment, Action, int]
) -> None:
    step, when, do, nth = case
    fault = Fault(step, when, do, nth=nth)
    kafka_wire.arm(fault)
    receipt = load(kafka_wire, filled, dsn)
    assert receipt.loaded == TOTAL
    assert fault.fired.is_set() or nth > 1, kafka_wire.seen
    balance.check(dsn, "wire", expected=range(TOTAL))


def test_a_broker_that_cannot_be_reached_for_seconds(kafka_wire: Wire, filled: str, dsn: str) -> None:
    fault = Fault("fetch answer", "half", "cut")  # the first: there may be no more
    kafka_wire.arm(fault)
    back = threading.Timer(3, kafka_wire.refuse, [False])

    def close() -> None:
        assert fault.fired.wait(30)
        kafka_wire.refuse()
        kafka_wire.cut_all()
        back.start()

    closer = threading.Thread(target=close)
    closer.start()
    receipt = load(kafka_wire, filled, dsn)
    closer.join()
    back.join()
    assert receipt.loaded == TOTAL
    balance.check(dsn, "wire", expected=range(TOTAL))
