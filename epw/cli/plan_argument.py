"""Arguments of commands that take a plan: a file, the project's own, or tasks in words."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from epw.cli.output import printable
from epw.client.plan_file import Document, PlanFile, complete_plan, read_document, read_plan_file
from epw.client.project import PLAN_NAMES, find_up, repository_of
from epw.client.words_plan import task_rows, words_plan
from epw.core.errors import InvalidRequest

_HOW = 'name a plan file, or give tasks in words: epw run "Add GET /users" "Test it" --after 1'

_SUFFIXES = (".json", ".yaml", ".yml", ".md", ".txt")


def read_plan_argument(path: str | None, *, runnable: bool = True, flags: Mapping[str, Any] | None = None) -> PlanFile:
    """Read a plan, or a foreign file as one; None: the project's. Notes on it are printed on standard error."""
    if path is None:
        found = find_up(Path.cwd(), *PLAN_NAMES)
        if found is None:
            where = "" if repository_of(Path.cwd()) is not None else " in a git repository"
            raise InvalidRequest(f"there is no {PLAN_NAMES[0]} here, which `epw init` writes{where}; or {_HOW}")
        path = str(found)
        print_notes([f"plan: {path}"])
    file = read_plan_file(path, runnable=runnable, flags=flags)
    print_notes(file.notes)
    return file


def read_arguments(
    given: Sequence[str], file: str | None, after: Sequence[str], flags: Mapping[str, Any]
) -> tuple[PlanFile, str | None]:
    """The plan of a command's arguments, and the file that it is from; raises `InvalidPlan`, `InvalidRequest`.

    `given`: a plan file, or tasks in words; neither: the project's plan. `file`: that of `--file`.
    """
    if file is not None and given:
        raise InvalidRequest("--file names the plan: give no other, and no tasks")
    is_words = bool(given) and not (len(given) == 1 and _is_file(given[0]))
    if after and not is_words:
        raise InvalidRequest(f"--after is for tasks in words; a plan has dependsOn: {_HOW}")
    if not is_words:
        path = file if file is not None else next(iter(given), None)
        return read_plan_argument(path, flags=flags), path
    for each in given:
        if _is_file(each):
            raise InvalidRequest(f"{each} is a file: give one plan file alone, or tasks in words alone")
        if not any(map(str.isspace, each.strip())):
            raise InvalidRequest(f"{each!r} is no file, and too short for a task in words; {_HOW}")
    document = Document(words_plan(given, after, Path.cwd()))
    made = complete_plan(document, flags)
    if made.plan.agent is None and any(task.agent is None for task in made.plan.tasks):
        # Here: the registry of agents takes a while to import.
        from activities.agents.registry import usable_agents

        if agent := next(usable_agents(), None):
            made = complete_plan(document, {**flags, "agent": agent})
            print_notes([f"agent: {agent}, which is set up here; --agent chooses another"])
    print_notes(made.notes)
    return made, None


def added_tasks(given: Sequence[str], after: Sequence[str]) -> list[Any]:
    """The tasks of a command's arguments, before validation: those of a file, or tasks in words.

    `after`: tasks that each of them follows. Raises `InvalidPlan`, `InvalidRequest`.
    """
    if len(given) == 1 and _is_file(given[0]):
        found = read_document(given[0])
        print_notes(found.notes)
        tasks = found.value.get("tasks")
        more = [name for name in found.value if name not in ("tasks", "name", "description", "workspace")]
        if more:
            print_notes([f"only the tasks of {given[0]} are added: not {', '.join(more)}"])
    else:
        tasks = task_rows(given)
    if not isinstance(tasks, list):
        raise InvalidRequest(f"{given[0]} has no list of tasks")
    return [_behind(each, after) if isinstance(each, dict) else each for each in tasks]


def _behind(task: dict[str, Any], after: Sequence[str]) -> dict[str, Any]:
    known = task.get("dependsOn", [])
    if not after or not isinstance(known, list):
        return task
    return {**task, "dependsOn": list(dict.fromkeys([*known, *after]))}


def _is_file(text: str) -> bool:
    """Whether an argument is meant as a file: there is one, or it has a path's form."""
    is_path = not any(map(str.isspace, text)) and (os.sep in text or Path(text).suffix.lower() in _SUFFIXES)
    return text == "-" or os.path.lexists(text) or is_path


def print_notes(notes: Iterable[str]) -> None:
    """Print notes on standard error."""
    for note in notes:
        print(f"epw: {printable(note)}", file=sys.stderr, flush=True)
