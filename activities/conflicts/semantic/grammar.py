"""The languages that are understood: which nodes of a grammar define, call and import. One record each."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import tree_sitter_go
import tree_sitter_java
import tree_sitter_javascript
import tree_sitter_python
import tree_sitter_rust
import tree_sitter_typescript
from tree_sitter import Language, Parser


@dataclass(frozen=True)
class Grammar:
    name: str
    language: Callable[[], object]
    suffixes: tuple[str, ...]
    functions: Mapping[str, str]
    """Node → its field with the parameters."""
    classes: tuple[str, ...]
    """Nodes that are a scope for what is defined in them, and are definitions themselves."""
    scopes: Mapping[str, str] = field(default_factory=dict)
    """Nodes that are a scope only → the field that names it."""
    types: tuple[str, ...] = ()
    """Other definitions."""
    calls: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Node → its fields with what is called, and with the arguments."""
    members: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Node → its fields with the receiver, and with the name."""
    names: tuple[str, ...] = ("identifier",)
    """Leaves that use a name."""
    optional: tuple[str, ...] = ()
    """Parameters that a call may leave out."""
    rest: tuple[str, ...] = ()
    """Parameters that take any number of arguments."""
    ignored: tuple[str, ...] = ("comment", "line_comment", "block_comment")
    spread: tuple[str, ...] = ()
    """Arguments that may be several."""
    keyword: str = ""
    """Arguments with a name."""
    imports: tuple[str, ...] = ()
    decorated: tuple[str, ...] = ()
    """Nodes around or before a definition by which it may stand twice."""
    folder_is_module: bool = False
    """All files of a folder share their names."""
    overloads: bool = False
    """A name may be defined several times with different parameters."""

    def parser(self) -> Parser:
        return _parser(self.name)


_JAVASCRIPT = {
    "functions": {
        "function_declaration": "parameters",
        "generator_function_declaration": "parameters",
        "method_definition": "parameters",
    },
    "calls": {"call_expression": ("function", "arguments"), "new_expression": ("constructor", "arguments")},
    "members": {"member_expression": ("object", "property")},
    "spread": ("spread_element",),
    "imports": ("import_statement",),
}
_TYPESCRIPT = {
    **_JAVASCRIPT,
    "classes": ("class_declaration", "abstract_class_declaration"),
    "types": ("interface_declaration", "type_alias_declaration", "enum_declaration"),
    "names": ("identifier", "property_identifier", "type_identifier", "shorthand_property_identifier"),
    "optional": ("optional_parameter",),
    "overloads": True,
}
GRAMMARS = (
    Grammar(
        name="python",
        language=tree_sitter_python.language,
        suffixes=(".py", ".pyi"),
        functions={"function_definition": "parameters"},
        classes=("class_definition",),
        calls={"call": ("function", "arguments")},
        members={"attribute": ("object", "attribute")},
        optional=("default_parameter", "typed_default_parameter"),
        rest=("list_splat_pattern", "dictionary_splat_pattern"),
        spread=("list_splat", "dictionary_splat"),
        keyword="keyword_argument",
        imports=("import_from_statement", "import_statement"),
        decorated=("decorated_definition",),
    ),
    Grammar(
        name="javascript",
        language=tree_sitter_javascript.language,
        suffixes=(".js", ".jsx", ".mjs", ".cjs"),
        classes=("class_declaration",),
        names=("identifier", "property_identifier", "shorthand_property_identifier"),
        optional=("assignment_pattern",),
        rest=("rest_pattern",),
        **_JAVASCRIPT,  # type: ignore[arg-type]
    ),
    Grammar(
        name="typescript",
        language=tree_sitter_typescript.language_typescript,
        suffixes=(".ts", ".mts", ".cts"),
        **_TYPESCRIPT,  # type: ignore[arg-type]
    ),
    Grammar(
        name="tsx",
        language=tree_sitter_typescript.language_tsx,
        suffixes=(".tsx",),
        **_TYPESCRIPT,  # type: ignore[arg-type]
    ),
    Grammar(
        name="go",
        language=tree_sitter_go.language,
        suffixes=(".go",),
        functions={"function_declaration": "parameters", "method_declaration": "parameters"},
        classes=(),
        types=("type_spec", "type_alias"),
        calls={"call_expression": ("function", "arguments")},
        members={"selector_expression": ("operand", "field"), "qualified_type": ("package", "name")},
        names=("identifier", "field_identifier", "type_identifier"),
        rest=("variadic_parameter_declaration",),
        spread=("variadic_argument",),
        imports=("import_declaration",),
        folder_is_module=True,
    ),
    Grammar(
        name="java",
        language=tree_sitter_java.language,
        suffixes=(".java",),
        functions={"method_declaration": "parameters", "constructor_declaration": "parameters"},
        classes=("class_declaration", "interface_declaration", "enum_declaration", "record_declaration"),
        calls={"method_invocation": ("name", "arguments"), "object_creation_expression": ("type", "arguments")},
        members={"field_access": ("object", "field")},
        names=("identifier", "type_identifier"),
        rest=("spread_parameter",),
        imports=("import_declaration", "package_declaration"),
        folder_is_module=True,
        overloads=True,
    ),
    Grammar(
        name="rust",
        language=tree_sitter_rust.language,
        suffixes=(".rs",),
        functions={"function_item": "parameters", "function_signature_item": "parameters"},
        classes=("trait_item", "mod_item"),
        scopes={"impl_item": "type"},
        types=("struct_item", "enum_item", "type_item", "const_item", "static_item", "union_item"),
        calls={"call_expression": ("function", "arguments")},
        members={
            "field_expression": ("value", "field"),
            "scoped_identifier": ("path", "name"),
            "scoped_type_identifier": ("path", "name"),
        },
        names=("identifier", "field_identifier", "type_identifier"),
        imports=("use_declaration",),
        decorated=("attribute_item",),
    ),
)
_BY_SUFFIX = {suffix: grammar for grammar in GRAMMARS for suffix in grammar.suffixes}
_BY_NAME = {grammar.name: grammar for grammar in GRAMMARS}


def grammar_of(path: str) -> Grammar | None:
    """The grammar of a file, by its name; None: it is not understood."""
    return _BY_SUFFIX.get(os.path.splitext(path)[1])


@cache
def _parser(name: str) -> Parser:
    return Parser(Language(_BY_NAME[name].language()))
