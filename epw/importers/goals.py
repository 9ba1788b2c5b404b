"""Goals with sub-goals: each becomes a part of the plan, its tasks named `goal/task`; also hand-offs of sub-goals.

`{"id": "01", "name": "Accounts", "subGoals": [{"id": "1.1", "tasks": [...]}, {"id": "1.2", "dependencies": ["1.1"]}]}`
or an array of such goals; `{"handoffType": "spec-to-tasks", "payload": {"subGoal": {...}, "dependencies": {"blockedBy":
["1.1"]}}}` or an array of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from epw.core.plan.wording import did_you_mean
from epw.importers.estimates import minutes_of
from epw.importers.fields import Fields, bullets, paragraphs
from epw.importers.model import Choices, ForeignFile, Format, Item, Match, Outline, State, part_of
from epw.importers.task_rows import Row, items

_PARTS = ("subGoals", "sub_goals", "subgoals", "goals")
_ID_NAMES = ("id", "goalId")
_TITLES = ("name", "goalName", "title")
_HANDOFF = "spec-to-tasks"
_MAX_DEPTH = 20
_MAX_EDGES = 200_000


@dataclass
class _Goal:
    path: tuple[str, ...]
    """Ids of the goals around it, and its own."""
    titles: tuple[str, ...]
    """Their titles."""
    where: str
    before: list[tuple[str, str]]
    """Place and id of each goal that has to be reached first."""
    own: list[Item] = field(default_factory=list)
    parts: list[_Goal] = field(default_factory=list)

    @property
    def name(self) -> str:
        return "/".join(self.path)

    def every(self) -> Iterator[_Goal]:
        yield self
        for part in self.parts:
            yield from part.every()

    def words(self, length: int | None = None) -> str:
        """What its tasks are a part of; with a `length`, of that goal around it."""
        path = self.path[:length]
        return part_of(f"goal {'/'.join(path)}", *self.titles[:length]) if path else ""

    def items(self) -> list[Item]:
        return [item for goal in self.every() for item in goal.own]


def recognise(file: ForeignFile) -> Match:
    values = file.value if isinstance(file.value, list) else [file.value]
    if not values or not all(isinstance(each, dict) for each in values):
        return Match.NO
    if all(_is_handoff(each) for each in values):
        return Match.SURE
    return Match.SURE if any(isinstance(each.get(part), list) for each in values for part in _PARTS) else Match.NO


def read(file: ForeignFile, choices: Choices) -> Outline:
    fields, value = Fields(), file.value
    reader = _Reader(file, fields)
    rows = [("", value)] if isinstance(value, dict) else fields.rows(value, "")
    handed_over = [(where, row) for where, row in rows if _is_handoff(row)]
    if handed_over:
        goals = [reader.handoff(where, row) for where, row in handed_over]
    elif isinstance(value, dict) and not any(value.get(name) is not None for name in (*_ID_NAMES, "tasks")):
        goals = [reader.goal(where, row) for where, row in _parts(fields, value, "")]
    else:
        goals = [reader.goal(where, row) for where, row in rows]
    found = _ordered(fields, goals)
    if fields.problems:
        raise file.invalid(fields.problems)
    project = fields.text(value, "", "projectPath") if isinstance(value, dict) else ""
    if handed_over and isinstance(handed_over[0][1].get("context"), dict):
        project = fields.text(handed_over[0][1]["context"], "", "projectPath")
    heading = fields.text(value, "", "goalName", "name", "title") if isinstance(value, dict) else ""
    count = sum(1 for goal in goals for _ in goal.every())
    return Outline(
        items=tuple(found),
        name=heading or None,
        workspace=project if project.startswith("/") else None,
        summary=f"of {count} goals",
        notes=tuple(reader.notes),
    )


class _Reader:
    def __init__(self, file: ForeignFile, fields: Fields) -> None:
        self._file = file
        self._fields = fields
        self.notes: list[str] = []

    def goal(self, where: str, row: Row, around: _Goal | None = None) -> _Goal:
        fields, at = self._fields, where or "the goal"
        name = fields.name(row, at, *_ID_NAMES)
        if not name:
            fields.refuse(f"{at}.id", "is required")
        path, titles = (around.path, around.titles) if around is not None else ((), ())
        goal = _Goal((*path, name), (*titles, fields.text(row, at, *_TITLES)), at, [])
        for key in ("dependencies", "dependsOn", "blockedBy"):
            if not isinstance(row.get(key), dict):
                goal.before += [(place, str(each).strip()) for place, each in fields.names(row, at, key)]
        tasks = fields.rows(row.get("tasks"), f"{where}.tasks".lstrip("."))
        goal.own = self._tasks(goal, tasks)
        if len(goal.path) < _MAX_DEPTH:
            goal.parts = [self.goal(place, each, goal) for place, each in _parts(fields, row, where)]
        else:
            fields.refuse(at, f"goals are nested deeper than {_MAX_DEPTH} levels")
        if not goal.own and not goal.parts:
            goal.own = [self._as_one(goal, row, {})]
        return goal

    def handoff(self, where: str, row: Row) -> _Goal:
        """The sub-goal of a hand-off; where it has no tasks yet, it is one task as a whole."""
        fields, payload = self._fields, row["payload"]
        at = f"{where}.payload".lstrip(".")
        named = payload["subGoal"]
        path = [fields.name(named, f"{at}.subGoal", each) for each in ("parentGoalId", "id")]
        if not path[1]:
            fields.refuse(f"{at}.subGoal.id", "is required")
        titles = [fields.text(named, f"{at}.subGoal", "parentGoalName"), fields.text(named, f"{at}.subGoal", *_TITLES)]
        goal = _Goal(tuple(filter(None, path)) or ("",), tuple(titles[-1:] if not path[0] else titles), at, [])
        edges = payload.get("dependencies")
        if isinstance(edges, dict):
            places = fields.names(edges, f"{at}.dependencies", "blockedBy")
            goal.before = [(place, str(each).strip()) for place, each in places]
        tasks = fields.rows(payload.get("tasks"), f"{at}.tasks")
        goal.own = self._tasks(goal, tasks)
        if not goal.own:
            specification = payload.get("specification")
            goal.own = [self._as_one(goal, named, specification if isinstance(specification, dict) else {})]
        return goal

    def _tasks(self, goal: _Goal, rows: list[tuple[str, Row]]) -> list[Item]:
        context = self._context(goal)
        return items(self._file, self._fields, rows, prefix=f"{goal.name}/", context=context, part_of=goal.words())

    def _as_one(self, goal: _Goal, row: Row, specification: Mapping[str, Any]) -> Item:
        """A goal without tasks, as one task."""
        fields = self._fields
        heading = fields.text(row, goal.where, *_TITLES)
        text = fields.text(row, goal.where, "description")
        wanted = {
            "To deliver:": "deliverables",
            "Required:": "technicalRequirements",
            "To be kept:": "constraints",
            "Accepted when:": "acceptanceCriteria",
        }
        lists = [bullets(words, fields.texts(specification or row, name)) for words, name in wanted.items()]
        self.notes.append(f"goal {goal.name} has no tasks: it is one task as a whole")
        return Item(
            id=goal.name,
            description=paragraphs(heading, text if text != heading else "", *lists),
            where=goal.where,
            state=State.DONE if row.get("status") in ("completed", "Completed", "done") else State.OPEN,
            minutes=minutes_of(f"{heading} {text}", fields.hours(row, goal.where, "estimatedHours")),
            context={**self._file.context(), **self._context(goal)},
            part_of=goal.words(-1),
        )

    def _context(self, goal: _Goal) -> dict[str, Any]:
        return {"goals": list(goal.path)}


def _ordered(fields: Fields, goals: list[_Goal]) -> list[Item]:
    """Items of all goals, with the order of the goals among their dependencies."""
    every = [goal for top in goals for goal in top.every()]
    known: dict[str, _Goal] = {}
    for goal in every:
        if goal.name in known:
            fields.refuse(goal.where, f"goal {goal.name} is there twice")
        known.setdefault(goal.path[-1], goal)
        known[goal.name] = goal
    before: dict[str, list[str]] = {}
    edges = 0
    for goal in every:
        for place, name in goal.before:
            other = known.get("/".join((*goal.path[:-1], name))) or known.get(name)
            if other is None:
                fields.refuse(
                    place, f"goal {goal.name} depends on non-existent goal: {name}{did_you_mean(name, known)}"
                )
                continue
            if other.name == goal.name:
                fields.refuse(place, f"goal {goal.name} cannot depend on itself")
                continue
            last, first = _ends(other.items()), _starts(goal.items())
            edges += len(last) * len(first)
            if edges > _MAX_EDGES:
                fields.refuse(place, f"the order of the goals would need more than {_MAX_EDGES} dependencies; split it")
                return []
            for item in first:
                before.setdefault(item.id, []).extend(each.id for each in last)
    return [_with(item, before.get(item.id, []), known) for goal in every for item in goal.own]


def _with(item: Item, more: list[str], goals: Mapping[str, _Goal]) -> Item:
    """The item with more dependencies; one that is a goal stands for the last tasks of that goal."""
    named: list[str] = []
    for each in item.depends_on:
        named += [last.id for last in _ends(goals[each].items())] if each in goals and each != item.id else [each]
    return replace(item, depends_on=tuple(dict.fromkeys([*named, *more])))


def _starts(found: list[Item]) -> list[Item]:
    """Open items that wait for none of the others."""
    is_open = {item.id for item in found if item.state is State.OPEN}
    return [item for item in found if item.id in is_open and is_open.isdisjoint(item.depends_on)]


def _ends(found: list[Item]) -> list[Item]:
    """Open items that none of the others waits for."""
    is_open = [item for item in found if item.state is State.OPEN]
    waited_for = {each for item in is_open for each in item.depends_on}
    return [item for item in is_open if item.id not in waited_for]


def _parts(fields: Fields, row: Row, where: str) -> list[tuple[str, Row]]:
    return [each for name in _PARTS for each in fields.rows(row.get(name), f"{where}.{name}".lstrip("."))]


def _is_handoff(row: Row) -> bool:
    payload = row.get("payload")
    return row.get("handoffType") == _HANDOFF and isinstance(payload, dict) and isinstance(payload.get("subGoal"), dict)


GOALS = Format(
    name="goals",
    title="goals with sub-goals",
    sign="`subGoals` (or `goals`), or hand-offs of type `spec-to-tasks` with a `subGoal`",
    taken="a task: each task of a goal, named `goal/task`; those of one goal run at once, but for their own"
    " `dependencies`. `dependencies` or `blockedBy` between goals: the first"
    " tasks of one wait for the last of the other. A goal without tasks is one task",
    recognise=recognise,
    read=read,
    instead_of_ticks="`epw export ID --as goal-progress` prints the progress of each goal",
)
