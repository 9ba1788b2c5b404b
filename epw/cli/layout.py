"""Layout for people: tables that fit the terminal, prose wrapped at words, times in words."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console

from activities.system.server_time import server_ms
from epw.cli.output import printable
from epw.rendering.tables import Column, cut_middle, fitted_table
from epw.rendering.words import duration

__all__ = ["Column", "ago", "console", "cut_middle", "duration", "prose", "table", "width"]

_WIDTH_FOR_PROGRAMS = 400
"""Columns where the output is not a terminal: wide enough for a whole row on one line."""
_WIDTH_UNKNOWN = 80


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
    console().print(fitted_table(title, columns, rows, width()))


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


def ago(at: int) -> str:
    """How long ago a moment (epoch milliseconds) was: `3 min ago`."""
    return f"{duration(max(0, server_ms() - at))} ago"
