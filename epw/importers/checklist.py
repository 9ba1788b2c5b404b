"""Checklists: task lists of any Markdown file, as GitHub and most editors show them."""

from __future__ import annotations

from epw.importers.identifiers import Identifiers, label_of, words_of
from epw.importers.listed import Row, groups_of, is_barrier, items
from epw.importers.markdown import Box, boxes, title
from epw.importers.model import Choices, ForeignFile, Format, Match, Order, Outline


def recognise(file: ForeignFile) -> Match:
    return Match.PERHAPS if boxes(file) else Match.NO


def read(file: ForeignFile, choices: Choices) -> Outline:
    found = boxes(file)
    given = Identifiers()
    rows: list[Row] = []
    for box in found:
        rows.append(_row(file, box, given, rows, choices.order))
    groups = groups_of(found)
    return Outline(
        items=items(file, rows, barriers=choices.order is not None and is_barrier(choices.order)),
        name=title(file),
        summary=f"in {groups} groups" if groups > 1 else "",
    )


def _row(file: ForeignFile, box: Box, given: Identifiers, rows: list[Row], order: Order | None) -> Row:
    """A box as a task; without a chosen order, the items of a numbered list follow one another, others do not."""
    label, text = label_of(box.text)
    within = None if label or box.parent is None else rows[box.parent].id
    return Row(
        box=box,
        id=given.new(label or words_of(text), within),
        description=text,
        parent=box.parent,
        is_parallel=not box.is_numbered if order is None else order is not Order.SEQUENCE,
        group=(box.section, box.is_numbered) if order is None else box.section,
        context=file.context(heading=" › ".join(box.headings)),
    )


CHECKLIST = Format(
    name="checklist",
    title="a Markdown checklist",
    sign="boxes: `- [ ] …`",
    taken="a task: each box. Items of a numbered list (`1. [ ] …`) follow one another, others run at once; a box with"
    " nested ones waits for them. `--order` chooses another order",
    recognise=recognise,
    read=read,
    is_prose=True,
    ticks="the box of a task",
    choices=frozenset({"order"}),
)
