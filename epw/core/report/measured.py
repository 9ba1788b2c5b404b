"""Model of the metrics of an execution: measured, or null."""

from __future__ import annotations

from typing import NotRequired

from epw.core.report.task_result import InDoubt, ResultPart


class Metrics(ResultPart):
    """Numbers of an execution: measured or null."""

    totalTasks: int
    parallelTasks: int
    """Tasks in levels of the graph that are wider than one."""
    sequentialTasks: int
    totalDuration: int
    """Milliseconds from start to close, without stretches in which everything waited for people or usage limits, and
    without `awayMs` and `urlAwayMs`."""
    sequentialDuration: int
    """Sum of the tasks' durations."""
    actualSpeedup: float | None
    agentCount: int
    conflictCount: int
    """Of those that stopped a change: hazards are counted apart."""
    failureCount: int
    retryCount: int
    """Attempts after a failure of the agent."""
    askedRetryCount: NotRequired[int]
    """Runs of tasks that had begun, because a person had them run again, or one that they depend on; executions of
    earlier versions lack it."""
    rerunCount: NotRequired[int]
    """Runs of tasks that had succeeded, because their changes conflicted; executions of earlier versions lack it."""
    lostRunCount: NotRequired[int]
    """Runs of attempts that ended with their worker, and began again; executions of earlier versions lack it."""
    awayMs: NotRequired[int]
    """Milliseconds in which no agent ran for want of a (free) worker; in no other number; earlier versions lack it."""
    urlAwayMs: NotRequired[int]
    """Milliseconds in which no agent ran and the git URL was waited for; in no other number; absent: none."""
    hazardCount: NotRequired[int]
    """Writes and reads that the plan does not say: advice; executions of earlier versions lack it."""
    estimatedSpeedup: float | None
    scheduleDuration: int | None
    """What the measured attempts take on `agentCount` agents when the scheduler alone decides and nothing else takes
    time: priorities, files, waits for limits and people, and pauses as they were, stretches without any agent left out.
    """
    efficiency: float | None
    """`scheduleDuration / totalDuration`."""
    coordinationOverhead: float | None
    """`max(0, 1 - efficiency)`: starts, landings, saving; waits for limits and people are none."""
    criticalPath: list[str]
    """The longest path: by estimates, after the end by the measured durations of the tasks that ran."""
    peakMemoryMB: float | None
    cpuSeconds: float | None
    writtenMB: float | None
    agentsUsed: int
    batches: int
    """Levels of the graph, those wider than `agentCount` in several."""
    peakConcurrency: int
    costUSD: float | None
    """Of the calls that were answered, as far as the answers came."""
    inDoubt: NotRequired[InDoubt]
    """What may come on top of it; absent: nothing."""
