"""What of a grammar is a set: containers whose entries have keys and no order, and statements that need none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tree_sitter import Node

_LITERALS = frozenset(
    {
        *(
            "string",
            "integer",
            "float",
            "true",
            "false",
            "none",
            "number",
            "null",
            "unary_operator",
            "concatenated_string",
        ),
        *("interpreted_string_literal", "raw_string_literal", "int_literal", "float_literal", "rune_literal"),
        *("string_literal", "integer_literal", "boolean_literal", "char_literal", "negative_literal"),
        *("decimal_integer_literal", "decimal_floating_point_literal", "character_literal", "template_string"),
    }
)
_ROUTE = re.compile(rb"[\w.]+\.(get|post|put|patch|delete|route|HandleFunc|Handle)\(\s*['\"`]([^'\"`:*{]*)['\"`]")
_ASSIGNMENTS = (
    *("assignment", "assignment_expression", "variable_declarator"),
    *("const_item", "static_item", "const_spec", "var_spec"),
)
_BODIES = ("block", "body", "declaration_list", "statement_list")
_KEY_FIELDS = ("name", "key", "pattern", "path", "module_name", "source")


@dataclass(frozen=True)
class Grammar:
    """Node types of a grammar. `sets`: containers, with the types of entries that may come in any order.

    `free`: statements that may come in any order among others. `wrappers`: nodes that stand for the one inside them.
    """

    sets: Mapping[str, tuple[str, ...]]
    free: tuple[str, ...]
    wrappers: tuple[str, ...] = ()
    separators: Mapping[str, bytes] = field(default_factory=dict)


_SCRIPT = Grammar(
    sets={
        "object": ("pair", "shorthand_property_identifier", "method_definition"),
        "named_imports": ("import_specifier",),
        "export_clause": ("export_specifier",),
        "interface_body": ("property_signature", "method_signature"),
        "object_type": ("property_signature", "method_signature"),
        "enum_body": ("enum_assignment",),
        "union_type": (),
        "class_body": ("method_definition", "public_field_definition", "field_definition"),
    },
    free=(
        *("import_statement", "function_declaration", "generator_function_declaration", "class_declaration"),
        *("interface_declaration", "type_alias_declaration", "enum_declaration", "abstract_class_declaration"),
    ),
    wrappers=("export_statement",),
)
GRAMMARS: dict[str, Grammar] = {
    "python": Grammar(
        sets={
            "dictionary": ("pair",),
            "import_from_statement": ("dotted_name", "aliased_import"),
        },
        free=("import_statement", "import_from_statement", "function_definition", "class_definition"),
        wrappers=("decorated_definition",),
    ),
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "tsx": _SCRIPT,
    "go": Grammar(
        sets={
            "import_spec_list": ("import_spec",),
            "field_declaration_list": ("field_declaration",),
            "interface_type": ("method_elem",),
            "literal_value": ("keyed_element",),
        },
        free=("function_declaration", "method_declaration", "type_declaration", "import_declaration"),
    ),
    "rust": Grammar(
        sets={
            "use_list": ("identifier", "self", "scoped_identifier", "use_as_clause", "scoped_use_list"),
            "field_declaration_list": ("field_declaration",),
            "enum_variant_list": ("enum_variant",),
            "match_block": ("match_arm",),
            "field_initializer_list": ("field_initializer", "shorthand_field_initializer"),
        },
        free=("function_item", "struct_item", "enum_item", "trait_item", "impl_item", "use_declaration", "mod_item"),
    ),
    "java": Grammar(
        sets={
            "enum_body": ("enum_constant",),
            "class_body": ("method_declaration", "class_declaration", "interface_declaration", "record_declaration"),
            "interface_body": ("method_declaration",),
        },
        free=(
            "import_declaration",
            "class_declaration",
            "interface_declaration",
            "enum_declaration",
            "record_declaration",
        ),
    ),
}


def text_of(node: Node) -> bytes:
    """The text of a node."""
    return node.text or b""


def key_of(node: Node, grammar: Grammar) -> tuple[str, bytes]:
    """What names an entry among those beside it: its type and name, or its whole text."""
    inner = _inside(node, grammar)
    if inner.type == "impl_item":
        head = text_of(inner).partition(b"{")[0]
        return inner.type, b" ".join(head.split())
    for name in _KEY_FIELDS:
        found = inner.child_by_field_name(name)
        if found is not None:
            alias = inner.child_by_field_name("alias")
            return inner.type, text_of(alias if alias is not None else found)
    if (assigned := _assigned(inner)) is not None:
        return "assignment", text_of(assigned[0])
    if (route := _ROUTE.match(text_of(inner))) is not None:
        return "route", route[1] + b" " + route[2]
    return inner.type, text_of(inner)


def _inside(node: Node, grammar: Grammar) -> Node:
    """The definition that a wrapper holds (decorators, `export`)."""
    if node.type in grammar.wrappers:
        for name in ("definition", "declaration"):
            found = node.child_by_field_name(name)
            if found is not None:
                return found
    return node


def assigned_name(node: Node) -> bytes | None:
    """The name that a statement gives a literal value, once; None for any other statement."""
    found = _assigned(node)
    is_literal = found is not None and found[0].type == "identifier" and found[1].type in _LITERALS
    return text_of(found[0]) if found is not None and is_literal else None


def assigned_value(node: Node) -> bytes | None:
    """The value of a member of an enumeration, or of a class; None where it has none of its own."""
    if node.type == "enum_assignment":
        value = node.child_by_field_name("value")
        return text_of(value) if value is not None else None
    found = _assigned(node)
    return text_of(found[1]) if found is not None and node.type == "expression_statement" else None


def _assigned(node: Node) -> tuple[Node, Node] | None:
    """Target and value of an assignment."""
    inner = node
    if inner.type in ("expression_statement", "lexical_declaration") and inner.named_child_count == 1:
        inner = inner.named_children[0]
    left = inner.child_by_field_name("left") or inner.child_by_field_name("name")
    right = inner.child_by_field_name("right") or inner.child_by_field_name("value")
    return (left, right) if inner.type in _ASSIGNMENTS and left is not None and right is not None else None


def is_free(node: Node, grammar: Grammar) -> bool:
    """Whether a statement may come before or after others that are free too."""
    inner = _inside(node, grammar)
    if node.type == "export_statement" and inner is node:
        return node.child_by_field_name("source") is not None
    if inner.type == "mod_item":
        return inner.child_by_field_name("body") is None
    if inner.type in grammar.free or _ROUTE.match(text_of(inner)):
        return True
    # Within a function the next statement may read it.
    return assigned_name(inner) is not None and not _is_in_function(node)


def _is_in_function(node: Node) -> bool:
    above = node.parent
    while above is not None:
        if any(word in above.type for word in ("function", "method", "lambda", "closure")):
            return True
        above = above.parent
    return False


def has_statements(node: Node, grammar: Grammar) -> bool:
    """Whether the parts of a node are statements or definitions, each with lines of its own."""
    return node.parent is None or any(word in node.type for word in _BODIES)


def is_set(node: Node, grammar: Grammar) -> bool:
    """Whether the entries of a container may come in any order."""
    kinds = grammar.sets.get(node.type)
    if kinds is None or (kinds and not all(each.type in kinds for each in entries(node, grammar))):
        return False
    return node.type != "match_block" or all(map(_stands_alone, entries(node, grammar)))


def _stands_alone(arm: Node) -> bool:
    """Whether an arm of a `match` takes what no other takes: it has no condition, and binds no name as a whole."""
    pattern = text_of(arm.child_by_field_name("pattern") or arm)
    return b" if " not in pattern and (pattern == b"_" or not re.fullmatch(rb"[a-z_]\w*", pattern))


def entries(node: Node, grammar: Grammar) -> list[Node]:
    """The entries of a container, without comments; of an import from a module, without the module."""
    found = [each for each in node.named_children if "comment" not in each.type]
    if node.type == "enum_body":
        # Behind the constants of Java, with the semicolon before them.
        found = [each for each in found if each.type != "enum_body_declarations"]
    if node.type == "union_type":
        found = [part for each in found for part in (entries(each, grammar) if each.type == node.type else [each])]
    if node.type == "import_from_statement":
        module = node.child_by_field_name("module_name")
        return [each for each in found if module is None or each.start_byte != module.start_byte]
    return found
