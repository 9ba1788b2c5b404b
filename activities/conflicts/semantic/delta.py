"""Difference between the symbols of two versions of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from activities.conflicts.semantic.language import Import
from activities.conflicts.semantic.signatures import Signature
from activities.conflicts.semantic.symbols import Definition, Symbols, Use

T = TypeVar("T")


@dataclass(frozen=True)
class Delta:
    removed: tuple[Definition, ...]
    """Definitions whose name the file does not define any more."""
    changed_signatures: tuple[tuple[Definition, Definition], ...]
    """Functions with other parameters, before and after."""
    added: tuple[Definition, ...]
    """Definitions in a place where there was none."""
    uses: tuple[Use, ...]
    """Uses of which there are more than before."""
    imports: tuple[Import, ...]
    """Modules and names that were not imported before."""


def delta(before: Symbols, after: Symbols, overloads: bool) -> Delta:
    """The difference, computed once and kept as long as both versions are.

    `overloads`: whether functions of one name with other parameters are different ones; a constant of the language.
    """
    found: Delta | None = after.deltas.get(before)
    if found is None:
        found = after.deltas[before] = _compare(before, after, overloads)
    return found


def _compare(before: Symbols, after: Symbols, overloads: bool) -> Delta:
    places = {place_in_file(each, overloads) for each in before.definitions}
    return Delta(
        removed=tuple(each for each in before.definitions if each.name not in after.by_name),
        changed_signatures=tuple(_changed_signatures(before, after)),
        added=tuple(each for each in after.definitions if place_in_file(each, overloads) not in places),
        uses=tuple(_new_uses(before, after)),
        imports=tuple(surplus(before.modules, after.modules, lambda each: (each.module, each.name))),
    )


def place_in_file(definition: Definition, overloads: bool) -> tuple[object, ...]:
    """Key that two definitions share where one of them is too many."""
    overload = definition.signature.text if definition.signature and overloads else None
    return definition.scope, definition.name, overload


def _changed_signatures(before: Symbols, after: Symbols) -> list[tuple[Definition, Definition]]:
    found = []
    for old in before.definitions:
        now = [each for each in after.named(old.name) if each.scope == old.scope]
        if len(now) == len(before.named(old.name)) == 1 and _differ(old, now[0]):
            found.append((old, now[0]))
    for old in before.constructors:
        now = [each for each in after.constructors if (each.scope, each.name) == (old.scope, old.name)]
        if now and all(_differ(old, each) for each in now):
            found.append((old, now[-1]))
    return found


def _differ(old: Definition, new: Definition) -> bool:
    a, b = old.signature, new.signature
    return a is not None and b is not None and _essence(a) != _essence(b)


def _essence(signature: Signature) -> tuple[object, ...]:
    return signature.required, signature.names, signature.most, signature.by_position


def _new_uses(before: Symbols, after: Symbols) -> list[Use]:
    """Uses of which there are more than before: those that stand as they stood are the old ones."""

    def place(use: Use) -> tuple[object, ...]:
        return _kind(use), use.receiver, use.how

    return surplus(surplus(after.uses, before.uses, place), surplus(before.uses, after.uses, place), _kind)


def surplus(before: Iterable[T], after: Iterable[T], key: Callable[[T], object]) -> list[T]:
    """Those of `after` of which there are more than before; of several with one key, the last ones."""
    left = Counter(map(key, before))
    found = []
    for each in after:
        if left[key(each)] > 0:
            left[key(each)] -= 1
        else:
            found.append(each)
    return found


def _kind(use: Use) -> tuple[str, bool, object]:
    return use.name, use.receiver is not None, use.call
