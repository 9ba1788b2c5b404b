"""Lines of a screen: texts of exactly one line, cut and flowed to a number of cells."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from epw.cli.output import printable

Part = str | tuple[str, str]
"""Text, or text and style."""
DIM, BOLD, GOOD, BAD, ASKS, LIVE, SELECTED = "dim", "bold", "green", "bold red", "bold yellow", "cyan", "reverse"
"""Styles. A word or a sign always says the same: colours are not needed, and NO_COLOR takes them away."""


def plain(text: str) -> str:
    """Text of unknown origin, in one line."""
    return printable(text).replace("\n", " ").replace("\t", " ")


def line(*parts: Part, width: int | None = None) -> Text:
    """A line of parts, cut to so many cells."""
    made = Text(no_wrap=True, end="")
    for part in parts:
        text, style = (part, "") if isinstance(part, str) else part
        made.append(plain(text), style)
    if width is not None:
        made.truncate(width, overflow="ellipsis")
    return made


def flow(parts: Sequence[Part], width: int, most: int, separator: str = " · ") -> list[Text]:
    """Parts in as many lines as they need, at most so many; what has no room is left out."""
    lines, now, room = list[Text](), list[Part](), width
    for part in parts:
        size = cell_len(plain(part if isinstance(part, str) else part[0]))
        if now and size + len(separator) > room:
            lines.append(line(*now, width=width))
            now, room = [], width
        now += [separator, part] if now else [part]
        room -= size + (len(separator) if len(now) > 1 else 0)
    return [*lines, *([line(*now, width=width)] if now else [])][:most]


def wrapped(text: str, width: int, style: str = "") -> list[Text]:
    """Text of unknown origin in lines of at most so many cells."""
    found = list[Text]()
    for each in printable(text).expandtabs(4).splitlines() or [""]:
        found += [line((part, style), width=width) for part in textwrap.wrap(each, max(10, width)) or [""]]
    return found


def cells(values: Iterable[tuple[str, int, str]], gap: str = " ") -> list[Part]:
    """Parts of a row: each value in so many cells, in its style; numbers of cells below 0: to the right."""
    parts = list[Part]()
    for text, size, style in values:
        words = plain(text)
        if cell_len(words) > abs(size):
            words = set_cell_size(words, abs(size) - 1) + "…"
        words = " " * (-size - cell_len(words)) + words if size < 0 else set_cell_size(words, size)
        parts += [(words, style), gap]
    return parts[:-1]


def bar(percent: float, size: int) -> str:
    """A bar of so many cells."""
    full = round(max(0.0, min(100.0, percent)) / 100 * size)
    return "█" * full + "░" * (size - full)


def amount(number: float) -> str:
    """A large number in words: 12.3k, 4.1M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.1f}{unit}"
    return f"{number:.0f}"
