"""Whether two sides that merged line by line still fit together (CONTRACT section 6, `semantic`).

Four findings: one side uses anew what the other has removed or renamed; imports anew a module, or from one, that the
other has moved; calls anew what the other has given another signature; both define the same. What cannot be told apart
from something else of the same name is no finding.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from activities.conflicts.semantic.delta import place_in_file
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.python_modules import in_question, moved
from activities.conflicts.semantic.sides import Elsewhere, Files, Finding, Paths, Result, SideChange, overloads
from activities.conflicts.semantic.symbols import Definition, Symbols, Use

_EVERYWHERE = frozenset({"main", "init", "__init__", "constructor", "_"})


def check(base: Files, ours: Files, theirs: Files, merged: Files, elsewhere: Elsewhere, paths: Paths) -> list[Finding]:
    """`base` and `merged` hold the files that either side changed, `ours` and `theirs` what each made of its own.

    `elsewhere`: the other files of the merged tree in which one of some names occurs; asked once at most.
    `paths`: the files of that tree.
    """
    sides = [SideChange({path: base[path] for path in side}, side) for side in (ours, theirs)]
    if not all(side.parses for side in sides):
        # Half-parsed files say nothing certain.
        return []
    pairs = (sides, sides[::-1])
    names = sorted({name for pair in pairs for name in (*_in_question(*pair), *in_question(*pair))})
    others = list(elsewhere(names)) if names else []
    result = Result(merged, others)
    found: dict[tuple[str, str, str], Finding] = {}
    for one, other in pairs:
        for finding in (*_gone(one, other, result), *_misfit(one, other, result), *moved(one, other, result, paths)):
            found.setdefault((finding.name, finding.path, finding.other), finding)
    for finding in _twice(sides[0], sides[1], result):
        found.setdefault((finding.name, finding.path, finding.other), finding)
    return list(found.values())


def _in_question(one: SideChange, other: SideChange) -> set[str]:
    """Names that one side has taken away or changed and the other uses anew."""
    changed = {definition.name for _, definition in one.removed()} | {old.name for _, old, _ in one.signed_anew()}
    return changed & {use.name for _, use in other.new_uses()} - _EVERYWHERE


def _gone(one: SideChange, other: SideChange, result: Result) -> Iterator[Finding]:
    """What one side has removed and the other uses anew."""
    used = _by_name(other.new_uses())
    for where, definition in one.removed():
        name = definition.name
        if name in _EVERYWHERE or name not in used or result.defines(name):
            continue
        if any(_words(each) & {name} for each in one.after[where].imports):
            # It comes from elsewhere now, and still goes by this module.
            continue
        # Who removed it has seen to its uses; one that is left means something else of this name.
        if any(_refers(use, path, found, where, definition) for path, found, use in _left(name, one, other, result)):
            continue
        for path, use in used[name]:
            if _refers(use, path, other.after[path], where, definition):
                told = f"{_shown(definition)} is used in {path}:{use.line} and was removed or renamed in {where}"
                yield Finding(name, path, use.line, where, definition.line, told)


def _misfit(one: SideChange, other: SideChange, result: Result) -> Iterator[Finding]:
    """What takes other arguments on one side and is called as before, anew, on the other."""
    used = _by_name(other.new_uses())
    for where, old, new in one.signed_anew():
        assert old.signature is not None
        assert new.signature is not None
        if old.name not in used or result.defines(old.name, but=(where, new)):
            continue
        for path, use in used[old.name]:
            call = use.call
            fits = call is None or new.signature.takes(call) or not old.signature.takes(call)
            if not fits and _refers(use, path, other.after[path], where, new):
                told = f"{path}:{use.line} calls {_shown(old)} as it was; in {where} it takes {new.signature.text}"
                yield Finding(old.name, path, use.line, where, new.line, told)


def _twice(ours: SideChange, theirs: SideChange, result: Result) -> Iterator[Finding]:
    """What both sides define anew, in one scope of one module; of what is in it no more is said."""
    mine = {_place(path, each): (path, each) for path, each in _added(ours)}
    yours = [(path, each) for path, each in _added(theirs) if _place(path, each) in mine]
    if not yours:
        return
    there = Counter(_place(path, each) for path, found in result.merged.items() for each in found.definitions)
    both: set[tuple[str, ...]] = set()
    for path, each in sorted(yours, key=lambda added: len(added[1].scope)):
        found = mine[_place(path, each)]
        if found[0] != path and any(_is_for_some(each, result.merged[each]) for each in (path, found[0])):
            continue
        # Where both did the same, it is there once.
        if there[_place(path, each)] < 2 or each.may_repeat or found[1].may_repeat:
            continue
        both.add((*each.scope, each.name))
        if each.scope not in both:
            told = f"{_shown(each)} is defined in {path}:{each.line} and in {found[0]}:{found[1].line}"
            yield Finding(each.name, path, each.line, found[0], found[1].line, told)


def _is_for_some(path: str, found: Symbols) -> bool:
    """Whether a file of Go may be built only on some machines, or only for tests."""
    return "_" in PurePosixPath(path).stem or found.has_build_constraint


def _added(side: SideChange) -> Iterator[tuple[str, Definition]]:
    for path, found in side.deltas.items():
        yield from ((path, each) for each in found.added if each.name not in _EVERYWHERE)


def _place(path: str, definition: Definition) -> tuple[object, ...]:
    """Two definitions of one place are one too many."""
    language = language_of(path)
    module = os.path.dirname(path) if language is not None and language.folder_is_module else path
    return module, *place_in_file(definition, overloads(path))


def _left(name: str, one: SideChange, other: SideChange, result: Result) -> Iterator[tuple[str, Symbols, Use]]:
    """Uses of a name that neither side has touched, or that the one that removed it has left."""
    untouched = [(path, found) for path, found in result.elsewhere if path not in other.after]
    for path, found in (*one.after.items(), *untouched):
        yield from ((path, found, use) for use in found.uses if use.name == name)


def _refers(use: Use, path: str, found: Symbols, where: str, definition: Definition) -> bool:
    """Whether a use means a definition, as far as imports and receivers tell."""
    language, owner = language_of(path), language_of(where)
    if language is None or owner is None or not language.is_related(owner):
        return False
    receiver = use.receiver.split("(")[0] if use.receiver is not None else None
    last = receiver.replace("::", ".").split(".")[-1] if receiver else None
    file, folder = PurePosixPath(where), PurePosixPath(where).parent
    if definition.scope and definition.kind == "function" and definition.name != definition.scope[-1]:
        # A method: by its class, or by a receiver of which nothing is known.
        return receiver is not None or (path == where and language.overloads)
    if receiver is None and use.name in found.local_names:
        # A variable or parameter of this name is there too.
        return False
    if path == where or (language.folder_is_module and PurePosixPath(path).parent == folder):
        return receiver is None
    modules = {file.stem, folder.name if file.stem in owner.named_after_folder else file.stem}
    modules |= language.module_aliases(path, file)
    if language.folder_is_module:
        return last == folder.name or (receiver is None and any(definition.name in each for each in found.imports))
    if receiver is None:
        return any(_imports(each, definition.name, modules) for each in found.imports)
    return last in modules or any(last is not None and _imports(each, last, modules) for each in found.imports)


def _imports(statement: str, name: str, modules: set[str]) -> bool:
    """Whether an import names something, from one of the modules."""
    words = _words(statement)
    return name in words and bool(words & modules)


def _words(statement: str) -> set[str]:
    return set(_WORD.findall(statement))


_WORD = re.compile(r"[\w$-]+")


def _by_name(uses: Iterator[tuple[str, Use]]) -> dict[str, list[tuple[str, Use]]]:
    found: dict[str, list[tuple[str, Use]]] = {}
    for path, use in uses:
        found.setdefault(use.name, []).append((path, use))
    return found


def _shown(definition: Definition) -> str:
    return ".".join((*definition.scope, definition.name))
