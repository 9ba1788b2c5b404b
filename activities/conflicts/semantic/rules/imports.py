"""Imports that do not fit the other side's change: of what is gone, of each other, and lost where they are used anew.

The modules of Python that one side moved are in `python_modules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath
from posixpath import dirname

from activities.conflicts.semantic.language import Import
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.module_files import is_module
from activities.conflicts.semantic.references import first_part, imported_from
from activities.conflicts.semantic.sides import Finding, Paths, Result, SideChange
from activities.conflicts.semantic.symbols import NOTHING, Definition, Symbols, Use

_GIVING_ON = (".py", ".js", ".mjs", ".ts", ".tsx", ".jsx")


def broken_imports(one: SideChange, other: SideChange, result: Result, paths: Paths) -> Iterator[Finding]:
    """Imports, new on the other side, of a file or of a name in it that one side has moved or removed."""
    new = [(path, each) for path, each in other.new_imports() if not each.may_fail and not path.endswith(".py")]
    if not new:
        return
    folders = cache(lambda: {dirname(path) for path in (*paths(), *one.before)})
    for target, before in one.before.items():
        if before is NOTHING or target not in one.after or target.endswith(".py"):
            continue
        end = PurePosixPath(target)
        words = {end.stem, end.parent.name}
        is_root = end.name in ("lib.rs", "main.rs")
        for path, each in new:
            if path == target or not (is_root or words & set(_words(each))):
                continue
            if is_module(each.module, path, target, lambda folder: folder in folders()):
                yield from _gone(each, path, target, one, other, result, paths)
            elif each.name and is_module(f"{each.module}::{each.name}", path, target, lambda _: False):
                module = each._replace(module=f"{each.module}::{each.name}", name=None)
                yield from _gone(module, path, target, one, other, result, paths)


def _gone(
    each: Import, path: str, target: str, one: SideChange, other: SideChange, result: Result, paths: Paths
) -> Iterator[Finding]:
    after = result.merged.get(target, NOTHING)
    if after is NOTHING:
        if any(is_module(each.module, path, left, lambda _: False) for left in paths() if _is_source(left, target)):
            return
        message = f"{each.module} is imported in {path}:{each.line} and was moved or removed: {target}"
        yield Finding(each.module, path, each.line, target, 1, message, side=other.name, change="removed")
    elif each.name in one.before[target].shapes.exports and not _may_offer(after, each.name, target, paths):
        where = f"{each.module} in {path}:{each.line}"
        message = f"{each.name} is imported from {where}, and {target} does not export it any more"
        line = one.before[target].shapes.exports[each.name]
        yield Finding(each.name, path, each.line, target, line, message, side=other.name, change="removed")


def _is_source(path: str, target: str) -> bool:
    language, owner = language_of(path), language_of(target)
    return language is not None and owner is not None and language.is_related(owner) and not path.endswith("_test.go")


def _may_offer(symbols: Symbols, name: str, path: str, paths: Paths) -> bool:
    """Whether other files may be able to import a name."""
    if symbols.shapes.exports_unknown or name in symbols.shapes.exports:
        return True
    # In Rust, a module of the name.
    return path.endswith(".rs") and any(each.endswith((f"/{name}.rs", f"/{name}/mod.rs")) for each in paths())


def lost_imports(one: SideChange, other: SideChange, result: Result) -> Iterator[Finding]:
    """Uses, new on the other side, of a name whose import one side has removed from the same file."""
    for path in sorted(one.after.keys() & other.after.keys()):
        merged = result.merged.get(path, NOTHING)
        if merged is NOTHING or any(_is_star(each) for each in merged.modules):
            continue
        known = {_root(each) for each in merged.modules} | merged.by_name.keys() | merged.local_names
        gone = {_root(each): each for each in one.before[path].modules if not each.may_fail}
        gone = {name: each for name, each in gone.items() if name and name not in known}
        left = {_root(each) for each in one.after[path].modules}
        used: dict[str, Use] = {}
        for use in other.deltas[path].uses:
            used.setdefault(use.name if use.receiver is None else first_part(use.receiver), use)
        for name, each in gone.items():
            if name in used and name not in left and not one.after[path].named(name):
                line = next(
                    (use.line for use in merged.uses if name in (use.name, first_part(use.receiver or ""))),
                    used[name].line,
                )
                message = f"{name} is used in {path}:{line}, and its import was removed"
                yield Finding(name, path, line, path, each.line, message, side=other.name, change="removed")


def unused_imports(ours: SideChange, theirs: SideChange, result: Result) -> Iterator[Finding]:
    """Imports of Go of which each side has removed some of the uses, so that the merge has none: an error."""
    for path in sorted(ours.after.keys() & theirs.after.keys()):
        if not path.endswith(".go") or result.merged[path] is NOTHING:
            continue
        sides = [_roots_of(side.after[path]) for side in (ours, theirs)]
        left = _roots_of(result.merged[path])
        for each in result.merged[path].modules:
            if each.alias in sides[0] & sides[1] and each.alias not in left:
                message = f"{each.module} is imported in {path}:{each.line}, and the last uses of it were removed"
                yield Finding(each.alias, path, each.line, path, each.line, message, side="theirs", change="removed")


def _roots_of(symbols: Symbols) -> set[str]:
    return {first_part(use.receiver) for use in symbols.uses if use.receiver}


def dropped_names(one: SideChange, other: SideChange, _: Result) -> Iterator[Finding]:
    """Uses, new on the other side, of a name that a module does not give on any more."""
    used = [(path, use) for path, use in other.new_uses() if use.receiver is not None]
    for target, before in one.before.items():
        after = one.after[target]
        if not target.endswith(".py") or after is NOTHING or any("*" in each for each in after.imports):
            continue
        kept = {each.alias for each in after.modules} | after.by_name.keys()
        gone = {each.alias: each for each in before.modules if each.alias not in kept and "." not in each.alias}
        for path, use in used:
            if use.name in gone and imported_from(use.receiver or "", path, other.after[path], target) is True:
                message = (
                    f"{use.receiver}.{use.name} is used in {path}:{use.line}, and {target} does not give it on any more"
                )
                yield Finding(
                    use.name, path, use.line, target, gone[use.name].line, message, side=other.name, change="removed"
                )


def import_cycles(ours: SideChange, theirs: SideChange, _: Result) -> Iterator[Finding]:
    """Two packages of Go that import each other, each by an import of one side; of Python: `behaviour.cycles`."""
    mine, yours = list(ours.new_imports()), list(theirs.new_imports())
    for path, each in mine:
        for other, back in yours:
            if not path.endswith(".go") or not other.endswith(".go"):
                continue
            there, here = dirname(path), dirname(other)
            if there != here and _means(each, path, other) and _means(back, other, path):
                message = f"{path}:{each.line} imports {here}, and {other}:{back.line} imports {there}: a cycle"
                yield Finding(here, path, each.line, other, back.line, message, side="ours", change="added")


def same_names_passed_on(ours: SideChange, theirs: SideChange, result: Result) -> Iterator[Finding]:
    """One name that both sides add, each to a module of which a third one gives all names on."""
    mine = {each.name: (path, each) for path, each in _new_names(ours)}
    twice = [(path, each, *mine[each.name]) for path, each in _new_names(theirs) if each.name in mine]
    for path, each, other, first in twice:
        for place, symbols in (*result.merged.items(), *result.elsewhere) if path != other else ():
            stars = [star for star in symbols.modules if _is_star(star)]
            if all(any(_means(star, place, target) for star in stars) for target in (path, other)):
                message = f"{place} gives on {each.name} of {path}:{each.line} and of {other}:{first.line}"
                yield Finding(each.name, path, each.line, other, first.line, message, side="theirs", change="added")


def modules_with_new_names(ours: SideChange, theirs: SideChange) -> set[str]:
    """Names of modules to which both sides add one name."""
    mine = {each.name: path for path, each in _new_names(ours)}
    twice = [(path, mine[each.name]) for path, each in _new_names(theirs) if each.name in mine]
    return {PurePosixPath(path).stem for pair in twice for path in pair if pair[0] != pair[1]}


def _new_names(side: SideChange) -> Iterator[tuple[str, Definition]]:
    """Definitions that a side adds to a file, where files may give on all that others have."""
    for path, found in side.deltas.items():
        if path.endswith(_GIVING_ON):
            yield from ((path, each) for each in found.added if not each.scope and not each.name.startswith("_"))


def _means(each: Import, path: str, target: str) -> bool:
    return is_module(each.module, path, target, lambda _: False)


def _is_star(each: Import) -> bool:
    return not each.alias


def _root(each: Import) -> str:
    return each.alias.split(".")[0]


def _words(each: Import) -> list[str]:
    return [*each.module.replace("::", "/").replace(".", "/").split("/"), each.name or ""]
