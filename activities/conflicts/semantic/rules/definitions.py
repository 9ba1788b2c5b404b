"""Uses, new on one side, of definitions that the other has removed, and calls of functions that it has changed."""

from __future__ import annotations

import os
from collections.abc import Iterator

from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.references import refers_exactly, refers_to, words_of
from activities.conflicts.semantic.sides import NAMES_FOUND_EVERYWHERE, Finding, Result, SideChange
from activities.conflicts.semantic.symbols import Definition, Symbols, Use

Uses = list[tuple[str, Use]]
"""Uses, each with the path of its file."""


def removed_symbols(one: SideChange, other: SideChange, result: Result) -> Iterator[Finding]:
    """Uses, new on the other side, of what one side has removed."""
    used = _by_name(other.new_uses())
    for target, definition in one.removed():
        name = definition.name
        if name in NAMES_FOUND_EVERYWHERE or name not in used or _is_passed_on(name, target, one, result):
            continue
        exact, likely = _split(used[name], target, definition, other)
        if likely and not _is_elsewhere(target, definition, one, other, result):
            exact += likely
        for path, use in exact:
            message = f"{definition.full_name} is used in {path}:{use.line} and was removed or renamed in {target}"
            yield Finding(name, path, use.line, target, definition.line, message, side=other.name, change="removed")


def _split(uses: Uses, target: str, definition: Definition, other: SideChange) -> tuple[Uses, Uses]:
    """Uses that mean a definition by what their file imports, and those that only may."""
    exact: Uses = []
    likely: Uses = []
    for path, use in uses:
        symbols = other.after[path]
        if refers_to(use, path, symbols, target, definition):
            (exact if refers_exactly(use, path, symbols, target, definition) else likely).append((path, use))
    return exact, likely


def _is_passed_on(name: str, target: str, one: SideChange, result: Result) -> bool:
    """Whether the module still has a name that it does not define any more, or may have it."""
    if any(each.name == "__getattr__" and not each.scope for each in one.after[target].definitions):
        return True
    if any(name in words_of(each) for each in one.after[target].imports) or name in one.after[target].shapes.exports:
        return True
    language = language_of(target)
    if language is None or not language.folder_is_module:
        return False
    files = (*result.merged.items(), *result.elsewhere)
    return any(found.named(name) for path, found in files if os.path.dirname(path) == os.path.dirname(target))


def _is_elsewhere(target: str, definition: Definition, one: SideChange, other: SideChange, result: Result) -> bool:
    """Whether a name may mean something else: it is defined elsewhere, or the side that removed it has left a use."""
    if result.defines(definition.name):
        return True
    remaining = _remaining_uses(definition.name, one, other, result)
    return any(refers_to(use, path, symbols, target, definition) for path, symbols, use in remaining)


def _remaining_uses(
    name: str, one: SideChange, other: SideChange, result: Result
) -> Iterator[tuple[str, Symbols, Use]]:
    """Uses of a name in files that `one` has changed, or that neither side has."""
    untouched = [(path, found) for path, found in result.elsewhere if path not in other.after]
    for path, found in (*one.after.items(), *untouched):
        yield from ((path, found, use) for use in found.uses if use.name == name)


def changed_signatures(one: SideChange, other: SideChange, result: Result) -> Iterator[Finding]:
    """Calls, new on the other side, that fit only the parameters that one side has changed."""
    used = _by_name(other.new_uses())
    for target, old, new in one.changed_signatures():
        assert old.signature is not None
        assert new.signature is not None
        if old.name not in used:
            continue
        is_elsewhere = result.defines(old.name, but=(target, new))
        for path, use in used[old.name]:
            if is_elsewhere and not refers_exactly(use, path, other.after[path], target, new):
                continue
            call = use.call
            fits = call is None or new.signature.takes(call) or not old.signature.takes(call)
            if not fits and refers_to(use, path, other.after[path], target, new):
                message = (
                    f"{path}:{use.line} calls {old.full_name} as it was; in {target} it takes {new.signature.text}"
                )
                yield Finding(old.name, path, use.line, target, new.line, message, side=other.name)


def _by_name(uses: Iterator[tuple[str, Use]]) -> dict[str, list[tuple[str, Use]]]:
    found: dict[str, list[tuple[str, Use]]] = {}
    for path, use in uses:
        found.setdefault(use.name, []).append((path, use))
    return found
