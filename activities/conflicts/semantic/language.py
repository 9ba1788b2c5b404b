"""Record type of a programming language whose files the semantic check understands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tree_sitter import Language as TreeSitterLanguage
from tree_sitter import Node, Parser, Query, Tree

_QUERIES = Path(__file__).parent / "queries"


class Import(NamedTuple):
    """One imported module, or one name imported from it.

    `module`: dotted, with leading dots where the import is relative. `name`: None for the module itself.
    `may_fail`: whether the program handles the missing module, or imports it only under a condition.
    """

    module: str
    name: str | None
    line: int
    may_fail: bool
    alias: str = ""
    """Name by which the file calls what it imports: in Python the dotted one, where it has no other."""


@dataclass(frozen=True, eq=False)
class Language:
    """A grammar, its queries, and the rules of the language that queries cannot express."""

    name: str
    suffixes: tuple[str, ...]
    grammar: Callable[[], object]
    """Pointer to the tree-sitter grammar, as its package gives it."""
    queries: tuple[str, ...]
    """Files of `queries/`, read as one query; `capture_reader` lists the captures."""
    import_line: re.Pattern[str]
    """A line that is an import and nothing else."""
    imported_names: Callable[[str], set[str]]
    """Names that such a line makes known in its file, as far as no other line may make the same name known."""
    import_lines_may_change: bool = False
    """Whether two sides that changed the same import line still merge line by line."""
    family: str = ""
    """Languages of one family import from each other; empty: only from its own kind."""
    folder_is_module: bool = False
    """Whether all files of a folder share their names."""
    named_after_folder: tuple[str, ...] = ("__init__", "index", "mod", "lib")
    """Stems of files that are imported by the name of their folder."""
    overloads: bool = False
    """Whether a name may be defined several times with different parameters."""
    overloads_have_bodies: bool = True
    """Whether each of these is written out; else one body serves them all."""
    default_import: re.Pattern[str] | None = None
    """Start of an import statement that names what a module exports without a name; its group is that name."""
    build_constraint: re.Pattern[bytes] | None = None
    """Text by which a file says that it is built only for some machines."""
    modules_of: Callable[[Node], Iterable[Import]] = lambda node: ()
    """The imports of one `@import` node."""
    module_aliases: Callable[[str, PurePosixPath], set[str]] = lambda path, file: set()
    """Other names by which the file of a path calls the module of a second file."""

    def chooses_name(self, statement: str, name: str) -> bool:
        """Whether an import statement itself gives that name to what it imports."""
        found = self.default_import.match(statement) if self.default_import is not None else None
        return found is not None and found[1] == name

    def parse(self, content: bytes) -> Tree:
        # A parser belongs to one thread, and costs next to nothing.
        return Parser(self._tree_sitter).parse(content)

    @cached_property
    def query(self) -> Query:
        return Query(self._tree_sitter, "\n".join((_QUERIES / f"{name}.scm").read_text() for name in self.queries))

    @cached_property
    def shapes_query(self) -> Query:
        folder = _QUERIES / "shapes"
        return Query(self._tree_sitter, "\n".join((folder / f"{name}.scm").read_text() for name in self.queries))

    @cached_property
    def _tree_sitter(self) -> TreeSitterLanguage:
        return TreeSitterLanguage(self.grammar())

    def is_related(self, other: Language) -> bool:
        return self is other or (self.family != "" and self.family == other.family)
