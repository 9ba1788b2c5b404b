"""What became of a file's symbols from one version to another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from activities.conflicts.semantic.symbols import Definition, Symbols, Use


@dataclass(frozen=True)
class Delta:
    removed: tuple[Definition, ...]
    """What the file does not define any more."""
    signed: tuple[tuple[Definition, Definition], ...]
    """Functions that take other arguments: as they were and as they are."""
    added: tuple[Definition, ...]
    """What stands in a place where it did not stand."""
    uses: tuple[Use, ...]
    """Uses of which there are more than before."""


def delta(before: Symbols, after: Symbols, overloads: bool) -> Delta:
    """Worked out once, and kept as long as both are. `overloads`: whether functions of one name and other parameters
    are others; for files of one language always the same."""
    found: Delta | None = after.deltas.get(before)
    if found is None:
        found = after.deltas[before] = _worked_out(before, after, overloads)
    return found


def _worked_out(before: Symbols, after: Symbols, overloads: bool) -> Delta:
    places = {place_in_file(each, overloads) for each in before.definitions}
    return Delta(
        removed=tuple(each for each in before.definitions if each.name not in after.by_name),
        signed=tuple(_signed(before, after)),
        added=tuple(each for each in after.definitions if place_in_file(each, overloads) not in places),
        uses=tuple(_more(before, after)),
    )


def place_in_file(definition: Definition, overloads: bool) -> tuple[object, ...]:
    """Two definitions of one place are one too many."""
    overload = definition.signature.text if definition.signature and overloads else None
    return definition.scope, definition.name, overload


def _signed(before: Symbols, after: Symbols) -> list[tuple[Definition, Definition]]:
    found = []
    for old in before.definitions:
        now = [each for each in after.named(old.name) if each.scope == old.scope]
        if len(now) == len(before.named(old.name)) == 1 and _differ(old, now[0]):
            found.append((old, now[0]))
    return found


def _differ(old: Definition, new: Definition) -> bool:
    a, b = old.signature, new.signature
    return a is not None and b is not None and (a.required, a.names, a.most) != (b.required, b.names, b.most)


def _more(before: Symbols, after: Symbols) -> list[Use]:
    left, found = Counter(map(_kind, before.uses)), []
    for use in after.uses:
        kind = _kind(use)
        if left[kind] > 0:
            left[kind] -= 1
        else:
            found.append(use)
    return found


def _kind(use: Use) -> tuple[str, bool, object]:
    return use.name, use.receiver is not None, use.call
