"""Registry of the languages that the semantic check understands: one record each."""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath

import tree_sitter_go
import tree_sitter_java
import tree_sitter_javascript
import tree_sitter_python
import tree_sitter_rust
import tree_sitter_typescript

from activities.conflicts.semantic import import_lines, imports, python_imports
from activities.conflicts.semantic.language import Language

_SCRIPT_IMPORT = re.compile(r"\s*import\s[^;]*;?\s*$")
_DEFAULT_IMPORT = re.compile(r"\s*import\s+(?:type\s+)?([\w$]+)\s*(?:,|\bfrom\b)")
_CRATE_ROOTS = ("lib", "main")


def _rust_aliases(path: str, file: PurePosixPath) -> set[str]:
    """Module that `crate` or `super` stands for, in the file of `path`, relative to the module of `file`."""
    folder = file.parent if file.stem in (*_CRATE_ROOTS, "mod") else file.parent / file.stem
    is_parent = PurePosixPath(path).parent == folder
    return ({"crate"} if file.stem in _CRATE_ROOTS else set()) | ({"super"} if is_parent else set())


LANGUAGES = (
    Language(
        name="python",
        suffixes=(".py", ".pyi"),
        grammar=tree_sitter_python.language,
        queries=("python",),
        import_line=re.compile(r"\s*(import\s+[\w.]+(\s+as\s+\w+)?|from\s+[\w.]+\s+import\s+[\w*, ]+)\s*(#.*)?$"),
        imported_names=import_lines.of_python,
        import_lines_may_change=True,
        modules_of=python_imports.modules_of,
    ),
    Language(
        name="javascript",
        suffixes=(".js", ".jsx", ".mjs", ".cjs"),
        grammar=tree_sitter_javascript.language,
        queries=("ecmascript", "javascript"),
        import_line=_SCRIPT_IMPORT,
        imported_names=import_lines.of_javascript,
        modules_of=imports.of_ecmascript,
        default_import=_DEFAULT_IMPORT,
        family="javascript",
    ),
    Language(
        name="typescript",
        suffixes=(".ts", ".mts", ".cts"),
        grammar=tree_sitter_typescript.language_typescript,
        queries=("ecmascript", "typescript"),
        import_line=_SCRIPT_IMPORT,
        imported_names=import_lines.of_javascript,
        modules_of=imports.of_ecmascript,
        default_import=_DEFAULT_IMPORT,
        family="javascript",
        overloads=True,
        overloads_have_bodies=False,
    ),
    Language(
        name="tsx",
        suffixes=(".tsx",),
        grammar=tree_sitter_typescript.language_tsx,
        queries=("ecmascript", "typescript"),
        import_line=_SCRIPT_IMPORT,
        imported_names=import_lines.of_javascript,
        modules_of=imports.of_ecmascript,
        default_import=_DEFAULT_IMPORT,
        family="javascript",
        overloads=True,
        overloads_have_bodies=False,
    ),
    Language(
        name="go",
        suffixes=(".go",),
        grammar=tree_sitter_go.language,
        queries=("go",),
        import_line=re.compile(r'\s*(import\s+)?(\w+\s+)?"[^"]+"\s*$'),
        imported_names=import_lines.of_go,
        modules_of=imports.of_go,
        folder_is_module=True,
        build_constraint=re.compile(rb"^//(go:build| \+build) ", re.MULTILINE),
    ),
    Language(
        name="java",
        suffixes=(".java",),
        grammar=tree_sitter_java.language,
        queries=("java",),
        import_line=re.compile(r"\s*import\s+(static\s+)?[\w.*]+;\s*$"),
        imported_names=import_lines.of_java_and_rust,
        modules_of=imports.of_java,
        folder_is_module=True,
        overloads=True,
    ),
    Language(
        name="rust",
        suffixes=(".rs",),
        grammar=tree_sitter_rust.language,
        queries=("rust",),
        import_line=re.compile(r"\s*(pub\s+)?use\s+[^;]+;\s*$"),
        imported_names=import_lines.of_java_and_rust,
        modules_of=imports.of_rust,
        module_aliases=_rust_aliases,
    ),
)
BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}


def language_of(path: str) -> Language | None:
    """Language of a file, by the suffix of its name; None: the file is not understood."""
    return BY_SUFFIX.get(os.path.splitext(path)[1])
