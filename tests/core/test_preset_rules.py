"""What a plan with presets and logins may say: what cannot be kept is refused, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from epw.core.errors import InvalidPlan
from epw.core.plan.validate import read_plan


def problems(**plan: Any) -> list[str]:
    rows = [{"id": "a", "description": "d", **plan.pop("task", {})}]
    try:
        read_plan({"tasks": rows, **plan})
    except InvalidPlan as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize(
    ("plan", "found"),
    [
        ({"agent": "codex", "network": False}, 'agent "codex" calls its API itself: name its hosts in `network`'),
        ({"agent": "codex", "constraints": {"budget": {"maxCostUSD": 1}}}, 'agent "codex" does not say what it costs'),
        ({"agent": "goose", "constraints": {"budget": {"maxTokens": 1}}}, "does not say how many tokens it uses"),
        ({"task": {"agent": "codex", "run": "make"}}, 'has no meaning for agent "codex"'),
        ({"agent": "codex", "task": {"tools": ["Read"]}}, 'has no meaning for agent "codex"'),
        ({"passEnv": ["PATH", "HOME"], "sandbox": "landlock"}, "passEnv[1]: the home directory is not there"),
        ({"passEnv": ["HOME"], "network": ["a.example"]}, "passEnv[0]: the home directory is not there"),
        ({"logins": ["codx"]}, "logins[0]: must be one of: claude, codex"),
        ({"agent": "claude-cl"}, "did you mean claude-cli?"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_what_to_do(plan: dict[str, Any], found: str) -> None:
    (problem,) = problems(**plan)
    assert found in problem


@pytest.mark.parametrize(
    "plan",
    [
        {"agent": "claude-cli", "constraints": {"budget": {"maxCostUSD": 1, "maxTokens": 5}}},
        {"agent": "codex", "constraints": {"budget": {"maxTokens": 5}}, "network": ["api.openai.com"]},
        {"agent": "codex", "model": "gpt-6", "logins": ["claude"], "task": {"logins": []}},
        {"passEnv": ["HOME"], "sandbox": "process", "task": {"run": "true"}},
        {"passEnv": ["HOME"], "sandbox": "none", "agent": "codex"},
    ],
)
def test_what_can_be_kept_is_taken(plan: dict[str, Any]) -> None:
    assert problems(**plan) == []


def test_a_task_gets_its_agent_s_login_and_the_plan_s_or_those_that_it_names() -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a"},
        {"id": "b", "agent": "gemini"},
        {"id": "c", "logins": ["codex"]},
        {"id": "d", "logins": []},
        {"id": "e", "agent": "command", "run": "true"},
        {"id": "f", "agent": "simulated"},
    ]
    tasks = [{"description": "d", **row} for row in rows]
    plan = read_plan({"agent": "claude-cli", "logins": ["opencode"], "tasks": tasks})
    found = {task.id: [login.name for login in plan.logins_of(task)] for task in plan.tasks}
    assert found == {
        "a": ["claude", "opencode"],
        "b": ["gemini", "opencode"],
        "c": ["codex"],
        "d": [],
        "e": ["opencode"],
        "f": [],
    }


def test_a_rate_limit_of_a_preset_is_shown_as_not_enforced_and_its_budget_is_not() -> None:
    limit = {"provider": "openai", "maxRequestsPerMinute": 1}
    constraints = {"apiRateLimit": limit, "budget": {"maxTokens": 5}}
    plan = read_plan({"agent": "codex", "constraints": constraints, "tasks": [{"id": "a", "description": "d"}]})
    assert plan.not_enforced(plan.tasks[0]) == ["constraints.apiRateLimit"]


def test_a_task_with_a_command_is_that_command_whatever_model_does_the_others() -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "description": "d"},
        {"id": "b", "description": "d", "run": "make", "dependsOn": ["a"]},
        {"id": "c", "description": "d", "agent": "gemini"},
    ]
    plan = read_plan({"agent": "codex", "tasks": rows})
    assert [plan.backend_of(task).name for task in plan.tasks] == ["codex", "command", "gemini"]
    simulated = read_plan({"agent": "simulated", "tasks": [{**rows[1], "dependsOn": []}]})
    assert simulated.backend_of(simulated.tasks[0]).name == "simulated"
