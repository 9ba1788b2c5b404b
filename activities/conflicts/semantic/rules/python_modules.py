"""Modules of Python that one side moved, or moved a name out of, and that the other side imports anew.

A module has several names, depending on where programs start. There is no finding where the name could mean another
module, where it still leads to the module, or where the import may fail.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator

from activities.conflicts.semantic.language import Import
from activities.conflicts.semantic.module_files import is_project
from activities.conflicts.semantic.sides import Finding, Paths, Result, SideChange
from activities.conflicts.semantic.symbols import NOTHING, Symbols

_SUFFIX = ".py"
_PACKAGE = "__init__"
_SOURCE_ROOTS = ((), ("src",), ("lib",))
"""Folders whose files are imported by their own name."""

Parts = tuple[str, ...]
"""Path of a module, without its suffix."""


def removed_module_names(one: SideChange, other: SideChange) -> set[str]:
    """Names of modules that one side has removed and the other imports anew."""
    gone = {_parts(path)[-1] for path in _changed(one) if one.after[path] is NOTHING and _parts(path)}
    words = {word for _, each in _new_imports(other) for word in (*each.module.split("."), each.name or "")}
    return gone & words


def moved_modules(one: SideChange, other: SideChange, result: Result, paths: Paths) -> Iterator[Finding]:
    """Imports, new on the other side, of what one side has moved or removed."""
    changed = {path: _parts(path) for path in _changed(one)}
    new = [(path, each) for path, each in _new_imports(other) if not each.may_fail]
    ends = {parts[-1] for parts in changed.values() if parts}
    if not any(ends & {*each.module.split("."), each.name} for _, each in new):
        return
    tree = set(paths())
    known = {**dict(result.elsewhere), **result.merged}
    for target, parts in changed.items():
        found = [(path, each, _meaning(each, path, target, parts, one, tree)) for path, each in new if path != target]
        found = [row for row in found if row[2]]
        if not found:
            continue
        provider = next((file for file in (_file(parts), _file((*parts, _PACKAGE))) if file in tree), None)
        if provider is not None and provider in result.merged:
            yield from _missing_names(found, target, parts, (one, other), result.merged[provider], tree)
        elif provider is None:
            old = _old_imports(one, other, result)
            is_left = any(_meaning(each, path, target, parts, one, tree) for path, each in old)
            if not is_left:
                yield from _missing_modules(found, target, parts, known, tree, other)


def _missing_modules(
    found: list[tuple[str, Import, str]],
    target: str,
    parts: Parts,
    known: dict[str, Symbols],
    tree: Collection[str],
    other: SideChange,
) -> Iterator[Finding]:
    name = ".".join(parts)
    for path, each, meaning in found:
        is_elsewhere = _provided(parts, meaning, tree) or (each.name == parts[-1] and _package_offers(parts, known))
        if not is_elsewhere:
            message = f"the module {name} is imported in {path}:{each.line} and was moved or removed: {target}"
            yield Finding(name, path, each.line, target, 1, message, side=other.name, change="removed")


def _missing_names(
    found: list[tuple[str, Import, str]],
    target: str,
    parts: Parts,
    sides: tuple[SideChange, SideChange],
    provider: Symbols,
    tree: Collection[str],
) -> Iterator[Finding]:
    """Names imported from a module that is still there and does not have them any more."""
    one, other = sides
    for path, each, meaning in found:
        if each.name is None or meaning != each.module:
            continue
        lines = [old.line for old in one.before[target].named(each.name) if not old.scope]
        lines += [old.line for old in one.before[target].modules if old.alias == each.name]
        is_module = _file((*parts, each.name)) in tree or _file((*parts, each.name, _PACKAGE)) in tree
        if lines and not is_module and not _offers(provider, each.name):
            name = ".".join(parts)
            message = f"{each.name} is imported from {name} in {path}:{each.line} and was moved or removed there"
            yield Finding(each.name, path, each.line, target, lines[0], message, side=other.name, change="removed")


def _changed(side: SideChange) -> Iterator[str]:
    """Paths of the modules that existed before the change."""
    return (path for path in side.after if path.endswith(_SUFFIX) and side.before[path] is not NOTHING)


def _new_imports(side: SideChange) -> Iterator[tuple[str, Import]]:
    return ((path, each) for path, each in side.new_imports() if path.endswith(_SUFFIX))


def _old_imports(one: SideChange, other: SideChange, result: Result) -> Iterator[tuple[str, Import]]:
    """Imports that the side that moved a module has left unchanged: so they mean something else, or do not matter."""
    untouched = [(path, found) for path, found in result.elsewhere if path not in other.after]
    for path, found in (*one.after.items(), *untouched):
        if path.endswith(_SUFFIX):
            yield from ((path, each) for each in found.modules if not each.may_fail)


def _meaning(each: Import, path: str, target: str, parts: Parts, one: SideChange, tree: Collection[str]) -> str:
    """The name by which an import in the file `path` means the module `target`; empty where it does not."""
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
    """Whether programs that start in the folder `root` import the module by these words."""
    package = _file((*root, _PACKAGE))
    if root and (package in tree or one.before.get(package, NOTHING) is not NOTHING):
        return False
    if len(words) > 1:
        return is_project("/".join(root), path)
    is_near = root in _SOURCE_ROOTS or root == tuple(path.split("/")[:-1])
    return is_near and words[0] not in sys.stdlib_module_names


def _provided(parts: Parts, name: str, tree: Collection[str]) -> bool:
    """Whether a name still leads to a module: another file in its place, or one of the name elsewhere."""
    place = "/".join(parts)
    words = "/".join(filter(None, name.split("."))) if not name.startswith(".") else place
    ends = tuple(f"{start}{words}{end}" for start in ("", "/") for end in (_SUFFIX, f"/{_PACKAGE}{_SUFFIX}"))
    for each in tree:
        if each.startswith((f"{place}/", f"{place}.")) and not each.endswith(".pyi"):
            return True
        if each in ends or each.endswith(tuple(end for end in ends if end.startswith("/"))):
            return True
    return False


def _package_offers(parts: Parts, known: dict[str, Symbols]) -> bool:
    """Whether the package of a module has its name."""
    return _offers(known.get(_file((*parts[:-1], _PACKAGE)), NOTHING), parts[-1])


def _offers(module: Symbols, name: str) -> bool:
    """Whether a module has, or may have, a name: it mentions it, imports `*`, or computes attributes."""
    if name in module.by_name or "__getattr__" in module.by_name or any("*" in text for text in module.imports):
        return True
    # Read from the statement, since `import … as` gives a name that `modules` does not hold.
    if any(re.search(rf"\b{re.escape(name)}\b", text) for text in module.imports):
        return True
    return any(each.name == name or (each.name, each.receiver) == ("modules", "sys") for each in module.uses)


def _parts(path: str) -> Parts:
    parts = tuple(path.removesuffix(_SUFFIX).split("/"))
    return parts[:-1] if parts[-1] == _PACKAGE else parts


def _file(parts: Parts) -> str:
    return "/".join(parts) + _SUFFIX
