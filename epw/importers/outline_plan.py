"""Plan documents of outlines: what is done is left out, what is open is validated, each problem has its place."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from epw.core.amounts import count, few
from epw.core.errors import InvalidPlan, Problem
from epw.core.plan.graph import TaskGraph
from epw.core.plan.validate import check_cycles, read_plan
from epw.importers.model import ForeignFile, Format, Imported, Item, Outline, State

_IN_TASK = re.compile(r"tasks\[(\d+)\](?:\.(\w+).*)?")
_MAX_NAME = 200
_MAX_NAMED = 5
_UNSETTLED = (State.POSTPONED, State.IN_REVIEW)
"""States of what is neither done nor to be done now."""


def imported(file: ForeignFile, form: Format, outline: Outline) -> Imported:
    """The plan of the open items, with notes; raises `InvalidPlan` with the place of every problem in the file."""
    problems = [*_twice(outline.items), *_not_text(outline)]
    if problems:
        raise file.invalid(problems)
    states = {item.id: item.state for item in outline.items}
    waiting = _waiting(outline.items)
    tasks = [item for item in outline.items if item.state is State.OPEN and item.id not in waiting]
    if not tasks:
        message = "no task is open" if outline.items else "has no tasks"
        message = "every open task waits for what is postponed or in review" if waiting else message
        raise file.invalid([Problem("", f"{message}{_counted(outline.items, ': ')}")])
    document: dict[str, Any] = {}
    if outline.name:
        document["name"] = " ".join(outline.name.split())[:_MAX_NAME]
    if outline.description:
        document["description"] = outline.description
    if outline.workspace:
        document["workspace"] = outline.workspace
    document["tasks"] = [_row(item, states) for item in tasks]
    _validate(file, document, tasks)
    return Imported(form, outline, document, tuple(_notes(file, form, outline, tasks, waiting)))


def _row(item: Item, states: dict[str, State]) -> dict[str, Any]:
    # What the file does not hold stays, so that validation names it.
    before = [each for each in item.depends_on if states.get(each, State.OPEN) is State.OPEN]
    fields: dict[str, Any] = {
        "id": item.id,
        "description": item.text,
        "dependsOn": before,
        "estimatedMinutes": item.minutes,
        "priority": item.priority,
        "files": list(item.files),
        "context": dict(item.context),
    }
    return {name: value for name, value in fields.items() if value or name in ("id", "description")}


def _twice(items: Sequence[Item]) -> list[Problem]:
    """Problems of ids that several items have, unless all of them are over."""
    first: dict[str, Item] = {}
    problems = []
    for item in items:
        other = first.setdefault(item.id, item)
        if other is not item and State.OPEN in (item.state, other.state):
            problems.append(Problem(item.where, f"task {item.id} is there twice, also at {other.where}"))
    return problems


def _not_text(outline: Outline) -> list[Problem]:
    """Problems of texts that no file can hold."""
    texts = [("", f"{outline.name}{outline.description}{outline.workspace}")]
    texts += [
        (item.where, item.id + item.text + json.dumps(item.context, ensure_ascii=False)) for item in outline.items
    ]
    return [
        Problem(where, "contains an unpaired surrogate (invalid Unicode)") for where, each in texts if _is_broken(each)
    ]


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _waiting(items: Sequence[Item]) -> set[str]:
    """Open items that wait for an unsettled one, directly or through others."""
    dependants: dict[str, list[str]] = {}
    for item in items:
        for before in item.depends_on:
            dependants.setdefault(before, []).append(item.id)
    is_open = {item.id for item in items if item.state is State.OPEN}
    reached, frontier = set[str](), [item.id for item in items if item.state in _UNSETTLED]
    while frontier:
        for each in dependants.get(frontier.pop(), []):
            if each in is_open and each not in reached:
                reached.add(each)
                frontier.append(each)
    return reached


def _validate(file: ForeignFile, document: dict[str, Any], tasks: list[Item]) -> None:
    try:
        plan = read_plan(document, runnable=False)
        problems = check_cycles(TaskGraph.of_plan(plan))
    except InvalidPlan as error:
        problems = [_placed(problem, tasks) for problem in error.problems]
    if problems:
        raise file.invalid([Problem("" if each.path == "tasks" else each.path, each.message) for each in problems])


def _placed(problem: Problem, tasks: list[Item]) -> Problem:
    """The problem with its place in the foreign file in place of that in the plan."""
    found = _IN_TASK.fullmatch(problem.path)
    if found is None or int(found[1]) >= len(tasks):
        return problem
    message = re.sub(r"Task at index \d+ is missing required field: (\w+)", r"the task has no \1", problem.message)
    is_clear = message != problem.message or message.startswith(("Task ", "Duplicate "))
    return Problem(tasks[int(found[1])].where, message if is_clear or not found[2] else f"{found[2]} {message}")


def _notes(file: ForeignFile, form: Format, outline: Outline, tasks: list[Item], waiting: set[str]) -> list[str]:
    taken = " ".join(filter(None, (count(len(tasks), "task"), outline.summary)))
    notes = [f"took {file.path} for {form.title}: {taken}"]
    left = _counted(outline.items, "left out: ")
    notes += [left] if left else []
    if waiting:
        named = few(sorted(waiting), _MAX_NAMED)
        notes.append(f"left out, since they wait for what is postponed or in review: {named}")
    dropped = [item for item in outline.items if item.state is State.CANCELLED]
    gone = {item.id for item in dropped}
    freed = [item.id for item in tasks if gone.intersection(item.depends_on)]
    if freed:
        notes.append(f"no longer wait for a cancelled task: {', '.join(freed[:_MAX_NAMED])}")
    return [*notes, *outline.notes]


def _counted(items: Sequence[Item], before: str) -> str:
    """How many items are in each state but open: `3 done, 1 cancelled`; empty where there are none."""
    counts: Counter[State] = Counter(item.state for item in items if item.state is not State.OPEN)
    return before + ", ".join(f"{counts[state]} {state}" for state in State if counts[state]) if counts else ""
