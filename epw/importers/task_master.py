"""Task Master: `tasks.json` of eyaltoledano/claude-task-master, with tags or in the older form without.

`{"master": {"tasks": [{"id": 1, "title", "description", "status", "dependencies": [2], "details", "testStrategy",
"subtasks": [{"id": 1, "dependencies": [1, "2.3"], ...}]}]}}`. A number among the dependencies of a sub-task is a
sibling where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from epw.core.errors import Problem
from epw.core.plan.wording import did_you_mean
from epw.importers.fields import Fields, bullets, has_any, paragraphs
from epw.importers.json_places import Path, places
from epw.importers.model import Choices, ForeignFile, Format, Item, Match, Outline, State, Tick, part_of

_STATES = {
    "pending": State.OPEN,
    "in-progress": State.OPEN,
    "done": State.DONE,
    "completed": State.DONE,
    "review": State.IN_REVIEW,
    "cancelled": State.CANCELLED,
    "deferred": State.POSTPONED,
    "blocked": State.POSTPONED,
}
_PRIORITIES = {"critical": 2, "high": 1, "medium": 0, "low": -1}
_MARKS = frozenset({"status", "subtasks", "testStrategy", "details"})
_DEFAULT_TAG = "master"
_STATE_FILE = "../state.json"
_DONE = "done"
_Row = Mapping[str, Any]


def recognise(file: ForeignFile) -> Match:
    tasks = [row for _, rows in _tags(file.value) for row in rows]
    marked = [row for row in tasks if isinstance(row.get("title"), str) and has_any(row, _MARKS)]
    return Match.SURE if marked and 2 * len(marked) >= len(tasks) else Match.NO


def read(file: ForeignFile, choices: Choices) -> Outline:
    fields = Fields()
    tag, others = _chosen_tag(file, choices.tag)
    value = file.value[tag] if tag else file.value
    rows = fields.rows(value["tasks"], f"{tag}.tasks" if tag else "tasks")
    found = _Reader(file, fields, (tag, "tasks") if tag else ("tasks",), rows).items()
    if fields.problems:
        raise file.invalid(fields.problems)
    notes = [f"other tags: {', '.join(others)} (`epw import --tag`)"] if others else []
    if any(row.get("subtasks") for _, row in rows):
        notes.append("a task with sub-tasks waits for them, and checks the whole")
    return Outline(
        items=tuple(found),
        name=tag if tag and tag != _DEFAULT_TAG else None,
        summary=f"of tag {tag}" if tag else "",
        notes=tuple(notes),
    )


class _Reader:
    def __init__(self, file: ForeignFile, fields: Fields, path: Path, rows: list[tuple[str, _Row]]) -> None:
        self._file = file
        self._fields = fields
        self._path = path
        self._rows = rows
        self._places = places(file.text) if file.text.lstrip("\ufeff \t\r\n")[:1] == "{" else {}
        self._ids = {fields.name(row, where, "id") for where, row in rows}

    def items(self) -> list[Item]:
        found = []
        for number, (where, row) in enumerate(self._rows):
            name, state = self._fields.name(row, where, "id"), self._state(row, where)
            before = [str(each).strip() for _, each in self._fields.names(row, where, "dependencies")]
            parts = self._parts(number, name, state, before)
            path = (*self._path, number, "status")
            waits = [*before, *(each.id for each in parts)]
            item = self._item(name, row, where, state, waits, path)
            found += [*parts, replace(item, has_parts=bool(parts))]
        return found

    def _parts(self, number: int, parent: str, state: State, before: list[str]) -> list[Item]:
        """Sub-tasks of a task; what is said of the whole holds for those that are still open."""
        where, row = self._rows[number]
        rows = self._fields.rows(row.get("subtasks"), f"{where}.subtasks")
        siblings = {_last(each) for _, each in rows}
        found = []
        for position, (at, each) in enumerate(rows):
            named = [self._named(parent, siblings, other) for _, other in self._fields.names(each, at, "dependencies")]
            own = self._state(each, at)
            path = (*self._path, number, "subtasks", position, "status")
            name = f"{parent}.{_last(each)}" if _last(each) else ""
            item = self._item(name, each, at, own if own is not State.OPEN else state, [*before, *named], path)
            found.append(replace(item, part_of=part_of(f"task {parent}", self._fields.text(row, where, "title"))))
        return found

    def _item(self, name: str, row: _Row, where: str, state: State, before: list[str], path: Path) -> Item:
        place, priority = self._places.get(path), row.get("priority")
        if not name:
            self._fields.refuse(f"{where}.id", "is required")
        return Item(
            id=name,
            description=self._description(row, where),
            where=where,
            depends_on=tuple(dict.fromkeys(before)),
            state=state,
            priority=_PRIORITIES.get(priority, 0) if isinstance(priority, str) else 0,
            context=self._file.context(),
            tick=Tick(*place, json.dumps(_DONE)) if place and state is State.OPEN else None,
        )

    def _description(self, row: _Row, where: str) -> str:
        heading, more, details, tested = (
            self._fields.text(row, where, name) for name in ("title", "description", "details", "testStrategy")
        )
        return paragraphs(
            heading,
            more if more != heading else "",
            details,
            f"To test: {tested}" if tested else "",
            bullets("Accepted when:", self._fields.texts(row, "acceptanceCriteria")),
        )

    def _state(self, row: _Row, where: str) -> State:
        status = row.get("status", "pending")
        if isinstance(status, str) and status in _STATES:
            return _STATES[status]
        hint = did_you_mean(status, _STATES) if isinstance(status, str) else ""
        self._fields.refuse(f"{where}.status", f"must be one of: {', '.join(_STATES)}{hint}")
        return State.OPEN

    def _named(self, parent: str, siblings: set[str], dependency: Any) -> str:
        """Id of what a sub-task depends on: a sibling, else a task."""
        name = str(dependency).strip()
        return name if "." in name or (name not in siblings and name in self._ids) else f"{parent}.{name}"


def _last(row: _Row) -> str:
    """Number of a sub-task within its task."""
    return str(row.get("id", "")).strip().rpartition(".")[2]


def _tags(value: Any) -> list[tuple[str, list[_Row]]]:
    """Tags of a file with their tasks; the one list of the older form has an empty tag."""
    if not isinstance(value, dict):
        return []
    tags = {name: each for name, each in value.items() if isinstance(name, str) and isinstance(each, dict)}
    found = {"": value} if isinstance(value.get("tasks"), list) else tags
    return [
        (name, [row for row in each["tasks"] if isinstance(row, dict)])
        for name, each in found.items()
        if isinstance(each.get("tasks"), list)
    ]


def _chosen_tag(file: ForeignFile, wanted: str | None) -> tuple[str, tuple[str, ...]]:
    """The tag to read, and the others; raises `InvalidPlan`."""
    names = [name for name, _ in _tags(file.value)]
    current = _current_tag(file)
    likely = (each for each in (current, _DEFAULT_TAG, names[0] if len(names) == 1 else None) if each in names)
    tag = next(likely, None) if wanted is None else wanted
    if tag is None:
        raise file.invalid([Problem("", f"has several tags; `epw import --tag` chooses one of {', '.join(names)}")])
    if tag not in names:
        has = (
            "has no tags" if names == [""] else f"has no tag {tag}{did_you_mean(tag, names)}; it has {', '.join(names)}"
        )
        raise file.invalid([Problem("", has)])
    return tag, tuple(each for each in names if each != tag)


def _current_tag(file: ForeignFile) -> str | None:
    """The tag that Task Master itself works on."""
    try:
        state = json.loads(file.beside.get(_STATE_FILE, "null"))
    except (ValueError, RecursionError):
        return None
    tag = state.get("currentTag") if isinstance(state, dict) else None
    return tag if isinstance(tag, str) and tag else None


TASK_MASTER = Format(
    name="task-master",
    title="a Task Master tasks.json",
    sign='`tasks` with `title` and `status`, in tags (`{"master": {"tasks": […]}}`) or not',
    taken="a task: each task and sub-task (`5.2`) that is `pending` or `in-progress`; a task waits for its sub-tasks."
    " `dependencies` as they are; what depends on one that is `deferred`, `blocked` or in `review` is left out too."
    " `priority` counts. The tag is the current one (`state.json`), else `master`, or `--tag`",
    recognise=recognise,
    read=read,
    ticks="`status` becomes `done`",
    beside=(_STATE_FILE,),
    choices=frozenset({"tag"}),
)
