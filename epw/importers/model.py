"""Models of an import: the foreign file, what is read from it, and the record that describes a format."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Any

from epw.core.errors import InvalidPlan, Problem

MARKDOWN = (".md", ".markdown", ".mdx")
_WHOLE = (
    "Its parts are tasks of their own, done before this one."
    " Check that the whole is complete, and finish what is missing."
)
_MAX_TITLE = 200


class Order(StrEnum):
    """How tasks of a list that marks no order are ordered."""

    SEQUENCE = "sequence"
    """Each after the one before it."""
    GROUPS = "groups"
    """Those beneath one heading at once, heading after heading."""
    NONE = "none"
    """All at once."""


class Match(IntEnum):
    """How sure a format is that a file is one of its own."""

    NO = 0
    PERHAPS = 1
    """By its general shape."""
    SURE = 2
    """By marks that no other format has."""


class State(StrEnum):
    """What a file says of a task; the value is the word for it in notes."""

    OPEN = "open"
    DONE = "done"
    IN_REVIEW = "in review"
    CANCELLED = "cancelled"
    POSTPONED = "postponed"
    """Not to be done now: what depends on it waits too."""


@dataclass(frozen=True)
class ForeignFile:
    """Text of a foreign file; `value`: the JSON or YAML in it, None where it is neither."""

    path: str
    """As the user named it; `-`: standard input."""
    text: str
    value: Any = None
    place: str = ""
    """Its whole path, with `/`; empty where it has none."""
    inside: str = ""
    """Its path within the workspace; empty where it lies elsewhere."""
    is_prose: bool = True
    """Whether it can be a list of lines: not where its name or its beginning says that it is JSON or YAML."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """Texts of files near it, by the relative paths that its format names."""

    @property
    def name(self) -> str:
        """Last part of the path."""
        return (self.place or self.path).rpartition("/")[2]

    @property
    def folder(self) -> str:
        """Name of the folder that holds it; empty where the path names none."""
        return (self.place or self.path).rpartition("/")[0].rpartition("/")[2]

    def with_text(self, text: str) -> ForeignFile:
        """The file in another state; raises `ValueError` where it was JSON, and that text is none."""
        return replace(self, text=text, value=None if self.is_prose else json.loads(text))

    @property
    def is_markdown(self) -> bool:
        """Whether its name says that it is Markdown."""
        return self.name.lower().endswith(MARKDOWN)

    @cached_property
    def lines(self) -> list[str]:
        """Lines without their ends; a line ends with `\\n` alone, so that places in the text can be counted."""
        return [line.removesuffix("\r") for line in self.text.split("\n")]

    def context(self, **more: str) -> dict[str, str]:
        """Where a task comes from, for its agent; `more`: its surroundings, empty ones left out."""
        named = {"file": self.inside, **more}
        return {name: each for name, each in named.items() if each}

    def invalid(self, problems: list[Problem]) -> InvalidPlan:
        """The exception for problems whose paths are places in this file."""
        places = (f"{self.path}: {each.path}" if each.path else self.path for each in problems)
        return InvalidPlan(
            list(dict.fromkeys(Problem(place, each.message) for place, each in zip(places, problems, strict=True)))
        )


@dataclass(frozen=True)
class Tick:
    """Replacement of a few characters of the file's text, which says that a task is done."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Item:
    """One task of a foreign file, done or not."""

    id: str
    description: str
    """What the file says of it."""
    where: str
    """Its place in the file: `line 12`, or a JSON path."""
    depends_on: tuple[str, ...] = ()
    state: State = State.OPEN
    minutes: float | None = None
    priority: int = 0
    files: tuple[str, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    tick: Tick | None = None
    part_of: str = ""
    """What it is a part of, as `part_of` writes it."""
    has_parts: bool = False
    """Whether it waits for tasks that are its parts, done or not."""

    @property
    def text(self) -> str:
        """The description of its task: what the file says, what it is a part of, what is left where it has parts."""
        if not self.description:
            return ""
        parts = (
            self.description,
            f"A part of {self.part_of}" if self.part_of else "",
            _WHOLE if self.has_parts else "",
        )
        return "\n\n".join(filter(None, parts))


def part_of(whole: str, *titles: str) -> str:
    """Words for a whole, `task 2.2` or `issue #12`, and its title after those of what it is a part of itself."""
    path = " › ".join(filter(None, (each.split("\n", 1)[0][:_MAX_TITLE].strip() for each in titles)))
    return f"{whole}: {path}" if path else whole


@dataclass(frozen=True)
class Outline:
    """Everything that was read from a file: every item, in its order."""

    items: tuple[Item, ...]
    name: str | None = None
    description: str | None = None
    workspace: str | None = None
    """The directory that the file itself names."""
    summary: str = ""
    """How the items hang together, for the note: `in 4 phases`."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choices:
    """What the user can decide about an import."""

    tag: str | None = None
    order: Order | None = None


@dataclass(frozen=True)
class Format:
    """A kind of foreign file: how it is recognised, read and described."""

    name: str
    title: str
    """With its article, for notes: `a spec-kit tasks.md`."""
    sign: str
    """What it is recognised by."""
    taken: str
    """What becomes of its parts."""
    recognise: Callable[[ForeignFile], Match]
    """Asked for files that can be of its kind: prose, or JSON."""
    read: Callable[[ForeignFile, Choices], Outline]
    """Reader; raises `InvalidPlan` with every problem and its place."""
    is_prose: bool = False
    """Whether it is a list of lines; else JSON."""
    ticks: str | None = None
    """What `--tick` changes; None: nothing in the file says that a task is done, or another program keeps it."""
    instead_of_ticks: str = ""
    """How what has been done gets back to where the file came from."""
    beside: tuple[str, ...] = ()
    """Files near it that are read too, by relative path."""
    choices: frozenset[str] = frozenset()
    """The `Choices` that have a meaning for it."""


@dataclass(frozen=True)
class Imported:
    """Plan document made from a foreign file, and what is said of it."""

    format: Format
    outline: Outline
    document: dict[str, Any]
    notes: tuple[str, ...]
