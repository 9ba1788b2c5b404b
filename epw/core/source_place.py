"""Places in the text of a document: their line and column, the line itself with a caret, and where a value stands."""

from __future__ import annotations

import re

import yaml

_MAX_SHOWN = 100
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def place(text: str, line: int, column: int) -> str:
    """`line 3, column 7`, and that line with a caret below the column; both count from 1."""
    lines = text.splitlines()
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    start = max(0, min(column - _MAX_SHOWN // 2, len(shown) - _MAX_SHOWN))
    cut = "".join(character if character.isprintable() else " " for character in shown[start : start + _MAX_SHOWN])
    return f"line {line}, column {column}\n  {line} | {cut}\n  {' ' * len(str(line))} | {' ' * (column - 1 - start)}^"


def line_of(text: str, path: str) -> int | None:
    """Line of the value that a path (`tasks[3].dependsOn[0]`) names in a YAML or JSON text, or of what is nearest."""
    try:
        node = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError, ValueError):
        return None
    found = None
    for index, key in _STEP.findall(path):
        line, node = _inside(node, index, key)
        if node is None:
            break
        found = line
    return found


def _inside(node: yaml.Node | None, index: str, key: str) -> tuple[int, yaml.Node | None]:
    """Line and node of an item or of a key's value; no node where there is none of it."""
    if index and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
        item = node.value[int(index)]
        return item.start_mark.line + 1, item
    if key and isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == key:
                return name.start_mark.line + 1, value
    return 0, None
