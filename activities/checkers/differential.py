"""Differential check: what a checker says of a merge, and of neither side, does not fit together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from activities.checkers.checker import Checker, Message

Lines = Callable[[str], bytes]
"""Gives the content of a file of a tree."""

_QUOTED = re.compile(r"[`'\"](\w+)[`'\"]")
_NUMBERS = re.compile(r"\b(line|column|at) \d+|:\d+(:\d+)?\b")


def new_messages(
    checker: Checker, merged: Iterable[Message], sides: Sequence[Iterable[Message]], contents: Sequence[Lines]
) -> list[Message]:
    """Messages of the merge that no side has: neither the same text, nor one of the same rule about the same line.

    `contents`: give the files of the merge, and of each side.
    """
    known: set[tuple[str, str]] = set()
    lines: set[tuple[str, str, bytes]] = set()
    for messages, content in zip(sides, contents[1:], strict=True):
        for each in messages:
            known.add(wording(each))
            lines.add((each.path, each.rule, _line(content(each.path), each.line)))
    found: dict[Message, None] = {}
    for each in relevant(checker, merged, contents[0]):
        if wording(each) not in known and (each.path, each.rule, _line(contents[0](each.path), each.line)) not in lines:
            found[each] = None
    return list(found)


def relevant(checker: Checker, messages: Iterable[Message], content: Lines) -> Iterator[Message]:
    """The messages about whether the parts fit together."""
    for each in messages:
        if each.rule not in checker.left_out and not checker.may_miss(each, content(each.path)):
            yield each


def defects(said: Iterable[tuple[str, Message]]) -> list[tuple[Message, list[str]]]:
    """Messages with the checkers that say them: about one line and one of its names, several say the same."""
    found: list[tuple[Message, list[str]]] = []
    for checker, each in said:
        words = set(_QUOTED.findall(each.text))
        for known, names in found:
            is_place = (known.path, known.line) == (each.path, each.line) and checker not in names
            if is_place and not words.isdisjoint(_QUOTED.findall(known.text)):
                names.append(checker)
                break
        else:
            found.append((each, [checker]))
    return found


def wording(message: Message) -> tuple[str, str]:
    """Rule and text of a message, without its place."""
    return message.rule, _NUMBERS.sub("", message.text)


def _line(content: bytes, number: int) -> bytes:
    lines = content.split(b"\n")
    return lines[number - 1].strip() if 0 < number <= len(lines) else b""
