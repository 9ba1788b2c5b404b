"""Planner of `epw plan`: the model writes a plan for a goal, and corrects what the plan's validator refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anthropic import transform_schema
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from activities.model_api.answer import ModelAnswer
from activities.model_api.api import Api, Rejected
from epw.core.errors import InvalidPlan, Problem, Unavailable
from epw.core.plan.validate import read_plan

_MAX_CORRECTIONS = 3
_MAX_REJECTED = 6
_MAX_WAIT_SECONDS = 60.0
_MAX_OUTPUT_TOKENS = 32_000
_MAX_FILES = 2_000

_SYSTEM = """\
You plan work for coding agents that run in parallel. Split the goal into tasks. Each task is done by one agent in a
copy of the project of its own; when it is done its change is merged, and the tasks that depend on it start.

- A task is a piece of work with one purpose that an agent does in 5 to 60 minutes. Say in its description what is to
  be done, where, and how one sees that it is done; an agent knows nothing but its description and the project.
- `dependsOn` names only tasks whose result a task really needs: every edge costs parallel work.
- Tasks that could run at the same time should not change the same files. Name in `files` the globs that a task will
  write. Where two tasks must change one file, let one depend on the other.
- Put what several tasks need (interfaces, schemas, fixtures) into a task of its own that comes first.
- `estimatedMinutes` is an honest estimate for one agent.
- `verify` is a shell command that must succeed on the merged result, such as the project's tests; leave it out where
  you do not know one that is there."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class _PlannedTask(_Strict):
    id: str = Field(description="Short and telling, in kebab case.")
    description: str
    depends_on: list[str]
    estimated_minutes: float
    files: list[str]


class _Planned(_Strict):
    name: str = Field(description="A few words.")
    verify: str | None
    tasks: list[_PlannedTask]


@dataclass(frozen=True)
class Goal:
    """The goal of a plan, and the project that it is for."""

    text: str
    files: list[str]
    """Paths of the project's files."""
    settings: dict[str, Any]
    """Fields of the plan that the user has set."""


async def plan_of(goal: Goal, model: str, api: Api, notify: Callable[[str], None]) -> dict[str, Any]:
    """A valid plan document; `notify` gets a line for each problem on the way.

    Raises `InvalidPlan` after three corrections without success, `Unavailable` where the API does not answer.
    """
    messages: list[dict[str, Any]] = [{"role": "user", "content": _request(goal)}]
    problems: list[Problem] = []
    for _ in range(1 + _MAX_CORRECTIONS):
        answer = await _ask(api, model, messages, notify)
        try:
            document = _document(answer, goal)
            read_plan(document)
        except InvalidPlan as error:
            problems = error.problems
            notify(f"the plan is not valid yet: {error}")
            messages += [
                {"role": "assistant", "content": answer.text or "(nothing)"},
                {"role": "user", "content": f"This plan cannot be run:\n{error}\nWrite the whole plan again, correct."},
            ]
            continue
        return document
    raise InvalidPlan([Problem("", f"no valid plan after {_MAX_CORRECTIONS} corrections; the last one:"), *problems])


def _request(goal: Goal) -> str:
    more = len(goal.files) - _MAX_FILES
    listing = "\n".join(goal.files[:_MAX_FILES]) + (f"\n… and {more} more" if more > 0 else "")
    project = f"\n\nThe files of the project:\n{listing}" if goal.files else "\n\nThere is no project yet."
    return f"Goal: {goal.text}{project}"


async def _ask(api: Api, model: str, messages: list[dict[str, Any]], notify: Callable[[str], None]) -> ModelAnswer:
    """One answer of the model; temporary errors are waited out."""
    schema = {"type": "json_schema", "schema": transform_schema(_Planned)}
    request = {"model": model, "system": _SYSTEM, "messages": messages, "max_tokens": _MAX_OUTPUT_TOKENS}
    for attempt in range(_MAX_REJECTED):
        try:
            return await api.ask({**request, "output_config": {"format": schema}})
        except Rejected as rejected:
            wait = rejected.wait if rejected.wait is not None else float(2**attempt)
            if rejected.kind not in ("rate", "passing") or wait > _MAX_WAIT_SECONDS or attempt == _MAX_REJECTED - 1:
                raise Unavailable(f"no response from the API: {rejected}") from None
            notify(f"waiting for the API: {rejected}")
            await asyncio.sleep(wait)
    raise AssertionError("unreachable")


def _document(answer: ModelAnswer, goal: Goal) -> dict[str, Any]:
    if answer.stop_reason == "max_tokens":
        raise InvalidPlan([Problem("", "the answer was cut at its token limit: plan in fewer words")])
    if answer.stop_reason == "refusal":
        raise Unavailable(f"the model refused: {answer.text[:300]}")
    try:
        planned = _Planned.model_validate(json.loads(answer.text))
    except ValidationError as error:
        raise InvalidPlan([Problem(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]) from None
    except (ValueError, RecursionError) as error:
        raise InvalidPlan([Problem("", f"no JSON: {error}")]) from None
    found = planned.model_dump(by_alias=True, exclude_none=True)
    has_workspace = "workspace" in goal.settings
    verify = {"verify": found.pop("verify")} if "verify" in found and has_workspace else {}
    found.pop("verify", None)
    tasks = [{name: value for name, value in task.items() if value != []} for task in found.pop("tasks")]
    return {**found, **goal.settings, **verify, "tasks": tasks}
