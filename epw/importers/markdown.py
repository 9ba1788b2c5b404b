"""Task lists of Markdown: the lines `- [ ] text`, their nesting, the headings above them, the place of each box.

Lines are read one by one, since a tick has to change one character and nothing else. Boxes in fenced code and in HTML
comments do not count; a fence that is never closed is none, so that a stray one hides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from epw.importers.model import ForeignFile, Tick

_BOX = re.compile(r"([ \t]*)(?:[-*+]|(\d{1,9})[.)])[ \t]+\[([ xX])\](?:[ \t]+(.*))?$")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)$")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_STARTS_A_BLOCK = re.compile(r"[ \t]*(?:[-*+][ \t]|\d{1,9}[.)][ \t]|>|\||#{1,6}[ \t]|(?:[-*_][ \t]*){3,}$)")
_MAX_DEPTH = 20
_TAB = 4


@dataclass(frozen=True)
class Box:
    """One item with a check box."""

    text: str
    """Its text, with the lines that belong to it."""
    line: int
    """From 1."""
    is_ticked: bool
    is_numbered: bool
    """Whether it stands in an ordered list."""
    parent: int | None
    """Index of the box that it is nested in."""
    headings: tuple[str, ...]
    """Headings above it, the widest first."""
    section: int
    """Number of headings before it: the same for boxes beneath the same one."""
    place: int
    """Index of the character between the brackets."""

    @property
    def tick(self) -> Tick:
        return Tick(self.place, self.place + 1, "x")


@dataclass
class _Open:
    """Box that is being read."""

    indent: int
    index: int


def boxes(file: ForeignFile) -> list[Box]:
    """Boxes of a text, in its order."""
    return _Reader(file).read()


def title(file: ForeignFile) -> str | None:
    """Text of the first heading."""
    for line in _visible(file.lines):
        if line is not None and (heading := _HEADING.match(line.removeprefix("\ufeff"))):
            return _heading_text(heading) or None
    return None


class _Reader:
    def __init__(self, file: ForeignFile) -> None:
        self._file = file
        self._boxes: list[Box] = []
        self._texts: list[list[str]] = []
        self._open: list[_Open] = []
        self._headings: dict[int, str] = {}
        self._section = 0
        self._in_paragraph = False

    def read(self) -> list[Box]:
        place = 0
        visible = _visible(self._file.lines)
        for number, (line, raw) in enumerate(zip(visible, self._file.text.split("\n"), strict=True), 1):
            if line is not None:
                self._read_line(number, line, place)
            place += len(raw) + 1
        return [
            replace(box, text="\n".join(lines).strip()) for box, lines in zip(self._boxes, self._texts, strict=True)
        ]

    def _read_line(self, number: int, line: str, place: int) -> None:
        found = _BOX.match(line)
        if found is not None:
            self._add(number, found, place)
        elif not line.strip():
            self._in_paragraph = False
        elif heading := _HEADING.match(line):
            level = len(heading[1])
            self._headings = {each: text for each, text in self._headings.items() if each < level} | {
                level: _heading_text(heading)
            }
            self._section += 1
            self._open, self._in_paragraph = [], False
        else:
            lazy = self._in_paragraph and not _STARTS_A_BLOCK.match(line)
            if not lazy:
                self._close(_indent(line))
            if self._open:
                self._texts[self._open[-1].index].append(line.strip())
            self._in_paragraph = bool(self._open)

    def _add(self, number: int, found: re.Match[str], place: int) -> None:
        indent = _indent(found[1])
        self._close(indent)
        parent = self._open[-1].index if self._open else None
        box = Box(
            text="",
            line=number,
            is_ticked=found[3] != " ",
            is_numbered=found[2] is not None,
            parent=parent,
            headings=tuple(text for _, text in sorted(self._headings.items())),
            section=self._section,
            place=place + found.start(3),
        )
        if len(self._open) < _MAX_DEPTH:
            self._open.append(_Open(indent, len(self._boxes)))
        self._boxes.append(box)
        self._texts.append([(found[4] or "").strip()])
        self._in_paragraph = True

    def _close(self, indent: int) -> None:
        """End the boxes that a line with this indentation does not belong to."""
        while self._open and self._open[-1].indent >= indent:
            self._open.pop()


def _heading_text(found: re.Match[str]) -> str:
    return found[2].strip().rstrip("#").strip()


def _indent(text: str) -> int:
    expanded = text.expandtabs(_TAB)
    return len(expanded) - len(expanded.lstrip(" "))


def _visible(lines: list[str]) -> list[str | None]:
    """Lines as they are; None for those of closed fences and of HTML comments."""
    shown: list[str | None] = list(lines)
    _hide(shown, _fence_end)
    _hide(shown, _comment_end)
    return shown


def _hide(shown: list[str | None], end_of: Callable[[str], Callable[[str], bool] | None]) -> None:
    """Hide the blocks that begin at a line for which `end_of` gives a test of their last line, where there is one."""
    at = 0
    unclosed: set[str] = set()
    while at < len(shown):
        line = shown[at]
        is_end = None if line is None else end_of(line)
        key = (line or "").strip()[:3]
        if is_end is None or key in unclosed:
            at += 1
            continue
        end = next((each for each in range(at + 1, len(shown)) if is_end(shown[each] or "")), None)
        if end is None:
            unclosed.add(key)
            at += 1
            continue
        shown[at : end + 1] = [None] * (end + 1 - at)
        at = end + 1


def _fence_end(line: str) -> Callable[[str], bool] | None:
    found = _FENCE.match(line)
    if found is None:
        return None
    mark = found[1]
    return lambda each: each.strip().startswith(mark) and not each.strip().strip(mark[0])


def _comment_end(line: str) -> Callable[[str], bool] | None:
    begins = line.strip().startswith("<!--") and "-->" not in line
    return (lambda each: "-->" in each) if begins else None
