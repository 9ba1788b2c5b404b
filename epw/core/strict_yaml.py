"""Strict reader of YAML: no duplicate keys, no objects of Python; dates, and keys like `on`, stay text."""

from __future__ import annotations

from typing import Any

import yaml

from epw.core.source_place import place
from epw.core.yaml_wording import words_of

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"
_BOOL, _TEXT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:str"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class InvalidYaml(ValueError):
    """The text is not YAML, or names a key twice; the message says where."""


def load(text: str) -> Any:
    """The document of a text; raises `InvalidYaml`, or `RecursionError` where it is nested too deep.

    A small text can stand for a large document, by its aliases.
    """
    try:
        return yaml.load(text, _StrictLoader)
    except yaml.YAMLError as error:
        raise InvalidYaml(words_of(text, error)) from None
    except _BadKey as bad:
        raise InvalidYaml(f"{bad}: {place(text, bad.line, bad.column)}") from None


def has_aliases(text: str) -> bool:
    """Whether a text has an anchor or an alias; raises `InvalidYaml`."""
    if "&" not in text and "*" not in text:
        return False
    try:
        return any(isinstance(token, yaml.AnchorToken | yaml.AliasToken) for token in yaml.scan(text, _StrictLoader))
    except yaml.YAMLError as error:
        raise InvalidYaml(words_of(text, error)) from None


class _BadKey(Exception):
    """A key of a mapping that is not accepted, and where it stands (from 1)."""

    def __init__(self, message: str, mark: yaml.Mark) -> None:
        self.line, self.column = mark.line + 1, mark.column + 1
        super().__init__(message)


class _StrictLoader(_Base):  # type: ignore[misc]
    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            # YAML 1.1 takes the key `on` for true.
            key_node.tag = _TEXT if key_node.tag == _BOOL else key_node.tag
            key = "<<" if key_node.tag == _MERGE else self.construct_object(key_node, deep=True)
            if not isinstance(key, str | int | float | None):
                raise _BadKey("a key is no text, number or null", key_node.start_mark)
            if key in seen:
                raise _BadKey(f"duplicate key {key!r}", key_node.start_mark)
            seen.add(key)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found
