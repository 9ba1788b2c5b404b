"""Each thing that happens is found once, whenever it is looked for."""

from __future__ import annotations

from typing import Any

from epw.core.decisions.conflicts import Conflict
from epw.core.decisions.questions import Questions
from epw.core.execution.delivery import DeliveredPullRequest, Delivery
from epw.core.execution.state import ExecutionState
from epw.core.landing import ConflictFound
from epw.core.messages import Failure, Question, TaskOutcome, Usage
from epw.core.plan.parts import Budget
from epw.core.plan.validate import read_plan
from epw.core.report.notice_board import NoticeBoard
from tests.support import tasks


def execution_of(**more: Any) -> ExecutionState:
    rows = tasks({"id": "a", "run": "true"}, {"id": "b", "run": "true"}, {"id": "c", "run": "true"})
    plan = {"strategy": "aggressive", **more, "tasks": rows}
    return ExecutionState(read_plan(plan))


def used(cost: float, tokens: int) -> TaskOutcome:
    usage = Usage(requests=1, input_tokens=tokens, output_tokens=0, cost_usd=cost)
    return TaskOutcome(kind="completed", usage=usage, duration_ms=1)


def test_questions_conflicts_and_failures_are_told_once() -> None:
    execution, questions = execution_of(), Questions()
    conflicts: list[Conflict] = []
    board = NoticeBoard(execution, questions, conflicts, "an execution", "key")
    list(execution.starts(1))
    assert list(board.news(1)) == []
    questions.ask("a", Question(text="which?", options=["x", "y"]), 1)
    closed = questions.ask("b", Question(text="answered by its default"), 1)
    closed.closed = True
    for kind in ("lines", "hazard"):
        found = ConflictFound(kind=kind, tasks=["a", "b"], paths=["p"] * 20, description="d" * 3000)
        conflicts.append(Conflict(f"c{len(conflicts) + 1}", found, [], []))
    execution.give_up("c", "failed", Failure(type="CommandFailed", message="no"), 2)
    told = list(board.news(3))
    assert [each.event for each in told] == ["question", "conflict", "failed"]
    assert [each.id for each in told] == ["key-1", "key-2", "key-3"]
    assert told[0].commands == ["epw answer 'an execution' q1 CHOICE"]
    assert told[1].conflict is not None
    assert len(told[1].conflict["paths"]) == 10
    assert max(len(each.model_dump_json()) for each in told) < 4096
    assert list(board.news(4)) == []


def test_a_budget_is_told_at_four_fifths_and_anew_when_it_is_raised() -> None:
    execution = execution_of(constraints={"budget": {"maxCostUSD": 10}})
    board = NoticeBoard(execution, Questions(), [], "e", "key")
    list(execution.starts(1))
    execution.completed("a", used(7.9, 10), 2)
    assert list(board.news(2)) == []
    execution.completed("b", used(0.1, 10), 3)
    (told,) = board.news(3)
    assert told.title == "80% of the budget are spent"
    assert told.budget == {"costUSD": 8.0, "tokens": 20, "maxCostUSD": 10.0, "maxTokens": None}
    assert list(board.news(4)) == []
    execution.budget = Budget(max_tokens=24)
    (again,) = board.news(5)
    assert again.text == "20 of 24 tokens"


def test_the_last_one_says_what_became_of_it() -> None:
    board = NoticeBoard(execution_of(), Questions(), [], "e", "key")
    delivery = Delivery(mode="branch", branch="epw/e")
    last = board.end(5, "partial", "", delivery, 3)
    assert (last.title, last.text) == ("e: partial", "3 ready; branch epw/e")
    assert (last.status, last.left_out) == ("partial", 3)
    assert last.delivery is not None
    assert last.delivery["branch"] == "epw/e"
    assert "pullRequest" not in last.delivery
    opened = DeliveredPullRequest(url="https://forge/1", state="open")
    told = board.end(5, "succeeded", "", delivery.model_copy(update={"pull_request": opened}), 0)
    assert told.delivery is not None
    assert told.delivery["pullRequest"] == "https://forge/1"
