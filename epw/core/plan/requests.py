"""Inputs of an execution's updates, signals and queries, one model each."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import Field

from epw.core.plan.parts import Message

M = TypeVar("M", bound=Message)

SPENT = "spent"
"""Signal: most of the budget is spent."""
IN_LINE = "in_line"
AWAY = "host_away"
"""Signal: what no worker takes has changed."""
URL_AWAY = "url_away"
"""Signal: an activity has waited for the git URL."""
AWAY_TASKS = "away"
"""Query: what was last signalled of that."""


class SteeringRequest(Message):
    """Base of the inputs of updates; by itself that of `pause` and `resume`."""

    by: str | None = Field(default=None, max_length=200)
    """Who sends it, as results show it; the workflow does not see a client's identity."""


class AnswerQuestion(SteeringRequest):
    """Input of update `answer`."""

    question_id: str
    text: str = Field(max_length=30_000)


class InLine(Message):
    """Input of signal `in_line`: every task that waits in this worker for room on its machine."""

    worker: str
    tasks: list[str]
    holders: list[str] = Field(default_factory=list)
    """Tasks of the same execution whose attempts have what those wait for (the first few)."""


class HostAway(Message):
    """Input of signal `host_away`: every attempt and step that no worker takes, since none of its host is there."""

    tasks: list[str] = Field(default_factory=list)
    since: dict[str, int] = Field(default_factory=dict)
    """When each of these attempts was scheduled, epoch milliseconds."""
    lost: list[str] = Field(default_factory=list)
    """Those of the tasks whose attempt a worker has had before."""
    steps: list[str] = Field(default_factory=list)
    """Types of activities that are no attempts."""
    search_attributes: bool = False
    """Whether the server has the search attributes; before `prepare` has run, the execution does not know."""


class UrlSilent(Message):
    """Input of signal `url_away`: when an activity waited for the git URL, epoch milliseconds."""

    since: int
    until: int


class SpentSoFar(Message):
    """Input of signal `spent`: what all attempts have used of models, those under way included."""

    cost_usd: float = Field(alias="costUSD", ge=0)
    tokens: int = Field(ge=0)


class ResolveConflict(SteeringRequest):
    """Input of update `resolve_conflict`."""

    conflict_id: str
    choice: str


class SetMaxAgents(SteeringRequest):
    """Input of update `set_max_agents`."""

    max_agents: int = Field(ge=1, le=1000)


class OfTask(SteeringRequest):
    """Input of update `cancel_task`."""

    task_id: str


class AddTasks(SteeringRequest):
    """Input of update `add_tasks`: tasks as in a plan, which can depend on those that there are."""

    tasks: list[Any] = Field(max_length=10_000)


class SendMessage(OfTask):
    """Input of update `message`."""

    text: str = Field(min_length=1, max_length=10_000)


class SetPriority(OfTask):
    """Input of update `set_priority`."""

    priority: int = Field(ge=-(2**31), lt=2**31)


class SetBudget(SteeringRequest):
    """Input of update `set_budget`: limits of the whole execution; one that is not given stays as it is."""

    max_cost_usd: float | None = Field(default=None, alias="maxCostUSD", gt=0)
    max_tokens: int | None = Field(default=None, ge=1)


class Nothing(Message):
    """Input of queries without one."""


class Page(Message):
    """Input of query `results`: rows `offset` to `offset + limit`."""

    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=500, ge=1, le=10_000)


def read_message(kind: type[M], value: Any) -> M:
    """Parse what a caller sent; None stands for an empty object. Raises `ValidationError`."""
    return kind.model_validate({} if value is None else value)
