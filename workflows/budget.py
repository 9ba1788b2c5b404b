"""Budget of an execution while it runs: asks a person for a higher one, and takes a changed one."""

from __future__ import annotations

from epw.core import failures
from epw.core.amounts import count
from epw.core.decisions.questions import Asked
from epw.core.execution import budget_policy
from epw.core.execution.state import ExecutionState
from epw.core.messages import Failure
from epw.core.plan.requests import SetBudget
from workflows.clock import now
from workflows.open_questions import OpenQuestions


class ExecutionBudget:
    """Holds the tasks that stopped because the budget is spent; one question is asked for all of them."""

    def __init__(self, execution: ExecutionState, open_questions: OpenQuestions) -> None:
        self._execution = execution
        self._open_questions = open_questions
        self._stopped: dict[str, None] = {}
        self._spent = ""
        """What has been spent, in words."""
        self._asked: Asked | None = None

    def stopped(self, task_id: str, spent: str) -> None:
        """Hold a task whose attempt has stopped, until a person has decided."""
        self._stopped[task_id] = None
        if not self._execution.awaits_budget:
            self._ask(task_id, spent)

    def set(self, change: SetBudget) -> str:
        """Change the budget; returns what comes of it. Attempts under way keep the one that they began with."""
        execution = self._execution
        given = {name: getattr(change, name) for name in ("max_cost_usd", "max_tokens")}
        execution.budget = execution.budget.model_copy(update={k: v for k, v in given.items() if v is not None})
        spent = budget_policy.spent_in_words(execution)
        if spent is None:
            execution.out_of_budget = False
            return self._go_on() if execution.awaits_budget else "what starts from now on has it"
        if (waiting := budget_policy.waits_for_model(execution)) is None:
            return f"{spent}; no task that waits needs a model"
        if not execution.awaits_budget:
            self._ask(waiting, spent)
        return f"{spent}: nothing starts until it is raised"

    def forget(self, task_id: str) -> None:
        """Let go of a task that ends; another one asks in its place."""
        self._stopped.pop(task_id, None)
        if self._asked is not None and not self._asked.closed and self._asked.task_id == task_id:
            self._open_questions.withdraw(task_id, "another task asks, or nobody has to")
            self._execution.awaits_budget = False
            if self._stopped:
                self._ask(next(iter(self._stopped)), self._spent)

    def _ask(self, task_id: str, spent: str) -> None:
        self._execution.awaits_budget, self._spent = True, spent
        question = budget_policy.question(spent, self._execution.budget)
        self._asked = self._open_questions.ask(task_id, question, self._settle, self._parse)

    def _parse(self, answer: str) -> object:
        return budget_policy.parse_budget(self._execution.budget, answer)

    def _settle(self, answer: str | None) -> None:
        """Let the stopped tasks continue with a raised budget, or fail them where it is not raised."""
        execution = self._execution
        budget = budget_policy.parse_budget(execution.budget, answer) if answer is not None else None
        if budget is not None:
            execution.budget = budget
            self._release()
            return
        self._stopped, execution.awaits_budget = {}, False
        budget_policy.end(execution, Failure.of(failures.BUDGET_LIMIT, self._spent), now())
        self._open_questions.close_ended()

    def _go_on(self) -> str:
        if self._asked is not None and not self._asked.closed:
            self._open_questions.close_with(self._asked, "the budget was set anew")
        stopped = len(self._stopped)
        self._release()
        return f"starts go on, with {count(stopped, 'stopped task')}"

    def _release(self) -> None:
        stopped, self._stopped = list(self._stopped), {}
        self._execution.awaits_budget = False
        for task_id in stopped:
            self._execution.answered(task_id, None, now())
