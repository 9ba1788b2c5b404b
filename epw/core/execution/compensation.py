"""What to undo, in which order: each step registers its compensation before it is taken (saga)."""

from __future__ import annotations

from epw.core.execution.delivery import Compensation


class Compensations:
    """Steps that were taken, newest last; undone from the newest back."""

    def __init__(self) -> None:
        self._steps: list[Compensation] = []

    def __bool__(self) -> bool:
        return bool(self._steps)

    def register(self, step: Compensation) -> None:
        """Add a step. One kind needs one entry: undoing the first landing undoes all that came after."""
        if all(step.step != taken.step for taken in self._steps):
            self._steps.append(step)

    def reversed(self) -> list[Compensation]:
        return list(reversed(self._steps))

    def clear(self) -> None:
        self._steps.clear()
