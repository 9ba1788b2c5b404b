"""Steps of `onConflict`: what can be done about a change that does not merge, one record each.

The validator of plans, the resolver, questions, results and docs/conflicts.md read these records: a new step is one
record more in `CONFLICT_STEPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

TEXTUAL_KINDS = frozenset({"lines", "add-add", "modify-delete", "rename", "mode", "binary", "symlink", "submodule"})
"""Kinds of conflict in which git cannot merge; in all others it can, and the merged tree is refused."""

APPLY_RENAME = "apply-rename"


@dataclass(frozen=True)
class Situation:
    """Facts that decide whether a step is possible."""

    kind: str
    tasks: Sequence[str]
    """The task whose change does not merge, then those of the other side."""
    has_model: bool
    """Whether a model does that task."""
    has_renames: bool = False
    """Whether the uses of one side can follow what the other has renamed."""
    is_checked: bool = False
    """Whether checkers then read the result."""


class Resolution(Protocol):
    """A change that does not merge, and what a step can do about it."""

    @property
    def task_id(self) -> str: ...

    def run_again(self, *, merging: bool) -> None:
        """Start another attempt on the head; `merging`: on the merge of both sides, with conflict markers."""

    def land_again(self, merge_strategy: str) -> None:
        """Land the change once more: `merge` by structure, or by the side `ours` (landed) or `theirs` (the task's)."""

    def follow_renames(self) -> None:
        """Land the change once more, with the uses of what the other side has renamed rewritten."""

    def ask_person(self) -> None:
        """Ask which of the possible steps is taken."""

    def leave_out(self, *, undo_all: bool) -> None:
        """End the task as `conflicted`; `undo_all`: a step that a plan or a person chose also undoes the execution."""


@dataclass(frozen=True)
class Condition:
    """Condition of a step, in words and as a test."""

    text: str
    holds: Callable[[Situation], bool]


@dataclass(frozen=True)
class Option:
    """Entry of `resolutionOptions`; its description can name `{own}`, the task, and `{target}`, the named one.

    `strategy`: kind of resolution that users' programs know (`merge`, `prefer-agent`, `rollback`, `sequential-retry`,
    `manual`); several steps can share one. `risk`: `low`, `medium` or `high`.
    """

    strategy: str
    description: str
    risk: str


ALWAYS = Condition("always", lambda situation: True)
WITH_MODEL = Condition("a model does the task", lambda situation: situation.has_model)
TEXTUAL = Condition("git does not merge it", lambda situation: situation.kind in TEXTUAL_KINDS)
RENAMED = Condition("one side has renamed what the other uses anew", lambda situation: situation.has_renames)
MERGEABLE = Condition(
    "git does not merge it, or a rename is all there is to it and checkers read the result",
    lambda situation: TEXTUAL.holds(situation) or (situation.has_renames and situation.is_checked),
)


@dataclass(frozen=True)
class StepKind:
    """One kind of step. `take` begins it, given the task that the step names, or an empty text."""

    name: str
    meaning: str
    take: Callable[[Resolution, str], None]
    possible: Condition = ALWAYS
    option: Option | None = None
    """How results and questions offer it; None: a person cannot choose it."""
    names_task: bool = False
    """Whether it is written `name:TASK`."""
    is_final: bool = False
    """Whether the change stays out; possible even while the execution stops."""
    runs_agent: bool = False
    """Whether the task's agent works on it: a model has then decided."""
    reapplies: bool = False
    """Whether the agent makes its change again on the head: both sides have to be in it, whatever landed meanwhile."""
    regenerates: bool = False
    """Whether commands of the plan make generated files (`relock`) again for it."""
    landing_strategy: str = ""
    """The merge strategy of a first landing where the list begins with this step; empty: git's own merge only."""

    @property
    def syntax(self) -> str:
        """How a plan writes it."""
        return f"{self.name}:<task>" if self.names_task else self.name


@dataclass(frozen=True)
class ConflictStep:
    """One entry of `onConflict`; its text is what the plan says."""

    kind: StepKind
    target: str = ""

    def __str__(self) -> str:
        return f"{self.kind.name}:{self.target}" if self.kind.names_task else self.kind.name


def _prefer(change: Resolution, target: str) -> None:
    change.land_again("theirs" if target == change.task_id else "ours")


def step_kinds(*kinds: StepKind) -> dict[str, StepKind]:
    """The kinds by name, in the order in which they are offered."""
    return {kind.name: kind for kind in kinds}


CONFLICT_STEPS: Mapping[str, StepKind] = step_kinds(
    StepKind(
        "merge",
        "merge by the structure of the files, make generated files again by the commands of `relock`; let uses follow a"
        " rename, where checkers read the result",
        lambda change, _: change.land_again("merge"),
        possible=MERGEABLE,
        regenerates=True,
        landing_strategy="merge",
    ),
    StepKind(
        APPLY_RENAME,
        "rewrite the uses of what the other side has renamed, if symbols, names and the checkers there are agree",
        lambda change, _: change.follow_renames(),
        possible=RENAMED,
        option=Option("merge", "Let the uses of one side follow the rename of the other", "low"),
    ),
    StepKind(
        "retry",
        "run the task again on what has landed",
        lambda change, _: change.run_again(merging=False),
        option=Option("sequential-retry", "Run {own} again on the state that now holds the other side", "low"),
        runs_agent=True,
        reapplies=True,
    ),
    StepKind(
        "agent",
        "let the task's model merge both sides",
        lambda change, _: change.run_again(merging=True),
        possible=WITH_MODEL,
        option=Option("merge", "Let the agent of {own} merge both sides with both intents", "medium"),
        runs_agent=True,
    ),
    StepKind(
        "prefer",
        "take the side of that task in the places that do not merge",
        _prefer,
        possible=TEXTUAL,
        option=Option("prefer-agent", "Take the side of {target} where both cannot be had", "medium"),
        names_task=True,
    ),
    StepKind("ask", "let a person choose", lambda change, _: change.ask_person()),
    StepKind(
        "skip",
        "leave the change out; the task is `conflicted`",
        lambda change, _: change.leave_out(undo_all=False),
        option=Option("prefer-agent", "Keep what has landed and leave the change of {own} out", "medium"),
        is_final=True,
    ),
    StepKind(
        "rollback",
        "undo everything that has landed",
        lambda change, _: change.leave_out(undo_all=True),
        option=Option("rollback", "Undo everything that has landed", "high"),
        is_final=True,
    ),
)


def parse_step(text: str, kinds: Mapping[str, StepKind] = CONFLICT_STEPS) -> ConflictStep:
    """The step that an entry of `onConflict`, or a person's choice, names; raises `ValueError` if it names none."""
    name, separator, target = text.partition(":")
    kind = kinds.get(name)
    if kind is None or bool(separator) != kind.names_task or (kind.names_task and not target):
        raise ValueError(f"must be one of: {', '.join(each.syntax for each in kinds.values())}")
    return ConflictStep(kind, target)


def choices(situation: Situation, kinds: Iterable[StepKind], max_targets: int = 10) -> list[ConflictStep]:
    """The steps that a person can choose, in the order of their kinds."""
    found: list[ConflictStep] = []
    for kind in kinds:
        if kind.option is not None and kind.possible.holds(situation):
            targets = situation.tasks[:max_targets] if kind.names_task else [""]
            found += [ConflictStep(kind, target) for target in targets]
    return found
