"""Imports of a file that run when it is loaded, resolved to files."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator

from activities.conflicts.behaviour.source import is_python, source_of
from activities.conflicts.names.check import Texts

# At the beginning of a line: what is indented runs later, or only under a condition.
_FROM = re.compile(r"^from[ \t]+([.\w]+)[ \t]+import[ \t]+(\([^)]{0,20000}\)|[^\n#;]+)", re.MULTILINE)
_NAME = re.compile(r"(\w+)(?:\s+as\s+(\w+))?")
_SPECIFIER = re.compile(r"(?:\bfrom|\brequire\(|\bimport\(?)\s*['\"`]([^'\"`\n]+)['\"`]")
_IMPORT = re.compile(r"^import[ \t]+([.\w]+)", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")
_MAX_TEXT = 300_000
_MAX_DEPTH = 10


def from_imports(text: str) -> Iterator[tuple[str, list[tuple[str, str]], int]]:
    """Imports of Python: the module, its names with those that they get here, the line."""
    line, counted = 1, 0
    for found in _FROM.finditer(text, 0, _MAX_TEXT):
        line, counted = line + text.count("\n", counted, found.start()), found.start()
        yield found[1], [(name, alias or name) for name, alias in _NAME.findall(_COMMENT.sub("", found[2]))], line


def targets(path: str, module: str, names: list[str], files: Container[str]) -> list[str]:
    """Files of a module that a file of Python imports, and of those of its names that are modules; as far as known."""
    for place in _places(path, module):
        found = [each for each in (f"{place}.py", os.path.join(place, "__init__.py")) if each in files]
        found += [each for name in names if (each := os.path.join(place, f"{name}.py")) in files]
        if found:
            return found
    return []


def _places(path: str, module: str) -> Iterator[str]:
    """Paths, without their end, that a module of Python can have for the file that imports it, the nearest first."""
    dots = len(module) - len(module.lstrip("."))
    parts = [part for part in module.lstrip(".").split(".") if part]
    folder = os.path.dirname(path)
    if dots:
        roots = [os.path.join(folder, *[".."] * (dots - 1))]
    else:
        above = [folder]
        while above[-1]:
            above.append(os.path.dirname(above[-1]))
        roots = [each for top in above for each in (top, os.path.join(top, "src"))]
    for root in roots:
        place = os.path.normpath(os.path.join(root, *parts))
        yield "" if place == "." else place


def may_come_from(name: str, use: str, target: str, files: Texts) -> bool:
    """Whether a name in one file can be that of another: by its imports, or by a mention where they do not tell."""
    if use == target:
        return True
    stem = os.path.splitext(os.path.basename(target))[0]
    stem = os.path.basename(os.path.dirname(target)) if stem in ("__init__", "index") else stem
    if not is_python(use):
        return any(_resolves(use, found[1], target, stem) for found in _SPECIFIER.finditer(files[use]))
    bare = target.removesuffix(".py").removesuffix("/__init__")
    imports = [
        (module, [alias for _, alias in names], [imported for imported, _ in names])
        for module, names, _ in from_imports(files[use])
    ]
    for module, aliases, _ in imports:
        if name in aliases:
            places = list(_places(use, module))
            # A package may hand on what its modules define.
            is_package = any(each and bare.startswith(f"{each}/") for each in places)
            return bare in places or _origin(name, use, {target: "", **files}) == target or is_package
    modules = [found[1] for found in _IMPORT.finditer(files[use])]
    modules += [f"{module}.{each}" for module, _, names in imports for each in names]
    if any(bare in _places(use, module) for module in modules):
        return True
    # A method of an object that comes from somewhere.
    return any(re.search(rf"\b{re.escape(each)}\b", files[use]) for each in _classes_with(name, files.get(target, "")))


def _classes_with(name: str, text: str) -> list[str]:
    """Classes of a file of Python that have a method of a name."""
    return [each.name for each in source_of("_.py", text).classes if name in each.members]


def _origin(name: str, path: str, files: Texts, depth: int = _MAX_DEPTH) -> str | None:
    """The file that defines a name of a file of Python; None where that is not known."""
    text = files.get(path, "")
    if re.search(rf"(?m)^(?:async )?(?:def|class) {re.escape(name)}\b", text):
        return path
    for module, names, _ in from_imports(text):
        for imported, alias in names:
            if alias == name and depth:
                found = targets(path, module, [], files)
                return _origin(imported, found[0], files, depth - 1) if found else None
    return None


def _resolves(use: str, specifier: str, target: str, stem: str) -> bool:
    """Whether an import of JavaScript or TypeScript means a file; one by an alias is compared by its last part."""
    if not specifier.startswith("."):
        return os.path.splitext(os.path.basename(specifier))[0] == stem
    place = os.path.normpath(os.path.join(os.path.dirname(use), specifier))
    bare = os.path.splitext(target)[0]
    return place in (target, bare, os.path.dirname(target)) or os.path.splitext(place)[0] == bare
