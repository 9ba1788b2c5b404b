"""OpenSpec: a change, which is a folder `openspec/changes/NAME` with `tasks.md` and `proposal.md`.

`- [ ] 1.2 Add the parser` beneath `## 1. Parsing`. The tasks of a change are ordered by dependency, and nothing marks
what could run at once; so each waits for the one before it, unless the user chooses another order.
"""

from __future__ import annotations

import re

from epw.importers.identifiers import Identifiers, label_of, words_of
from epw.importers.listed import Row, groups_of, is_barrier, items
from epw.importers.markdown import Box, boxes
from epw.importers.model import Choices, ForeignFile, Format, Match, Order, Outline

_IN_CHANGE = re.compile(r"(?:^|/)openspec/changes/(?:archive/)?[^/]+/tasks\.md$")
_NUMBERED = re.compile(r"\d{1,4}\.(?:\s|$)")
_ITEM = re.compile(r"\d{1,4}(?:\.\d{1,4})+\.?\s")
_MARK = re.compile(r"\[P\]\s*")
_WHY = re.compile(r"^##[ \t]+Why[ \t]*\r?\n(.*?)(?=^##[ \t]|\Z)", re.M | re.S)
_MAX_WHY = 4000
_PROPOSAL = "proposal.md"


def recognise(file: ForeignFile) -> Match:
    if _IN_CHANGE.search(file.place or file.path) or (file.name == "tasks.md" and _PROPOSAL in file.beside):
        return Match.SURE if boxes(file) else Match.NO
    outer = [box for box in boxes(file) if box.parent is None]
    numbered = [box for box in outer if _ITEM.match(box.text) and any(map(_NUMBERED.match, box.headings))]
    return Match.SURE if numbered and 2 * len(numbered) >= len(outer) else Match.NO


def read(file: ForeignFile, choices: Choices) -> Outline:
    order = choices.order or Order.SEQUENCE
    found = boxes(file)
    given = Identifiers()
    rows: list[Row] = []
    for box in found:
        rows.append(_row(file, box, given, rows, order))
    notes = []
    if order is Order.SEQUENCE and sum(not box.is_ticked for box in found) > 1:
        notes.append(
            "each task waits for the one before it, as the file says nothing else;"
            " `epw import --order groups` lets those of a group run at once"
        )
    why = _WHY.search(file.beside.get(_PROPOSAL, ""))
    return Outline(
        items=items(file, rows, barriers=is_barrier(order)),
        name=file.folder or None,
        description=why[1].strip()[:_MAX_WHY] or None if why else None,
        summary=f"in {groups_of(found)} groups",
        notes=tuple(notes),
    )


def _row(file: ForeignFile, box: Box, given: Identifiers, rows: list[Row], order: Order) -> Row:
    label, text = label_of(box.text)
    within = None if label or box.parent is None else rows[box.parent].id
    is_marked = bool(_MARK.match(text))
    return Row(
        box=box,
        id=given.new(label or words_of(text), within),
        description=_MARK.sub("", text, count=1) if is_marked else text,
        parent=box.parent,
        is_parallel=is_marked or order is not Order.SEQUENCE,
        group=box.section,
        context=file.context(group=box.headings[-1] if box.headings else ""),
    )


OPEN_SPEC = Format(
    name="openspec",
    title="an OpenSpec change",
    sign="`tasks.md` in `openspec/changes/NAME`, or boxes like `- [ ] 1.2 …` beneath headings like `## 1. …`",
    taken="a task: each box, after the one before it (`--order groups`: those of a group at once, group after group);"
    " a box with nested ones waits for them. The plan is described by the proposal's `Why`",
    recognise=recognise,
    read=read,
    is_prose=True,
    ticks="the box of a task",
    beside=(_PROPOSAL,),
    choices=frozenset({"order"}),
)
