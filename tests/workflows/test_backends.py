"""A backend is one record and one class: a further one needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from activities.agents.base import AgentOutcome, Completed
from activities.agents.context import AgentContext
from activities.agents.registry import missing_for
from activities.agents.reporter import Reporter
from activities.processes.launcher import ProcessLauncher
from epw.core import failures
from epw.core.backends import BACKENDS, Backend, register
from epw.core.errors import InvalidPlan, TaskFailed
from epw.core.plan.model import Task
from epw.core.plan.validate import read_plan
from tests.support import Harness, check_invariants, ended, make_repository, sh, statuses, tasks

TUTORIAL = Path(__file__).parents[2] / "docs/tutorials/backend.md"
FIFTH = Backend("fifth", does="what this test says", required=("context",), keeps_state=True)


class Fifth:
    """Fails once, with a note for its next attempt, then writes the note into its directory."""

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter) -> AgentOutcome:
        note = context.state / "note"
        if context.attempt == 1:
            context.state.mkdir(parents=True)
            note.write_text(str(context.task.context))
            raise TaskFailed(failures.AGENT_ERROR, "not yet")
        (context.tree / context.task.id).write_text(note.read_text())
        return Completed(summary="done")


async def test_a_fifth_backend_runs_a_plan_and_nothing_else_knows_it(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    plan: dict[str, Any] = {
        "agent": "fifth",
        "workspace": str(path),
        "tasks": tasks({"id": "a", "context": "first"}, {"id": "b", "context": "second", "dependsOn": ["a"]}),
    }
    with register(FIFTH):
        async with harness.working({"fifth": Fifth()}):
            handle = await harness.start(plan)
            assert await ended(handle) is None
            document = await harness.document(handle)
            await check_invariants(read_plan(plan), document, handle, harness.home)
    assert statuses(document) == {"a": "succeeded", "b": "succeeded"}
    assert [row["attempts"] for row in document["results"]] == [2, 2]
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:b") == "second"


def test_a_plan_may_name_a_backend_while_it_is_registered_only() -> None:
    plan = {"agent": "fifth", "tasks": tasks({"id": "a", "context": 1})}
    with register(FIFTH):
        assert read_plan(plan).backend_of(read_plan(plan).tasks[0]) is FIFTH
        with pytest.raises(InvalidPlan, match='context: is required by agent "fifth"'):
            read_plan({"agent": "fifth", "tasks": tasks({"id": "a"})})
        with pytest.raises(ValueError, match="exists already"), register(FIFTH):
            pass
    with pytest.raises(InvalidPlan, match="agent: no agent fifth; there are claude, claude-code, command, simulated"):
        read_plan(plan)


def test_a_task_s_fields_select_its_backend_where_nothing_names_one() -> None:
    rows = tasks({"id": "a", "run": "true"}, {"id": "b", "simulate": {}}, {"id": "c"})
    plan = read_plan({"tasks": rows})
    assert [plan.backend_of(task).name for task in plan.tasks] == ["command", "simulated", "claude"]


def test_a_backend_without_its_key_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    lacking = [name for name, backend in BACKENDS.items() if backend.preset is None and missing_for(name)]
    assert lacking == ["claude", "claude-code"]


async def test_the_tutorial_runs_as_it_is_written(harness: Harness) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", TUTORIAL.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    page: dict[str, Any] = {"__name__": "tutorial"}
    for block in blocks[:3]:
        exec(compile(block, str(TUTORIAL), "exec"), page)
    result = await page["main"](harness.client, harness.home, harness.queue)
    assert result["success"]
    assert {row["taskId"]: row["summary"] for row in result["results"]} == {
        "guide": "wrote guide.md",
        "index": "wrote index.md",
    }
