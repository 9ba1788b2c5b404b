"""Checkers that apply to a workspace, and where each is found."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from activities.checkers.checker import Checker
from activities.checkers.registry import CHECKERS
from activities.git.traits import Trait
from activities.git.workspace import Workspace


def checker_traits(workspace: Workspace) -> Iterator[Trait]:
    """A trait for each checker that has something to read in the workspace."""
    if workspace.kind != "git" or workspace.bare:
        return
    tree = set(workspace.file_names())
    for checker in CHECKERS.values():
        top = Path(workspace.path)
        jobs = [job for job in checker.jobs(tree, tree) if checker.is_asked_for(job.folder, partial(_content, top))]
        if jobs:
            program = checker.program([top])
            means = _means(checker, program, top)
            folders = ", ".join(dict.fromkeys(each.folder or "." for each in jobs[:3]))
            yield Trait(f"checker {checker.name}", f"{program or 'missing'} ({folders})", means)


def _means(checker: Checker, program: str | None, top: Path) -> str:
    """What a program is for; one of the work tree is in a run only where its plan brings it."""
    if program is None:
        return "not installed: symbols and names alone are read"
    reads = f"reads merges of {checker.language}"
    if not Path(program).is_relative_to(top):
        return reads
    brought = Path(program).relative_to(top).parts[0]
    return (
        f"{reads} where a plan brings it (`include: [{brought}]`, `setup`); else {checker.program([]) or 'none'} does"
    )


def _content(top: Path, path: str) -> bytes | None:
    return (top / path).read_bytes() if (top / path).is_file() else None
