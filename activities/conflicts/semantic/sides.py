"""What the check of two sides goes by: what each did to the files that it changed, and what both together are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from activities.conflicts.semantic.delta import Delta, delta
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.symbols import Definition, Symbols, Use

Files = Mapping[str, Symbols]
Elsewhere = Callable[[Collection[str]], Iterable[tuple[str, Symbols]]]
Paths = Callable[[], Collection[str]]
"""The files of the merged tree."""


@dataclass(frozen=True)
class Finding:
    """`path`: where it shows; `other`: where the other side did what does not fit (what it removed: where it was)."""

    name: str
    path: str
    line: int
    other: str
    other_line: int
    message: str


@dataclass
class SideChange:
    """What one side did to the files that it changed."""

    before: Files
    after: Files

    @cached_property
    def deltas(self) -> dict[str, Delta]:
        return {path: delta(self.before[path], found, overloads(path)) for path, found in self.after.items()}

    @property
    def parses(self) -> bool:
        return all(each.parses for each in self.after.values())

    def removed(self) -> Iterator[tuple[str, Definition]]:
        """What it defines nowhere any more."""
        for path, each in self.deltas.items():
            for old in each.removed:
                if not any(old.name in found.by_name for found in self.after.values()):
                    yield path, old

    def signed_anew(self) -> Iterator[tuple[str, Definition, Definition]]:
        """Functions that take other arguments than before."""
        for path, each in self.deltas.items():
            yield from ((path, old, new) for old, new in each.signed)

    def new_uses(self) -> Iterator[tuple[str, Use]]:
        """Uses of which a file has more than before."""
        for path, each in self.deltas.items():
            yield from ((path, use) for use in each.uses)


@dataclass
class Result:
    """What both sides together are: the files that either changed, merged, and those others that name what matters."""

    merged: Files
    elsewhere: Sequence[tuple[str, Symbols]]

    def defines(self, name: str, but: tuple[str, Definition] | None = None) -> bool:
        """Whether something of this name is there, other than what is named."""
        spared = (but[0], but[1].scope) if but is not None else None
        for path, found in (*self.merged.items(), *self.elsewhere):
            if any((path, each.scope) != spared for each in found.named(name)):
                return True
        return False


def overloads(path: str) -> bool:
    """Whether functions of one name and other parameters are others, in the language of a file."""
    language = language_of(path)
    return language is not None and language.overloads
