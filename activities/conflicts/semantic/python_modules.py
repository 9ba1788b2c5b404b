"""Modules of Python that one side has moved, or moved something out of, and that the other imports anew.

A module has several names, by where programs start. What could be another one of the name, what is still to be had by
it, and what may fail, is no finding.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator

from activities.conflicts.semantic.language import Import
from activities.conflicts.semantic.sides import Finding, Paths, Result, SideChange
from activities.conflicts.semantic.symbols import NOTHING, Symbols

_SUFFIX = ".py"
_PACKAGE = "__init__"
_SOURCES = ((), ("src",), ("lib",))
"""Folders, of which every file is a module that can be imported by its own name."""

Parts = tuple[str, ...]


def in_question(one: SideChange, other: SideChange) -> set[str]:
    """Names of modules that one side has removed and the other imports anew."""
    gone = {_parts(path)[-1] for path in _changed(one) if one.after[path] is NOTHING and _parts(path)}
    words = {word for _, each in _new(other) for word in (*each.module.split("."), each.name or "")}
    return gone & words


def moved(one: SideChange, other: SideChange, result: Result, paths: Paths) -> Iterator[Finding]:
    """What one side's new imports do not find any more because of the other."""
    changed = {path: _parts(path) for path in _changed(one)}
    new = [(path, each) for path, each in _new(other) if not each.may_fail]
    ends = {parts[-1] for parts in changed.values() if parts}
    if not any(ends & {*each.module.split("."), each.name} for _, each in new):
        return
    tree = set(paths())
    known = {**dict(result.elsewhere), **result.merged}
    for where, parts in changed.items():
        found = [(path, each, _means(each, path, where, parts, one, tree)) for path, each in new if path != where]
        found = [row for row in found if row[2]]
        is_left = found and any(_means(each, path, where, parts, one, tree) for path, each in _old(one, other, result))
        for path, each, meant in found:
            name = ".".join(parts)
            provider = next((file for file in (_file(parts), _file((*parts, _PACKAGE))) if file in tree), None)
            if provider is None:
                is_elsewhere = _provided(parts, meant, tree) or (each.name == parts[-1] and _tells(parts, known))
                if not is_left and not is_elsewhere:
                    told = f"the module {name} is imported in {path}:{each.line} and was moved or removed: {where}"
                    yield Finding(name, path, each.line, where, 1, told)
            elif each.name is not None and meant == each.module and provider in result.merged:
                before = [old for old in one.before[where].named(each.name) if not old.scope]
                is_there = _file((*parts, each.name)) in tree or _file((*parts, each.name, _PACKAGE)) in tree
                if before and not is_there and not _has(result.merged[provider], each.name):
                    told = f"{each.name} is imported from {name} in {path}:{each.line} and was moved or removed there"
                    yield Finding(each.name, path, each.line, where, before[0].line, told)


def _changed(side: SideChange) -> Iterator[str]:
    """Modules that were there before."""
    return (path for path in side.after if path.endswith(_SUFFIX) and side.before[path] is not NOTHING)


def _new(side: SideChange) -> Iterator[tuple[str, Import]]:
    """Imports that a file did not have before."""
    for path, after in side.after.items():
        had = Counter((each.module, each.name) for each in side.before[path].modules)
        for each in after.modules:
            if had[each.module, each.name] > 0:
                had[each.module, each.name] -= 1
            else:
                yield path, each


def _old(one: SideChange, other: SideChange, result: Result) -> Iterator[tuple[str, Import]]:
    """Imports that who moved a module has left as they are: they mean something else, or nobody minds."""
    untouched = [(path, found) for path, found in result.elsewhere if path not in other.after]
    for path, found in (*one.after.items(), *untouched):
        yield from ((path, each) for each in found.modules if not each.may_fail)


def _means(each: Import, path: str, where: str, parts: Parts, one: SideChange, tree: Collection[str]) -> str:
    """The name by which an import in a file means a module; empty where it does not."""
    whole = f"{each.module}{'' if each.module.endswith('.') else '.'}{each.name}" if each.name else ""
    for name in filter(None, (each.module, whole)):
        level = len(name) - len(name.lstrip("."))
        words = tuple(filter(None, name.split(".")))
        if level:
            folder = tuple(path.split("/")[:-1])
            if level <= len(folder) + 1 and (*folder[: len(folder) - level + 1], *words) == parts:
                return name
        elif words and parts[-len(words) :] == words and _is_root(parts[: -len(words)], words, path, one, tree):
            return name
    return ""


def _is_root(root: Parts, words: Parts, path: str, one: SideChange, tree: Collection[str]) -> bool:
    """Whether programs that are started there import by these words."""
    package = _file((*root, _PACKAGE))
    if root and (package in tree or one.before.get(package, NOTHING) is not NOTHING):
        return False
    if len(words) > 1:
        return True
    is_near = root in _SOURCES or root == tuple(path.split("/")[:-1])
    return is_near and words[0] not in sys.stdlib_module_names


def _provided(parts: Parts, name: str, tree: Collection[str]) -> bool:
    """Whether a module can still be had by a name: another file in its place, or of its name elsewhere."""
    place = "/".join(parts)
    words = "/".join(filter(None, name.split("."))) if not name.startswith(".") else place
    ends = tuple(f"{start}{words}{end}" for start in ("", "/") for end in (_SUFFIX, f"/{_PACKAGE}{_SUFFIX}"))
    for each in tree:
        if each.startswith((f"{place}/", f"{place}.")) and not each.endswith(".pyi"):
            return True
        if each in ends or each.endswith(tuple(end for end in ends if end.startswith("/"))):
            return True
    return False


def _tells(parts: Parts, known: dict[str, Symbols]) -> bool:
    """Whether the package above says something of a name."""
    return _has(known.get(_file((*parts[:-1], _PACKAGE)), NOTHING), parts[-1])


def _has(found: Symbols, name: str) -> bool:
    """Whether a name can be had from a module: anything that it says of it, or that takes what is not there."""
    if name in found.by_name or "__getattr__" in found.by_name or any("*" in text for text in found.imports):
        return True
    # An `import … as` gives another name: of that the statement itself tells.
    if any(re.search(rf"\b{re.escape(name)}\b", text) for text in found.imports):
        return True
    return any(each.name == name or (each.name, each.receiver) == ("modules", "sys") for each in found.uses)


def _parts(path: str) -> Parts:
    parts = tuple(path.removesuffix(_SUFFIX).split("/"))
    return parts[:-1] if parts[-1] == _PACKAGE else parts


def _file(parts: Parts) -> str:
    return "/".join(parts) + _SUFFIX
