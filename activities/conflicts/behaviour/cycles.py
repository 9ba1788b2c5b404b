"""Cycles of imports at run time in Python: each side adds an import, and together neither module can be loaded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from tree_sitter import Node

from activities.conflicts.behaviour.imports import from_imports, targets
from activities.conflicts.behaviour.source import is_python, nodes, text_of, tree_of
from activities.conflicts.names.check import Elsewhere, Side, Texts
from activities.conflicts.semantic.sides import Finding

_MAX_DEPTH = 50
_MAX_MEMBERS = 30


class _Step(NamedTuple):
    """Statement at the top of a module: it imports names from one, or (`module` is empty) defines them."""

    module: str
    names: tuple[str, ...]
    line: int


def cycles(one: Side, other: Side, merged: Texts, elsewhere: Elsewhere) -> Iterator[Finding]:
    """Imports, new on the other side, that close a cycle with a new one of one side."""
    # Each pair is found from both sides; one of them says it.
    if one.name != "ours":
        return
    mine, yours = _new_edges(one, merged), _new_edges(other, merged)
    if not mine or not yours:
        return
    graph = {path: _edges(path, text, merged) for path, text in merged.items() if is_python(path)}
    back: dict[str, list[str]] = {}
    for path, edges in graph.items():
        for target in edges:
            back.setdefault(target, []).append(path)
    done: set[str] = set()
    for (path, target), line in yours.items():
        if path in done or path not in (led := _reached(target, graph)):
            continue
        members = led & _reached(path, back)
        done |= members
        closing = next((edge for edge in mine if members.issuperset(edge)), None)
        name = _missing(merged, members) if closing is not None and len(members) <= _MAX_MEMBERS else None
        if closing is not None and name is not None:
            message = (
                f"{path}:{line} imports {target}, and {closing[0]}:{mine[closing]} the other way: "
                f"{name} is not there yet when it is asked for"
            )
            yield Finding(name, path, line, closing[0], mine[closing], message, is_data=True, side=other.name)


def _missing(files: Texts, members: set[str]) -> str | None:
    """A name that is missing whichever module of a cycle is loaded first; None where some order goes well."""
    name = None
    for each in sorted(members):
        name = _Loading(files, members).fails(each)
        if name is None:
            return None
    return name


def _reached(start: str, graph: Mapping[str, Iterable[str]]) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        new = set(graph.get(waiting.pop(), ())) - seen
        seen |= new
        waiting += sorted(new)
    return seen


def _new_edges(side: Side, merged: Texts) -> dict[tuple[str, str], int]:
    """Imports of one changed file from another that a side has added, and their lines."""
    found: dict[tuple[str, str], int] = {}
    for path, text in side.after.items():
        if is_python(path) and "import" in text and text != side.before[path]:
            known = set(_edges(path, side.before[path], merged))
            found |= {
                (path, target): line for target, line in _edges(path, text, merged).items() if target not in known
            }
    return found


def _edges(path: str, text: str, files: Texts) -> dict[str, int]:
    """Files that a file imports names from when it is loaded."""
    found: dict[str, int] = {}
    for module, names, line in from_imports(text):
        for target in targets(path, module, [name for name, _ in names], files):
            found.setdefault(target, line)
    found.pop(path, None)
    return found


class _Loading:
    """Loading of the modules of a cycle, one statement after the other, as far as names are concerned."""

    def __init__(self, files: Texts, members: set[str]) -> None:
        self._files = files
        self._members = members
        self._names: dict[str, set[str]] = {}
        self._loaded: set[str] = set()

    def fails(self, path: str, depth: int = 0) -> str | None:
        """The name that is missing when a module is loaded; None where all goes well."""
        if depth > _MAX_DEPTH:
            return None
        own = self._names.setdefault(path, set())
        for step in _steps(path, self._files[path]):
            for target in targets(path, step.module, list(step.names), self._files) if step.module else ():
                if target not in self._members:
                    continue
                if target not in self._names and (missing := self.fails(target, depth + 1)):
                    return missing
                module = os.path.basename(target).removesuffix(".py")
                if target not in self._loaded and module not in step.names and "__getattr__" not in self._names[target]:
                    absent = [name for name in step.names if name != "*" and name not in self._names[target]]
                    if absent:
                        return absent[0]
            own.update(step.names)
        self._loaded.add(path)
        return None


@lru_cache(maxsize=64)
def _steps(path: str, text: str) -> tuple[_Step, ...]:
    root = tree_of(path, text)
    return tuple(_read_steps(root)) if root is not None else ()


def _read_steps(root: Node) -> Iterator[_Step]:
    for each in root.named_children:
        line = each.start_point[0] + 1
        if each.type == "import_from_statement":
            for module, names, _ in from_imports(text_of(each)):
                yield _Step(module, tuple(name for name, _ in names) or ("*",), line)
        yield _Step("", tuple(_defined(each)), line)


def _defined(statement: Node) -> Iterator[str]:
    """Names that a statement may define; those of functions and classes within are too many, which does no harm."""
    for node in nodes(statement):
        if node.type in ("function_definition", "class_definition"):
            yield text_of(node.child_by_field_name("name"))
        elif node.type == "identifier":
            yield text_of(node)
