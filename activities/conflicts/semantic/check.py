"""Check whether two sides that merged line by line still fit together.

Four findings: a removed symbol that the other side uses anew, a moved module that it imports anew, a changed
signature that it calls anew, and a definition that both sides added. Where a name could as well mean
something else, there is no finding.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import PurePosixPath

from activities.conflicts.semantic.delta import place_in_file
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.python_modules import moved_modules, removed_module_names
from activities.conflicts.semantic.references import refers_to, words_of
from activities.conflicts.semantic.sides import Elsewhere, Files, Finding, Paths, Result, SideChange, overloads
from activities.conflicts.semantic.symbols import Definition, Symbols, Use

_NAMES_FOUND_EVERYWHERE = frozenset({"main", "init", "__init__", "constructor", "_"})


def check(base: Files, ours: Files, theirs: Files, merged: Files, elsewhere: Elsewhere, paths: Paths) -> list[Finding]:
    """Findings for two sides; none where a file of either does not parse.

    `base`, `merged`: the files that either side changed; `ours`, `theirs`: the versions of each side.
    `elsewhere`: gives the other files of the merged tree that mention one of some names; called once at most.
    `paths`: gives the paths of the merged tree.
    """
    sides = [
        SideChange({path: base[path] for path in ours}, ours, "ours"),
        SideChange({path: base[path] for path in theirs}, theirs, "theirs"),
    ]
    if not all(side.parses for side in sides):
        return []
    pairs = (sides, sides[::-1])
    names = {name for pair in pairs for name in (*_affected_names(*pair), *removed_module_names(*pair))}
    result = Result(merged, list(elsewhere(sorted(names))) if names else [])
    one_sided = (
        chain(
            _removed_symbols(one, other, result),
            _changed_signatures(one, other, result),
            moved_modules(one, other, result, paths),
        )
        for one, other in pairs
    )
    found: dict[tuple[str, str, str], Finding] = {}
    for finding in chain(*one_sided, _duplicate_definitions(sides[0], sides[1], result)):
        found.setdefault((finding.name, finding.path, finding.other), finding)
    return list(found.values())


def _affected_names(one: SideChange, other: SideChange) -> set[str]:
    """Names that one side has removed or given another signature, and that the other uses anew."""
    changed = {definition.name for _, definition in one.removed()} | {
        old.name for _, old, _ in one.changed_signatures()
    }
    return changed & {use.name for _, use in other.new_uses()} - _NAMES_FOUND_EVERYWHERE


def _removed_symbols(one: SideChange, other: SideChange, result: Result) -> Iterator[Finding]:
    """Uses, new on the other side, of what one side has removed."""
    used = _by_name(other.new_uses())
    for target, definition in one.removed():
        name = definition.name
        if name in _NAMES_FOUND_EVERYWHERE or name not in used or result.defines(name):
            continue
        if any(each.name == "__getattr__" and not each.scope for each in one.after[target].definitions):
            # A module of Python that may give names which it does not define.
            continue
        if any(name in words_of(each) for each in one.after[target].imports):
            # The module still offers the name: it imports it now.
            continue
        # The side that removed it has adapted the uses; one that it left means something else of this name.
        remaining = _remaining_uses(name, one, other, result)
        if any(refers_to(use, path, symbols, target, definition) for path, symbols, use in remaining):
            continue
        for path, use in used[name]:
            if refers_to(use, path, other.after[path], target, definition):
                message = (
                    f"{_full_name(definition)} is used in {path}:{use.line} and was removed or renamed in {target}"
                )
                yield Finding(name, path, use.line, target, definition.line, message, side=other.name, change="removed")


def _changed_signatures(one: SideChange, other: SideChange, result: Result) -> Iterator[Finding]:
    """Calls, new on the other side, that fit only the parameters that one side has changed."""
    used = _by_name(other.new_uses())
    for target, old, new in one.changed_signatures():
        assert old.signature is not None
        assert new.signature is not None
        if old.name not in used or result.defines(old.name, but=(target, new)):
            continue
        for path, use in used[old.name]:
            call = use.call
            fits = call is None or new.signature.takes(call) or not old.signature.takes(call)
            if not fits and refers_to(use, path, other.after[path], target, new):
                message = (
                    f"{path}:{use.line} calls {_full_name(old)} as it was; in {target} it takes {new.signature.text}"
                )
                yield Finding(old.name, path, use.line, target, new.line, message, side=other.name)


def _duplicate_definitions(ours: SideChange, theirs: SideChange, result: Result) -> Iterator[Finding]:
    """Definitions that both sides added to one scope of one module; what is inside of them is left out."""
    mine = {_place(path, each): (path, each) for path, each in _added(ours)}
    yours = [(path, each) for path, each in _added(theirs) if _place(path, each) in mine]
    if not yours:
        return
    counts = Counter(_place(path, each) for path, found in result.merged.items() for each in found.definitions)
    duplicates: set[tuple[str, ...]] = set()
    for path, each in sorted(yours, key=lambda added: len(added[1].scope)):
        other_path, other = mine[_place(path, each)]
        if other_path != path and any(_is_conditional(each, result.merged[each]) for each in (path, other_path)):
            continue
        # Where both sides added the same lines, the merge holds them once.
        if counts[_place(path, each)] < 2 or each.may_repeat or other.may_repeat:
            continue
        duplicates.add((*each.scope, each.name))
        if each.scope not in duplicates:
            message = f"{_full_name(each)} is defined in {path}:{each.line} and in {other_path}:{other.line}"
            yield Finding(each.name, path, each.line, other_path, other.line, message, change="added")


def _is_conditional(path: str, symbols: Symbols) -> bool:
    """Whether a file may be built only on some machines, or only for tests: by its name in Go, or by what it says."""
    return "_" in PurePosixPath(path).stem or symbols.has_build_constraint


def _added(side: SideChange) -> Iterator[tuple[str, Definition]]:
    for path, found in side.deltas.items():
        yield from ((path, each) for each in found.added if each.name not in _NAMES_FOUND_EVERYWHERE)


def _place(path: str, definition: Definition) -> tuple[object, ...]:
    """Key that two definitions share where one of them is too many."""
    language = language_of(path)
    module = os.path.dirname(path) if language is not None and language.folder_is_module else path
    return module, *place_in_file(definition, overloads(path))


def _remaining_uses(
    name: str, one: SideChange, other: SideChange, result: Result
) -> Iterator[tuple[str, Symbols, Use]]:
    """Uses of a name in files that `one` has changed, or that neither side has."""
    untouched = [(path, found) for path, found in result.elsewhere if path not in other.after]
    for path, found in (*one.after.items(), *untouched):
        yield from ((path, found, use) for use in found.uses if use.name == name)


def _by_name(uses: Iterator[tuple[str, Use]]) -> dict[str, list[tuple[str, Use]]]:
    found: dict[str, list[tuple[str, Use]]] = {}
    for path, use in uses:
        found.setdefault(use.name, []).append((path, use))
    return found


def _full_name(definition: Definition) -> str:
    return ".".join((*definition.scope, definition.name))
