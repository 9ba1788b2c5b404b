"""Checkers that apply to a workspace, and where each is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from activities.checkers.registry import CHECKERS
from activities.git.traits import Trait
from activities.git.workspace import Workspace


def checker_traits(workspace: Workspace) -> Iterator[Trait]:
    """A trait for each checker that has something to read in the workspace."""
    if workspace.kind != "git" or workspace.bare:
        return
    tree = set(workspace.file_names())
    for checker in CHECKERS.values():
        if jobs := checker.jobs(tree, tree):
            program = checker.program([Path(workspace.path)])
            means = (
                f"reads merges of {checker.language}" if program else "not installed: symbols and names alone are read"
            )
            folders = ", ".join(dict.fromkeys(each.folder or "." for each in jobs[:3]))
            yield Trait(f"checker {checker.name}", f"{program or 'missing'} ({folders})", means)
