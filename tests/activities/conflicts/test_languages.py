"""Languages of semantic conflicts: one record each, with queries that say what the reader understands."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
import tree_sitter_python
from tree_sitter import Query

from activities.conflicts.semantic import capture_reader, import_lines, languages, returned_values, shape_reader
from activities.conflicts.semantic.check import check
from activities.conflicts.semantic.language import Language
from activities.conflicts.semantic.languages import BY_SUFFIX, LANGUAGES
from activities.conflicts.semantic.read_symbols import read_symbols
from activities.conflicts.structural.structural_merge import merged_by_structure

QUERIES = Path(languages.__file__).parent / "queries"


def test_a_language_is_added_by_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Language(
        name="pyx2",
        suffixes=(".pyx2",),
        grammar=tree_sitter_python.language,
        queries=("python",),
        import_line=re.compile(r"from \w+ import \w+$"),
        imported_names=import_lines.of_python,
    )
    for suffix in record.suffixes:
        monkeypatch.setitem(BY_SUFFIX, suffix, record)
    lib, use = b"def total(a):\n    return a\n", b"from lib import total\n\ntotal(1)\n"
    base, ours, theirs = (
        {path: read_symbols(path, content) for path, content in files.items()}
        for files in ({"lib.pyx2": lib, "app.pyx2": None}, {"lib.pyx2": b"x = 1\n"}, {"app.pyx2": use})
    )
    (finding,) = check(base, ours, theirs, {**ours, **theirs}, lambda names: [], lambda: ["lib.pyx2", "app.pyx2"])
    assert finding.message == "total is used in app.pyx2:3 and was removed or renamed in lib.pyx2"
    one, other = (f"from {module} import {module}\n".encode() for module in ("a", "b"))
    marked = b"<<<<<<< ours\n%s||||||| base\n=======\n%s>>>>>>> theirs\n" % (one, other)
    assert merged_by_structure("app.pyx2", b"", one, other, marked) == one + other


def _documented(*modules: ModuleType) -> set[str]:
    """Captures that docstrings name: `.detail` after `@kind.detail` means another detail of that kind."""
    found = set[str]()
    for module in modules:
        kind = ""
        for name in re.findall(r"`@?([a-z_.]+)`", str(module.__doc__)):
            kind = name.partition(".")[0] if "." in name.lstrip(".") and not name.startswith(".") else kind
            found.add(f"{kind}{name}" if name.startswith(".") else name)
    return found


def _captures(query: Query) -> set[str]:
    names = {query.capture_name(index) for index in range(query.capture_count)}
    return {name for name in names if not name.startswith(("_", "mark.", "type."))}


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_queries_capture_only_what_the_readers_document(language: Language) -> None:
    assert _captures(language.query) <= _documented(capture_reader, returned_values)
    assert _captures(language.shapes_query) <= _documented(shape_reader)


def test_each_query_file_belongs_to_a_language() -> None:
    used = {name for each in LANGUAGES for name in each.queries}
    assert {path.stem for path in QUERIES.glob("*.scm")} == used
    assert {path.stem for path in QUERIES.glob("shapes/*.scm")} == used


@pytest.mark.parametrize("path", ["a.js", "a.py", "a.rs", "a.go", "A.java", "a.ts"])
def test_a_long_row_of_tokens_is_refused_not_searched(path: str) -> None:
    found = read_symbols(path, b"(" * 400_000)
    assert (found.parses, found.uses) == (False, [])
