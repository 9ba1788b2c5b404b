"""Uses, new on one side, of definitions that the other has removed, and calls of functions that it has changed."""

from __future__ import annotations

import os
from collections.abc import Iterator

from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.receivers import is_of_type
from activities.conflicts.semantic.references import refers_exactly, refers_to, words_of
from activities.conflicts.semantic.shapes import EMPTY_BASES
from activities.conflicts.semantic.sides import NAMES_FOUND_EVERYWHERE, Finding, Result, SideChange
from activities.conflicts.semantic.signatures import Call
from activities.conflicts.semantic.symbols import NOTHING, Definition, Symbols, Use

Uses = list[tuple[str, Use]]
"""Uses, each with the path of its file."""


def removed_symbols(one: SideChange, other: SideChange, result: Result) -> Iterator[Finding]:
    """Uses, new on the other side, of what one side has removed."""
    used = other.uses_by_name
    for target, definition in one.removed():
        name = definition.name
        if name in NAMES_FOUND_EVERYWHERE or name not in used or _is_passed_on(definition, target, one, result):
            continue
        exact, likely = _split(used[name], target, definition, other, result)
        exact += [
            (path, use) for path, use in likely if not _is_elsewhere(path, target, definition, one, other, result)
        ]
        for path, use in exact:
            message = f"{definition.full_name} is used in {path}:{use.line} and was removed or renamed in {target}"
            yield Finding(name, path, use.line, target, definition.line, message, side=other.name, change="removed")


def _split(uses: Uses, target: str, definition: Definition, other: SideChange, result: Result) -> tuple[Uses, Uses]:
    """Uses that mean a definition by what their file imports, and those that only may."""
    exact: Uses = []
    likely: Uses = []
    for path, use in uses:
        symbols = other.after[path]
        certain = means(use, path, symbols, target, definition, result)
        if certain is not False and "guarded" not in use.how:
            (exact if certain else likely).append((path, use))
    return exact, likely


def means(use: Use, path: str, symbols: Symbols, target: str, definition: Definition, result: Result) -> bool | None:
    """Whether a use means a definition; None where it may."""
    if not refers_to(use, path, symbols, target, definition):
        return False
    if definition.scope and definition.kind == "function" and use.receiver is not None:
        return is_of_type(use.receiver, definition.scope[-1], path, symbols, target, result.bases)
    return refers_exactly(use, path, symbols, target, definition) or None


def _is_passed_on(definition: Definition, target: str, one: SideChange, result: Result) -> bool:
    """Whether the module still has a name that it does not define any more, or may have it."""
    name = definition.name
    after = one.after[target]
    if definition.scope:
        shape = after.shapes.type(definition.scope[-1])
        if shape is not None:
            # What is gone without another member in its place may be inherited now.
            names = {each.name for each in shape.members}
            before = one.before[target].shapes.type(shape.name)
            is_replaced = before is not None and bool(names - {each.name for each in before.members})
            return shape.is_embedding or (bool({*shape.bases} - EMPTY_BASES) and not is_replaced)
        name = definition.scope[-1]
    if any(each.name == "__getattr__" and not each.scope for each in after.definitions):
        return True
    if any({name, "*"} & words_of(each) or "*" in each for each in after.imports):
        return True
    if name in after.shapes.exports or (after.shapes.exports_unknown and not one.before[target].shapes.exports_unknown):
        return True
    language = language_of(target)
    if language is None or not language.folder_is_module:
        return False
    files = (*result.merged.items(), *result.elsewhere)
    return any(found.named(name) for path, found in files if os.path.dirname(path) == os.path.dirname(target))


def _is_elsewhere(
    use_path: str, target: str, definition: Definition, one: SideChange, other: SideChange, result: Result
) -> bool:
    """Whether a name may mean something else: it is defined elsewhere, or the side that removed it has left a use."""
    if result.defines(definition.name, use_path, target):
        return True
    near = {path for path, _ in result.near(use_path, target)}
    uses = _remaining_uses(definition.name, one, other, result)
    remaining = [(path, symbols, use) for path, symbols, use in uses if path in near]
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
    used = other.uses_by_name
    for target, old, new in one.changed_signatures():
        assert old.signature is not None
        assert new.signature is not None
        if old.name not in used:
            continue
        for path, use in used[old.name]:
            certain = means(use, path, other.after[path], target, new, result)
            if certain is False or (certain is None and result.defines(old.name, path, target, but=new)):
                continue
            if use.call is not None and old.signature.takes(use.call) and not _takes(use.call, new, target, result):
                where = f"{path}:{use.line} calls {old.full_name} as it was"
                message = f"{where}; in {target} it takes {new.signature.text}"
                yield Finding(old.name, path, use.line, target, new.line, message, side=other.name)


def _takes(call: Call, definition: Definition, target: str, result: Result) -> bool:
    """Whether a definition takes a call, or another of its name in the merge does."""
    merged = result.merged.get(target, NOTHING)
    alike = (definition, *merged.named(definition.name), *merged.constructors)
    return any(
        each.signature is not None and each.name == definition.name and each.signature.takes(call)
        for each in alike
        if each is definition or each.scope[-1:] in (definition.scope[-1:], (definition.name,))
    )
