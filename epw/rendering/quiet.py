"""Text of unknown origin as Markdown of a forge: no markup, mentions nobody, refers and links to nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from epw.core.amounts import few
from epw.rendering.words import visible

_MARKUP = re.compile(r"([\\`*_\[\]<>|~$&])")
_START = re.compile(r"^([-+=#>]|\d+(?=[.)]))")
NEVER_SEEN = "\u200b"
"""Space of no width, which parts what a forge would see as something other than text."""
_LIVE = re.compile(
    r"(?<=[@#!%^~$&])(?=[\w\"'{])"  # people, issues, merge requests; of GitLab also milestones, labels, epics, snippets
    r"|(?<=\bGH)(?=-\d)"
    r"|(?<=:)(?=//)|(?<=\bwww)(?=\.)"  # addresses without brackets
    r"|(?<=\b[0-9a-f])(?=[0-9a-f]{6,39}\b)"  # commits
    r"|(?<=:)(?=[a-z0-9_+-]+:)"  # emoji
    r"|(?<=^/)(?=\w)",  # commands of GitLab, at the beginning of a line
    re.IGNORECASE,
)
"""Places in which a forge would see something other than text; a space of no width there keeps it from that."""
_TICKS = re.compile("`+")


def quiet(text: str | None) -> str:
    """Text on one line."""
    flat = _LIVE.sub(NEVER_SEEN, visible(" ".join((text or "").split())))
    return _START.sub(r"\\\1", _MARKUP.sub(r"\\\1", flat))


def code(text: str | None) -> str:
    """Text on one line as a code span, in which forges see nothing but text."""
    flat = visible(" ".join((text or "").split()))
    if not flat:
        return ""
    fence = "`" * (max(map(len, _TICKS.findall(flat)), default=0) + 1)
    pad = " " if flat[0] == "`" or flat[-1] == "`" else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def codes(texts: Iterable[str], most: int = 5) -> str:
    """Code spans of the first texts, and how many there are besides."""
    return few(map(code, texts), most)


def block(text: str) -> Iterator[str]:
    """Lines as a block of code, which no line of them ends."""
    fence = "`" * max(3, max(map(len, _TICKS.findall(text)), default=0) + 1)
    yield fence
    yield from map(visible, text.splitlines())
    yield fence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table; its cells are Markdown on one line, made by `quiet` and `code`."""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_cell(each) for each in row)} |"


def _cell(markdown: str) -> str:
    """A table is cut at each bar that no backslash precedes, in code spans too."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\|", r"\1\\|", markdown)
