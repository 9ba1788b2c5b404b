"""Parameters of functions and arguments of calls, as far as a grammar shows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

_MAX_ARGUMENTS_LENGTH = 4000

Kinds = dict[str, set[int]]
"""Ids of the nodes with the captures `parameter.*` and `argument.*`."""


@dataclass(frozen=True)
class Signature:
    """Parameters of a function.

    `required`, `names`: those a call must give, and all; `most`: how many arguments it may give, None for any number;
    `by_position`: how many of them without their names, None for as many as there are; `text`: as written; `has_self`:
    whether the first one is the receiver, which is in none of these; `of_type`: whether they are types.
    """

    required: tuple[str, ...]
    names: tuple[str, ...]
    most: int | None
    text: str
    has_self: bool = False
    by_position: int | None = None
    of_type: bool = False

    def takes(self, call: Call) -> bool:
        """Whether a call fits; true where that is unknown."""
        if call.spreads or call.of_type != self.of_type:
            return True
        given = call.positional
        # `Type.method(value, …)` gives the receiver too.
        slack = 1 if self.has_self else 0
        if self.most is not None and given + len(call.keywords) > self.most + slack:
            return False
        if self.by_position is not None and given > self.by_position + slack:
            return False
        if self.most is not None and set(call.keywords) - set(self.names):
            return False
        by_position = set(self.names[:given])
        return not set(self.required) - by_position - set(call.keywords)


@dataclass(frozen=True)
class Call:
    """Arguments of a call. `spreads`: whether they may be more than are written."""

    positional: int
    keywords: tuple[str, ...] = ()
    spreads: bool = False
    of_type: bool = False


def signature_of(parameters: Node, kinds: Kinds) -> Signature:
    names: list[str] = []
    required: list[str] = []
    most: int | None = 0
    has_self = False
    by_position: int | None = None
    for each in _given(parameters):
        if _is(each, "parameter.self", kinds) and not names:
            has_self = True
        elif _is(each, "parameter.rest", kinds):
            most = None
        elif _is(each, "parameter.separator", kinds) and text_of(each) == "*":
            by_position = len(names)
        elif not _is(each, "parameter.separator", kinds):
            several = [text_of(name) for name in each.children_by_field_name("name")] or [_parameter_name(each)]
            names += several
            required += [] if _is(each, "parameter.optional", kinds) else several
            most = most + len(several) if most is not None else None
    text = " ".join(text_of(parameters).split())
    of_type = parameters.type == "type_parameters"
    return Signature(tuple(required), tuple(names), most, text, has_self, by_position, of_type)


def call_of(arguments: Node | None, kinds: Kinds) -> Call:
    if arguments is None:
        return Call(0)
    given = list(_given(arguments))
    named = [each for each in given if _is(each, "argument.keyword", kinds)]
    keywords = tuple(text_of(each.child_by_field_name("name")) for each in named)
    # Long arguments are not searched: they count as any number.
    is_long = arguments.end_byte - arguments.start_byte > _MAX_ARGUMENTS_LENGTH
    spreads = is_long or b"..." in (arguments.text or b"")
    spreads = spreads or any(_is(each, "argument.spread", kinds) for each in given)
    return Call(len(given) - len(named), keywords, spreads, arguments.type == "type_arguments")


def _given(node: Node) -> Iterator[Node]:
    """The named children, without comments."""
    return (child for child in node.named_children if not child.is_extra)


def _is(node: Node, kind: str, kinds: Kinds) -> bool:
    return node.id in kinds.get(kind, ())


def _parameter_name(node: Node) -> str:
    for name in ("name", "pattern"):
        if (found := node.child_by_field_name(name)) is not None:
            return text_of(found)
    first = node.named_children[0] if node.named_children else node
    return text_of(first)


def text_of(node: Node | None) -> str:
    return (node.text or b"").decode(errors="replace") if node is not None else ""
