"""Source file as the rules about behaviour see it: classes, functions, calls, and handlers of exceptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from tree_sitter import Node

from activities.conflicts.semantic.languages import language_of

SCRIPTS = ("javascript", "typescript", "tsx")
_MAX_TEXT = 300_000
_ASSERTS = frozenset({"raises", "assertRaises", "assertRaisesRegex"})


@dataclass(frozen=True)
class Class:
    """Class: `members` gives the line and the decorators of what its body defines."""

    name: str
    line: int
    bases: tuple[str, ...]
    members: Mapping[str, tuple[int, frozenset[str]]]

    def marked(self, name: str, *marks: str) -> bool:
        """Whether a member has one of some decorators."""
        return name in self.members and not self.members[name][1].isdisjoint(marks)


@dataclass(frozen=True)
class Function:
    """Function: `defaults` gives the text of each, by the parameter or the key that has it."""

    name: str
    line: int
    parameters: tuple[str, ...]
    defaults: Mapping[str, str]
    raises: frozenset[str]
    calls: frozenset[str]


@dataclass(frozen=True)
class Call:
    """Call of a name, or of an attribute of `receiver`; `is_open`: it passes what cannot be counted."""

    name: str
    receiver: str
    line: int
    positional: tuple[str, ...]
    named: Mapping[str, str]
    is_open: bool = False

    def argument(self, function: Function, parameter: str) -> str | None:
        """Text of the argument for a parameter; None where it is left out."""
        place = function.parameters.index(parameter) if parameter in function.parameters else len(self.positional)
        return self.named.get(parameter) or (self.positional[place] if place < len(self.positional) else None)


@dataclass(frozen=True)
class Handler:
    """Place that handles exceptions of some kinds (none: of every kind), raised by what it calls."""

    kinds: frozenset[str]
    calls: frozenset[str]
    line: int


@dataclass(frozen=True)
class Source:
    classes: list[Class] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    handlers: list[Handler] = field(default_factory=list)

    def function(self, name: str) -> Function | None:
        """The one function of a name; None where there are several."""
        found = [each for each in self.functions if each.name == name]
        return found[0] if len(found) == 1 else None


@lru_cache(maxsize=256)
def source_of(path: str, text: str) -> Source:
    """A file of Python, JavaScript or TypeScript; empty where it is another or does not parse."""
    root = tree_of(path, text)
    return Source() if root is None else _Reader(root, is_python(path)).source


def is_python(path: str) -> bool:
    return path.endswith((".py", ".pyi"))


def tree_of(path: str, text: str) -> Node | None:
    """The syntax tree of a file of these languages; None where it does not parse."""
    language = language_of(path)
    if language is None or language.name not in ("python", *SCRIPTS) or len(text) > _MAX_TEXT:
        return None
    root = language.parse(text.encode()).root_node
    return None if root.has_error else root


def text_of(node: Node | None) -> str:
    return (node.text or b"").decode("utf-8", "replace") if node is not None else ""


def nodes(root: Node) -> Iterator[Node]:
    """A node and everything in it, in the order of the text."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.named_children)


def last_name(node: Node | None) -> str:
    """The name at the end of an expression: `c` of `a.b.c`, of `c(…)` and of `c[…]`."""
    while node is not None and node.type in ("call", "call_expression", "subscript"):
        node = node.child_by_field_name("function") or node.child_by_field_name("value")
    if node is not None and node.type in ("attribute", "member_expression"):
        node = node.child_by_field_name("attribute") or node.child_by_field_name("property")
    return text_of(node) if node is not None and node.type.endswith("identifier") else ""


class _Reader:
    def __init__(self, root: Node, python: bool) -> None:
        self._all = list(nodes(root))
        self.source = Source()
        read = self._python if python else self._script
        for node in self._all:
            read(node)

    def _python(self, node: Node) -> None:
        source = self.source
        if node.type == "class_definition":
            source.classes.append(_class(node))
        elif node.type == "function_definition":
            source.functions.append(_function(node))
        elif node.type == "call":
            source.calls.append(_call(node))
            if _is_assert(node):
                given = _arguments(node)
                if len(given) > 1:
                    source.handlers.append(Handler(_kinds(given[0]), frozenset({last_name(given[1])}), _line(node)))
        elif node.type == "try_statement":
            body = node.child_by_field_name("body")
            for clause in node.named_children:
                if clause.type == "except_clause":
                    source.handlers.append(
                        Handler(_kinds(clause.child_by_field_name("value")), _calls(body), _line(clause))
                    )
        elif node.type == "with_item":
            call = node.child_by_field_name("value")
            statement = node.parent.parent if node.parent is not None else None
            if call is not None and statement is not None and _is_assert(call):
                kinds = _kinds(next(iter(_arguments(call)), None))
                source.handlers.append(Handler(kinds, _calls(statement.child_by_field_name("body")), _line(node)))

    def _script(self, node: Node) -> None:
        if node.type in ("function_declaration", "method_definition", "variable_declarator"):
            function = node.child_by_field_name("value") if node.type == "variable_declarator" else node
            if function is not None and function.child_by_field_name("parameters") is not None:
                self.source.functions.append(_script_function(text_of(node.child_by_field_name("name")), function))
        elif node.type == "call_expression":
            self.source.calls.append(_call(node))


def _line(node: Node) -> int:
    return node.start_point[0] + 1


def _class(node: Node) -> Class:
    bases = list((node.child_by_field_name("superclasses") or node).named_children)
    names = [
        last_name(each.child_by_field_name("value") if each.type == "keyword_argument" else each) for each in bases
    ]
    members: dict[str, tuple[int, frozenset[str]]] = {}
    body = node.child_by_field_name("body")
    for each in body.named_children if body is not None else ():
        marks: list[str] = []
        inner: Node | None = each
        if each.type == "decorated_definition":
            marks = [last_name(part.named_children[0]) for part in each.named_children if part.type == "decorator"]
            inner = each.child_by_field_name("definition")
        elif each.type == "expression_statement" and each.named_children:
            inner = each.named_children[0]
        name = inner and (inner.child_by_field_name("name") or inner.child_by_field_name("left"))
        if inner is not None and name is not None:
            members[text_of(name)] = _line(inner), frozenset(marks)
    found = tuple(name for name in names if name) if node.child_by_field_name("superclasses") is not None else ()
    return Class(text_of(node.child_by_field_name("name")), _line(node), found, members)


def _function(node: Node) -> Function:
    names, defaults = [], {}
    parameters = node.child_by_field_name("parameters")
    is_named_only = False
    for each in parameters.named_children if parameters is not None else ():
        name = text_of(each.child_by_field_name("name") or next(iter(each.named_children), each))
        if each.type in ("keyword_separator", "list_splat_pattern"):
            is_named_only = True
        elif name not in ("self", "cls"):
            names += [] if is_named_only else [name]
            if (value := each.child_by_field_name("value")) is not None:
                defaults[name] = text_of(value)
    body = node.child_by_field_name("body")
    raised = {last_name(each.named_children[0]) for each in nodes(body or node) if _raises(each)}
    return Function(
        text_of(node.child_by_field_name("name")),
        _line(node),
        tuple(names),
        defaults,
        frozenset(raised - {""}),
        _calls(body),
    )


def _raises(node: Node) -> bool:
    return node.type == "raise_statement" and bool(node.named_children)


def _script_function(name: str, node: Node) -> Function:
    names, defaults = [], {}
    parameters = node.child_by_field_name("parameters")
    for each in parameters.named_children if parameters is not None else ():
        pattern, value = each, each.child_by_field_name("value")
        if each.type in ("required_parameter", "optional_parameter"):
            pattern = each.child_by_field_name("pattern") or each
        elif each.type == "assignment_pattern":
            pattern, value = each.child_by_field_name("left") or each, each.child_by_field_name("right")
        names.append(text_of(pattern))
        if pattern.type == "object_pattern":
            for key in pattern.named_children:
                if key.type == "object_assignment_pattern":
                    defaults[text_of(key.child_by_field_name("left"))] = text_of(key.child_by_field_name("right"))
        elif value is not None:
            defaults[text_of(pattern)] = text_of(value)
    return Function(name, _line(node), tuple(names), defaults, frozenset(), frozenset())


def _call(node: Node) -> Call:
    function = node.child_by_field_name("function")
    receiver = function and (function.child_by_field_name("object") or function.child_by_field_name("value"))
    positional, named, is_open = [], {}, False
    for each in _arguments(node):
        if each.type == "keyword_argument":
            named[text_of(each.child_by_field_name("name"))] = text_of(each.child_by_field_name("value"))
        elif each.type in ("list_splat", "dictionary_splat", "spread_element"):
            is_open = True
        else:
            positional.append(text_of(each))
            if each.type == "object":
                for pair in each.named_children:
                    key = pair.child_by_field_name("key") or pair
                    named[text_of(key)] = text_of(pair.child_by_field_name("value") or pair)
                    is_open |= pair.type == "spread_element"
    return Call(last_name(function), text_of(receiver), _line(node), tuple(positional), named, is_open)


def _arguments(node: Node) -> list[Node]:
    arguments = node.child_by_field_name("arguments")
    return [each for each in arguments.named_children if each.type != "comment"] if arguments is not None else []


def _calls(node: Node | None) -> frozenset[str]:
    found = {last_name(each) for each in nodes(node) if each.type == "call"} if node is not None else set()
    return frozenset(found - {""})


def _is_assert(node: Node) -> bool:
    return node.type == "call" and last_name(node) in _ASSERTS


def _kinds(node: Node | None) -> frozenset[str]:
    """Names of the kinds of exceptions in an expression; none: every kind."""
    if node is not None and node.type == "as_pattern":
        node = node.named_children[0]
    parts = node.named_children if node is not None and node.type == "tuple" else [node]
    return frozenset(filter(None, map(last_name, parts)))
