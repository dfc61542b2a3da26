"""Whether what was sampled during a soak has grown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

MIB = 1 << 20
BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Bound:
    """How much more the last quarter may have than the first: so much, or this share of the first, the larger."""

    amount: float
    share: float = 0.0
    unit: float = 1.0

    def allows(self, first: float, last: float) -> bool:
        """Whether this is no growth."""
        return last - first <= max(self.amount, self.share * first)


def warm(samples: Sequence[float], share: float = 0.2) -> Sequence[float]:
    """The samples without those of the warm-up."""
    return samples[int(len(samples) * share) :]


def ends(samples: Sequence[float]) -> tuple[float, float]:
    """The medians of the first and of the last quarter after the warm-up."""
    rest = warm(samples)
    quarter = max(1, len(rest) // 4)
    return median(rest[:quarter]), median(rest[-quarter:])


def line(samples: Sequence[float], width: int = 40) -> str:
    """The samples as a line of little bars, from their smallest to their largest."""
    low, high = min(samples), max(samples)
    step = max(1, -(-len(samples) // width))
    means = [
        sum(part) / len(part) for part in (samples[at : at + step] for at in range(0, len(samples), step))
    ]
    return "".join(BARS[round((mean - low) / (high - low) * 8) if high > low else 1] for mean in means)


def judge(
    series: Mapping[str, Sequence[float]], bounds: Mapping[str, Bound], least: int = 12
) -> tuple[list[str], list[str]]:
    """A table of all series, and what has grown beyond its bound. Fewer than `least` samples prove nothing."""
    table = [f"{'':34} {'first quarter':>14} {'last quarter':>14} {'highest':>12} {'may grow by':>12}"]
    complaints = []
    for name, samples in series.items():
        if len(samples) < least:
            complaints.append(f"{name}: only {len(samples)} samples were taken, {least} are needed")
            continue
        bound = bounds.get(name)
        unit = bound.unit if bound else 1.0
        first, last = ends(samples)
        allowed = f"{max(bound.amount, bound.share * first) / unit:,.1f}" if bound else "any"
        table.append(
            f"{name:34} {first / unit:14,.1f} {last / unit:14,.1f} {max(samples) / unit:12,.1f} {allowed:>12} {line(samples)}"
        )
        if bound and not bound.allows(first, last):
            complaints.append(f"{name} grew from {first / unit:,.1f} to {last / unit:,.1f}")
    return table, complaints
