"""What functions take and calls give, as far as a grammar tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from activities.conflicts.semantic.grammar import Grammar

_SELF = ("self", "cls", "this")


@dataclass(frozen=True)
class Signature:
    """How many arguments a call may give; `most` None: any number. `names`: of its parameters; `text`: as written."""

    required: tuple[str, ...]
    names: tuple[str, ...]
    most: int | None
    text: str
    has_self: bool = False

    def takes(self, call: Call) -> bool:
        """Whether a call fits, as far as it can be told."""
        if call.spreads:
            return True
        given = call.positional
        # `Type.method(value, …)` gives the receiver too.
        slack = 1 if self.has_self else 0
        if self.most is not None and given + len(call.keywords) > self.most + slack:
            return False
        if self.most is not None and set(call.keywords) - set(self.names):
            return False
        by_position = set(self.names[:given])
        return not set(self.required) - by_position - set(call.keywords)


@dataclass(frozen=True)
class Call:
    positional: int
    keywords: tuple[str, ...] = ()
    spreads: bool = False


def signature_of(parameters: Node | None, grammar: Grammar) -> Signature:
    names: list[str] = []
    required: list[str] = []
    most: int | None = 0
    has_self = False
    for each in _parameters(parameters, grammar):
        kind, text = each.type, text_of(each)
        if kind in ("self_parameter", "receiver_parameter") or (kind == "identifier" and text in _SELF and not names):
            has_self = True
            continue
        if kind in grammar.rest or (kind == "required_parameter" and text.startswith("...")):
            most = None
            continue
        if kind in ("keyword_separator", "positional_separator", "*", "/"):
            continue
        several = [text_of(name) for name in each.children_by_field_name("name")] or [_parameter_name(each)]
        names += several
        has_default = kind in grammar.optional or each.child_by_field_name("value") is not None
        required += [] if has_default else several
        most = most + len(several) if most is not None else None
    text = " ".join(text_of(parameters).split())
    return Signature(tuple(required), tuple(names), most, text, has_self)


def _parameters(node: Node | None, grammar: Grammar) -> Iterator[Node]:
    for child in node.named_children if node is not None else []:
        if child.type in grammar.ignored:
            continue
        inner = child.named_children[0] if child.type == "typed_parameter" and child.named_children else None
        yield inner if inner is not None and inner.type in grammar.rest else child


def _parameter_name(node: Node) -> str:
    for name in ("name", "pattern"):
        if (found := node.child_by_field_name(name)) is not None:
            return text_of(found)
    first = node.named_children[0] if node.named_children else node
    return text_of(first)


def text_of(node: Node | None) -> str:
    return (node.text or b"").decode(errors="replace") if node is not None else ""
