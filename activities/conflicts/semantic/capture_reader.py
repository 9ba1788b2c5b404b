"""Reader of the captures that the queries of a language give for one parsed file.

The first capture of a pattern gives the kind of its node. Where several patterns give one node the same kind, the last
one counts, so special cases follow the general one. Kinds, with the other captures of their patterns:

- `@import`: a statement; names inside are not references.
- `@definition.class`: `@name`, and `@parameters` of its values or of the type; also the scope of what is inside.
- `@definition.type`: `@name`, `@parameters`; no scope.
- `@definition.function`: `@name`, `@parameters`, and `@owner`, the type of a method that stands outside of it.
- `@definition.value`: `@name`, and `@parameters` if it is a function; `@definition.constant`: one whose place may
  matter, `.entry`: and that may not be repeated.
- `@scope`: `@type`, and `@trait`; the scope of what is defined inside, defined elsewhere itself.
- `@closed`: what is defined inside is not visible outside; implied by functions and values.
- `@repeats`: definitions here or inside may be repeated without error.
- `@call`: `@called`, `@arguments`; where the name stands apart, `@receiver` and `@name`.
- `@member`: `@receiver`, `@name`.
- `@reference`: a name that stands alone; `@not_reference`: one of these that uses nothing.
- `@bound`: the name of a variable or parameter that can hide a function of the same name.
- `@typed`: `@variable`, `@of`, its declared type.
- `@how.HOW`: a call, and what is done with what it returns; see `returned_values`.
- `@parameter.optional`, `.rest`, `.self`, `.separator`; `@argument.spread`, `.keyword`: see `signatures`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from tree_sitter import Node, QueryCursor, Tree

from activities.conflicts.semantic.language import Language
from activities.conflicts.semantic.returned_values import ReturnedValues
from activities.conflicts.semantic.signatures import Kinds, call_of, signature_of, text_of
from activities.conflicts.semantic.symbols import Definition, Symbols, Use

_MAX_RECEIVER_LENGTH = 200
_MAX_DEPTH = 300
_MAX_TOKENS = 10_000
_MAX_USES = 50_000
_ORDER = {"repeats": 0, "import": 0, "definition": 1, "scope": 1, "closed": 2}
"""Order in which the captures of one node are read; all others come last."""
_LAST = 3
_NOT_REFERENCES = ("name", "called")
_CONSTRUCTORS = ("__init__", "constructor")
_SYMBOL_KINDS = {"value": "value", "constant": "constant", "entry": "constant"}
_DETAILS = ("left", "variable", "of", "pattern", "property", "_called")
"""Captures that may come before the one that gives the kind of a pattern."""

Parts = dict[str, list[Node]]


class _Block(NamedTuple):
    """Part of a file, from the byte `start`, whose definitions have one scope, visibility, and leave to repeat."""

    start: int
    scope: tuple[str, ...] = ()
    visible: bool = True
    repeats: bool = False
    is_import: bool = False


class _Capture(NamedTuple):
    node: Node
    kind: str
    parts: Parts
    pattern: int


def read_captures(language: Language, tree: Tree, found: Symbols) -> None:
    """Add to `found` what the file defines, uses and imports, the end of the file first."""
    if _is_pathological(tree.root_node):
        found.parses = False
        return
    _Reader(language, found, tree.root_node.text or b"").read(tree.root_node)


def _is_pathological(root: Node) -> bool:
    """Whether code is nested or long as nobody writes it: queries, and the text of every receiver, would take minutes.

    The time of a query grows with the square of a node's children between two named ones.
    """
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _MAX_DEPTH or node.child_count - 2 * node.named_child_count > _MAX_TOKENS:
            return True
        # A node with fewer descendants than levels left, or tokens allowed, can exceed neither.
        waiting += [(child, depth + 1) for child in node.children if child.descendant_count > _MAX_DEPTH - depth]
    return False


class _Reader:
    def __init__(self, language: Language, found: Symbols, content: bytes) -> None:
        self._language = language
        self._found = found
        self._kinds: Kinds = {}
        self._values = ReturnedValues(content, found.makers)
        self._not_references: set[int] = set()
        self._called: set[int] = set()
        self._blocks = [_Block(0)]
        self._readers: dict[str, Callable[[Node, Parts, str], None]] = {
            "import": self._import,
            "definition": self._definition,
            "scope": self._scope,
            "closed": self._closed,
            "repeats": self._repeats,
            "call": self._call,
            "member": self._member,
            "reference": self._reference,
        }

    def read(self, root: Node) -> None:
        captures = sorted(self._captures(root), key=_end_first)
        for node, kind, parts, _ in captures:
            while len(self._blocks) > 1 and self._blocks[-1].start >= node.end_byte:
                self._blocks.pop()
            if self._blocks[-1].is_import:
                continue
            if len(self._found.uses) > _MAX_USES:
                self._found.parses = False
                return
            group, _, detail = kind.partition(".")
            self._readers[group](node, parts, detail)

    def _captures(self, root: Node) -> Iterator[_Capture]:
        """Captures to read in order; the others only mark nodes, and are noted here."""
        last: dict[tuple[int, str], _Capture] = {}
        references = []
        for pattern, parts in QueryCursor(self._language.query).matches(root):
            kind = next(iter(parts))
            if kind in _DETAILS:
                kind = next(each for each in parts if each not in _DETAILS)
            node = parts[kind][0]
            if kind == "reference":
                references.append(_Capture(node, kind, parts, pattern))
                continue
            group = kind.partition(".")[0]
            if group == "how":
                self._values.note(kind.partition(".")[2], parts)
                continue
            if group == "typed":
                self._declare(text_of(parts["variable"][0]), text_of(parts["of"][0])[:_MAX_RECEIVER_LENGTH])
                continue
            if group not in self._readers:
                self._note(kind, parts[kind])
                continue
            known = last.get((node.id, group))
            if known is None or known.pattern < pattern:
                last[node.id, group] = _Capture(node, kind, parts, pattern)
            for part in _NOT_REFERENCES:
                self._not_references.update(each.id for each in parts.get(part, ()))
            if "called" in parts:
                self._called.add(parts["called"][0].id)
        yield from last.values()
        yield from (each for each in references if each.node.id not in self._not_references)

    def _declare(self, variable: str, type_text: str) -> None:
        known = self._found.types_of.setdefault(variable, type_text)
        if known != type_text:
            self._found.types_of[variable] = ""

    def _note(self, kind: str, nodes: list[Node]) -> None:
        if kind == "bound":
            self._found.local_names.update(map(text_of, nodes))
        elif kind == "not_reference":
            self._not_references.update(node.id for node in nodes)
        else:
            self._kinds.setdefault(kind, set()).update(node.id for node in nodes)

    def _open(self, node: Node, scope: tuple[str, ...], visible: bool, repeats: bool = False) -> None:
        self._blocks.append(_Block(node.start_byte, scope, visible, repeats))

    def _import(self, node: Node, _parts: Parts, _detail: str) -> None:
        self._found.imports.append(text_of(node))
        self._blocks.append(_Block(node.start_byte, is_import=True))

    def _definition(self, node: Node, parts: Parts, kind: str) -> None:
        block, name = self._blocks[-1], _text(parts, "name")
        parameters = parts.get("parameters")
        signature = signature_of(parameters[0], self._kinds) if parameters and block.visible else None
        if block.visible and name:
            scope = (_text(parts, "owner"),) if "owner" in parts else block.scope
            lines = node.start_point[0] + 1, node.end_point[0] + 1
            if signature and kind in ("class", "type"):
                self._found.constructors.append(Definition(name, scope, "class", *lines, signature))
                signature = None
            elif signature and scope and name in (*_CONSTRUCTORS, scope[-1]):
                called = replace(signature, has_self=False)
                self._found.constructors.append(Definition(scope[-1], scope[:-1], "class", *lines, called))
            symbol_kind = "function" if signature else _SYMBOL_KINDS.get(kind, "class")
            repeats = kind == "constant" or (block.repeats and kind not in ("value", "entry"))
            self._found.definitions.append(Definition(name, scope, symbol_kind, *lines, signature, repeats))
        if kind == "class":
            self._open(node, (*block.scope, name), block.visible)
        elif kind != "type":
            self._open(node, block.scope, visible=False)

    def _scope(self, node: Node, parts: Parts, _detail: str) -> None:
        block = self._blocks[-1]
        trait = (" ".join(_text(parts, "trait").split()),) if "trait" in parts else ()
        self._open(node, (*block.scope, *trait, _bare(_text(parts, "type"))), block.visible)

    def _closed(self, node: Node, _parts: Parts, _detail: str) -> None:
        self._open(node, self._blocks[-1].scope, visible=False)

    def _repeats(self, node: Node, _parts: Parts, _detail: str) -> None:
        block = self._blocks[-1]
        self._open(node, block.scope, block.visible, repeats=True)

    def _call(self, node: Node, parts: Parts, _detail: str) -> None:
        called = parts["called"][0]
        is_member = "name" in parts
        if is_member or called.end_byte - called.start_byte <= _MAX_RECEIVER_LENGTH:
            name = _bare(_text(parts, "name" if is_member else "called"))
            arguments = parts.get("arguments")
            call = call_of(arguments[0] if arguments else None, self._kinds)
            how = self._values.of(node) | self._values.of(called)
            self._found.uses.append(Use(name, node.start_point[0] + 1, _receiver(parts), call, how))

    def _member(self, node: Node, parts: Parts, _detail: str) -> None:
        if node.id not in self._called:
            how = self._values.of(node)
            self._found.uses.append(Use(_text(parts, "name"), node.start_point[0] + 1, _receiver(parts), how=how))

    def _reference(self, node: Node, _parts: Parts, _detail: str) -> None:
        self._found.uses.append(Use(text_of(node), node.start_point[0] + 1))


def _end_first(capture: _Capture) -> tuple[int, int, int]:
    """Sort key: a node comes after its parents, and after what follows it in the file."""
    node, kind, _, _ = capture
    return -node.end_byte, node.start_byte, _ORDER.get(kind.partition(".")[0], _LAST)


def _text(parts: Parts, name: str) -> str:
    return text_of(parts[name][0]) if name in parts else ""


def _receiver(parts: Parts) -> str | None:
    """Text before a name; `…` for a long chain, whose text would be kept once for every link."""
    if "receiver" not in parts:
        return None
    node = parts["receiver"][0]
    return text_of(node) if node.end_byte - node.start_byte <= _MAX_RECEIVER_LENGTH else "…"


def _bare(text: str) -> str:
    """The name of a type or function without type arguments, `*` and `&`."""
    return text.split("<")[0].split("[")[0].lstrip("*&").strip()
