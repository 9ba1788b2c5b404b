"""Modules and names that import statements of Python name.

Written in code, since queries cannot express whether an import may fail: the statements around it decide that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tree_sitter import Node

from activities.conflicts.semantic.language import Import
from activities.conflicts.semantic.signatures import text_of

_CATCHES = re.compile(r"\b(ImportError|ModuleNotFoundError|Exception|BaseException)\b|^except\s*:")
_MAX_CLAUSE_LENGTH = 200


def modules_of(node: Node) -> Iterator[Import]:
    """The imports of an `import` or `from … import` statement; one without a name for `*`."""
    may_fail, line = _may_fail(node), node.start_point[0] + 1
    module = node.child_by_field_name("module_name")
    source = _words(module) if module is not None else None
    if any(each.type == "wildcard_import" for each in node.named_children):
        yield Import(source or "", None, line, may_fail)
    for each in node.children_by_field_name("name"):
        plain = each.child_by_field_name("name") if each.type == "aliased_import" else each
        name = _words(plain) if plain is not None else ""
        alias = text_of(each.child_by_field_name("alias")) or name
        if source is None:
            yield Import(name, None, line, may_fail, alias)
        else:
            yield Import(source, name, line, may_fail, alias)


def _words(node: Node) -> str:
    return "".join(text_of(node).split())


def _may_fail(node: Node) -> bool:
    """Whether the missing module is handled, or the import runs only under a condition."""
    child: Node = node
    parent = node.parent
    while parent is not None:
        if child.type == "except_clause" or _catches(parent) or _is_conditional(parent):
            return True
        child, parent = parent, parent.parent
    return False


def _catches(node: Node) -> bool:
    if node.type not in ("try_statement", "with_statement"):
        return False
    clauses = (each for each in node.children if each.type in ("except_clause", "with_clause"))
    return any(_CATCHES.search(text_of(each)[:_MAX_CLAUSE_LENGTH]) for each in clauses)


def _is_conditional(node: Node) -> bool:
    """Whether it is an `if` other than `if __name__ == "__main__"`."""
    condition = node.child_by_field_name("condition") if node.type == "if_statement" else None
    return condition is not None and "__name__" not in text_of(condition)
