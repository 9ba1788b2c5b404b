"""Attempts that wait within their activity: for free resources of a machine, or for a worker, as workers report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from epw.core.execution.state import ExecutionState

RESOURCES, HOST = "resources", "host"


class ReportedWaits:
    """Applies the workers' reports to the tasks of an execution."""

    def __init__(self, execution: ExecutionState, kind: str) -> None:
        """`kind`: what is waited for, `resources` or `host`."""
        self._execution = execution
        self._kind = kind
        self._reported: dict[str, list[str]] = {}
        """Task ids of the last report, by worker."""

    def report(
        self,
        worker: str,
        tasks: Sequence[str],
        now: int,
        holders: Sequence[str] = (),
        since: Mapping[str, int] | None = None,
    ) -> None:
        """Set the waiting tasks of a worker: these and no others. They keep their agents meanwhile.

        `holders`: tasks that have what they wait for. `since`: when they began to wait, where that is known.
        """
        execution = self._execution
        known = [task_id for task_id in tasks if task_id in execution.tasks]
        for task_id in self._reported.get(worker, []):
            state = execution.tasks[task_id]
            if state.waiting_for == self._kind and task_id not in known:
                if self._kind == HOST:
                    execution.end_host_wait(task_id, now)
                    state.taken = state.taken or None
                execution.move(task_id, "running", now=now)
        for task_id in known:
            state = execution.tasks[task_id]
            state.waits_on = [each for each in holders if each != task_id]
            if state.status == "running" or state.waiting_for in {RESOURCES, HOST} - {self._kind}:
                began = max(state.since, (since or {}).get(task_id, now))
                execution.move(task_id, "waiting", self._kind, min(now, began))
        self._reported[worker] = known

    def note_taken(self, tasks: Sequence[str], lost: Sequence[str]) -> None:
        """Note of waiting tasks whether a worker has had their attempt before (`lost`), or none has."""
        for task_id in tasks:
            if (state := self._execution.tasks.get(task_id)) is not None and state.waiting_for == self._kind:
                state.taken = state.taken or task_id in lost

    @property
    def tasks(self) -> list[str]:
        """The tasks that wait now, by their reports."""
        waiting = {each: None for tasks in self._reported.values() for each in tasks}
        return sorted(each for each in waiting if self._execution.tasks[each].waiting_for == self._kind)
