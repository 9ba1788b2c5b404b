"""Conflicts of an execution: what was found, what is tried, how each ended, and the document that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from epw.core.conflict_steps import ConflictStep
from epw.core.decisions.questions import Asked
from epw.core.landing import ConflictFound
from epw.core.semantic_entry import Rename


class _Classification(NamedTuple):
    """How results classify a kind of conflict."""

    type: str
    severity: str
    detection_method: str


KINDS = {
    "lines": _Classification("file-level", "medium", "three-way merge"),
    "add-add": _Classification("file-level", "medium", "three-way merge"),
    "modify-delete": _Classification("file-level", "high", "three-way merge"),
    "rename": _Classification("file-level", "high", "three-way merge"),
    "mode": _Classification("file-level", "low", "three-way merge"),
    "binary": _Classification("file-level", "high", "three-way merge"),
    "symlink": _Classification("file-level", "high", "three-way merge"),
    "submodule": _Classification("file-level", "high", "three-way merge"),
    "case": _Classification("file-level", "medium", "names of the merged tree"),
    "semantic": _Classification("semantic", "high", "symbols, names and checkers of both sides"),
    "verify": _Classification("semantic", "high", "verify command on the merged tree"),
    "hazard": _Classification("dependency", "low", "declared files and reads"),
}
ADVICE_KINDS = ("hazard",)


@dataclass
class Conflict:
    """A change that did not merge, or whose merge was refused; or advice, which nothing waits for."""

    id: str
    found: ConflictFound
    agents: list[str]
    left: list[ConflictStep] = field(default_factory=list)
    """Steps that are still to be tried, in order."""
    step: ConflictStep | None = None
    """The step under way, or the one that ended it."""
    chosen_by: str | None = None
    """Chooser of that step: `plan`, `strategy` or `user`."""
    resolution: str | None = None
    decided_by: str | None = None
    tried: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    overwrote: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    choices: Sequence[ConflictStep] = ()
    """Steps that a person can choose while it waits."""
    asked: Asked | None = None
    """The question to a person that it waits for."""
    met: list[str] = field(default_factory=list)
    """The tasks whose changes it has conflicted with so far."""
    regenerations: int = 0
    """Number of times that commands of `relock` have run for it."""

    def __post_init__(self) -> None:
        self.meets(self.found.tasks)

    def meets(self, tasks: Sequence[str]) -> bool:
        """Note the tasks of the other side; whether one of them is new."""
        new = [task for task in tasks if task not in self.met and task != self.found.tasks[0]]
        self.met += new
        return bool(new)

    @property
    def is_advice(self) -> bool:
        return self.found.kind in ADVICE_KINDS

    @property
    def waits(self) -> bool:
        """Whether a person is to choose now."""
        return self.asked is not None and not self.asked.closed and self.resolution is None

    def take(self, step: ConflictStep, by: str) -> None:
        """Note that a step begins, and who chose it."""
        if self.step is not None:
            self.tried.append(str(self.step))
        self.step, self.chosen_by = step, by

    def settled_by(self, step: ConflictStep, renames: list[Rename]) -> None:
        """Note that uses follow renames, whatever step has led to that."""
        self.step, self.found = step, self.found.model_copy(update={"renames": renames})

    def end(self, *, by_model: bool = False) -> None:
        """Note that the step under way has ended it; `by_model`: a model that knew both sides decided in it."""
        decided_by_model = by_model and self.chosen_by != "user"
        self.resolution = str(self.step)
        self.decided_by = f"agent:{self.found.tasks[0]}" if decided_by_model else self.chosen_by

    def document(self) -> dict[str, Any]:
        """The conflict as results show it, without its `hunks`, which are in the hub."""
        kind = KINDS[self.found.kind]
        return {
            "id": self.id,
            "type": kind.type,
            "kind": self.found.kind,
            "severity": kind.severity,
            "agents": self.agents,
            "tasks": self.found.tasks,
            "description": self.found.description,
            "affectedResources": self.found.paths,
            "paths": self.found.paths,
            "detectionMethod": kind.detection_method,
            "commit": self.found.commit,
            "resolutionOptions": self._advice if self.is_advice else [self._option(each) for each in self.choices],
            "resolution": self.resolution,
            "decidedBy": self.decided_by,
            **(self.found.semantic.document() if self.found.semantic else {}),
            **(
                {"renames": [each.model_dump(by_alias=True) for each in self.found.renames]}
                if self.found.renames
                else {}
            ),
            **({"command": self.found.command, "exitCode": self.found.exit_code} if self.found.command else {}),
            **({"output": self.found.output} if self.found.output else {}),
            **({"underWay": str(self.step)} if self.step and not self.resolution else {}),
            **({"tried": self.tried} if self.tried else {}),
            **({"passedOver": self.passed_over} if self.passed_over else {}),
            **({"overwrote": self.overwrote} if self.overwrote else {}),
            **({"dropped": self.dropped} if self.dropped else {}),
            **({"questionId": self.asked.id} if self.asked and self.waits else {}),
        }

    def _option(self, step: ConflictStep) -> dict[str, Any]:
        """A step that can end it; while it waits for a person, with the `choice` to give."""
        option = step.kind.option
        assert option is not None, "only steps with an option are choices"
        description = option.description.format(own=self.found.tasks[0], target=step.target)
        row = _option_row(option.strategy, description, option.risk) | {"step": str(step)}
        return row | ({"choice": str(step)} if self.waits else {})

    @property
    def _advice(self) -> list[dict[str, Any]]:
        """Options of a person for a hazard: order the two tasks, or declare what a single one wrote."""
        if len(self.found.tasks) < 2:
            description = f"Add the paths to the `files` of {self.found.tasks[0]}"
            return [_option_row("manual", description, "low", automatic=False)]
        reader, writer = self.found.tasks[:2]
        description = f"Let {reader} depend on {writer} (`dependsOn`)"
        return [_option_row("sequential-retry", description, "low", automatic=False)]


def _option_row(strategy: str, description: str, risk: str, *, automatic: bool = True) -> dict[str, Any]:
    return {"strategy": strategy, "description": description, "automatic": automatic, "risk": risk}
