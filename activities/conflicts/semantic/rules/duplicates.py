"""Definitions that both sides added where one is too many."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from activities.conflicts.semantic.delta import place_in_file
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.sides import NAMES_FOUND_EVERYWHERE, Finding, Result, SideChange, overloads
from activities.conflicts.semantic.symbols import Definition, Symbols

_DECLARED_ONCE = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".mts", ".cts", ".go", ".java")
"""Files in which no declaration may have the name of an import."""


def duplicate_definitions(ours: SideChange, theirs: SideChange, result: Result) -> Iterator[Finding]:
    """Definitions that both sides added to one scope of one module; what is inside of them is left out."""
    mine = {_place(path, each): (path, each) for path, each in _added(ours)}
    yours = [(path, each) for path, each in _added(theirs) if _place(path, each) in mine]
    if not yours:
        return
    counts = Counter(_place(path, each) for path, found in result.merged.items() for each in found.definitions)
    duplicates: set[tuple[str, ...]] = set()
    for path, each in sorted(yours, key=lambda added: len(added[1].scope)):
        other_path, other = mine[_place(path, each)]
        if path.endswith("_test.go") != other_path.endswith("_test.go") or _package(path, result) != _package(
            other_path, result
        ):
            continue
        if other_path != path and any(_is_conditional(each, result.merged[each]) for each in (path, other_path)):
            continue
        # Where both sides added the same lines, the merge holds them once.
        if counts[_place(path, each)] < 2 or each.may_repeat or other.may_repeat:
            continue
        duplicates.add((*each.scope, each.name))
        if each.scope not in duplicates:
            message = f"{each.full_name} is defined in {path}:{each.line} and in {other_path}:{other.line}"
            yield Finding(each.name, path, each.line, other_path, other.line, message, change="added")


def _is_conditional(path: str, symbols: Symbols) -> bool:
    """Whether a file may be built only on some machines, or only for tests: by its name in Go, or by what it says."""
    stem = PurePosixPath(path).stem.removesuffix("_test")
    return "_" in stem or symbols.has_build_constraint


def _is_test(path: str) -> bool:
    return path.endswith("_test.go")


def _package(path: str, result: Result) -> str:
    return result.merged[path].shapes.package


def _added(side: SideChange) -> Iterator[tuple[str, Definition]]:
    for path, found in side.deltas.items():
        yield from ((path, each) for each in found.added if each.name not in NAMES_FOUND_EVERYWHERE)


def _place(path: str, definition: Definition) -> tuple[object, ...]:
    """Key that two definitions share where one of them is too many."""
    language = language_of(path)
    module = os.path.dirname(path) if language is not None and language.folder_is_module else path
    return module, *place_in_file(definition, overloads(path))


def declared_and_imported(ours: SideChange, theirs: SideChange, result: Result) -> Iterator[Finding]:
    """A name that one side imports into a file and the other declares there, where that is an error."""
    for one, other in ((ours, theirs), (theirs, ours)):
        for path in sorted(one.after.keys() & other.after.keys()):
            if not path.endswith(_DECLARED_ONCE):
                continue
            known = {each.alias for each in one.before[path].modules}
            imported = {each.alias: each for each in one.after[path].modules if each.alias and each.alias not in known}
            merged = result.merged[path]
            for each in other.deltas[path].added:
                first = imported.get(each.name)
                lines = {here.line for here in merged.modules if here.alias == each.name}
                # `const x = require(…)` is both.
                if first is not None and not each.scope and {here.line for here in merged.named(each.name)} - lines:
                    message = f"{each.name} is defined in {path}:{each.line} and imported in line {first.line}"
                    yield Finding(
                        each.name, path, each.line, path, first.line, message, side=other.name, change="added"
                    )
