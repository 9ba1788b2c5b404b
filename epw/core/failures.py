"""Named failures, as results show them and Temporal carries them: meaning, who tries again, what a user can do.

`python -m tests.tables` writes docs/errors.md from these records; a new failure is one record here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Retried(StrEnum):
    """Who tries again after a failure."""

    STRATEGY = "the strategy's next attempt"
    NEVER = "nobody: the same would happen again"
    TEMPORAL = "Temporal, as another run of the same attempt"


@dataclass(frozen=True)
class FailureKind:
    """One named reason for a failure; `type` is its name in results and in Temporal's failures."""

    type: str
    meaning: str
    retried: Retried
    recovery: str = ""
    """Advice to a user, for `recoveryOptions`."""


FAILURES: dict[str, FailureKind] = {}
"""Records by type, in the order of docs/errors.md."""


def _kind(type: str, meaning: str, retried: Retried = Retried.STRATEGY, recovery: str = "") -> FailureKind:
    FAILURES[type] = FailureKind(type, meaning, retried, recovery)
    return FAILURES[type]


_NEVER, _TEMPORAL = Retried.NEVER, Retried.TEMPORAL

# Agents.
COMMAND_FAILED = _kind(
    "CommandFailed",
    "the command ended with an exit code other than 0",
    recovery="correct `run` or what it needs, then run the plan again",
)
QUESTION_MISSING = _kind("QuestionMissing", "the command ended with 75 and wrote no question to `$EPW_EVENTS`")
VERIFY_FAILED = _kind(
    "VerifyFailed",
    "`verify` of the task or of the plan ended with an exit code other than 0",
    recovery="correct the task, or its `verify`, then run the plan again",
)
AGENT_ERROR = _kind("AgentError", "the agent ended by an error that is none of those named here")
AGENT_UNAVAILABLE = _kind("AgentUnavailable", "the worker lacks what the agent needs: a key, a package", _NEVER)
REFUSAL = _kind("Refusal", "the model refused the task", _NEVER)
CONTEXT_WINDOW = _kind("ContextWindow", "the conversation is longer than the model can read", _NEVER)
INVALID_RESPONSE = _kind("InvalidResponse", "the model kept sending invalid calls or empty answers", _NEVER)
TURN_LIMIT = _kind("TurnLimit", "the model made 500 turns without finishing", _NEVER)
REPEATED_CALL = _kind("RepeatedCall", "the model made the same call six times in a row", _NEVER)
API_ERROR = _kind("ApiError", "the API rejected the call", _NEVER)
API_UNAVAILABLE = _kind("ApiUnavailable", "more than ten calls in a row brought no answer")
SPEND_LIMIT = _kind("SpendLimit", "the credit of the API account is exhausted", _NEVER)
BUDGET_LIMIT = _kind("BudgetLimit", "the budget of the execution is spent", _NEVER)
SIMULATED_FAILURE = _kind("SimulatedFailure", "a simulated agent failed, as its plan asks")
# Limits.
TIME_LIMIT = _kind(
    "TimeLimit",
    "the attempt has used its time",
    recovery="raise constraints.resourceLimits.maxDurationMs or the estimate, or split the task",
)
MEMORY_LIMIT = _kind(
    "MemoryLimit",
    "the processes of the attempt used more memory than allowed",
    recovery="raise constraints.resourceLimits.maxMemoryMB, or have the task use less",
)
DISK_LIMIT = _kind(
    "DiskLimit",
    "the attempt wrote more than allowed",
    recovery="raise constraints.resourceLimits.maxDiskMB, or have the task write less",
)
PROCESS_LIMIT = _kind(
    "ProcessLimit",
    "the attempt started more processes than allowed",
    recovery="raise constraints.resourceLimits.maxProcesses, or have the task start fewer",
)
DISK_FULL = _kind("DiskFull", "the disk is full", recovery="free disk space, then run the plan again")
# Directory of an attempt.
SETUP_FAILED = _kind(
    "SetupFailed",
    "`setup` ended with an exit code other than 0",
    recovery="run `setup` by hand in a fresh clone; name what it needs in `env`, `passEnv` or `include`",
)
UNSAFE_INCLUDE = _kind("UnsafeInclude", "a path of `include` leads through a link, or cannot be opened safely")
INCLUDE_MISSING = _kind("IncludeMissing", "no earlier task has made what `include` names", _NEVER)
DIRECTORY_LOST = _kind("DirectoryLost", "the agent removed or replaced its directory")
PATH_TOO_LONG = _kind("PathTooLong", "a path in the directory is longer than git can save")
SAVE_FAILED = _kind("SaveFailed", "the change could not be saved")
UNSAFE_SYMLINK = _kind("UnsafeSymlink", "the change has a link that leaves the workspace, which does not land")
UNFINISHED_MERGE = _kind(
    "UnfinishedMerge",
    "a merge or rebase in the directory was not finished",
    recovery="look at what was saved (`salvage`); have the task end its merge or rebase, then run it again",
)
FILTER_MISSING = _kind(
    "FilterMissing",
    "the workspace configures no driver for a content filter that a file needs",
    _NEVER,
    "configure the filter there (`git lfs install`, `git-crypt unlock`); the rest: `salvage`",
)
FILTER_LOST = _kind(
    "FilterLost",
    "a file that a content filter encoded would be stored in clear",
    recovery="let the file keep its name and its attributes, or allow it in clear by hand; the rest: `salvage`",
)
FILTER_FAILED = _kind("FilterFailed", "the driver of a content filter failed")
SUBMODULE_MISSING = _kind(
    "SubmoduleMissing",
    "a submodule was changed that has no files in the workspace",
    _NEVER,
    "initialise the submodule in the workspace, then run the plan again; the rest: `salvage`",
)
SUBMODULE_UNREADABLE = _kind(
    "SubmoduleUnreadable",
    "the commit of a submodule cannot be copied with its history",
    recovery="have the task fetch that commit with its history (no partial clone); the rest: `salvage`",
)
# Merging.
MERGE_CONFLICT = _kind(
    "MergeConflict",
    "the change conflicts with what has landed, and no step of `onConflict` resolved it",
    recovery="add a dependency between the tasks, or let them declare `files`, then run the plan again",
)
CONFLICT_MARKERS = _kind("ConflictMarkers", "the agent left conflict markers in files that it was to merge")
RELOCK_FAILED = _kind("RelockFailed", "the command of `relock` did not make the generated file again")
# Decisions.
QUESTION_UNANSWERED = _kind(
    "QuestionUnanswered",
    "nobody answered in time",
    recovery="answer in time, raise onQuestion.timeoutMinutes, or give a default",
)
NOT_APPROVED = _kind(
    "NotApproved",
    "a person did not approve the change",
    recovery="look at the change (`salvage`); allow it with `land`, or forbid it in the task, and run it again",
)
# The engine.
CANCELLED = _kind("Cancelled", "the task was stopped before it was done", _NEVER)
SKIPPED = _kind("Skipped", "the task did not start, since one that it depends on failed", _NEVER)
WORKER_LOST = _kind(
    "WorkerLost",
    "the worker died or went silent while the attempt ran",
    _TEMPORAL,
    "look at the worker's log; run the plan again",
)
WORKER_SHUTDOWN = _kind("WorkerShutdown", "the worker is shutting down", _TEMPORAL)
POISON = _kind("Poison", "several workers died while this task ran", _NEVER)
AGENT_FAILED = _kind("AgentFailed", "an attempt failed; its details hold the failure itself", _NEVER)
INVALID_PLAN = _kind("InvalidPlan", "the plan cannot run as written", _NEVER)
INVALID_REQUEST = _kind("InvalidRequest", "a message names something that is not there or may not be done now", _NEVER)
UNAVAILABLE = _kind("Unavailable", "the environment lacks something: a server, a worker, git, disk", _NEVER)
FENCED = _kind("Fenced", "the execution moved on without this attempt; what it holds must not land", _NEVER)
# Ends of an execution.
EXECUTION_FAILED = _kind("ExecutionFailed", "a task failed, and the strategy is conservative", _NEVER)
EXECUTION_ROLLED_BACK = _kind("ExecutionRolledBack", "a task failed, and everything was undone", _NEVER)
DELIVERY_REFUSED = _kind("DeliveryRefused", "the workspace was not as it has to be, and is as it was", _NEVER)
ROLLBACK_FAILED = _kind("RollbackFailed", "compensation could not undo everything; commands finish it by hand", _NEVER)


def recovery_options(type: str) -> list[str]:
    """Advice to a user about a failure of this type; none for types that are not in the table."""
    kind = FAILURES.get(type)
    return [kind.recovery] if kind is not None and kind.recovery else []
