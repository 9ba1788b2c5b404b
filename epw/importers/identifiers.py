"""Ids of tasks that come from text: the label that a task bears, else its first words."""

from __future__ import annotations

import re

_LABEL = re.compile(r"(?:\*\*|`|\[)?([A-Z]{1,6}-?\d{1,6}[a-z]?|\d{1,4}(?:\.\d{1,4})+)(?:\*\*|`|\])?[.:)]?(?:\s+|$)")
_NO_WORD = re.compile(r"[\W_]+")
_MAX_SLUG = 40
_MAX_ID = 100


def label_of(text: str) -> tuple[str | None, str]:
    """The label at the start of a text (`T012`, `1.2`, `ABC-7`) and the text after it; None where there is none."""
    found = _LABEL.match(text)
    return (found[1], text[found.end() :].strip()) if found and found.end() < len(text) else (None, text)


def words_of(text: str) -> str:
    """The first words of a text, joined by `-`, at most 40 characters; letters of every script stay."""
    words = _NO_WORD.sub("-", text.split("\n", 1)[0][:1000].lower()).strip("-")
    if len(words) <= _MAX_SLUG:
        return words
    cut = words[: _MAX_SLUG + 1].rpartition("-")[0]
    return cut or words[:_MAX_SLUG]


class Identifiers:
    """Ids given out so far: a second task of the same name is `name-2`, in the order of the file."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._taken: set[str] = set()

    def new(self, wanted: str, within: str | None = None) -> str:
        """An id that no other task has; `within`: the id of the task that this one is a part of."""
        wanted = wanted or "task"
        name = f"{within}/{wanted}" if within and len(within) + len(wanted) < _MAX_ID else wanted
        identifier = name
        while identifier in self._taken:
            self._counts[name] = self._counts.get(name, 1) + 1
            identifier = f"{name}-{self._counts[name]}"
        self._taken.add(identifier)
        return identifier
