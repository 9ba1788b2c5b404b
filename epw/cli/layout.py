"""Layout for people: tables that fit the terminal, prose wrapped at words, ids cut in the middle, times in words."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from epw.cli.output import printable

_WIDTH_FOR_PROGRAMS = 400
"""Columns where the output is not a terminal: wide enough for a whole row on one line."""
_WIDTH_UNKNOWN = 80
_MIN_CUT = 12
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True)
class Column:
    """A column of a table; with a `rank` it goes where it is empty, and in a narrow terminal the highest first."""

    name: str
    rank: int = 0
    is_id: bool = False
    """Whether its cells are cut in the middle where there is no room: both ends tell one from another."""


def width() -> int:
    """Columns that there are to print in."""
    if not sys.stdout.isatty():
        return _WIDTH_FOR_PROGRAMS
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _WIDTH_UNKNOWN
    except OSError:
        return _WIDTH_UNKNOWN


def console() -> Console:
    return Console(file=sys.stdout, highlight=False, soft_wrap=True, width=width())


def table(title: str, columns: Sequence[str | Column], rows: Iterable[list[Any]]) -> None:
    """Print a table of plain cells; None is shown as –."""
    known = [each if isinstance(each, Column) else Column(each) for each in columns]
    cells = [["–" if cell is None else printable(str(cell)).replace("\n", " ") for cell in row] for row in rows]
    kept, cells = _fitted(known, cells)
    output = Table(title=title, title_justify="left", title_style="bold")
    for column in kept:
        output.add_column(column.name, overflow="fold")
    for row in cells:
        output.add_row(*map(Text, row))
    console().print(output)


def prose(text: str, indent: str = "", *, first: str | None = None) -> None:
    """Print text of unknown origin, wrapped at words; `first`: what the first line begins with."""
    room = max(20, width() - 1)
    begin = indent if first is None else first
    for line in printable(text).splitlines():
        print(
            "\n".join(
                textwrap.wrap(
                    line,
                    room,
                    initial_indent=begin,
                    subsequent_indent=indent,
                    break_long_words=False,
                    break_on_hyphens=False,
                )
                or [""]
            ),
            flush=True,
        )
        begin = indent


def cut_middle(text: str, room: int) -> str:
    """The text in so many characters: its beginning and its end where it is longer."""
    if len(text) <= room:
        return text
    end = (room - 1) // 2
    return f"{text[: room - 1 - end]}…{text[len(text) - end :]}"


def ago(at: int) -> str:
    """How long ago a moment (epoch milliseconds) was: `3 min ago`."""
    return f"{duration(max(0, round(time.time() * 1000) - at))} ago"


def duration(milliseconds: float) -> str:
    """A duration in its two largest units: `1 h 20 min`, `3 min`, `12 s`; under ten seconds with a tenth."""
    seconds = milliseconds / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    left, parts = round(seconds), list[str]()
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count and (len(parts) == 0 or size < 86_400):
            parts.append(f"{count} {unit}")
        if len(parts) == 2 or (parts and unit == "min" and seconds >= 600):
            break
    return " ".join(parts[:2])


def _fitted(columns: list[Column], cells: list[list[str]]) -> tuple[list[Column], list[list[str]]]:
    """The columns and cells that fit: ids are cut first, then columns are left out by rank."""
    widths = [max([len(column.name), *(len(row[n]) for row in cells)]) for n, column in enumerate(columns)]
    empty = [n for n, column in enumerate(columns) if column.rank and all(row[n] in ("", "–") for row in cells)]
    kept, room = [n for n in range(len(columns)) if n not in empty], width()

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
