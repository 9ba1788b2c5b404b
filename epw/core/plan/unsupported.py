"""Parts of a plan that are valid but not implemented yet: refused, never ignored."""

from __future__ import annotations

from collections.abc import Iterator

from epw.core.errors import Problem
from epw.core.plan.model import Plan

# Temporal ends a history at 51,200 events, and a task takes 12; larger plans would have to continue as new.
MAX_RUNNABLE_TASKS = 4_000


def not_available(plan: Plan) -> Iterator[Problem]:
    """A problem for each part that is not implemented, with what to use instead."""

    def refuse(path: str, what: str, instead: str) -> Problem:
        return Problem(path, f"{what} is not available yet; {instead}")

    if len(plan.tasks) > MAX_RUNNABLE_TASKS:
        yield refuse("tasks", f"running more than {MAX_RUNNABLE_TASKS} tasks", "split the plan")
    if plan.network is not True and plan.sandbox in ("none", "process", "landlock"):
        yield Problem("network", f'needs sandbox "bubblewrap", not "{plan.sandbox}"')
