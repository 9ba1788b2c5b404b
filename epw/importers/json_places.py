"""Places of values in the text of a JSON document, so that one can be replaced and nothing else changes."""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')

Path = tuple[str | int, ...]


def places(text: str) -> dict[Path, tuple[int, int]]:
    """Start and end of every text, number and constant of a valid JSON document, by the path of its keys."""
    found: dict[Path, tuple[int, int]] = {}
    path: list[str | int] = []
    in_object: list[bool] = []
    key: str | None = None
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "{[":
            in_object.append(mark == "{")
            path.append("" if mark == "{" else 0)
            key = None
        elif mark in "}]":
            in_object.pop()
            path.pop()
        elif mark == ",":
            if not in_object[-1]:
                last = path[-1]
                path[-1] = last + 1 if isinstance(last, int) else 0
            key = None
        elif mark == ":":
            path[-1] = key or ""
        elif in_object and in_object[-1] and key is None:
            key = json.loads(mark)
        else:
            found[tuple(path)] = token.span()
    return found
