"""Items of Markdown task lists: what spec-kit, OpenSpec and plain checklists have in common."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from epw.core.errors import Problem
from epw.importers.arrange import Entry, TooManyEdges, arrange
from epw.importers.markdown import Box
from epw.importers.model import ForeignFile, Item, Order, State, part_of


@dataclass(frozen=True)
class Row:
    """A box that is a task."""

    box: Box
    id: str
    description: str
    parent: int | None = None
    """Index of the row that it is a part of."""
    is_parallel: bool = False
    group: Hashable = None
    depends_on: tuple[str, ...] = ()
    """Dependencies that its text names, beside those of its place in the list."""
    files: tuple[str, ...] = ()
    context: dict[str, Any] = field(default_factory=dict)


def items(file: ForeignFile, rows: Sequence[Row], *, barriers: bool) -> tuple[Item, ...]:
    """Items whose order is that of `arrange`; raises `InvalidPlan` where it would need too many dependencies."""
    entries = [Entry(row.parent, row.is_parallel, row.group, not row.box.is_ticked) for row in rows]
    try:
        before = arrange(entries, barriers=barriers)
    except TooManyEdges as error:
        raise file.invalid([Problem("", str(error))]) from None
    parents = {row.parent for row in rows}
    return tuple(
        Item(
            id=row.id,
            description=row.description,
            where=f"line {row.box.line}",
            depends_on=tuple(dict.fromkeys([*(rows[each].id for each in earlier), *row.depends_on])),
            state=State.DONE if row.box.is_ticked else State.OPEN,
            files=row.files,
            context=row.context,
            tick=None if row.box.is_ticked else row.box.tick,
            part_of="" if row.parent is None else part_of(f"task {rows[row.parent].id}", *_titles(rows, row.parent)),
            has_parts=index in parents,
        )
        for index, (row, earlier) in enumerate(zip(rows, before, strict=True))
    )


def _titles(rows: Sequence[Row], index: int | None) -> list[str]:
    """Texts of a row and of those that it is nested in, the outermost first."""
    found = list[str]()
    while index is not None:
        found.insert(0, rows[index].description)
        index = rows[index].parent
    return found


def groups_of(boxes: Sequence[Box]) -> int:
    """How many headings have boxes beneath them."""
    return len({box.section for box in boxes})


def is_barrier(order: Order) -> bool:
    """Whether what stands beneath a heading waits for what stands above it."""
    return order is not Order.NONE
