"""What a file defines, uses and imports, as its grammar says."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from tree_sitter import Node

from activities.conflicts.semantic.grammar import Grammar, grammar_of
from activities.conflicts.semantic.imported import Import, imported
from activities.conflicts.semantic.signatures import Call, Signature, signature_of, text_of

_MAX_BYTES = 500_000
_MAX_RECEIVER_LENGTH = 200
_MAX_ARGUMENTS_LENGTH = 4000
_MAX_DEPTH = 300
_MAX_USES = 50_000
_FUNCTION_VALUES = ("arrow_function", "function_expression", "function")
# What is defined in these is seen by nobody else.
_CLOSED = frozenset(
    (
        *_FUNCTION_VALUES,
        "statement_block",
        "func_literal",
        "closure_expression",
        "lambda_expression",
        "lambda",
        "object",
    )
)
# Nodes that make a local name known → the field that holds it; empty: their children do.
_BINDERS = {
    "short_var_declaration": "left",
    "parameter_declaration": "name",
    "let_declaration": "pattern",
    "parameter": "pattern",
    "closure_parameters": "",
}
_BUILT_FOR_SOME = re.compile(rb"^//(go:build| \+build) ", re.MULTILINE)

_lock = threading.Lock()


@dataclass(frozen=True)
class Definition:
    name: str
    scope: tuple[str, ...]
    kind: str
    line: int
    end: int
    signature: Signature | None = None
    may_repeat: bool = False


@dataclass(frozen=True)
class Use:
    """`receiver`: the text before the name, None where there is none."""

    name: str
    line: int
    receiver: str | None = None
    call: Call | None = None


@dataclass(eq=False)
class Symbols:
    """Each is itself alone: what is worked out of two of them is kept by that."""

    definitions: list[Definition] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    """Import statements, as written."""
    modules: list[Import] = field(default_factory=list)
    """Of Python: what they name."""
    parses: bool = True
    bound: set[str] = field(default_factory=set)
    """Names of variables and parameters, where such a name can hide a function's."""
    is_for_some: bool = False
    """Whether it says itself that it is built only sometimes."""
    deltas: WeakKeyDictionary[Symbols, Any] = field(default_factory=WeakKeyDictionary, repr=False)
    """What became of other versions in this one."""

    @cached_property
    def by_name(self) -> dict[str, list[Definition]]:
        found: dict[str, list[Definition]] = {}
        for each in self.definitions:
            found.setdefault(each.name, []).append(each)
        return found

    def named(self, name: str) -> list[Definition]:
        return self.by_name.get(name, [])


NOTHING = Symbols()
"""Of a file that is not there."""
_UNREAD = Symbols()


def symbols(path: str, content: bytes | None) -> Symbols:
    """Of a version of a file; nothing where there is none, or its language is not understood."""
    grammar = grammar_of(path)
    if content is None:
        return NOTHING
    if grammar is None or len(content) > _MAX_BYTES:
        return _UNREAD
    return _parsed(grammar.suffixes[0], content)


@lru_cache(maxsize=16)
def _parsed(suffix: str, content: bytes) -> Symbols:
    grammar = grammar_of(f"x{suffix}")
    assert grammar is not None
    # A parser is nobody's but one thread's.
    with _lock:
        tree = grammar.parser().parse(content)
    found = Symbols(parses=not tree.root_node.has_error)
    found.is_for_some = _BUILT_FOR_SOME.search(content) is not None
    _Reader(grammar, found).read(tree.root_node)
    return found


class _Reader:
    def __init__(self, grammar: Grammar, found: Symbols) -> None:
        self._grammar = grammar
        self._found = found

    def read(self, root: Node) -> None:
        # (node, scope, whether what is defined here is seen from outside, whether it may stand twice, depth)
        pending: list[tuple[Node, tuple[str, ...], bool, bool, int]] = [(root, (), True, False, 0)]
        while pending:
            node, scope, visible, repeats, depth = pending.pop()
            if depth > _MAX_DEPTH or len(self._found.uses) > _MAX_USES:
                # Nobody writes so; asked for its parents, and their text, it would take for ever.
                self._found.parses = False
                return
            grammar, kind = self._grammar, node.type
            if kind in grammar.imports:
                self._found.imports.append(text_of(node))
                self._found.modules += imported(node) if grammar.name == "python" else []
                continue
            inner = (scope, visible, repeats)
            if kind in _BINDERS:
                self._bind(node)
            if kind in grammar.functions:
                inner = (scope, False, False)
                if visible:
                    self._define(node, scope, repeats)
            elif kind in grammar.classes or kind in grammar.types:
                name = text_of(node.child_by_field_name("name"))
                if visible and name:
                    self._add(name, scope, "class", node, None, repeats)
                inner = ((*scope, name), visible, False) if kind in grammar.classes else inner
            elif kind in grammar.scopes:
                named = _bare(text_of(node.child_by_field_name(grammar.scopes[kind])))
                # A trait's methods are another thing than those of the type, or of another trait.
                trait = " ".join(text_of(node.child_by_field_name("trait")).split())
                inner = ((*scope, *([trait] if trait else []), named), visible, False)
            elif kind == "variable_declarator" and visible and grammar.name in ("javascript", "typescript", "tsx"):
                self._declare(node, scope)
                inner = (scope, False, False)
            elif kind in _CLOSED:
                inner = (scope, False, False)
            elif kind in grammar.calls:
                self._call(node)
            elif kind in grammar.members:
                self._member(node)
            elif kind in grammar.names and not _is_name_of_definition(node, grammar) and not _in_member(node, grammar):
                self._found.uses.append(Use(text_of(node), node.start_point[0] + 1))
            self._descend(node, *inner, depth + 1, pending)

    def _descend(
        self,
        node: Node,
        scope: tuple[str, ...],
        visible: bool,
        repeats: bool,
        depth: int,
        pending: list[tuple[Node, tuple[str, ...], bool, bool, int]],
    ) -> None:
        grammar = self._grammar
        marked = False
        for child in node.children:
            if child.type in grammar.ignored:
                continue
            conditional = node.type in (
                "if_statement",
                "try_statement",
                "with_statement",
                "for_statement",
                "match_statement",
            )
            merges = child.type == "interface_declaration" and grammar.name in ("typescript", "tsx")
            twice = repeats or marked or node.type in grammar.decorated or conditional or merges
            pending.append((child, scope, visible, twice, depth))
            marked = child.type in grammar.decorated

    def _bind(self, node: Node) -> None:
        given = node.children_by_field_name(_BINDERS[node.type]) if _BINDERS[node.type] else node.named_children
        for each in given:
            leaves = each.named_children if each.type in ("expression_list", "mut_pattern", "tuple_pattern") else [each]
            self._found.bound |= {text_of(leaf) for leaf in leaves if leaf.type == "identifier"}

    def _define(self, node: Node, scope: tuple[str, ...], repeats: bool) -> None:
        receiver = node.child_by_field_name("receiver")
        if receiver is not None:
            scope = (_bare(text_of(receiver).strip("()").split(" ")[-1]),)
        name = text_of(node.child_by_field_name("name"))
        parameters = node.child_by_field_name(self._grammar.functions[node.type])
        if name:
            self._add(name, scope, "function", node, signature_of(parameters, self._grammar), repeats)

    def _declare(self, node: Node, scope: tuple[str, ...]) -> None:
        """`const f = (…) => …`."""
        name, value = node.child_by_field_name("name"), node.child_by_field_name("value")
        if name is None or name.type != "identifier":
            return
        signature = None
        if value is not None and value.type in _FUNCTION_VALUES:
            parameters = value.child_by_field_name("parameters")
            signature = signature_of(parameters, self._grammar) if parameters is not None else None
        self._add(text_of(name), scope, "function" if signature else "value", node, signature, False)

    def _add(
        self, name: str, scope: tuple[str, ...], kind: str, node: Node, signature: Signature | None, repeats: bool
    ) -> None:
        line, end = node.start_point[0] + 1, node.end_point[0] + 1
        self._found.definitions.append(Definition(name, scope, kind, line, end, signature, repeats))

    def _call(self, node: Node) -> None:
        called_field, arguments_field = self._grammar.calls[node.type]
        called, arguments = node.child_by_field_name(called_field), node.child_by_field_name(arguments_field)
        if called is None:
            return
        receiver = node.child_by_field_name("object")
        if called.end_byte - called.start_byte > _MAX_RECEIVER_LENGTH and called.type not in self._grammar.members:
            return
        name, of = text_of(called), _receiver(receiver)
        if called.type in self._grammar.members:
            of_field, name_field = self._grammar.members[called.type]
            name = text_of(called.child_by_field_name(name_field))
            of = _receiver(called.child_by_field_name(of_field))
        self._found.uses.append(Use(_bare(name), node.start_point[0] + 1, of, self._arguments(arguments)))

    def _arguments(self, node: Node | None) -> Call:
        given = [each for each in (node.named_children if node else []) if each.type not in self._grammar.ignored]
        keywords = [text_of(each.child_by_field_name("name")) for each in given if each.type == self._grammar.keyword]
        # Of long ones nothing is said: as if they could be any number.
        is_long = node is not None and node.end_byte - node.start_byte > _MAX_ARGUMENTS_LENGTH
        spreads = any(each.type in self._grammar.spread for each in given) or (
            node is not None and (is_long or b"..." in (node.text or b""))
        )
        return Call(len(given) - len(keywords), tuple(keywords), spreads)

    def _member(self, node: Node) -> None:
        of_field, name_field = self._grammar.members[node.type]
        parent = node.parent
        if parent is not None and parent.type in self._grammar.calls:
            called = parent.child_by_field_name(self._grammar.calls[parent.type][0])
            if called is not None and called.id == node.id:
                return
        name, of = node.child_by_field_name(name_field), node.child_by_field_name(of_field)
        self._found.uses.append(Use(text_of(name), node.start_point[0] + 1, _receiver(of)))


def _is_name_of_definition(node: Node, grammar: Grammar) -> bool:
    parent = node.parent
    if parent is None:
        return False
    named = parent.child_by_field_name("name")
    defines = (*grammar.functions, *grammar.classes, *grammar.types, "variable_declarator")
    return parent.type in defines and named is not None and named.id == node.id


def _in_member(node: Node, grammar: Grammar) -> bool:
    """Whether a name is told of with its receiver, or as what is called."""
    parent = node.parent
    if parent is None:
        return False
    if parent.type in grammar.members:
        named = parent.child_by_field_name(grammar.members[parent.type][1])
        return named is not None and named.id == node.id
    if parent.type in grammar.calls:
        called = parent.child_by_field_name(grammar.calls[parent.type][0])
        return called is not None and called.id == node.id
    return parent.type == grammar.keyword


def _bare(text: str) -> str:
    """A type's or function's name without what it is made general by."""
    return text.split("<")[0].split("[")[0].lstrip("*&").strip()


def _receiver(node: Node | None) -> str | None:
    """The text before a name; of a long chain nothing can be told, and its text would be kept again and again."""
    if node is None:
        return None
    return text_of(node) if node.end_byte - node.start_byte <= _MAX_RECEIVER_LENGTH else "…"
