"""What an import statement of Python names, and whether the program can do without it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Node

from activities.conflicts.semantic.signatures import text_of

_CATCHES = re.compile(r"\b(ImportError|ModuleNotFoundError|Exception|BaseException)\b|^except\s*:")


class Import(NamedTuple):
    """`module`: dotted, with the dots that it begins with; `name`: what is taken from it (None: the module itself)."""

    module: str
    name: str | None
    line: int
    may_fail: bool


def imported(node: Node) -> Iterator[Import]:
    """Of an `import` or `from … import` statement; of `*` no name is known."""
    may_fail, line = _may_fail(node), node.start_point[0] + 1
    module = node.child_by_field_name("module_name")
    of = _words(module) if module is not None else None
    if any(each.type == "wildcard_import" for each in node.named_children):
        yield Import(of or "", None, line, may_fail)
    for each in node.children_by_field_name("name"):
        plain = each.child_by_field_name("name") if each.type == "aliased_import" else each
        name = _words(plain) if plain is not None else ""
        yield Import(name, None, line, may_fail) if of is None else Import(of, name, line, may_fail)


def _words(node: Node) -> str:
    return "".join(text_of(node).split())


def _may_fail(node: Node) -> bool:
    """Whether somebody catches that there is no such module, or it is not always imported."""
    child: Node = node
    parent = node.parent
    while parent is not None:
        clauses = [text_of(each)[:200] for each in parent.children if each.type in ("except_clause", "with_clause")]
        if parent.type in ("try_statement", "with_statement") and any(map(_CATCHES.search, clauses)):
            return True
        if parent.type == "if_statement":
            condition = parent.child_by_field_name("condition")
            if condition is not None and "__name__" not in text_of(condition):
                return True
        if child.type == "except_clause":
            return True
        child, parent = parent, parent.parent
    return False
