"""Diff as HTML: runs of lines by what happened to them; signs stay, so that a colour tells nothing alone."""

from __future__ import annotations

from itertools import groupby

from markupsafe import Markup, escape

from epw.rendering.syntax import coloured
from epw.rendering.words import visible

_HEADS = ("diff --git", "index ", "--- ", "+++ ", "new file", "deleted file", "old mode", "new mode", "Binary files")
_ELEMENTS = {"+": "ins", "-": "del", "@": "i", "#": "b", " ": "span"}


def diff_markup(text: str, *, has_colours: bool = True) -> Markup:
    """The content of a `pre`: added lines in `ins`, removed ones in `del`, places in `i`, file names in `b`.

    `has_colours`: with the syntax of the lines in them.
    """
    lines = [visible(line) for line in text.split("\n")]
    parts, path = list[str](), ""
    for kind, run in groupby(_kinds(lines), key=lambda each: each[0]):
        element, own = _ELEMENTS[kind], [line for _, line in run]
        if kind == "#":
            path = own[-1]
        is_code = has_colours and kind in "+- "
        parts.append(f"<{element}>{coloured(own, path) if is_code else escape(chr(10).join(own))}</{element}>")
    return Markup("".join(parts))


def _kinds(lines: list[str]) -> list[tuple[str, str]]:
    """Each line, and what it is; the four lines before a file's changes become its name."""
    found, in_head = list[tuple[str, str]](), False
    for line in lines:
        if line.startswith("diff --git "):
            in_head = True
            found.append(("#", _name(line)))
        elif in_head and line.startswith(_HEADS):
            if line.startswith(("new file", "deleted file", "old mode", "new mode", "Binary files")):
                found.append(("@", line))
        else:
            in_head = False
            kind = line[:1]
            found.append((kind if kind in "+-@" and kind else " ", line))
    return found


def _name(line: str) -> str:
    """The path of `diff --git a/PATH b/PATH`, as git quotes it."""
    rest = line.removeprefix("diff --git ")
    half = rest[: len(rest) // 2]
    return half.removeprefix("a/") if half.startswith("a/") and rest == f"{half} b/{half[2:]}" else rest
