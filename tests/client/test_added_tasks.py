"""Who does the tasks that are added to an execution in words."""

from __future__ import annotations

from typing import Any

import pytest

from epw.client.added_tasks import with_agent
from epw.core.errors import InvalidRequest
from epw.core.plan.validate import read_plan

WORDS: list[Any] = [{"id": "w", "description": "in words"}]
COMMAND = {"id": "c", "description": "d", "run": "true"}


def _added(rows: list[Any], agent: str | None = None, **plan: Any) -> list[Any]:
    tasks = [{"id": f"t{index}", "description": "d", "agent": name} for index, name in enumerate(plan.pop("by", []))]
    read = read_plan({"workspace": "/", **plan, "tasks": [*tasks, COMMAND]})
    return [row.get("agent") for row in with_agent(read, rows, agent, "agg")]


def test_words_are_done_by_the_agent_of_the_plans_tasks() -> None:
    assert _added(WORDS, by=["codex", "codex"]) == ["codex"]
    assert _added(WORDS, by=["codex"], agent="claude-cli") == ["claude-cli"]
    assert _added([*WORDS, {**COMMAND, "id": "more"}, {"agent": "claude"}], by=["codex"]) == ["codex", None, "claude"]


def test_the_plans_own_agent_and_the_default_stay_the_workflows_to_choose() -> None:
    read = read_plan({"workspace": "/", "agent": "codex", "tasks": [{"id": "a", "description": "d"}]})
    assert with_agent(read, WORDS, None, "agg") == WORDS
    assert _added(WORDS, by=["codex", "claude"]) == [None]
    assert _added(WORDS) == [None]


def test_words_for_one_of_several_agents_ask_which() -> None:
    with pytest.raises(InvalidRequest, match=r"done by codex, claude-cli: `epw add agg TASK --agent codex`"):
        _added(WORDS, by=["codex", "claude-cli"])
    with pytest.raises(InvalidRequest, match="no agent clade; there are claude"):
        _added(WORDS, agent="clade")
