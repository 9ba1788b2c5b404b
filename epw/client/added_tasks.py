"""Tasks that are about to be added to an execution: who does those that say nothing of it, and whether it can."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from temporalio.client import WorkflowHandle

from epw.client.started_plan import plan_of
from epw.core.backends import BACKENDS, CLAUDE
from epw.core.errors import InvalidRequest, Unavailable
from epw.core.plan.model import Plan, Task
from epw.core.plan.validate import read_plan
from epw.service.connection import Connection

_CHOOSING = ("agent", *(each.default_for for each in BACKENDS.values() if each.default_for))


async def assigned(
    connection: Connection, handle: WorkflowHandle[Any, Any], rows: Sequence[Any], agent: str | None = None
) -> tuple[list[Any], list[str]]:
    """The tasks, each with an agent, and what a user should know before they are added.

    `agent`: who does those that name none. Raises `InvalidRequest`, and `Unavailable` where this machine runs the
    execution and lacks what a new agent needs: it would fail at once.
    """
    plan = read_plan(await plan_of(connection, handle))
    made = with_agent(plan, rows, agent, handle.id)
    lacks = _missing(plan, made)
    if lacks and connection.is_embedded:
        raise Unavailable("\n".join(f"{each}; nothing is added; `--agent` chooses another" for each in lacks))
    return made, [f"not set up here: {each}" for each in lacks]


def with_agent(plan: Plan, rows: Sequence[Any], agent: str | None, execution_id: str) -> list[Any]:
    """Rows of which each that brings no agent has the one that was chosen, else that of the plan or of its tasks.

    Raises `InvalidRequest` where the plan's tasks have several, and none of them is the default of all plans.
    """
    if agent is not None and agent not in BACKENDS:
        raise InvalidRequest(f"no agent {agent}; there are {', '.join(BACKENDS)}")
    if agent is None and plan.agent is None and any(map(_is_open, rows)):
        found = list(dict.fromkeys(each.name for each in map(plan.backend_of, plan.tasks) if each.driven_by_model))
        if len(found) > 1 and CLAUDE.name not in found:
            names, command = ", ".join(found), f"epw add {shlex.quote(execution_id)}"
            raise InvalidRequest(f"tasks of {execution_id!r} are done by {names}: `{command} TASK --agent {found[0]}`")
        agent = found[0] if len(found) == 1 else None
    return [{**row, "agent": agent} if agent is not None and _is_open(row) else row for row in rows]


def _is_open(row: Any) -> bool:
    """Whether nothing in a task's row says who does it."""
    return isinstance(row, dict) and all(row.get(each) is None for each in _CHOOSING)


def _missing(plan: Plan, rows: Sequence[Any]) -> list[str]:
    """What this machine lacks for agents of the rows; those of the plan are the worker's, which has them."""
    named = {row.get("agent") for row in rows if isinstance(row, dict)}
    used = {plan.backend_of(task).name for task in plan.tasks}
    new = [name for name in BACKENDS if name in named and name not in used]
    if not new:
        return []
    # Here: the registry of agents takes a while to import.
    from activities.agents.registry import missing_agents

    stubs = [Task(id=name, description="-", agent=name) for name in new]
    return missing_agents(plan.model_copy(update={"tasks": stubs}))
