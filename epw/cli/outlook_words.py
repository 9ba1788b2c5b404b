"""Outlook of a plan in sentences: how long, how much, what holds it up, what more agents or hosts would bring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from epw.core.amounts import count, dollars
from epw.core.analysis.outlook import AGENTS, CHAIN
from epw.core.plan.model import Plan
from epw.core.simulation.course import BUDGET, FAILURE
from epw.rendering.words import duration

_MINUTE_MS = 60_000
_ENDS_OF_PATH = 2
_HOLDS_UP = {
    "rateLimit": "the rate limit of the API account",
    "hosts": "the slots of the hosts",
    "files": "tasks that declare the same files",
    "batches": "the barriers of atomic: batch",
    "landing": "landing one change after the other",
    "coordination": "what epw itself takes",
}


def outlook_words(plan: Plan, document: dict[str, Any]) -> Iterator[str]:
    """Sentences on the field `prediction` of an analysis."""
    found = document["prediction"]
    if found["stoppedBy"] is not None:
        yield _stopped(plan, found)
        return
    yield f"{_times(found, AGENTS)}; {_after(document)}"
    if found["byHosts"]:
        yield _times(found, "hosts")
    if found["costUSD"] is not None:
        missing = len(plan.tasks) - found["tasksWithCost"]
        rest = f", without {count(missing, 'task')} that no estimatedCostUSD is given for" if missing else ""
        yield f"probably {dollars(found['costUSD'])}{rest}"


def _times(found: dict[str, Any], what: str) -> str:
    """`5 agents: 3 h 10 min; 10: 1 h 50 min`."""
    rows = found["byAgents" if what == AGENTS else "byHosts"]
    first, *others = ((row[what], duration(row["minutes"] * _MINUTE_MS)) for row in rows)
    return "; ".join([f"{count(first[0], what[:-1])}: {first[1]}", *(f"{number}: {time}" for number, time in others)])


def _after(document: dict[str, Any]) -> str:
    """What keeps more agents from helping."""
    found = document["prediction"]
    rest = [each for each in found["heldUpBy"] if each["by"] != AGENTS]
    more = "more help" if found["enoughAgents"] is None else "more do not help"
    if found["enoughAgents"] is None or not rest:
        return more
    if rest[0]["by"] == CHAIN:
        path = document["criticalPath"]
        if len(path) == 1:
            return f"{more}: {path[0]} alone takes {duration(document['criticalPathMinutes'] * _MINUTE_MS)}"
        ends = path if len(path) <= 2 * _ENDS_OF_PATH else [*path[:_ENDS_OF_PATH], "…", *path[-_ENDS_OF_PATH:]]
        return f"{more}: {' → '.join(ends)} takes {duration(document['criticalPathMinutes'] * _MINUTE_MS)}"
    sooner = duration(rest[0]["minutes"] * _MINUTE_MS)
    return f"{more}: without {_HOLDS_UP[rest[0]['by']]} it would be {sooner} sooner"


def _stopped(plan: Plan, found: dict[str, Any]) -> str:
    after, done = duration(found["minutes"] * _MINUTE_MS), f"{found['succeeded']} of {count(len(plan.tasks), 'task')}"
    if found["stoppedBy"] == BUDGET:
        budget = plan.constraints.budget
        is_cost = budget is not None and budget.max_cost_usd is not None
        what = dollars(found["costUSD"] or 0.0) if is_cost else f"{count(round(found['tokens'] or 0), 'token')}"
        return f"after {after} the budget is spent ({what}), with {done} done: a person is asked for more"
    if found["stoppedBy"] == FAILURE:
        return f"after {after} a task has failed for good, which stops and undoes everything; {done} were done"
    return f"after {after} it waits for a host with the labels that tasks need, with {done} done"
