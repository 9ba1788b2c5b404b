"""Syntax of changed lines as HTML: keywords, strings and comments in elements of their own, which the page colours."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from markupsafe import escape

_LEXERS = {
    "py": "python",
    "js": "javascript",
    "jsx": "javascript",
    "mjs": "javascript",
    "ts": "typescript",
    "tsx": "typescript",
    "java": "java",
    "go": "go",
    "rs": "rust",
    "c": "c",
    "h": "c",
    "rb": "ruby",
    "sh": "bash",
    "json": "json",
    "yaml": "yaml",
    "yml": "yaml",
    "toml": "toml",
}
"""Pygments' name of the language, by the end of a file's name."""
_MAX_LENGTH = 300
"""Of a line: longer ones are made by programs, and a lexer may take long over them."""


def coloured(lines: Sequence[str], path: str) -> str:
    """HTML of the lines of a diff, each with its sign; plain text of unknown languages and of long lines."""
    lexer = _lexer(_LEXERS.get(path.rpartition(".")[2].lower(), ""))
    code = "\n".join(line[1:] for line in lines)
    if lexer is None or max(map(len, lines), default=0) > _MAX_LENGTH:
        return str(escape("\n".join(lines)))
    tokens = list(lexer.get_tokens(code))
    if "".join(text for _, text in tokens) != code:
        return str(escape("\n".join(lines)))
    found, number = [str(escape(line[:1])) for line in lines], 0
    for kind, text in tokens:
        element = _element(kind)
        for place, part in enumerate(text.split("\n")):
            number += place > 0
            is_marked = element and part.strip()
            found[number] += f"<{element}>{escape(part)}</{element}>" if is_marked else str(escape(part))
    return "\n".join(found)


@cache
def _lexer(name: str) -> Any:
    # Imported here: most commands make no page.
    from pygments.lexers import get_lexer_by_name

    return get_lexer_by_name(name, stripnl=False, ensurenl=False) if name else None


@cache
def _element(kind: Any) -> str:
    """The element of a kind of token; empty for what has no colour."""
    from pygments.token import Comment, Keyword, String

    for each, element in ((Comment, "cite"), (String, "samp"), (Keyword, "kbd")):
        if kind in each:
            return element
    return ""
