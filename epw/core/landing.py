"""Messages between the workflow and the activities `land`, `check`, `check_head` and `verify`: changes and verdicts."""

from __future__ import annotations

from pydantic import Field

from epw.core.messages import StepRequest
from epw.core.plan.parts import Message
from epw.core.semantic_entry import Rename, SemanticEntry

NOT_INSTALLED = " is not installed: merges are not checked by it"
"""What follows the name of a checker that would have had something to read."""


def in_few_lines(problems: list[str]) -> list[str]:
    """Why checkers said nothing, with those that are not installed in one line."""
    absent = [each.removesuffix(NOT_INSTALLED) for each in problems if each.endswith(NOT_INSTALLED)]
    if len(absent) < 2:
        return problems
    joined = f"not installed, so that merges are not checked by them: {', '.join(absent)}"
    return [*(each for each in problems if not each.endswith(NOT_INSTALLED)), joined]


class Change(Message):
    """A task's saved change that is to land."""

    task_id: str
    commit: str
    detached: bool = False
    """Whether to merge it without the commits before it, which are of another execution."""
    way: str = ""
    """How conflicts are merged: `merge` by the structure of the files, `ours` has landed, `theirs` is the task's."""
    earlier: str | None = None
    """The task's earlier change, which did not merge; with an empty `commit` it has changed nothing since."""
    follows_renames: bool = False
    """Whether uses are rewritten to follow a rename of the other side, even where no checker reads the result."""
    keeps_both: bool = False
    """Whether it is a conflict if the change loses lines of a side."""
    checked_with: str | None = None
    """The head with which checkers have read its merge, and found nothing; empty: whatever the head, it lands."""
    verified_with: str | None = None
    """The head with which `verify` has passed on its merge."""
    beside: list[str] = Field(default_factory=list)
    """Tasks whose changes were merged onto that head before it, where it was checked or verified."""
    at: int | None = None
    """Date of its merge commit (default: the request's)."""
    waits: bool = False
    """Whether it is known that its merge has to be tried."""
    alone: bool = False
    """Whether it is tried without others beside it."""


class LandRequest(StepRequest):
    """Merge the changes, in this order, into `head`; `at` is the date of the merge commits, in epoch seconds.

    The commits depend on nothing else, so that a second run makes the same ones.
    """

    hub: str
    head: str
    changes: list[Change]
    at: int
    expected: str | None = None
    """Commit that the head ref must point to (default: `head`); stops a landing that has been overtaken."""
    detached: bool = False
    """Whether to merge each change without the head that it started from, which has what is now left out."""
    stop_at_shared_file: bool = False
    """Without `tries_first`: whether to end after a merge of two sides of one file, so that it is verified alone."""
    verifies: bool = False
    """Whether a merge of two sides of one file has to be verified."""
    tries_first: bool = False
    """Whether a merge that checkers or `verify` have to read waits for a trial, and the others land."""
    tries: bool = False
    """Whether those that wait are merged now, for a trial."""
    checks: bool = False
    """Whether a change waits until the languages' checkers have read its merge, where they have something to read."""


class ConflictFound(Message):
    """A conflict as it was found; its hunks are in the hub, by `commit`, not in the history."""

    kind: str
    tasks: list[str]
    paths: list[str]
    description: str
    commit: str | None = None
    relock: list[str] = Field(default_factory=list)
    """Generated files that the plan has commands for, if nothing else is in conflict."""
    command: str | None = None
    """The command of a red `verify`; then its exit code and the end of its output."""
    exit_code: int | None = None
    output: str | None = None
    semantic: SemanticEntry | None = None
    """The first of the places that do not fit, of a semantic one."""
    renames: list[Rename] = Field(default_factory=list)
    """What uses can follow so that all places fit; empty where that is not certain."""
    is_checked: bool = False
    """Whether checkers here read the result of that."""
    tried: list[str] = Field(default_factory=list)
    """Steps that the landing itself has tried."""
    is_of_head: bool = False
    """Whether it was found of the head, after the change had landed."""


class Landing(Message):
    """Result for one change: `head` after it, or the conflict."""

    task_id: str
    head: str
    shared_with: list[str] = Field(default_factory=list)
    """Tasks whose changes of a file were merged with this one's without conflict."""
    shared_paths: list[str] = Field(default_factory=list)
    conflict: ConflictFound | None = None
    to_check: list[str] = Field(default_factory=list)
    """Checkers that have to read its merge first: it has not landed."""
    merged: str | None = None
    """Then the commit of that merge; in a trial, with those before it."""
    waits: bool = False
    """Whether it has not landed, and has a trial first; without `merged` it waits for the next one."""
    to_verify: bool = False
    """Whether `verify` has to read its merge."""
    unchecked: list[str] = Field(default_factory=list)
    """Why checkers that would have had something to read were not run."""
    unread: list[str] = Field(default_factory=list)
    """Checkers that are here and have something to read in its merge, which landed without them."""
    settled: ConflictFound | None = None
    """The conflict that was merged as `way` says, or by rewriting uses."""
    renames: list[Rename] = Field(default_factory=list)
    """What the rewritten uses follow."""
    hazards: list[ConflictFound] = Field(default_factory=list)
    """Advice: reads and writes of one file by concurrent tasks that no edge orders."""
    overwrote: list[str] = Field(default_factory=list)
    """Paths that lost lines of the other side of the earlier conflict."""
    dropped: list[str] = Field(default_factory=list)
    """Paths that lost lines of the task's own earlier change, because it ran again and did something else."""


class Landed(Message):
    """Result of a batch: `head` after it; changes without a row were not reached and go into the next batch."""

    head: str
    rows: list[Landing]
    has_trials: bool = False
    """Whether merges that have to be read wait for a trial; else each is read at once, before anything else lands."""


class CheckRequest(StepRequest):
    """Run checkers on the merge of a change with a head."""

    hub: str
    head: str
    change: Change
    merged: str
    names: list[str]
    is_rewritten: bool = False
    """Whether uses follow a rename in it: its conflict is already recorded."""


class CheckHeadRequest(StepRequest):
    """Run checkers on the last of the heads; each is the one before it with one change more, the first is the base."""

    hub: str
    heads: list[str]
    changes: list[Change]
    """The change of each head but the base."""
    names: list[str]
    is_trial: bool = False
    """Whether none of them has landed: a conflict only names the change that is to be looked at by itself."""


class Checked(Message):
    """Result of `check` and `check_head`: the conflict, if there is one, and why checkers said nothing.

    The first task of a conflict of the head is the one whose landing brought it.
    """

    conflict: ConflictFound | None = None
    problems: list[str] = Field(default_factory=list)
    failed: list[str] = Field(default_factory=list)
    """The checkers with a problem."""
    duration_ms: int = 0


RED_BEFORE = "verify of the plan is red before any task too (no task made it so)"
"""How the message of an execution begins whose base fails the plan's `verify` as its head does."""


class VerifyRequest(StepRequest):
    """Run the plan's `verify` on the tree of `commit`; `label` is shown for it."""

    hub: str
    commit: str
    label: str


class Verified(Message):
    """Result of `verify`; `output` is the end of what it printed, `duration_ms` what the command took."""

    green: bool
    message: str = ""
    exit_code: int | None = None
    output: str | None = None
    duration_ms: int = 0
