"""Reader of the captures of `queries/shapes`, in the order of the file.

A capture belongs to the innermost container around it. Containers:

- `@type.KIND`: a type, by its `@name`; `@base` inside: what it extends or implements.
- `@function`: `@name`, and `@owner`, the type of a method that stands outside of it. `@closure`: one without a name.
- `@match`: code that may choose over the variants of a type.

In a type, with `@name`: `@field` (a value has it from the start), `@attribute`, `@method`, `@variant`, with its only
`@value`; `@embedded`: it has the members of another type. In a function: `@async`, `@yield`, `@property`, `@return`,
`@returns` (the type), `@throws`. In a match: `@label`, `@open` (other variants are left out), `@exhaustive` (it names
every variant), `@exhaustive.unless_open`.

Anywhere: `@literal` `@of` a type, `@literal.table` with a key for each variant; `@export`, `@export.unknown`,
`@export.use` (a `use` of Rust), `@export.public` (from other crates); `@import`; `@package`. `@mark.MARK` says
something of the node that another pattern captures.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from tree_sitter import Node, QueryCursor, Tree

from activities.conflicts.semantic import import_lines
from activities.conflicts.semantic.language import Language
from activities.conflicts.semantic.shapes import Function, Literal, Match, Member, Result, Shapes, TypeShape
from activities.conflicts.semantic.signatures import text_of

_CONTAINERS = ("type", "function", "closure", "match")
_MEMBERS = ("field", "attribute", "method", "variant")
_PARTS = (
    "base",
    "embedded",
    "async",
    "yield",
    "property",
    "return",
    "returns",
    "throws",
    "label",
    "open",
    "exhaustive",
)
_ORDER = {
    each: place
    for place, each in enumerate((*_CONTAINERS, *_MEMBERS, *_PARTS, "literal", "export", "import", "package"))
}
_MAX_LENGTH = 300
_LABEL = re.compile(r"(?:(.*?)(?:\.|::))?([\w$-]+)", re.DOTALL)

Parts = dict[str, list[Node]]


class _Capture(NamedTuple):
    node: Node
    kind: str
    detail: str
    parts: Parts


@dataclass
class _Open:
    """A container that is being read."""

    capture: _Capture
    scope: str
    members: list[Member] = field(default_factory=list)
    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Texts of the captures inside, by kind."""


def read_shapes(language: Language, tree: Tree) -> Shapes:
    reader = _Reader(language, Shapes())
    captures: list[_Capture] = []
    for _, parts in QueryCursor(language.shapes_query).matches(tree.root_node):
        name = next(each for each in parts if each.partition(".")[0] in _ORDER or each.startswith("mark."))
        kind, _, detail = name.partition(".")
        if kind == "mark":
            reader.marks[parts[name][0].id].add(detail)
        else:
            captures += (_Capture(each, kind, detail, parts) for each in parts[name])
    for capture in sorted(captures, key=lambda each: (each.node.start_byte, -each.node.end_byte, _ORDER[each.kind])):
        reader.read(capture)
    reader.close(None)
    return reader.found


class _Reader:
    def __init__(self, language: Language, found: Shapes) -> None:
        self._language = language
        self.found = found
        self.marks: dict[int, set[str]] = defaultdict(set)
        """Marks by the id of their node."""
        self._open: list[_Open] = []

    def read(self, capture: _Capture) -> None:
        node, kind, detail, parts = capture
        self.close(node)
        if kind == "closure" and self._open and self._open[-1].capture.node.id == node.id:
            return
        if kind in _CONTAINERS:
            named = next((each for each in reversed(self._open) if each.capture.kind == "type"), None)
            scope = _text(parts, "owner") or (_text(named.capture.parts, "name") if named is not None else "")
            self._open.append(_Open(capture, _bare(scope)))
        elif kind in _MEMBERS:
            self._member(capture)
        elif kind == "literal":
            self.found.literals.append(_literal(capture))
        elif kind == "export":
            self._export(capture)
        elif kind == "package":
            self.found.package = text_of(node)
        elif kind == "import":
            self.found.imports += self._language.modules_of(node)
        else:
            wanted = _HOLDER.get(kind, ("function", "closure"))
            holder = next((each for each in reversed(self._open) if each.capture.kind in wanted), None)
            if holder is not None:
                value = str(_size(node, 0)) if kind == "return" else text_of(node)[:_MAX_LENGTH]
                holder.found[f"{kind}.{detail}" if detail else kind].append(value)
                if kind == "returns" and self._language.name == "go":
                    holder.found["size"].append(str(_size(node, 1)))

    def close(self, node: Node | None) -> None:
        """Take what ends before a node, or all."""
        while self._open and (node is None or self._open[-1].capture.node.end_byte <= node.start_byte):
            ended = self._open.pop()
            {"type": self._type, "function": self._function, "match": self._match}.get(
                ended.capture.kind, lambda _: None
            )(ended)

    def _member(self, capture: _Capture) -> None:
        holder = next((each for each in reversed(self._open) if each.capture.kind == "type"), None)
        if holder is None:
            return
        marks = self.marks[capture.node.id]
        kind = "variant" if capture.kind == "field" and "enum" in self.marks[holder.capture.node.id] else capture.kind
        is_optional = "optional" in marks or (kind == "method" and "abstract" not in marks)
        name = _text(capture.parts, "name").strip("\"'")
        line, value = capture.node.start_point[0] + 1, _text(capture.parts, "value")
        known = next((each for each in holder.members if (each.name, each.line, each.kind) == (name, line, kind)), None)
        if known is not None:
            # Two patterns have captured it; one of them has the value.
            holder.members.remove(known)
            value = value or known.value
        holder.members.append(Member(name, kind, line, is_optional, "override" in marks, "hidden" in marks, value))

    def _export(self, capture: _Capture) -> None:
        text = text_of(capture.node)
        if capture.detail == "unknown" or "*" in text:
            self.found.exports_unknown = True
            return
        if capture.detail == "public":
            self.found.public.add(text)
            return
        names = import_lines.of_java_and_rust(f"use {text};") if capture.detail == "use" else {text.strip("\"'")}
        self.found.exports |= dict.fromkeys(sorted(names), capture.node.start_point[0] + 1)

    def _type(self, ended: _Open) -> None:
        node, _, kind, parts = ended.capture
        marks = self.marks[node.id]
        self.found.types.append(
            TypeShape(
                _bare(_text(parts, "name")),
                "enum" if "enum" in marks else "record" if "record" in marks else kind,
                node.start_point[0] + 1,
                tuple(ended.members),
                tuple(
                    _bare(each) for each in (*ended.found["base"], *([_text(parts, "base")] if "base" in parts else []))
                ),
                "abstract" in marks,
                "final" in marks,
                node.end_point[0] + 1,
                bool(ended.found["embedded"]),
                " ".join(_text(parts, "base").split()),
            )
        )

    def _function(self, ended: _Open) -> None:
        node, _, _, parts = ended.capture
        sizes = ended.found["size"] or ended.found["return"]
        result = Result(
            is_async=bool(ended.found["async"]),
            is_generator=bool(ended.found["yield"]),
            is_property="property" in self.marks[node.id] or bool(ended.found["property"]),
            sizes=frozenset(map(int, sizes)),
            text=" ".join("".join(ended.found["returns"]).split()),
            throws=tuple(map(_bare, ended.found["throws"])),
        )
        self.found.functions.append(Function(_text(parts, "name"), ended.scope, node.start_point[0] + 1, result))

    def _match(self, ended: _Open) -> None:
        found = ended.found
        is_whole = found["exhaustive"] or (found["exhaustive.unless_open"] and not found["open"])
        if not is_whole or "statement" in self.marks[ended.capture.node.id]:
            return
        labels = [label for each in found["label"] if (label := _LABEL.fullmatch(each)) is not None]
        if labels:
            owners = frozenset(_bare(re.split(r"\.|::", each[1])[-1]) for each in labels if each[1])
            pairs = frozenset(
                f"{_bare(re.split(r'[.]|::', each[1])[-1])}.{each[2]}" if each[1] else each[2] for each in labels
            )
            self.found.matches.append(Match(ended.capture.node.start_point[0] + 1, owners, pairs))


_HOLDER = {
    "base": ("type",),
    "embedded": ("type",),
    "label": ("match",),
    "open": ("match",),
    "exhaustive": ("match",),
}
"""Containers to which a capture belongs, where these are not functions."""


def _literal(capture: _Capture) -> Literal:
    keys: list[str] = []
    positional, spreads = 0, False
    for child in capture.node.named_children:
        key = (
            child.child_by_field_name("key") or child.child_by_field_name("field") or child.child_by_field_name("name")
        )
        if child.is_extra:
            continue
        if child.type in ("spread_element", "base_field_initializer"):
            spreads = True
        elif child.type == "literal_element":
            positional += 1
        else:
            keys.append(text_of(key or (child.named_children or [child])[0]).strip("\"'"))
    line = capture.node.start_point[0] + 1
    return Literal(_text(capture.parts, "of"), line, tuple(keys), positional, spreads, capture.detail == "table")


def _size(node: Node, default: int) -> int:
    """How many values what is returned, or its type, has; `default` where it is not written as several."""
    if node.type in ("expression_list", "tuple"):
        return default if any("splat" in each.type for each in node.named_children) else node.named_child_count
    if node.type == "parameter_list":
        return sum(max(1, len(each.children_by_field_name("name"))) for each in node.named_children)
    return default


def _text(parts: Parts, name: str) -> str:
    return text_of(parts[name][0]) if name in parts else ""


def _bare(text: str) -> str:
    """Name of a type without its module and type arguments."""
    return re.split(r"\.|::", text.split("<")[0].split("[")[0].lstrip("*&").strip())[-1]
