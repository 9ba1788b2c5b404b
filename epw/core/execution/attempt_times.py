"""Ends of attempts, and when their agents worked or waited for a worker. Times in epoch milliseconds."""

from __future__ import annotations

from collections import Counter

from epw.core import failures
from epw.core.execution.landing_state import LandingState
from epw.core.execution.task_state import TaskState, ended_at
from epw.core.messages import TaskOutcome
from epw.core.plan.model import Plan
from epw.core.schedule.prediction import Phase


class AttemptTimes(LandingState):
    """State that knows when attempts began and ended."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.agents_used: Counter[str] = Counter()
        """How many attempts each agent has had."""
        self.at_work: list[tuple[int, int]] = []
        """Beginning and end of the work of attempts that have ended, without what they waited for before it."""
        self.away: list[tuple[int, int]] = []
        """Beginning and end of stretches in which no worker was there for an attempt, or for the execution."""
        self.url_away: list[tuple[int, int]] = []
        """Beginning and end of stretches in which an activity waited for the git URL."""
        self.worked: list[tuple[int, int]] = []
        """Beginning and end of the runs that attempts have told of."""

    def end_host_wait(self, task_id: str, until: int) -> None:
        """Account for the time in which the present attempt has waited for a worker."""
        state = self.tasks[task_id]
        state.told_wait += max(0, until - state.since)
        self.away += [(state.since, until)] if until > state.since else []

    def end_attempt(self, task_id: str, outcome: TaskOutcome | None, now: int, *, has_worked: bool = True) -> TaskState:
        """Free the task's agent, and take what its attempt has reported. `has_worked`: its agent had begun."""
        state = self.tasks[task_id]
        never_began = _never_began(state, outcome)
        if state.waiting_for == "host" or (never_began and state.taken is False):
            self.end_host_wait(task_id, outcome.started_at if outcome is not None and outcome.started_at else now)
        state.end_told_wait(outcome)
        self.scheduler.release_agent(task_id)
        state.answer = None
        if outcome is not None:
            state.end_attempt(outcome)
            self.away += [(outcome.away_from, outcome.away_until)] if outcome.away_from else []
        if never_began:
            self.agents_used[state.agent_id or ""] -= 1
            state.leave_untaken()
            return state
        self.at_work += [state.worked(outcome, now)] if has_worked else []
        self.worked += [(outcome.started_at, ended_at(outcome))] if outcome is not None else []
        # Nobody knows how long an agent worked whose worker ended, or that could not begin.
        worked = outcome.duration_ms if outcome else 0
        state.duration_ms += worked
        state.phases.append(Phase(worked + (outcome.limited_ms + outcome.crowded_ms if outcome else 0)))
        return state


def _never_began(state: TaskState, outcome: TaskOutcome | None) -> bool:
    """Whether an attempt was cancelled before an agent began it."""
    if outcome is None:
        return state.taken is False
    is_cancelled = outcome.failure is not None and outcome.failure.type == failures.CANCELLED.type
    return is_cancelled and not (state.taken or outcome.started_at or outcome.lost_runs)
