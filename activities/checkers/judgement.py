"""Judgement of a merge, and its conflicts as documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from activities.checkers.checker import Message
from activities.checkers.merge_checks import CheckerReport
from activities.conflicts.entry import entry_of, in_words
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.textual.hunks import conflict_hunks
from activities.git.command import display_path, display_paths
from activities.git.hub import Hub
from activities.git.merge import Merge
from epw.core.conflict_steps import APPLY_RENAME
from epw.core.semantic_entry import Rename


@dataclass
class Judgement:
    """What became of a merge. `tree`: of the merge; None where it does not merge."""

    base: str
    ours: str
    theirs: str
    tree: str | None = None
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    suspected: int = 0
    """Conflicts that symbols and names show; a checker may have decided otherwise."""
    resolved: list[str] = field(default_factory=list)
    """Files that git does not merge, and their structure does."""
    checks: list[CheckerReport] = field(default_factory=list)
    renames: list[Rename] = field(default_factory=list)
    """What the uses can follow so that all fits as far as symbols and names show; with `are_applied` they do."""
    are_applied: bool = False
    finish_with: list[str] = field(default_factory=list)
    """Commands that bring a clean merge into the repository."""
    milliseconds: dict[str, int] = field(default_factory=dict)
    """Time by step."""

    @property
    def is_clean(self) -> bool:
        return not self.conflicts

    def document(self) -> dict[str, Any]:
        """The judgement as `epw merge-check --json` prints it."""
        return {
            "verdict": "clean" if self.is_clean else "conflict",
            "base": self.base,
            "ours": self.ours,
            "theirs": self.theirs,
            "tree": self.tree,
            "conflicts": self.conflicts,
            "resolvedByStructure": display_paths(self.resolved, len(self.resolved)),
            "renames": [each.model_dump(by_alias=True) | {"applied": self.are_applied} for each in self.renames],
            "checks": [
                {"name": each.checker, "ms": each.milliseconds, "treesRead": each.runs}
                | {"new": len(each.findings)}
                | ({"problem": each.problem} if each.problem else {})
                for each in self.checks
            ],
            "finishWith": self.finish_with,
            "ms": self.milliseconds,
        }


def textual_conflict(hub: Hub, merged: Merge) -> dict[str, Any]:
    """A merge that git does not make."""
    return {
        "kind": merged.kind,
        "paths": display_paths(merged.paths),
        "description": "; ".join(map(display_path, merged.messages)) or f"git does not merge it ({merged.kind})",
        "hunks": conflict_hunks(hub, merged),
    }


def refusal(checker: str, message: Message) -> dict[str, Any]:
    """The conflict of a merge in which uses follow renames."""
    finding = Finding(message.rule, *(message.path, message.line) * 2, message.text, checker=checker, rule=message.rule)
    return semantic_conflict(finding) | {"refuses": APPLY_RENAME}


def semantic_conflict(finding: Finding) -> dict[str, Any]:
    """A clean merge that does not fit."""
    entry = entry_of(finding)
    return {
        "kind": "semantic",
        "paths": display_paths(list(dict.fromkeys((finding.path, finding.other)))),
        "description": in_words(entry),
        "line": finding.line,
        "other": {"path": display_path(finding.other), "line": finding.other_line},
        **entry.document(),
    }
