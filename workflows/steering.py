"""Updates that change an execution while it runs; each is noted in its result."""

from __future__ import annotations

from typing import Any

from epw.core.errors import InvalidRequest
from epw.core.execution.additions import Additions
from epw.core.execution.task_state import UNREAD
from epw.core.execution.task_steering import TaskSteering
from epw.core.plan.git_url import is_url
from epw.core.plan.preset_rules import not_kept
from epw.core.plan.requests import AddTasks, OfTask, SendMessage, SetBudget, SetMaxAgents, SetPriority, SteeringRequest
from workflows.attempts import TOLD, Attempts
from workflows.budget import ExecutionBudget
from workflows.clock import now
from workflows.handlers import ExecutionHandlers
from workflows.retries import Retries
from workflows.typed_handlers import update


class SteeringHandlers(ExecutionHandlers):
    """Updates of the workflow, which sets these attributes: `_attempts` and `_retries` once it is prepared."""

    _attempts: Attempts
    _budget: ExecutionBudget
    _retries: Retries

    @property
    def _task_steering(self) -> TaskSteering:
        return TaskSteering(self._execution)

    def check_open(self) -> None:
        super().check_open()
        if self._execution.finishing:
            raise InvalidRequest("every task has ended, and the head is being verified and delivered")

    @update(SteeringRequest)
    def pause(self, message: SteeringRequest) -> dict[str, Any]:
        """Start no further attempt; running attempts go on to their end."""
        self._execution.paused = True
        self._steered("pause", message, "nothing starts until `resume`")
        return {"status": self._display.status}

    @update(SteeringRequest)
    def resume(self, message: SteeringRequest) -> dict[str, Any]:
        """End a pause: start what is ready."""
        was_paused, self._execution.paused = self._execution.paused, False
        self._steered("resume", message, "starts go on" if was_paused else "it was not paused")
        return {"status": self._display.status}

    @update(SetMaxAgents)
    def set_max_agents(self, message: SetMaxAgents) -> dict[str, Any]:
        """Change how many tasks run at once; surplus agents leave when their task ends."""
        before = self._execution.max_agents
        self._execution.set_max_agents(message.max_agents)
        self._steered("set_max_agents", message, f"{message.max_agents} instead of {before}")
        return {"maxAgents": self._execution.max_agents}

    def _check_cancel(self, message: OfTask) -> None:
        self._task_steering.check_cancel(message.task_id)

    @update(OfTask, check=_check_cancel)
    def cancel_task(self, message: OfTask) -> dict[str, Any]:
        """Stop one task and skip what depends on it; everything else goes on."""
        task_id, state = message.task_id, self._execution.tasks[message.task_id]
        entry = state.cancelled_by = self._steered("cancel_task", message, "its agent is being stopped")
        if self._task_steering.is_under_way(task_id):
            self._attempts.cancel(task_id)
        else:
            self._end_waiting(task_id)
        return {"taskId": task_id, "status": state.status, "outcome": entry.outcome}

    def _end_waiting(self, task_id: str) -> None:
        """Cancel a task of which no attempt runs, with all that it waits for."""
        if self._execution.tasks[task_id].waiting_for == "usage-limit":
            self._attempts.cancel(task_id)
        self._task_steering.end_cancelled(task_id, None, now())
        self._resolver.cancelled(task_id)
        self._budget.forget(task_id)
        self._open_questions.withdraw(task_id, "the task was cancelled")

    def _check_retry(self, message: OfTask) -> None:
        self._task_steering.check_retry(message.task_id)

    @update(OfTask, check=_check_retry)
    def retry_task(self, message: OfTask) -> dict[str, Any]:
        """Run a task that has ended again, on a head without its change, and what depends on it after it."""
        task_id, entry = message.task_id, self._steered("retry_task", message, "what is under way ends first")
        self._retries.begin(task_id, entry)
        self._retries.proceed()
        return {"taskId": task_id, "status": self._execution.tasks[task_id].status, "outcome": entry.outcome}

    def _check_add(self, message: AddTasks) -> None:
        Additions(self._execution).checked(message.tasks)

    @update(AddTasks, check=_check_add)
    def add_tasks(self, message: AddTasks) -> dict[str, Any]:
        """Add tasks, which are scheduled like others and can depend on those that there are."""
        added = Additions(self._execution).add(message.tasks, now())
        ready = [each for each in added if self._execution.tasks[each].status == "ready"]
        entry = self._steered("add_tasks", message, f"added, {len(ready)} of them ready to start")
        entry.request = {"tasks": added}
        return {"added": added, "outcome": entry.outcome}

    def _check_message(self, message: SendMessage) -> None:
        self._task_steering.check_message(message.task_id)

    @update(SendMessage, check=_check_message)
    def message(self, message: SendMessage) -> dict[str, Any]:
        """Tell a task's agent something: at its next turn, or its next attempt when it starts."""
        task_id, is_running = message.task_id, self._task_steering.is_under_way(message.task_id)
        entry = self._steered("message", message, TOLD if is_running else UNREAD)
        self._execution.tasks[task_id].messages.append((message.text, entry))
        if is_running:
            self._attempts.tell(task_id)
        return {"taskId": task_id, "outcome": entry.outcome}

    def _check_priority(self, message: SetPriority) -> None:
        self._task_steering.check_priority(message.task_id)

    @update(SetPriority, check=_check_priority)
    def set_priority(self, message: SetPriority) -> dict[str, Any]:
        """Change when a task starts, among those that are ready."""
        before = self._execution.tasks[message.task_id].task.priority
        self._task_steering.set_priority(message.task_id, message.priority)
        self._steered("set_priority", message, f"{message.priority} instead of {before}")
        return {"taskId": message.task_id, "priority": message.priority}

    def _check_budget(self, message: SetBudget) -> None:
        if message.max_cost_usd is None and message.max_tokens is None:
            raise InvalidRequest("give maxCostUSD, maxTokens or both")
        execution = self._execution
        if is_url(execution.plan.workspace or "") and execution.plan.may_leave_host:
            # No ledger adds up what several hosts spend, before they spend it.
            raise InvalidRequest(
                "it may run on several hosts, since its plan has no `constraints.budget`, and gets none while it runs: "
                "`epw cancel` ends it, `epw retry` with a plan that has one takes over what has succeeded"
            )
        for task_id, state in execution.tasks.items():
            preset = execution.plan.backend_of(state.task).preset
            if preset is not None and not state.is_terminal:
                for why in not_kept(preset, message):
                    raise InvalidRequest(f"{task_id}: {why}")

    @update(SetBudget, check=_check_budget)
    def set_budget(self, message: SetBudget) -> dict[str, Any]:
        """Change what the execution may spend on models."""
        entry = self._steered("set_budget", message, "")
        entry.outcome = self._budget.set(message)
        budget = self._execution.budget
        return {"maxCostUSD": budget.max_cost_usd, "maxTokens": budget.max_tokens, "outcome": entry.outcome}
