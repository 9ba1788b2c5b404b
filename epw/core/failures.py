"""Named failures, as results show them and Temporal carries them: meaning, who tries again, what a user can do.

`python -m tests.tables` writes docs/troubleshooting.md from these records; a new failure is one record here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from epw.core.recovery_words import ANEW, CHANGED, DOCTOR, LOGS, RETRY, SALVAGE, SET_VARIABLE, SPLIT, UP, raise_limit


class Retried(StrEnum):
    """Who tries again after a failure."""

    STRATEGY = "the strategy's next attempt"
    ONCE = "one more attempt: where that fails in the same way, so would the next"
    NEVER = "nobody: the same would happen again"
    TEMPORAL = "Temporal, as another run of the same attempt"


@dataclass(frozen=True)
class FailureKind:
    """One named reason for a failure; `type` is its name in results and in Temporal's failures."""

    type: str
    meaning: str
    retried: Retried
    recovery: tuple[str, ...] = ()
    """What a user can do, for `recoveryOptions`; `{id}`, `{task}` and `{path}` stand for the execution, the task, and
    the task's place in the plan."""


FAILURES: dict[str, FailureKind] = {}
"""Records by type, in the order of docs/troubleshooting.md."""


def _kind(type: str, meaning: str, retried: Retried = Retried.STRATEGY, *recovery: str) -> FailureKind:
    FAILURES[type] = FailureKind(type, meaning, retried, recovery)
    return FAILURES[type]


_STRATEGY, _ONCE, _NEVER, _TEMPORAL = Retried.STRATEGY, Retried.ONCE, Retried.NEVER, Retried.TEMPORAL

# Agents.
COMMAND_FAILED = _kind("CommandFailed", "the command ended by a code other than 0", _STRATEGY, LOGS, CHANGED, SALVAGE)
QUESTION_MISSING = _kind(
    "QuestionMissing",
    "the command ended with 75 and wrote no question to `$EPW_EVENTS`",
    _STRATEGY,
    "write the question before exit code 75, or end with another code; then `epw retry {id} PLAN`",
    LOGS,
)
VERIFY_FAILED = _kind(
    "VerifyFailed",
    "`verify` of the task or of the plan ended with an exit code other than 0",
    _STRATEGY,
    LOGS,
    "correct the task, or its `verify`, in the plan, then `epw retry {id} PLAN`",
    SALVAGE,
)
VERIFY_RED_BEFORE = _kind(
    "VerifyRedBefore",
    "the plan's `verify` is red on the base too, before any task: no task made it so",
    _NEVER,
    LOGS,
    "correct the plan's `verify`, or what it checks in the workspace, then `epw retry {id} PLAN`",
)
AGENT_ERROR = _kind(
    "AgentError", "the agent ended by an error that is none of those named here", _STRATEGY, LOGS, RETRY, SALVAGE
)
AGENT_UNAVAILABLE = _kind(
    "AgentUnavailable", "the worker lacks what the agent needs: a key, a package", _NEVER, DOCTOR, RETRY
)
VARIABLE_MISSING = _kind("VariableMissing", "the worker lacks a variable that `passEnv` names", _STRATEGY, SET_VARIABLE)
REFUSAL = _kind(
    "Refusal", "the model refused the task", _NEVER, "say the task in other words; `epw retry {id} PLAN`", LOGS
)
CONTEXT_WINDOW = _kind("ContextWindow", "the conversation is longer than the model can read", _NEVER, SPLIT, SALVAGE)
INVALID_RESPONSE = _kind(
    "InvalidResponse",
    "the model kept sending invalid calls or empty answers",
    _NEVER,
    LOGS,
    "name another `model`; `epw retry {id} PLAN`",
    SALVAGE,
)
TURN_LIMIT = _kind("TurnLimit", "the model made 500 turns without finishing", _NEVER, SPLIT, SALVAGE, LOGS)
REPEATED_CALL = _kind("RepeatedCall", "the model made the same call six times in a row", _NEVER, LOGS, CHANGED, SALVAGE)
API_ERROR = _kind(
    "ApiError", "the API rejected the call", _NEVER, "correct `model` or the account; `epw retry {id} PLAN`", LOGS
)
API_UNAVAILABLE = _kind(
    "ApiUnavailable",
    "more than ten calls in a row brought no answer",
    _STRATEGY,
    "once the API answers: `epw retry {id}`",
    SALVAGE,
)
SPEND_LIMIT = _kind(
    "SpendLimit", "the credit of the API account is exhausted", _NEVER, "add credit, then `epw retry {id}`", SALVAGE
)
BUDGET_LIMIT = _kind(
    "BudgetLimit",
    "the budget of the execution is spent",
    _NEVER,
    "raise constraints.budget in the plan, then `epw retry {id} PLAN`",
    SALVAGE,
)
SIMULATED_FAILURE = _kind("SimulatedFailure", "a simulated agent failed, as its plan asks", _STRATEGY, RETRY)
# Limits.
TIME_LIMIT = _kind(
    "TimeLimit",
    "the attempt has used its time",
    _ONCE,
    raise_limit("maxDurationMs", "its estimatedMinutes"),
    SPLIT,
    SALVAGE,
)
MEMORY_LIMIT = _kind(
    "MemoryLimit",
    "the processes of the attempt used more memory than allowed",
    _ONCE,
    raise_limit("maxMemoryMB", "have the task use less"),
    SALVAGE,
)
DISK_LIMIT = _kind(
    "DiskLimit",
    "the attempt wrote more than allowed",
    _ONCE,
    raise_limit("maxDiskMB", "have the task write less"),
    SALVAGE,
)
PROCESS_LIMIT = _kind(
    "ProcessLimit",
    "the attempt started more processes than allowed",
    _ONCE,
    raise_limit("maxProcesses", "have the task start fewer"),
    SALVAGE,
)
DISK_FULL = _kind(
    "DiskFull", "the disk is full", _STRATEGY, "free disk space (`epw gc`), then `epw retry {id}`", SALVAGE
)
# Directory of an attempt.
SETUP_FAILED = _kind(
    "SetupFailed",
    "`setup` ended with an exit code other than 0",
    _STRATEGY,
    LOGS,
    "run `setup` by hand in a fresh clone; name what it needs in `env`, `passEnv` or `include`; `epw retry {id} PLAN`",
)
UNSAFE_INCLUDE = _kind(
    "UnsafeInclude",
    "a path of `include` leads through a link, or cannot be opened safely",
    _STRATEGY,
    "name what the link leads to in `include`; `epw retry {id} PLAN`",
)
INCLUDE_MISSING = _kind(
    "IncludeMissing",
    "no earlier task has made what `include` names",
    _NEVER,
    "see what was kept: `epw artifacts {id}`",
    "correct `include`, or `keep` of the task that makes it; `epw retry {id} PLAN`",
)
DIRECTORY_LOST = _kind("DirectoryLost", "the agent removed or replaced its directory", _STRATEGY, LOGS, CHANGED)
PATH_TOO_LONG = _kind(
    "PathTooLong",
    "a path in the directory is longer than git can save",
    _STRATEGY,
    "shorten the path; `epw retry {id} PLAN`",
    LOGS,
)
SAVE_FAILED = _kind("SaveFailed", "the change could not be saved", _STRATEGY, DOCTOR, RETRY, SALVAGE)
UNSAFE_SYMLINK = _kind(
    "UnsafeSymlink",
    "the change has a link that leaves the workspace, which does not land",
    _STRATEGY,
    SALVAGE,
    CHANGED,
)
UNFINISHED_MERGE = _kind(
    "UnfinishedMerge",
    "a merge or rebase in the directory was not finished",
    _STRATEGY,
    SALVAGE,
    "have the task end its merge or rebase; `epw retry {id} PLAN`",
)
FILTER_MISSING = _kind(
    "FilterMissing",
    "the workspace configures no driver for a content filter that a file needs",
    _NEVER,
    "configure the filter there (`git lfs install`, `git-crypt unlock`), then `epw retry {id}`",
    SALVAGE,
)
FILTER_LOST = _kind(
    "FilterLost",
    "a file that a content filter encoded would be stored in clear",
    _STRATEGY,
    "let the file keep its name and its attributes, or allow it in clear by hand; `epw retry {id} PLAN`",
    SALVAGE,
)
FILTER_FAILED = _kind("FilterFailed", "the driver of a content filter failed", _STRATEGY, LOGS, RETRY, SALVAGE)
SUBMODULE_MISSING = _kind(
    "SubmoduleMissing",
    "a submodule was changed that has no files in the workspace",
    _NEVER,
    "initialise the submodule in the workspace (`git submodule update --init`), then `epw retry {id}`",
    SALVAGE,
)
SUBMODULE_UNREADABLE = _kind(
    "SubmoduleUnreadable",
    "the commit of a submodule cannot be copied with its history",
    _STRATEGY,
    "have the task fetch that commit with its history (no partial clone); `epw retry {id} PLAN`",
    SALVAGE,
)
# Merging.
MERGE_CONFLICT = _kind(
    "MergeConflict",
    "the change conflicts with what has landed, and no step of `onConflict` resolved it",
    _STRATEGY,
    "let one task depend on the other, or both declare `files`, in the plan; `epw retry {id} PLAN`",
    SALVAGE,
)
CONFLICT_MARKERS = _kind(
    "ConflictMarkers", "the agent left conflict markers in files that it was to merge", _STRATEGY, SALVAGE, RETRY
)
RELOCK_FAILED = _kind(
    "RelockFailed", "the command of `relock` did not make the generated file again", _STRATEGY, LOGS, CHANGED
)
# Decisions.
QUESTION_UNANSWERED = _kind(
    "QuestionUnanswered",
    "nobody answered in time",
    _STRATEGY,
    "answer in time, raise onQuestion.timeoutMinutes, or give a default; `epw retry {id} PLAN`",
    SALVAGE,
)
NOT_APPROVED = _kind(
    "NotApproved",
    "a person did not approve the change",
    _STRATEGY,
    SALVAGE,
    "allow it next time with `land`, or forbid it in the task; `epw retry {id} PLAN`",
)
# The engine.
CANCELLED = _kind("Cancelled", "the task was stopped before it was done", _NEVER, RETRY, SALVAGE)
SKIPPED = _kind("Skipped", "the task did not start, since one that it depends on failed", _NEVER, RETRY)
WORKER_LOST = _kind("WorkerLost", "the worker died or went silent while the attempt ran", _TEMPORAL, UP, LOGS)
WORKER_SHUTDOWN = _kind("WorkerShutdown", "the worker is shutting down", _TEMPORAL, UP)
POISON = _kind("Poison", "several workers died while this task ran", _NEVER, LOGS, CHANGED)
AGENT_FAILED = _kind("AgentFailed", "an attempt failed; its details hold the failure itself", _NEVER, LOGS, RETRY)
INVALID_PLAN = _kind(
    "InvalidPlan", "the plan cannot run as written", _NEVER, "correct the plan; `epw analyze PLAN` checks it"
)
INVALID_REQUEST = _kind(
    "InvalidRequest",
    "a message names something that is not there or may not be done now",
    _NEVER,
    "see what is there: `epw status {id}`",
)
UNAVAILABLE = _kind(
    "Unavailable", "the environment lacks something: a server, a worker, git, disk, the git URL", _NEVER, DOCTOR, ANEW
)
FENCED = _kind(
    "Fenced",
    "the execution moved on without this attempt; what it holds must not land",
    _NEVER,
    "see where it is: `epw status {id}`",
)
# Ends of an execution.
EXECUTION_FAILED = _kind(
    "ExecutionFailed",
    "a task failed, and the strategy is conservative",
    _NEVER,
    "see which and why: `epw status {id}`",
    RETRY,
)
EXECUTION_ROLLED_BACK = _kind(
    "ExecutionRolledBack",
    "a task failed, and everything was undone",
    _NEVER,
    "see which and why: `epw status {id}`",
    RETRY,
)
DELIVERY_REFUSED = _kind(
    "DeliveryRefused",
    "the workspace was not as it has to be, and is as it was",
    _NEVER,
    "see why, and what finishes it: `epw status {id}`",
    "take the changes as patches: `epw salvage {id} --patches DIR`",
)
ROLLBACK_FAILED = _kind(
    "RollbackFailed",
    "compensation could not undo everything; commands finish it by hand",
    _NEVER,
    "see the commands that finish it: `epw status {id}`",
)
