"""Reading of the symbols of a version of a file."""

from __future__ import annotations

from functools import lru_cache

from activities.conflicts.semantic.capture_reader import read_captures
from activities.conflicts.semantic.language import Language
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.symbols import NOTHING, Symbols

_MAX_BYTES = 500_000
_UNREAD = Symbols()


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
    return found
