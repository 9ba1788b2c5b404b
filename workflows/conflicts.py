"""Conflicts in the seed's form (CONTRACT section 6), and how the plan's list of steps ends one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workflows.availability import CONFLICT_STEPS
from workflows.messages import ConflictFound
from workflows.strategy import Strategy

# kind → (the seed's type, severity, how it was found)
KINDS = {
    "lines": ("file-level", "medium", "three-way merge"),
    "add-add": ("file-level", "medium", "three-way merge"),
    "modify-delete": ("file-level", "high", "three-way merge"),
    "rename": ("file-level", "high", "three-way merge"),
    "mode": ("file-level", "low", "three-way merge"),
    "binary": ("file-level", "high", "three-way merge"),
    "symlink": ("file-level", "high", "three-way merge"),
    "verify": ("semantic", "high", "verify command on the merged tree"),
    "hazard": ("dependency", "low", "declared files"),
}
_OPTIONS = {
    "merge": ("merge", "Merge both sides by the structure of the file", True, "low"),
    "retry": (
        "sequential-retry",
        "Run the task again on the state that now holds the other side",
        True,
        "low",
    ),
    "agent": ("merge", "Let an agent merge both sides with both intents", True, "medium"),
    "ask": ("manual", "Ask a person", False, "low"),
    "skip": ("prefer-agent", "Keep what has landed and leave this task's change out", True, "medium"),
    "rollback": ("rollback", "Undo everything that has landed", True, "high"),
}
ADVICE_KINDS = ("hazard",)


@dataclass
class Conflict:
    id: str
    found: ConflictFound
    agents: list[str]
    resolution: str | None = None
    decided_by: str | None = None
    passed_over: list[str] = field(default_factory=list)

    @property
    def is_advice(self) -> bool:
        return self.found.kind in ADVICE_KINDS

    def decide(self, strategy: Strategy, chosen: list[str] | None, *, undoes_all: bool) -> str:
        """End the conflict by the first step of the list that is built; `skip` or `rollback`.

        At the end of the list it is left to the strategy: what a failure undoes anyway is rolled back.
        """
        for step in chosen if chosen is not None else strategy.on_conflict:
            if step in CONFLICT_STEPS:
                self.resolution = step
                self.decided_by = "plan" if chosen is not None else "strategy"
                return step
            self.passed_over.append(step)
        self.resolution, self.decided_by = "rollback" if undoes_all else "skip", "strategy"
        return self.resolution

    def document(self, steps: list[str]) -> dict[str, Any]:
        """The conflict as results show it; `hunks` are added from the hub by who shows it."""
        kind, severity, method = KINDS[self.found.kind]
        options = [] if self.is_advice else [_OPTIONS[step.split(":")[0]] for step in steps if step in _OPTIONS]
        names = ("strategy", "description", "automatic", "risk")
        return {
            "id": self.id,
            "type": kind,
            "kind": self.found.kind,
            "severity": severity,
            "agents": self.agents,
            "tasks": self.found.tasks,
            "description": self.found.description,
            "affectedResources": self.found.paths,
            "paths": self.found.paths,
            "detectionMethod": method,
            "resolutionOptions": [dict(zip(names, option, strict=True)) for option in options],
            "resolution": self.resolution,
            "decidedBy": self.decided_by,
            **({"passedOver": self.passed_over} if self.passed_over else {}),
        }
