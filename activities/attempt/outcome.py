"""The outcome of an attempt, for the workflow: how it ended, what it used, and what it warns of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from activities.agents.base import AgentOutcome, BudgetReached, UsageLimit
from activities.attempt.attempt import Attempt
from activities.attempt.moved import note_place
from activities.attempt.saving import MAX_MESSAGE
from activities.state.host import host_name
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.messages import Failure, Question, TaskOutcome

_MAX_SUMMARY = 500


def outcome_of(
    attempt: Attempt, ending: AgentOutcome | TaskFailed, saved: TaskOutcome, started: float, seconds: float
) -> TaskOutcome:
    """The saved change with everything else that is known of the attempt.

    `started`: epoch seconds. `seconds`: duration with waits.
    """
    reporter, backend, guard = attempt.reporter, attempt.backend, attempt.launcher.guard
    used = guard.result() if guard is not None else {}
    outcome = saved.model_copy(update=_ending_fields(attempt, ending, saved))
    warnings = [*outcome.warnings, *used.pop("warnings", []), *reporter.remarks, *reporter.warnings.all]
    lands_risky = outcome.kind != "completed" or not backend.driven_by_model or attempt.directory.run.base is None
    if outcome.risky and lands_risky:
        # Nobody has to approve these changes: they are only reported.
        warnings.append(f"changed {', '.join(outcome.risky)}"[:MAX_MESSAGE])
    outcome = outcome.model_copy(
        update={
            **used,
            "started_at": int(started * 1000),
            "duration_ms": round((seconds - reporter.waited_seconds) * 1000),
            "crowded_ms": round(reporter.resource_wait.seconds * 1000),
            "lost_runs": reporter.heartbeat.lost_runs,
            "limited_ms": round(reporter.account_wait.seconds * 1000),
            "usage": reporter.usage,
            "sandbox": None if backend.simulated else attempt.launcher.sandbox,
            "simulated": backend.simulated,
            "warnings": warnings,
            "told": reporter.notes.taken if reporter.notes is not None else 0,
            "proposed": reporter.proposed if outcome.kind == "completed" else [],
            "risky": [] if lands_risky else outcome.risky,
        }
    )
    return _redacted(outcome, reporter.redact)


def _redacted(outcome: TaskOutcome, redact: Callable[[str], str]) -> TaskOutcome:
    """The outcome without secrets in its sentences, whoever wrote them; file names and commits stay as they are."""
    failure, left = outcome.failure, outcome.left_behind
    return outcome.model_copy(
        update={
            "failure": failure and failure.model_copy(update={"message": redact(failure.message)}),
            "warnings": [redact(each) for each in outcome.warnings],
            "left_behind": [each.model_copy(update={"name": redact(each.name)}) for each in left],
        }
    )


def _ending_fields(attempt: Attempt, ending: AgentOutcome | TaskFailed, saved: TaskOutcome) -> dict[str, Any]:
    """Fields about the end of the attempt; a failure of the agent comes before a failure to save its change."""
    directory = attempt.directory
    resumable = directory.saved(saved.commit)
    if attempt.backend.keeps_state and directory.run.base and directory.execution.workspace().url is not None:
        # What it has said and read may hold logins and secrets: it does not leave its host.
        resumable = resumable.model_copy(update={"host": host_name(directory.execution.state)})
        note_place(attempt)
    if isinstance(ending, TaskFailed):
        failure = Failure.of(ending.kind, str(ending)[:MAX_MESSAGE], ending.command)
        keeps = attempt.backend.keeps_state and not ending.final
        return {"kind": "failed", "failure": failure, "final": ending.final, "saved": resumable if keeps else None}
    if saved.kind == "failed":
        return {}
    if isinstance(ending, Question):
        return {"kind": "question", "question": ending, "saved": resumable}
    if isinstance(ending, UsageLimit):
        return {"kind": "usage-limit", "until": round(ending.until * 1000), "saved": resumable}
    if isinstance(ending, BudgetReached):
        failure = Failure.of(failures.BUDGET_LIMIT, ending.message[:MAX_MESSAGE])
        return {"kind": "budget-limit", "failure": failure, "saved": resumable}
    return {"summary": ending.summary[:_MAX_SUMMARY] if ending.summary else None}
