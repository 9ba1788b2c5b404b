"""Inputs and output of the semantic check: the changes of each side, their merge, and the findings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Literal

from activities.conflicts.semantic.delta import Delta, delta
from activities.conflicts.semantic.language import Import
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.symbols import Definition, Symbols, Use

NAMES_FOUND_EVERYWHERE = frozenset({"main", "init", "__init__", "constructor", "_"})
"""Names that say nothing of what they mean."""

Files = Mapping[str, Symbols]
"""Symbols by path."""
Elsewhere = Callable[[Collection[str]], Iterable[tuple[str, Symbols]]]
"""Gives the unchanged files that mention one of some names."""
Paths = Callable[[], Collection[str]]
"""Gives the paths of the merged tree."""


SideName = Literal["ours", "theirs"]
"""Side of a merge: what has landed, and what is to land."""
Change = Literal["removed", "renamed", "moved", "changed", "added"]


@dataclass(frozen=True)
class Finding:
    """A semantic conflict.

    `path`, `line`: the use, where it shows; `other`, `other_line`: the definition that the other side has changed, or
    the former place of what that side removed. Lines count from 1.
    """

    name: str
    path: str
    line: int
    other: str
    other_line: int
    message: str
    is_data: bool = False
    """Whether the name is data, of which checkers know nothing."""
    side: SideName = "theirs"
    """The side with the use; the definition is the other one's."""
    change: Change = "changed"
    """What became of the definition."""
    new_name: str = ""
    """Its new name, where it was renamed."""
    is_member: bool = False
    """Whether it belongs to something, as a method or a field does; known of what was renamed."""
    new_path: str = ""
    """Its new file, where it was moved."""
    checker: str = ""
    """The checker that says it; empty: symbols and names show it."""
    rule: str = ""
    """The checker's rule."""

    @property
    def has_definition(self) -> bool:
        """Whether it is known what the other side has changed: a checker may say only where it shows."""
        return not self.checker or (self.other, self.other_line) != (self.path, self.line)


@dataclass
class SideChange:
    """The files that one side changed, before and after."""

    before: Files
    after: Files
    name: SideName = "ours"

    @cached_property
    def deltas(self) -> dict[str, Delta]:
        return {path: delta(self.before[path], found, overloads(path)) for path, found in self.after.items()}

    @property
    def parses(self) -> bool:
        return all(each.parses for each in self.after.values())

    def removed(self) -> Iterator[tuple[str, Definition]]:
        """Definitions, with their former path, whose name the file does not define any more."""
        for path, each in self.deltas.items():
            yield from ((path, old) for old in each.removed)

    def changed_shapes(self) -> Iterator[tuple[str, set[str]]]:
        """Names of functions with another result, and of members that a type does not have any more, by path."""
        for path, after in self.after.items():
            before = self.before[path].shapes
            known = {(each.scope, each.name, each.result) for each in after.shapes.functions}
            functions = {each.name for each in before.functions if (each.scope, each.name, each.result) not in known}
            members = {each.name for shape in before.types for each in shape.members}
            kept = {each.name for shape in after.shapes.types for each in shape.members}
            yield path, functions | (members - kept)

    def changed_signatures(self) -> Iterator[tuple[str, Definition, Definition]]:
        """Functions with other parameters than before: path, before, after."""
        for path, each in self.deltas.items():
            yield from ((path, old, new) for old, new in each.changed_signatures)

    def changed_constructors(self) -> Iterator[tuple[str, Definition, Definition]]:
        """Constructors with other parameters than before: path, before, after."""
        for path, old, new in self.changed_signatures():
            if old in self.before[path].constructors or old.scope[-1:] == (old.name,):
                yield path, old, new

    def new_imports(self) -> Iterator[tuple[str, Import]]:
        """Imports that a file did not have before."""
        for path, each in self.deltas.items():
            yield from ((path, found) for found in each.imports)

    @cached_property
    def uses_by_name(self) -> dict[str, list[tuple[str, Use]]]:
        """The new uses of each name, with the paths of their files."""
        found: dict[str, list[tuple[str, Use]]] = {}
        for path, use in self.new_uses():
            found.setdefault(use.name, []).append((path, use))
        return found

    def new_uses(self) -> Iterator[tuple[str, Use]]:
        """Uses of which a file has more than before."""
        for path, each in self.deltas.items():
            yield from ((path, use) for use in each.uses)


@dataclass
class Result:
    """The merge of both sides: `merged` has the changed files, `elsewhere` others that mention a name in doubt."""

    merged: Files
    elsewhere: Sequence[tuple[str, Symbols]]

    @cached_property
    def bases(self) -> dict[str, tuple[str, ...]]:
        """Bases of the types of these files."""
        files = (*self.merged.values(), *(found for _, found in self.elsewhere))
        return {each.name: each.bases for found in files for each in found.shapes.types if each.kind != "impl"}

    def near(self, path: str, target: str) -> Iterator[tuple[str, Symbols]]:
        """Files at least as near to the file `path` as `target` is, by the folders that they share with it."""
        least = _shared_folders(path, target)
        for other, found in (*self.merged.items(), *self.elsewhere):
            if _shared_folders(path, other) >= least:
                yield other, found

    def defines(self, name: str, path: str, target: str, but: Definition | None = None) -> bool:
        """Whether a file near to `path` has a definition of a name, apart from `but` in `target`."""
        excluded = (target, but.scope) if but is not None else None
        return any(
            (other, each.scope) != excluded for other, found in self.near(path, target) for each in found.named(name)
        )


def _shared_folders(path: str, other: str) -> int:
    pairs = zip(path.split("/")[:-1], other.split("/")[:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def overloads(path: str) -> bool:
    """Whether functions of one name with other parameters are different ones, in the language of a file."""
    language = language_of(path)
    return language is not None and language.overloads and language.overloads_have_bodies
