"""Model of the numbers of an execution that goes on."""

from __future__ import annotations

from typing import NotRequired

from epw.core.report.task_result import InDoubt, ResultPart


class Eta(ResultPart):
    """Forecast of the end: list schedules of what is left, at the speeds that were measured so far."""

    leftMs: int
    """Half of the ways in which it may go on take no longer. Waits for people count as none."""
    lowMs: int
    """Of ten ways one takes no longer, and nine no longer than `highMs`."""
    highMs: int
    guessed: NotRequired[bool]
    """Whether it rests on nothing: the plan estimates none of the tasks that are left, and none was measured."""
    measured: float
    """Number of tasks whose times it rests on; 0: on the plan's estimates alone."""
    tasks: dict[str, int]
    """Milliseconds left of each task that runs."""


class SoFar(ResultPart):
    """Numbers of an execution that goes on: measured or null."""

    elapsedMs: int
    percent: float
    """Of the whole by estimates: of ended tasks all, of running ones what their agents report."""
    costUSD: float | None
    tokens: int | None
    inDoubt: NotRequired[InDoubt]
    """What may come on top of both; absent: nothing."""
    waitsForPerson: NotRequired[list[str]]
    """Tasks that wait for an answer or a choice of a person; absent: none."""
    eta: NotRequired[Eta]
    """Absent where nothing is left to do, and where nothing goes on before a person has done something."""
