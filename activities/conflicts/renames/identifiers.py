"""Identifiers by what they do in their file: uses of a name that can follow a rename, and other meanings of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tree_sitter import Node

from activities.conflicts.semantic.languages import language_of

_RECEIVERS = ("object", "operand", "value", "path", "argument", "scope")
"""Fields of what stands before a name: `object.name`, `path::name`."""
_LISTS = ("expression_list", "pattern_list", "tuple_pattern", "list_pattern", "list_splat_pattern")
_DEFINES = ("definition", "declaration", "declarator", "spec", "_item", "parameter", "signature", "named_expression")
_ASSIGNS = ("assignment", "for_statement", "for_in_statement", "short_var_declaration", "for_in_clause", "range_clause")
_KEYS = {"keyword_argument": "name", "pair": "key", "field_initializer": "field", "keyed_element": "key"}
"""Nodes that give a value to a name of something else, and the field of that name."""

Role = Literal["bare", "member", "key", "import", "binds"]


class Identifier(NamedTuple):
    """An identifier.

    `start`, `end`: bytes; `line` counts from 1; `receiver`: of a member, as written; of an
    import, the statement.
    """

    start: int
    end: int
    line: int
    role: Role
    receiver: str = ""
    is_shorthand: bool = False
    """Whether it is a key and a value at once."""
    is_aliased: bool = False
    """Whether an import gives it another name."""


@dataclass(frozen=True)
class Wanted:
    """A rename that uses in a file are to follow.

    `is_member`: of a member of something, which is used by `receiver.name` or as a key. `modules`: names by which
    the file may call the module of the definition. `texts`: lines that are known to use it, stripped; `is_every`:
    whether other uses of the same form may mean something else, so that each has to be among these lines; `is_at_home`:
    whether the file is that of the definition.
    """

    name: str
    new_name: str
    is_member: bool
    modules: frozenset[str]
    texts: Collection[bytes]
    is_every: bool
    is_at_home: bool


def rewritten(path: str, content: bytes, new_lines: Collection[int], wanted: Wanted) -> tuple[bytes, list[int]] | None:
    """The file with the new uses of a name renamed, and their lines; None where that is not certain.

    `new_lines`: the lines that may be changed.
    """
    language = language_of(path)
    if language is None:
        return None
    root = language.parse(content).root_node
    found = [each for each in _identifiers(root, wanted.name.encode()) if each.line in new_lines]
    lines = content.split(b"\n")
    told = [each for each in found if lines[each.line - 1].strip() in wanted.texts]
    chosen = _members(found, told, wanted) if wanted.is_member else _names(found, told, wanted)
    if not chosen:
        return None
    new = wanted.new_name.encode()
    if not wanted.is_member and any(_is_taken(each, wanted, new_lines) for each in _identifiers(root, new)):
        return None
    for each in sorted(chosen, reverse=True):
        text = wanted.name.encode() + b": " + new if each.is_shorthand else new
        content = content[: each.start] + text + content[each.end :]
    if language.parse(content).root_node.has_error:
        return None
    return content, sorted({each.line for each in chosen})


def _is_taken(found: Identifier, wanted: Wanted, new_lines: Collection[int]) -> bool:
    """Whether the file gives the new name a meaning of its own."""
    if found.role == "import":
        return not wanted.modules & _words(found.receiver)
    return found.role == "binds" and (not wanted.is_at_home or found.line in new_lines)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def _names(found: list[Identifier], told: list[Identifier], wanted: Wanted) -> list[Identifier] | None:
    """Uses of what a module defines: bare, imported, or as a member of the module."""
    receivers = {each.receiver for each in told if each.role == "member"} | set(wanted.modules)
    chosen = [each for each in found if each.role == "member" and each.receiver in receivers]
    imports = [each for each in found if each.role == "import" and wanted.modules & _words(each.receiver)]
    if any(each.role in ("bare", "import") for each in told) or not all(each.is_aliased for each in imports):
        if any(each.role == "binds" for each in found):
            return None
        chosen += [each for each in found if each.role in ("bare", "import")]
    else:
        chosen += imports
    return chosen if any(each in chosen for each in told) else None


def _members(found: list[Identifier], told: list[Identifier], wanted: Wanted) -> list[Identifier] | None:
    """Uses of a member: by a receiver or as a key; bare where the line is known to use it and has no other."""
    forms = [each for each in told if each.role in ("member", "key")]
    forms = forms or [each for each in told if each.role == "bare"]
    others = [each for each in found if each.role == "member" and each not in told]
    if others and wanted.is_every:
        return None
    return [*forms, *others]


def _identifiers(root: Node, name: bytes) -> Iterator[Identifier]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.child_count:
            waiting += node.children
        elif node.type.endswith(("identifier", "identifier_pattern")) and node.text == name:
            yield _identifier(node)


def _identifier(node: Node) -> Identifier:
    role, receiver = _role(node)
    place = node.start_byte, node.end_byte, node.start_point[0] + 1
    above = node.parent.parent if node.parent is not None and node.parent.type == "dotted_name" else node.parent
    is_aliased = above is not None and above.child_by_field_name("alias") is not None
    return Identifier(*place, role, receiver, node.type == "shorthand_property_identifier", is_aliased)


def _role(node: Node) -> tuple[Role, str]:
    if (statement := _import(node)) is not None:
        text = (statement.text or b"").decode("utf-8", "replace")
        return ("binds" if _is_field(node, node.parent, "alias") or not _names_of(statement) else "import"), text
    parent = node.parent
    if parent is None:
        return "bare", ""
    if (statement := _required(node)) is not None:
        return "import", (statement.text or b"").decode("utf-8", "replace")
    for field in _RECEIVERS:
        before = parent.child_by_field_name(field)
        if before is not None and before.end_byte <= node.start_byte and _is_access(parent):
            return "member", (before.text or b"").decode("utf-8", "replace")
    if _KEYS.get(parent.type) and _is_field(node, parent, _KEYS[parent.type]):
        return "key", ""
    return ("binds" if _binds(node) else "bare"), ""


def _is_access(node: Node) -> bool:
    words = ("attribute", "member", "selector", "field_access", "field_expression", "scoped", "invocation", "qualified")
    return any(word in node.type for word in words)


def _import(node: Node) -> Node | None:
    """The import statement around a node."""
    above = node.parent
    while above is not None and "block" not in above.type:
        is_outermost = above.parent is None or "import" not in above.parent.type
        if is_outermost and ("import" in above.type or above.type == "use_declaration"):
            return above
        above = above.parent
    return None


def _required(node: Node) -> Node | None:
    """The declaration of `const { name } = require(…)` around such a name."""
    above = node.parent
    if node.type != "shorthand_property_identifier_pattern" or above is None or above.type != "object_pattern":
        return None
    above = above.parent
    value = above.child_by_field_name("value") if above is not None else None
    return above if value is not None and (value.text or b"").startswith(b"require(") else None


def _names_of(statement: Node) -> bool:
    """Whether an import statement names what is in a module, and not only the module."""
    return statement.type != "import_statement" or b"{" in (statement.text or b"")


def _binds(node: Node) -> bool:
    """Whether the identifier gives the name a meaning here: as a variable, a parameter, a definition."""
    child, parent = node, node.parent
    while parent is not None and parent.type in _LISTS:
        child, parent = parent, parent.parent
    if parent is None:
        return False
    if "pattern" in node.type or "pattern" in parent.type or "parameter" in parent.type:
        return not _is_field(child, parent, "value") and not _is_field(child, parent, "type")
    if any(word in parent.type for word in _DEFINES):
        return _is_field(child, parent, "name") or _is_field(child, parent, "pattern")
    if any(word in parent.type for word in _ASSIGNS):
        return _is_field(child, parent, "left")
    return parent.type in ("global_statement", "nonlocal_statement", "as_pattern_target", "catch_clause")


def _is_field(node: Node, parent: Node | None, field: str) -> bool:
    found = parent.child_by_field_name(field) if parent is not None else None
    return found is not None and found.id == node.id
