"""Saga of an execution: each step registers what undoes it before it is taken.

Garcia-Molina and Salem, Sagas (1987), https://doi.org/10.1145/38713.38742.
"""

from __future__ import annotations

from epw.core.execution.delivery import Compensation


class Compensations:
    """Registered steps of one execution."""

    def __init__(self) -> None:
        self._steps: list[Compensation] = []

    def register(self, step: Compensation) -> None:
        """Add a step; only the first of its kind counts, because undoing it undoes the later ones too."""
        if all(step.step != taken.step for taken in self._steps):
            self._steps.append(step)

    def reversed(self) -> list[Compensation]:
        """The steps in the order in which they are undone: newest first."""
        return list(reversed(self._steps))
