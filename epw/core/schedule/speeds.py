"""Speeds of agents: how long tasks take beside their estimates, as far as it was measured.

What a task takes is its estimate times a factor that is log-normal: its median by kind of agent, and rising or falling
with the estimate (large tasks are often estimated worse), its spread the same for all. A kind with few measurements
leans on all, all lean on the estimates. Tasks that run count with the time that they have taken already, as times at
least (https://en.wikipedia.org/wiki/Censoring_(statistics)): else the short ones, which end first, stood for all.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

_NORMAL = NormalDist()
_SPREAD_UNKNOWN = 0.5
"""Deviation of the factor's logarithm before anything was measured: two of three tasks within 0.6 to 1.6 times."""
_TRUST_IN_ESTIMATES = 1.0
"""How many measurements the estimates count as."""
_TRUST_IN_ALL = 1.0
_TRUST_IN_SPREAD = 2.0
_TRUST_IN_NO_SLOPE = 10.0
_ROUNDS = 12


@dataclass(frozen=True)
class Measurement:
    """What a task took, in the unit of its estimate."""

    kind: str
    """What does it: a backend, a model."""
    estimate: float
    took: float
    has_ended: bool = True
    """False: it has taken so much and goes on."""
    weight: float = 1.0
    """How far it can be relied on, up to 1."""


class Speeds:
    """The factors of all kinds of agents, those without a measurement too."""

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self._known = [each for each in measurements if each.took > 0 and each.estimate > 0 and each.weight > 0]
        self._measured: dict[str, float] = defaultdict(float)
        for each in self._known:
            self._measured[each.kind] += each.weight * each.has_ended
        self.spread = _SPREAD_UNKNOWN
        """Standard deviation of the logarithm of the factor."""
        logs = [math.log(each.estimate) for each in self._known]
        self._centre, self._slope = (sum(logs) / len(logs) if logs else 0.0), 0.0
        self._all, self._kinds = 0.0, dict[str, float]()
        """Logarithms of the median factors."""
        for _ in range(_ROUNDS):
            self._fit()

    @property
    def measured(self) -> float:
        """How many tasks were measured; one of a smaller weight counts as a part."""
        return sum(self._measured.values())

    def doubt(self, kind: str) -> float:
        """Standard deviation of the logarithm of the kind's median, for want of measurements."""
        return self.spread / math.sqrt(self._measured.get(kind, 0.0) + _TRUST_IN_ESTIMATES)

    def median(self, kind: str, estimate: float) -> float:
        """The time that half of the tasks of this kind and estimate take at most, in the estimate's unit."""
        return estimate * math.exp(self._kinds.get(kind, self._all) + self._slope * self._size(estimate))

    def _size(self, estimate: float) -> float:
        return math.log(estimate) - self._centre

    def _fit(self) -> None:
        """One round of expectation and maximization: times that are not known yet are replaced by those expected."""
        factors: dict[str, list[tuple[float, float]]] = defaultdict(list)
        deviations, weights = _TRUST_IN_SPREAD * _SPREAD_UNKNOWN**2, _TRUST_IN_SPREAD
        sizes, risen = _TRUST_IN_NO_SLOPE, 0.0
        for each in self._known:
            value, unsure, size = math.log(each.took / each.estimate), 0.0, self._size(each.estimate)
            middle = math.log(self.median(each.kind, each.estimate) / each.estimate)
            if not each.has_ended:
                value, unsure = _expected_above(value, middle, self.spread)
            factors[each.kind].append((value - self._slope * size, each.weight))
            sizes += each.weight * size**2
            risen += each.weight * size * (value - middle + self._slope * size)
            deviations += each.weight * ((value - middle) ** 2 + unsure)
            weights += each.weight
        self._all = _mean([each for values in factors.values() for each in values], 0.0, _TRUST_IN_ESTIMATES)
        self._kinds = {kind: _mean(values, self._all, _TRUST_IN_ALL) for kind, values in factors.items()}
        self.spread, self._slope = math.sqrt(deviations / weights), risen / sizes


def _mean(values: Sequence[tuple[float, float]], around: float, trust: float) -> float:
    return (sum(value * weight for value, weight in values) + trust * around) / (sum(w for _, w in values) + trust)


def _expected_above(least: float, mean: float, spread: float) -> tuple[float, float]:
    """Mean and variance of a normal number that is known to be above `least`."""
    at = (least - mean) / spread
    above = 1 - _NORMAL.cdf(at)
    # Far out the tail falls off as an exponential.
    hazard = _NORMAL.pdf(at) / above if above > 1e-9 else at + 1 / max(at, 1.0)
    return mean + spread * hazard, max(0.0, spread**2 * (1 + at * hazard - hazard**2))
