"""Tables of plain text that fit a width: ids are cut in the middle first, then columns are left out by rank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from epw.rendering.words import printable

_MIN_CUT = 12


@dataclass(frozen=True)
class Column:
    """A column of a table; with a `rank` it goes where it is empty, and in a narrow terminal the highest first."""

    name: str
    rank: int = 0
    is_id: bool = False
    """Whether its cells are cut in the middle where there is no room: both ends tell one from another."""


def fitted_table(title: str, columns: Sequence[str | Column], rows: Iterable[Sequence[Any]], width: int) -> Table:
    """A table of plain cells of unknown origin for a console of so many columns; None is shown as –."""
    known = [each if isinstance(each, Column) else Column(each) for each in columns]
    cells = [["–" if cell is None else printable(str(cell)).replace("\n", " ") for cell in row] for row in rows]
    kept, cells = _fitted(known, cells, width)
    found = Table(title=title or None, title_justify="left", title_style="bold")
    for column in kept:
        found.add_column(column.name, overflow="fold")
    for row in cells:
        found.add_row(*map(Text, row))
    return found


def table_text(title: str, columns: Sequence[str | Column], rows: Iterable[Sequence[Any]], width: int) -> str:
    """The table as text without colours, each line within `width`."""
    out = StringIO()
    Console(file=out, width=width, color_system=None, highlight=False).print(fitted_table(title, columns, rows, width))
    return out.getvalue()


def cut_middle(text: str, room: int) -> str:
    """The text in so many characters: its beginning and its end where it is longer."""
    if len(text) <= room:
        return text
    end = (room - 1) // 2
    return f"{text[: room - 1 - end]}…{text[len(text) - end :]}"


def _fitted(columns: list[Column], cells: list[list[str]], room: int) -> tuple[list[Column], list[list[str]]]:
    """The columns and cells that fit."""
    widths = [max([len(column.name), *(len(row[n]) for row in cells)]) for n, column in enumerate(columns)]
    empty = [n for n, column in enumerate(columns) if column.rank and all(row[n] in ("", "–") for row in cells)]
    kept = [n for n in range(len(columns)) if n not in empty]

    def excess() -> int:
        return sum(widths[n] + 3 for n in kept) + 1 - room

    for n in (n for n in kept if columns[n].is_id):
        if (over := excess()) > 0:
            widths[n] = max(min(widths[n], _MIN_CUT * 2), widths[n] - over)
    while excess() > 0 and (droppable := [n for n in kept if columns[n].rank]):
        kept.remove(max(droppable, key=lambda n: columns[n].rank))
    for n in (n for n in kept if columns[n].is_id):
        if (over := excess()) > 0:
            widths[n] = max(min(widths[n], _MIN_CUT), widths[n] - over)
    cut = [[cut_middle(row[n], widths[n]) if columns[n].is_id else row[n] for n in kept] for row in cells]
    return [columns[n] for n in kept], cut
