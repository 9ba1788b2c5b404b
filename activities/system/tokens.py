"""Tokens and passwords in files: the texts under keys that name secrets."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

_SECRET = re.compile(r"token|secret|password|credential|(^|(?<!env)[_-]|api)key$|^(access|refresh)$", re.IGNORECASE)
_MIN_LENGTH = 16


def tokens(data: bytes, least: int = _MIN_LENGTH) -> list[str]:
    """The texts of at least so many characters under keys that name secrets, in JSON, TOML, YAML or `NAME=value`."""
    return list(dict.fromkeys(each for each in _tokens(_parsed(data), is_secret=False) if len(each) >= least))


def _parsed(data: bytes) -> Any:
    # Here: commands that read no file of secrets start without it.
    import yaml

    text = data.decode("utf-8", "replace")
    for read in (json.loads, tomllib.loads, yaml.safe_load):
        try:
            found = read(text)
        except (ValueError, RecursionError, yaml.YAMLError):
            continue
        if isinstance(found, dict | list):
            return found
    lines = (line.removeprefix("export ").partition("=") for line in text.splitlines())
    return {name.strip(): value.strip().strip("\"'") for name, equals, value in lines if equals}


def _tokens(value: Any, *, is_secret: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _tokens(each, is_secret=is_secret or _SECRET.search(str(key)) is not None)
    elif isinstance(value, list):
        for each in value:
            yield from _tokens(each, is_secret=is_secret)
    elif is_secret and isinstance(value, str):
        # `api-key: provider=key` of aider.
        yield value.rpartition("=")[2] if re.match(r"^\w+=\S+$", value) else value
