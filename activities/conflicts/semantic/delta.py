"""Difference between the symbols of two versions of a file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from activities.conflicts.semantic.signatures import Signature
from activities.conflicts.semantic.symbols import Definition, Symbols, Use


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
    same = Counter((_kind(use), use.receiver, use.how) for use in before.uses)
    rest = []
    for use in after.uses:
        if same[_kind(use), use.receiver, use.how] > 0:
            same[_kind(use), use.receiver, use.how] -= 1
        else:
            rest.append(use)
    known: Counter[object] = Counter()
    for (kind, _, _), left in same.items():
        known[kind] += left
    found = []
    for use in rest:
        if known[_kind(use)] > 0:
            known[_kind(use)] -= 1
        else:
            found.append(use)
    return found


def _kind(use: Use) -> tuple[str, bool, object]:
    return use.name, use.receiver is not None, use.call
