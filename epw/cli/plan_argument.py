"""Argument of commands that take a plan file, and what is said of one that was imported."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from epw.cli.output import printable
from epw.client.plan_file import PlanFile, read_plan_file


def read_plan_argument(path: str, *, runnable: bool = True, agent: str | None = None) -> PlanFile:
    """Read a plan, or a foreign file as one; what that was taken for is printed on standard error."""
    file = read_plan_file(path, runnable=runnable, agent=agent)
    print_notes(file.notes)
    return file


def print_notes(notes: Iterable[str]) -> None:
    """Print notes on standard error."""
    for note in notes:
        print(f"epw: {printable(note)}", file=sys.stderr, flush=True)
