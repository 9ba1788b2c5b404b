"""Modules and names that import statements name, in the languages whose statements are read as they stand.

Those of Python are in `python_imports`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from activities.conflicts.semantic.language import Import
from activities.conflicts.semantic.signatures import text_of

_VERSION = re.compile(r"v\d+")


def of_ecmascript(node: Node) -> Iterator[Import]:
    """Of `import`, `export … from` and `const … = require(…)`; the name of a default export is `default`."""
    module = text_of(_source(node)).strip("\"'`")
    line, may_fail = node.start_point[0] + 1, _is_tried(node)
    found = list(_ecmascript_names(node))
    for name, alias in found or [(None, "")]:
        yield Import(module, name, line, may_fail, alias)


def _source(node: Node) -> Node | None:
    if node.type == "variable_declarator":
        call = node.child_by_field_name("value")
        arguments = call.child_by_field_name("arguments") if call is not None else None
        return arguments.named_children[0] if arguments is not None else None
    return node.child_by_field_name("source")


def _ecmascript_names(node: Node) -> Iterator[tuple[str | None, str]]:
    """Names and aliases of a statement."""
    if node.type == "variable_declarator":
        target = node.child_by_field_name("name")
        if target is not None and target.type == "identifier":
            yield None, text_of(target)
        for each in target.named_children if target is not None else ():
            key, value = each.child_by_field_name("key"), each.child_by_field_name("value")
            if each.type == "shorthand_property_identifier_pattern":
                yield text_of(each), text_of(each)
            elif key is not None and value is not None:
                yield text_of(key), text_of(value)
        return
    for clause in node.named_children:
        for each in clause.named_children if clause.type == "import_clause" else (clause,):
            if each.type == "identifier":
                yield "default", text_of(each)
            elif each.type in ("namespace_import", "namespace_export"):
                yield None, text_of(each.named_children[0])
            elif each.type in ("named_imports", "export_clause"):
                for part in each.named_children:
                    name = text_of(part.child_by_field_name("name"))
                    yield name, text_of(part.child_by_field_name("alias")) or name


def of_go(node: Node) -> Iterator[Import]:
    """Of one import; a package is called by the last part of its path that is no version."""
    path = text_of(node.child_by_field_name("path")).strip('"`')
    parts = [each for each in path.split("/") if not _VERSION.fullmatch(each)]
    alias = text_of(node.child_by_field_name("name")) or (parts[-1] if parts else "")
    yield Import(path, None, node.start_point[0] + 1, False, alias)


def of_java(node: Node) -> Iterator[Import]:
    """Of one import: of a type, or of a static member of one."""
    line = node.start_point[0] + 1
    name = "".join(text_of(node).removeprefix("import").rstrip(";").split())
    is_static = text_of(node).split()[1] == "static"
    name = name.removeprefix("static") if is_static else name
    module, _, last = name.rpartition(".")
    if last == "*":
        yield Import(module, None, line, False, "")
    elif is_static:
        yield Import(module, last, line, False, last)
    else:
        yield Import(name, None, line, False, last)


def of_rust(node: Node) -> Iterator[Import]:
    """Of `use`, one for each name."""
    line = node.start_point[0] + 1
    argument = node.child_by_field_name("argument")
    for path, alias in _paths(argument, "") if argument is not None else ():
        module, _, name = path.rpartition("::")
        yield Import(module, None if name == "*" else name, line, False, "" if name == "*" else alias or name)


def _paths(node: Node, before: str) -> Iterator[tuple[str, str]]:
    """Whole paths of a tree of `use`, with their aliases."""
    if node.type == "use_as_clause":
        path = node.child_by_field_name("path")
        yield _joined(before, text_of(path)), text_of(node.child_by_field_name("alias"))
    elif node.type == "scoped_use_list":
        inside = _joined(before, text_of(node.child_by_field_name("path")))
        listed = node.child_by_field_name("list")
        for each in listed.named_children if listed is not None else ():
            yield from _paths(each, inside)
    elif node.type == "use_list":
        for each in node.named_children:
            yield from _paths(each, before)
    elif node.type == "use_wildcard":
        yield _joined(before, text_of(node.named_children[0]) if node.named_children else "") + "::*", ""
    elif node.type == "self" and before:
        yield before, ""
    elif not node.is_extra:
        yield _joined(before, text_of(node)), ""


def _joined(before: str, path: str) -> str:
    return f"{before}::{path}" if before and path else before or path


def _is_tried(node: Node) -> bool:
    parent = node.parent
    while parent is not None:
        if parent.type in ("try_statement", "if_statement"):
            return True
        parent = parent.parent
    return False
