"""Shapes of one version of a file: its types with their members, and the code that depends on all of a type's members.

Beside the names of `symbols`: what a type asks of those who make, extend or tell apart its values.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from activities.conflicts.semantic.language import Import

EMPTY_BASES = frozenset({"ABC", "ABCMeta", "Protocol", "Generic", "object", "Object", "Serializable", "Comparable"})
"""Types that give no members to their subtypes."""


@dataclass(frozen=True)
class Member:
    """A field, method or variant of a type.

    `optional`: a field that a value may lack, a method that has a body.
    """

    name: str
    kind: str
    line: int
    optional: bool = False
    overrides: bool = False
    hidden: bool = False
    """Whether code outside of the type may not use it."""
    value: str = ""
    """The only value of a field, by which the variants of a union are told apart."""


@dataclass(frozen=True)
class TypeShape:
    """A type. `kind`: class, interface, struct, enum, union, impl or object (one value).

    `bases`: as written, without type arguments.
    """

    name: str
    kind: str
    line: int
    members: tuple[Member, ...] = ()
    bases: tuple[str, ...] = ()
    is_abstract: bool = False
    is_final: bool = False
    end: int = 0
    is_embedding: bool = False
    """Whether it takes over members that are not written in it."""
    text: str = ""
    """The trait of an implementation, as written."""

    def member(self, name: str) -> Member | None:
        return next((each for each in self.members if each.name == name), None)

    def names(self, *kinds: str) -> set[str]:
        return {each.name for each in self.members if each.kind in kinds}


@dataclass(frozen=True)
class Literal:
    """A value of a type, written field by field. `is_table`: one entry for each variant of the type."""

    type: str
    line: int
    keys: tuple[str, ...] = ()
    positional: int = 0
    spreads: bool = False
    is_table: bool = False


@dataclass(frozen=True)
class Match:
    """A choice over the variants of a type, which has to name them all.

    `owners`: the types before the labels, as written; empty where the labels stand alone.
    """

    line: int
    owners: frozenset[str]
    labels: frozenset[str]


@dataclass(frozen=True)
class Result:
    """What a function gives back.

    `sizes`: how many values its returns give together, 0 where one does not show it; `text`: the type, as written.
    """

    is_async: bool = False
    is_generator: bool = False
    is_property: bool = False
    sizes: frozenset[int] = frozenset()
    text: str = ""
    throws: tuple[str, ...] = ()


@dataclass(frozen=True)
class Function:
    """A function or method; `scope`: the type it belongs to."""

    name: str
    scope: str
    line: int
    result: Result


@dataclass
class Shapes:
    """Shapes of one version of a file, in the order of the file."""

    types: list[TypeShape] = field(default_factory=list)
    literals: list[Literal] = field(default_factory=list)
    matches: list[Match] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    exports: dict[str, int] = field(default_factory=dict)
    """Names that other files may import, with their lines; only in languages that say so."""
    public: set[str] = field(default_factory=set)
    """Those of them that other crates may import, in Rust."""
    imports: list[Import] = field(default_factory=list)
    package: str = ""
    """Name of the package, where the file says it."""
    exports_unknown: bool = False
    """Whether it may export more names than are written."""

    def function(self, scope: str, name: str) -> Function | None:
        """The one function of a name in a type; None where there are several."""
        found = [each for each in self.functions if (each.scope, each.name) == (scope, name)]
        return found[0] if len(found) == 1 else None

    def type(self, name: str) -> TypeShape | None:
        found = [each for each in self.types if each.name == name and each.kind != "impl"]
        return found[0] if len(found) == 1 else None
