"""Conflicts in the seed's form (CONTRACT section 6), and how the plan's list of steps ends one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from epw.core.decisions.questions import Asked
from epw.core.messages import ConflictFound

# kind → (the seed's type, severity, how it was found)
KINDS = {
    "lines": ("file-level", "medium", "three-way merge"),
    "add-add": ("file-level", "medium", "three-way merge"),
    "modify-delete": ("file-level", "high", "three-way merge"),
    "rename": ("file-level", "high", "three-way merge"),
    "mode": ("file-level", "low", "three-way merge"),
    "binary": ("file-level", "high", "three-way merge"),
    "symlink": ("file-level", "high", "three-way merge"),
    "case": ("file-level", "medium", "names of the merged tree"),
    "semantic": ("semantic", "high", "symbols of both sides"),
    "verify": ("semantic", "high", "verify command on the merged tree"),
    "hazard": ("dependency", "low", "declared files and reads"),
}
# choice → (the seed's strategy, description, automatic, risk)
_OPTIONS = {
    "retry": ("sequential-retry", "Run {own} again on the state that now holds the other side", True, "low"),
    "agent": ("merge", "Let the agent of {own} merge both sides with both intents", True, "medium"),
    "prefer": ("prefer-agent", "Take the side of {preferred} where both cannot be had", True, "medium"),
    "skip": ("prefer-agent", "Keep what has landed and leave the change of {own} out", True, "medium"),
    "rollback": ("rollback", "Undo everything that has landed", True, "high"),
}
ADVICE_KINDS = ("hazard",)


@dataclass
class Conflict:
    id: str
    found: ConflictFound
    agents: list[str]
    steps: Sequence[str] = ()
    """What is tried, in order."""
    left: list[str] = field(init=False)
    """Of these, what is still to be tried."""
    step: str | None = None
    """The one that is under way, and who chose it."""
    chosen_by: str | None = None
    resolution: str | None = None
    decided_by: str | None = None
    tried: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    overwrote: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    decided_by_agent: bool = False
    """Whether an agent that knew both sides has ended it by running again."""
    choices: Sequence[str] = ()
    """What a person can choose while it waits."""
    asked: Asked | None = None
    """The question by which it waits for a person."""
    met: list[str] = field(default_factory=list)
    """The tasks whose sides it has met so far."""
    relocks: int = 0
    """How often generated files were made anew for it."""

    def __post_init__(self) -> None:
        self.left = list(self.steps)
        self.meets(self.found.tasks)

    def meets(self, tasks: Sequence[str]) -> bool:
        """The change did not merge with these: whether one is new."""
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

    @property
    def _options(self) -> list[dict[str, Any]]:
        """How it can end; while it waits, each with the `choice` that a person gives."""
        names, found = ("strategy", "description", "automatic", "risk"), []
        if self.is_advice:
            return [dict(zip(names, option, strict=True)) for option in self._missing_edge]
        for choice in self.choices:
            step, _, preferred = choice.partition(":")
            strategy, description, automatic, risk = _OPTIONS[step]
            told = description.format(own=self.found.tasks[0], preferred=preferred)
            option = dict(zip(names, (strategy, told, automatic, risk), strict=True))
            found.append(option | ({"choice": choice} if self.waits else {}))
        return found

    @property
    def _missing_edge(self) -> list[tuple[str, str, bool, str]]:
        """What would order the two tasks of a hazard; a single one only wrote outside of what it declares."""
        if len(self.found.tasks) < 2:
            return [("manual", f"Add the paths to the `files` of {self.found.tasks[0]}", False, "low")]
        reader, writer = self.found.tasks[:2]
        return [("sequential-retry", f"Let {reader} depend on {writer} (`dependsOn`)", False, "low")]

    def take(self, step: str, by: str) -> None:
        """Begin a step."""
        if self.step is not None:
            self.tried.append(self.step)
        self.step, self.chosen_by = step, by

    def end(self) -> None:
        """The step under way has ended it."""
        by_agent = (self.step == "agent" or self.decided_by_agent) and self.chosen_by != "user"
        self.resolution, self.decided_by = self.step, f"agent:{self.found.tasks[0]}" if by_agent else self.chosen_by

    def document(self) -> dict[str, Any]:
        """The conflict as results show it; `hunks` are added from the hub by who shows it."""
        kind, severity, method = KINDS[self.found.kind]
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
            "commit": self.found.commit,
            "resolutionOptions": self._options,
            "resolution": self.resolution,
            "decidedBy": self.decided_by,
            **({"command": self.found.command, "exitCode": self.found.exit_code} if self.found.command else {}),
            **({"output": self.found.output} if self.found.output else {}),
            **({"underWay": self.step} if self.step and not self.resolution else {}),
            **({"tried": self.tried} if self.tried else {}),
            **({"passedOver": self.passed_over} if self.passed_over else {}),
            **({"overwrote": self.overwrote} if self.overwrote else {}),
            **({"dropped": self.dropped} if self.dropped else {}),
            **({"questionId": self.asked.id} if self.asked and self.waits else {}),
        }
