"""A type that one side has changed, and what the other side adds that knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from activities.conflicts.semantic.delta import surplus
from activities.conflicts.semantic.references import knows
from activities.conflicts.semantic.shapes import Literal, Match, Member, TypeShape
from activities.conflicts.semantic.sides import Change, Finding, Result, SideChange
from activities.conflicts.semantic.symbols import NOTHING, Symbols


@dataclass(frozen=True)
class ChangedType:
    """`target`: its file; `old`, `new`: before, and in the merge."""

    target: str
    old: TypeShape
    new: TypeShape
    result: Result
    one: SideChange
    other: SideChange

    def gained(self, *kinds: str) -> list[Member]:
        """Members that it must have now, and that it had not, or not by need, before."""
        before = {each.name for each in self.old.members if each.kind in kinds and not each.optional}
        found = {each.name: each for each in self.new.members if each.kind in kinds and not each.optional}
        return [each for name, each in found.items() if name not in before]

    def new_variants(self) -> list[Member]:
        before = self.old.names("variant")
        return [each for each in self.new.members if each.kind == "variant" and each.name not in before]

    def lost(self, *kinds: str) -> dict[str, Member]:
        after = {each.name for each in self.new.members}
        return {each.name: each for each in self.old.members if each.kind in kinds and each.name not in after}

    def hidden(self) -> dict[str, Member]:
        """Members that code outside of the type might use before."""
        before, after = ({each.name for each in shape.members if not each.hidden} for shape in (self.old, self.new))
        # An accessor may have the name of its private field.
        return {each.name: each for each in self.new.members if each.hidden and each.name in before - after}

    def labels(self, variants: set[str]) -> set[str]:
        """What choices call some variants: by the one value of a field, where they are types of their own."""
        found = set()
        for name in variants:
            shape = self.result.merged[self.target].shapes.type(name)
            values = [each.value for each in shape.members if each.value] if shape is not None else []
            found.add(values[0] if len(values) == 1 else name)
        return found

    def known(self) -> Iterator[tuple[str, Symbols]]:
        """Files that the other side has changed and that know the type."""
        for path, symbols in self.other.after.items():
            if symbols is not NOTHING and knows(self.old.name, path, symbols, self.target):
                yield path, symbols

    def new_literals(self, path: str) -> list[Literal]:
        """Values that the other side adds to a file."""
        before, after = self.other.before[path].shapes.literals, self.other.after[path].shapes.literals
        return surplus(before, after, lambda each: (each.type, each.keys, each.positional, each.is_table))

    def new_matches(self, path: str) -> list[Match]:
        before, after = self.other.before[path].shapes.matches, self.other.after[path].shapes.matches
        return surplus(before, after, lambda each: (each.owners, each.labels))

    def new_subtypes(self, path: str) -> Iterator[TypeShape]:
        before = self.other.before[path].shapes.types
        known = {(each.name, each.text) for each in before if self.old.name in each.bases}
        for each in self.other.after[path].shapes.types:
            if self.old.name in each.bases and (each.name, each.text) not in known:
                yield each

    def finding(self, path: str, line: int, member: Member | None, message: str, change: Change = "changed") -> Finding:
        """A finding about a member, or about the type as a whole."""
        name, at = (self.old.name, self.new.line) if member is None else (member.name, member.line)
        return Finding(name, path, line, self.target, at, message, side=self.other.name, change=change)


def changed_types(one: SideChange, other: SideChange, result: Result) -> Iterator[ChangedType]:
    for target, before in one.before.items():
        merged = result.merged.get(target, NOTHING)
        for old in before.shapes.types if merged is not NOTHING else ():
            here, new = one.after[target].shapes.type(old.name), merged.shapes.type(old.name)
            if old.kind != "impl" and here is not None and new is not None and _essence(old) != _essence(here):
                yield ChangedType(target, old, new, result, one, other)


def _essence(shape: TypeShape) -> tuple[object, ...]:
    members = Counter((each.name, each.kind, each.optional, each.hidden) for each in shape.members)
    return members, shape.is_final, shape.is_abstract
