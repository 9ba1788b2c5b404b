"""Reading of the symbols of a version of a file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from activities.conflicts.semantic.capture_reader import read_captures
from activities.conflicts.semantic.language import Language
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.shape_reader import read_shapes
from activities.conflicts.semantic.signatures import Signature
from activities.conflicts.semantic.symbols import NOTHING, Definition, Symbols

_MAX_BYTES = 500_000
_UNREAD = Symbols()
_RECORD_BASES = frozenset({"NamedTuple", "BaseModel", "object", "Generic", "ABC"})


def read_symbols(path: str, content: bytes | None) -> Symbols:
    """Symbols of a file; none where it does not exist (`NOTHING`), is too large, or its language is unknown."""
    language = language_of(path)
    if content is None:
        return NOTHING
    if language is None or len(content) > _MAX_BYTES:
        return _UNREAD
    return _parsed(language, content)


@lru_cache(maxsize=16)
def _parsed(language: Language, content: bytes) -> Symbols:
    tree = language.parse(content)
    constraint = language.build_constraint
    found = Symbols(
        parses=not tree.root_node.has_error,
        has_build_constraint=constraint is not None and constraint.search(content) is not None,
    )
    read_captures(language, tree, found)
    if found.parses:
        found.shapes = read_shapes(language, tree)
        found.constructors += record_constructors(found)
    return found


def record_constructors(symbols: Symbols) -> Iterator[Definition]:
    """Constructors that follow from the fields of a class, as of a dataclass of Python."""
    for each in symbols.shapes.types:
        if each.kind == "record" and each.member("__init__") is None and not set(each.bases) - _RECORD_BASES:
            fields = [member for member in each.members if member.kind == "field"]
            names = tuple(member.name for member in fields)
            required = tuple(member.name for member in fields if not member.optional)
            signature = Signature(required, names, len(names), f"({', '.join(names)})")
            yield Definition(each.name, (), "class", each.line, each.line, signature)
