"""Modules that one file loads from a folder: it calls a new member of each, and a new module does not have it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from activities.conflicts.behaviour.source import is_python, nodes, text_of, tree_of
from activities.conflicts.names.check import Elsewhere, Side, Texts
from activities.conflicts.semantic.sides import Finding

_LOADS = re.compile(
    r"readdir|glob|\bimport\(|\brequire\(\s*[^'\"\s]|importlib|pkgutil|import_module|iterdir|listdir|scandir"
)
_SUFFIXES = (".py", ".js", ".mjs", ".cjs", ".ts", ".mts")


def incomplete(one: Side, other: Side, merged: Texts, elsewhere: Elsewhere) -> Iterator[Finding]:
    """Modules, new on the other side, without what one side gave to the others of their folder, and calls of each."""
    new = [path for path, text in other.after.items() if text and not other.before[path] and path.endswith(_SUFFIXES)]
    loaders = {path: text for path, text in one.after.items() if path.endswith(_SUFFIXES) and _LOADS.search(text)}
    if not new or not loaders:
        return
    for folder in sorted({os.path.dirname(path) for path in new} - {""}):
        siblings = [path for path in one.after if os.path.dirname(path) == folder and path.endswith(_SUFFIXES)]
        gained = {
            path: _members(path, one.after[path]).keys() - _members(path, one.before[path]).keys()
            for path in siblings
            if path not in loaders
        }
        for name in sorted(set().union(*gained.values()) if gained else ()):
            loader = next(
                (path for path in loaders if _calls_each(name, folder, loaders[path], one.before[path])), None
            )
            source = next(path for path in gained if name in gained[path])
            shared = set(_members(source, one.before[source]))
            if loader is None or not shared or _others_lack(name, folder, shared, merged, elsewhere):
                continue
            for path in (each for each in new if os.path.dirname(each) == folder):
                found = _members(path, merged.get(path, ""))
                if found and name not in found and not shared.isdisjoint(found):
                    line = _members(source, one.after[source])[name]
                    message = f"{path} does not define {name}, which {loader} calls of each module of {folder}"
                    yield Finding(name, path, 1, source, line, message, is_data=True, side=other.name, change="added")


@lru_cache(maxsize=256)
def _members(path: str, text: str) -> dict[str, int]:
    """What a module offers, and in which line: its functions, the members of the object that it exports."""
    root = tree_of(path, text)
    if root is None:
        return {}
    found: dict[str, int] = {}
    if is_python(path):
        for each in root.named_children:
            inner = each.child_by_field_name("definition") if each.type == "decorated_definition" else each
            if inner is not None and inner.type in ("function_definition", "class_definition"):
                found[text_of(inner.child_by_field_name("name"))] = inner.start_point[0] + 1
        return found
    for statement in root.named_children:
        expression = statement.named_children[0] if statement.named_children else None
        if statement.type == "export_statement":
            exported = statement.child_by_field_name("value") or statement.child_by_field_name("declaration")
        elif expression is not None and expression.type == "assignment_expression":
            is_export = text_of(expression.child_by_field_name("left")) in ("module.exports", "exports")
            exported = expression.child_by_field_name("right") if is_export else None
        else:
            exported = None
        if exported is not None and exported.type == "object":
            for each in exported.named_children:
                name = each.child_by_field_name("name") or each.child_by_field_name("key") or each
                found[text_of(name)] = each.start_point[0] + 1
        elif exported is not None:
            named = (each.child_by_field_name("name") for each in nodes(exported))
            found |= {text_of(each): exported.start_point[0] + 1 for each in islice(filter(None, named), 1)}
    return found


def _calls_each(name: str, folder: str, text: str, before: str) -> bool:
    """Whether a file newly calls a member of what it loads from a folder, without asking whether it is there."""
    call = re.compile(rf"\.{re.escape(name)}\(")
    asked = rf"\?\.{name}\b|\.{name}\?\.|\.{name}\s*(&&|\)|\?)|['\"]{name}['\"]|typeof\s+[\w.]*\.{name}\b"
    is_named = re.search(rf"\b{re.escape(os.path.basename(folder))}\b", text) is not None
    return is_named and bool(call.search(text)) and not call.search(before) and re.search(asked, text) is None


def _others_lack(name: str, folder: str, shared: set[str], merged: Texts, elsewhere: Elsewhere) -> bool:
    """Whether modules of the folder that nobody has changed do without it."""
    return any(
        os.path.dirname(path) == folder
        and name not in _members(path, text)
        and not shared.isdisjoint(_members(path, text))
        for path, text in elsewhere(sorted(shared))
        if path not in merged
    )
