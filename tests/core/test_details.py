"""Current details of an execution: what the Web UI shows is what `status` says."""

from __future__ import annotations

from typing import Any

import pytest

from epw.core.conflict_steps import ConflictStep, parse_step
from epw.core.decisions.conflicts import Conflict
from epw.core.decisions.questions import Questions
from epw.core.execution.delivery import Delivery
from epw.core.execution.state import ExecutionState
from epw.core.execution.steered import Steered
from epw.core.landing import ConflictFound
from epw.core.messages import Question, TaskOutcome
from epw.core.plan.requests import OfTask
from epw.core.plan.validate import read_plan
from epw.core.report.details import details
from tests.core.test_notices import execution_of, used
from tests.support import tasks


@pytest.mark.parametrize(
    ("kind", "step", "asks", "state"),
    [
        ("lines", None, True, "open: resolve it"),
        ("lines", None, False, "open: found"),
        ("lines", parse_step("retry"), False, "open: retry"),
        ("hazard", None, False, "advice"),
    ],
)
def test_an_open_conflict_is_not_advice(kind: str, step: ConflictStep | None, asks: bool, state: str) -> None:
    questions = Questions()
    conflict = Conflict("c1", ConflictFound(kind=kind, tasks=["a", "b"], paths=["p"], description="both"), [], [])
    conflict.step = step
    if asks:
        conflict.asked = questions.ask("a", Question(text="which?", options=["ours", "theirs"]), 1)
    shown = details(execution_of(), "e", "running", [conflict], questions, None)
    assert f"**Conflict c1** both → {state}" in shown


@pytest.mark.parametrize(("options", "word"), [(["yes", "no"], "CHOICE` (yes \\| no)"), ([], "TEXT`")])
def test_the_command_that_answers_says_what_it_takes(options: list[str], word: str) -> None:
    questions = Questions()
    questions.ask("a", Question(text="which?", options=options), 1)
    assert f"`epw answer e q1 {word}" in details(execution_of(), "e", "running", [], questions, None)


def chained(**more: Any) -> ExecutionState:
    """`b` runs after `a`, `c` and `d` after both; `e` wants a file of `a`."""
    rows = [
        {"id": "a", "run": "true", "files": ["f"]},
        {"id": "b", "run": "true", "dependsOn": ["a"]},
        {"id": "c", "run": "true", "dependsOn": ["a", "b"]},
        {"id": "e", "run": "true", "files": ["f"]},
    ]
    return ExecutionState(read_plan({"strategy": "aggressive", "maxAgents": 2, "tasks": tasks(*rows), **more}))


def shown(execution: ExecutionState, status: str = "running", delivery: Delivery | None = None) -> list[str]:
    return details(execution, "my run", status, [], Questions(), delivery).splitlines()


def test_who_waits_for_whom_is_told() -> None:
    execution = chained()
    list(execution.starts(1))
    assert shown(execution)[2:] == [
        "| status | tasks | |",
        "|---|---|---|",
        "| running | 1 | a (agent-1, attempt 1) |",
        "| pending | 2 | b (after a), c (after a, b) |",
        "| waiting: files | 1 | e (after a) |",
        "",
        "follow it, and steer it: `epw watch 'my run'`",
    ]


def test_a_pause_names_the_command_that_ends_it() -> None:
    execution = chained()
    execution.paused = True
    told = shown(execution, "paused")
    assert told[0] == "**paused** · 0 of 4 tasks succeeded · 2 agents · aggressive"
    assert told[2] == "Nothing starts until `epw resume 'my run'`"


def test_what_goes_on_under_the_same_status_is_told() -> None:
    execution = chained()
    execution.wait_for("question", next(iter(execution.starts(1))).task_id, TaskOutcome(kind="question"), 2)
    execution.cancelled("e", None, 2)
    assert shown(execution)[0].startswith("**running, waits for a person** ·")
    execution.stopping = True
    assert shown(execution)[0].startswith("**running, stopping: agents are being stopped** ·")
    execution.stop(3)
    assert shown(execution)[0].startswith("**running: every task has ended, the whole is checked and delivered")


def test_steering_is_told_newest_first_and_bounded() -> None:
    execution = chained()
    assert not [each for each in shown(execution) if "Steering" in each]
    for minute in range(7):
        message = OfTask.model_validate({"taskId": f"t|{minute}", "by": "<ada>"})
        execution.steering.append(Steered.of("cancel_task", message, minute * 60_000, "it is stopped"))
    told = shown(execution)
    start = told.index("**Steering** (7, the last 5)")
    assert told[start + 2] == "- 00:06 UTC · &lt;ada> · cancel_task taskId=t\\|6 → it is stopped"
    assert len([each for each in told[start:] if each.startswith("- ")]) == 5


def test_cost_stands_against_the_budget() -> None:
    execution = execution_of(constraints={"budget": {"maxCostUSD": 10, "maxTokens": 100}})
    list(execution.starts(1))
    execution.completed("a", used(2.5, 40), 2)
    assert shown(execution)[0].endswith("2.50 of 10 USD · 40 of 100 tokens")


def test_the_end_says_what_leads_on() -> None:
    delivery = Delivery(mode="branch", base="a", head="b", branch="epw/my-run")
    told = shown(chained(workspace="/x"), "partial", delivery)
    commands = ("status", "diff", "merge", "salvage", "retry")
    assert told[-1] == "next: " + " · ".join(f"`epw {each} 'my run'`" for each in commands)
    assert "Delivered: branch `epw/my-run`" in told
    assert shown(chained(), "succeeded")[-1] == "next: `epw status 'my run'`"


def test_a_conflict_that_waits_is_answered_by_its_own_command_and_open_ones_come_first() -> None:
    questions = Questions()
    found = ConflictFound(kind="lines", tasks=["a", "b"], paths=["p"], description="both")
    settled = [Conflict(f"c{n}", found, [], [], resolution="retry") for n in range(1, 8)]
    asked = questions.ask("a", Question(text="$1 or $2?", options=["ours", "skip"]), 1)
    asking = Conflict("c8", found, [], [], asked=asked)
    told = details(execution_of(), "e", "running", [*settled, asking], questions, None)
    assert "answer with: `epw resolve e c8 CHOICE` (ours \\| skip)" in told
    assert "(a): &#36;1 or &#36;2?" in told
    assert told.index("Conflict c8") < told.index("Conflict c1")
    assert "Conflict c5" not in told
