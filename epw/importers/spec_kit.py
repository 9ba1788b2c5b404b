"""spec-kit: `tasks.md` of github/spec-kit, its phases and its parallel marks.

`- [ ] T012 [P] [US1] Create the user model in src/models/user.py`, beneath `## Phase 3: User Story 1`. Its own command
works phase by phase, runs tasks in order, and those marked [P] together; so does the plan.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from epw.core.errors import Problem
from epw.core.globs import literal, may_overlap
from epw.importers.listed import Row, items
from epw.importers.markdown import Box, boxes, title
from epw.importers.model import Choices, ForeignFile, Format, Match, Outline

_TASK = re.compile(r"(?:\*\*|`)?(T\d{1,5}[a-z]?)(?:\*\*|`)?[.:]?(?:\s+|$)(.*)", re.S)
_PLACEHOLDER = re.compile(r"(?:\*\*|`)?TX{2,}(?:\*\*|`)?\b")
_MARK = re.compile(r"\s*\[(P|US\d{1,4})\]\s*")
_NAMED = re.compile(r"\((?:depends on|after|requires|needs)[:\s]([^)]{1,1000})\)", re.I)
_ID = re.compile(r"\bT\d{1,5}[a-z]?\b")
_PATH = re.compile(r"(?<![\w/.:@-])(?:[\w.@-]{1,100}/){1,20}[\w.@-]{0,100}\.\w{1,10}(?![\w/(])")
_BARE_NAME = re.compile(r"`([\w.-]{1,100}\.\w{1,10})`")
_TITLE = re.compile(r"(?:tasks|task list|implementation tasks)\s*[:–-]\s*", re.I)
_MAX_NOTES = 5
_MAX_COMPARED = 200
"""Tasks of one parallel run that are compared in pairs."""


def recognise(file: ForeignFile) -> Match:
    outer = [box for box in boxes(file) if box.parent is None]
    found = [box for box in outer if _TASK.match(box.text) or _PLACEHOLDER.match(box.text)]
    return Match.SURE if found and 2 * len(found) >= len(outer) else Match.NO


def read(file: ForeignFile, choices: Choices) -> Outline:
    problems: list[Problem] = []
    tasks: list[tuple[Box, str, str]] = []
    others = 0
    for box in boxes(file):
        found = _TASK.match(box.text)
        if _PLACEHOLDER.match(box.text):
            problems.append(
                Problem(f"line {box.line}", "TXXX is a placeholder of the template: give the task a number")
            )
        elif found:
            tasks.append((box, found[1], found[2]))
        else:
            others += 1
    rows = [_row(file, *task) for task in tasks]
    for row in rows:
        if not row.description.strip():
            problems.append(Problem(f"line {row.box.line}", f"task {row.id} has no description"))
    if problems:
        raise file.invalid(problems)
    rows, notes = _kept_apart(rows)
    if others:
        notes.append(f"{others} boxes without a task's number (T001) are no tasks")
    phases = len({row.box.headings[:2] for row in rows if row.box.headings})
    return Outline(
        items=items(file, rows, barriers=True),
        name=_TITLE.sub("", title(file) or "", count=1) or file.folder or None,
        summary=f"in {phases} phases" if phases else "",
        notes=tuple(notes),
    )


def _row(file: ForeignFile, box: Box, identifier: str, text: str) -> Row:
    marks = []
    while mark := _MARK.match(text):
        marks.append(mark[1])
        text = text[mark.end() :]
    text = text.strip()
    named = [each for clause in _NAMED.findall(text) for each in _ID.findall(clause)]
    story = next((mark for mark in marks if mark != "P"), "")
    return Row(
        box=box,
        id=identifier,
        description=text,
        is_parallel="P" in marks,
        group=box.section,
        depends_on=tuple(each for each in named if each != identifier),
        context=file.context(phase=" › ".join(box.headings[1:] or box.headings), story=story),
    )


def _kept_apart(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Rows in which parallel tasks that name the same path declare it, so that they do not run at once.

    Nothing else is declared: a path in a sentence is where the work begins, not all that it will write, and every write
    beside declared `files` is reported.
    """
    shared: dict[int, set[str]] = {}
    runs: dict[object, list[int]] = {}
    for index, row in enumerate(rows):
        if row.is_parallel and not row.box.is_ticked:
            runs.setdefault(row.group, []).append(index)
    notes = []
    for run in runs.values():
        paths = {index: _paths(rows[index].description) for index in run[:_MAX_COMPARED]}
        for first, second in combinations(paths, 2):
            same = {
                path
                for left in paths[first]
                for right in paths[second]
                if may_overlap(literal(left), literal(right))
                for path in (left, right)
            }
            if same:
                shared.setdefault(first, set()).update(same & paths[first])
                shared.setdefault(second, set()).update(same & paths[second])
                notes.append(f"{rows[first].id} and {rows[second].id} both name {min(same)}: they do not run at once")
    if len(notes) > _MAX_NOTES:
        notes[_MAX_NOTES:] = [f"and so do {len(notes) - _MAX_NOTES} more pairs"]
    return [
        replace(row, files=tuple(sorted(map(literal, shared[index])))) if index in shared else row
        for index, row in enumerate(rows)
    ], notes


def _paths(text: str) -> set[str]:
    found = [*_PATH.findall(text), *_BARE_NAME.findall(text)]
    return {path for path in found if ".." not in path.split("/") and not path.startswith("/")}


SPEC_KIT = Format(
    name="spec-kit",
    title="a spec-kit tasks.md",
    sign="boxes with numbers: `- [ ] T001 …`",
    taken="a task: each number. Phases and sub-headings follow one another; within one, tasks run in order, and"
    " neighbours marked `[P]` at once. `(depends on T012)` is a dependency",
    recognise=recognise,
    read=read,
    is_prose=True,
    ticks="the box of a task",
)
