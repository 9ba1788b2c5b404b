"""Texts for what a YAML parser refuses: what is wrong in plain words, where, and what to write instead."""

from __future__ import annotations

import re

import yaml

from epw.core.source_place import place

_QUOTES = "put the text in quotes, or write it as a block (`key: |`, the text indented below)"
_KEY = re.compile(r"\s*(?:- )?[\w-]+\s*")
_NO_KEY = re.compile(r"\s*(?:- )?([\w-]+)(?:\s+[^:]*)?")
_CAUSES = (
    ("found unexpected end of stream", f"a quote that is opened here is never closed; {_QUOTES}"),
    ("mapping values are not allowed", f"a colon within a text, or a line that is indented too far; {_QUOTES}"),
    ("or '}'", f"within {{ }} a text that has a comma, a colon, a quote or a bracket needs quotes; {_QUOTES}"),
    ("or ']'", "a [ that is opened here is not closed, or a text in it needs quotes"),
    ("found unknown escape", "a backslash in double quotes begins an escape; use single quotes, or write \\\\"),
    ("found undefined alias", "a text that begins with * needs quotes"),
    ("did not find expected key", "the line does not fit the indentation above it, or a text before it needs quotes"),
    ("did not find expected '-'", "the line does not fit the indentation of the list above it"),
    ("could not find expected ':'", "a key has no colon after it, or a text needs quotes"),
    ("mapping keys are not allowed", "a text that begins with ? needs quotes"),
    ("another document", "the file has a second document (---); a plan is one"),
    ("determine a constructor", "a text that begins with ! needs quotes; no types of a programming language are read"),
    ("unhashable key", "a list or an object cannot be a key"),
)
"""Parts of the parser's own messages, with what a user is told."""


def words_of(text: str, error: yaml.YAMLError) -> str:
    """A parser's error for a user: the cause, the place, and the line with a caret."""
    if isinstance(error, yaml.reader.ReaderError):
        # A position in the text, or in its bytes where the reader is libyaml's; the first such character is it.
        at = next(
            (n for n, character in enumerate(text) if not character.isprintable() and character not in "\t\r\n"), 0
        )
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        return f"a control character (U+{ord(text[at]) if text else 0:04X}) is not allowed: {place(text, line, column)}"
    mark = getattr(error, "problem_mark", None)
    said = str(getattr(error, "problem", None) or error)
    if "unexpected end of stream" in said or "or ']'" in said:
        mark = getattr(error, "context_mark", None) or mark
    if mark is None:
        return "this is no YAML"
    if "mapping values are not allowed" in said and (missing := _without_colon(text, mark)) is not None:
        line, key, column = missing
        return f"a colon is missing after `{key}`: {place(text, line, column)}"
    return f"{_cause(text, said, mark)}: {place(text, mark.line + 1, mark.column + 1)}"


def _without_colon(text: str, mark: yaml.Mark) -> tuple[int, str, int] | None:
    """Line, word and column of a key without a colon, because of which the line after it cannot be read.

    Known by that line being a plain key: what is wrong stands before it.
    """
    lines = text.splitlines()
    if mark.line >= len(lines) or not _KEY.fullmatch(lines[mark.line][: mark.column]):
        return None
    before = next((n for n in range(mark.line - 1, -1, -1) if lines[n].strip()), None)
    found = _NO_KEY.fullmatch(lines[before]) if before is not None else None
    return None if before is None or found is None else (before + 1, found[1], found.end(1) + 1)


def _cause(text: str, said: str, mark: yaml.Mark) -> str:
    if _is_indented_by_tab(text, mark):
        return "a tab indents the line; YAML is indented with spaces"
    if "cannot start any token" in said:
        lines = text.splitlines()
        found = lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""
        return f"a text that begins with {found} needs quotes"
    return next((words for part, words in _CAUSES if part in said), "this is no YAML")


def _is_indented_by_tab(text: str, mark: yaml.Mark) -> bool:
    """Whether what cannot be read is the indentation of a line, or stands just behind it, and that has a tab."""
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    return "\t" in indent and mark.column <= len(indent)
