"""Symbols of one version of a file: what it defines, uses and imports."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from activities.conflicts.semantic.language import Import
from activities.conflicts.semantic.shapes import Shapes
from activities.conflicts.semantic.signatures import Call, Signature


@dataclass(frozen=True)
class Definition:
    """A function, class or value that other code can refer to.

    `scope`: names of the classes around it; `line`, `end`: first and last line, from 1; `may_repeat`: whether a second
    definition of the same name is no error, as with branches and decorators.
    """

    name: str
    scope: tuple[str, ...]
    kind: str
    line: int
    end: int
    signature: Signature | None = None
    may_repeat: bool = False

    @property
    def full_name(self) -> str:
        return ".".join((*self.scope, self.name))


@dataclass(frozen=True)
class Use:
    """A reference to a name. `receiver`: the text before the name, None where there is none."""

    name: str
    line: int
    receiver: str | None = None
    call: Call | None = None
    how: frozenset[str] = field(default=frozenset(), compare=False)
    """What is done with what a call returns; see `returned_values`."""


@dataclass(eq=False)
class Symbols:
    """Symbols of one version, compared by identity, so that what is derived from two versions can be kept with them."""

    definitions: list[Definition] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    constructors: list[Definition] = field(default_factory=list)
    """What a call of a class takes, by the name of the class."""
    imports: list[str] = field(default_factory=list)
    """Import statements, as written."""
    shapes: Shapes = field(default_factory=Shapes)
    parses: bool = True
    local_names: set[str] = field(default_factory=set)
    """Names of variables and parameters, in languages where such a name can hide a function's."""
    makers: dict[str, str] = field(default_factory=dict)
    """What was called last for the value of a variable."""
    types_of: dict[str, str] = field(default_factory=dict)
    """Declared types of variables, as written; of a name that has several, none."""
    has_build_constraint: bool = False
    deltas: WeakKeyDictionary[Symbols, Any] = field(default_factory=WeakKeyDictionary, repr=False)
    """Differences from other versions of the file to this one."""

    @property
    def modules(self) -> list[Import]:
        """Modules and names that the import statements name."""
        return self.shapes.imports

    @cached_property
    def by_name(self) -> dict[str, list[Definition]]:
        found: dict[str, list[Definition]] = {}
        for each in self.definitions:
            found.setdefault(each.name, []).append(each)
        return found

    def named(self, name: str) -> list[Definition]:
        return self.by_name.get(name, [])


NOTHING = Symbols()
"""Symbols of a file that does not exist."""
