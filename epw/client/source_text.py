"""Text of a plan file or a foreign file, and the JSON or YAML in it, read strictly."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from epw.core import strict_yaml
from epw.core.errors import InvalidPlan, Problem
from epw.core.plan.wording import did_you_mean
from epw.core.source_place import place
from epw.core.unique_keys import unique_keys

_MAX_BYTES = 20_000_000
_MAX_NODES = 2_000_000


def read_text(path: str) -> str:
    """The text of a file (`-`: standard input); raises `InvalidPlan`."""
    try:
        raw = sys.stdin.buffer.read(_MAX_BYTES + 1) if path == "-" else _read(Path(path))
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise invalid(path, f"is no text in UTF-8 (byte {error.start}); a plan is a YAML or JSON file") from None
    if len(raw) > _MAX_BYTES:
        raise invalid(path, f"has more than {_MAX_BYTES} bytes")
    return text


def parse(path: str, text: str, *, as_json: bool) -> Any:
    """The document in a text: no duplicate keys, no NaN, no aliases that expand without bound.

    Raises `InvalidPlan`.
    """
    try:
        document = _json(text) if as_json else strict_yaml.load(text)
    except RecursionError:
        raise invalid(path, "is nested too deep") from None
    except json.JSONDecodeError as error:
        message = f"{error.msg[:1].lower()}{error.msg[1:]}{_hint(error)}: {place(text, error.lineno, error.colno)}"
        raise invalid(path, f"is not valid JSON: {message}") from None
    except ValueError as error:
        raise invalid(path, f"is not valid {'JSON' if as_json else 'YAML'}: {error}") from None
    if not _is_small(document):
        raise invalid(path, f"expands to more than {_MAX_NODES} values")
    return document


def invalid(path: str, message: str) -> InvalidPlan:
    """The exception for a file as a whole."""
    return InvalidPlan([Problem(path, message)])


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise invalid(str(path), f"cannot be read: {error.strerror}{_near(path)}") from None


def _hint(error: json.JSONDecodeError) -> str:
    """What is probably meant where JSON ends to be JSON; empty where nobody knows."""
    before, after = error.doc[: error.pos].rstrip(), error.doc[error.pos :].lstrip()
    if after.startswith(("//", "/*", "#")):
        return " (JSON has no comments; in a file named .yaml, # begins one)"
    if before.endswith(",") and after.startswith(("]", "}")):
        return " (no comma after the last entry)"
    return " (JSON quotes texts by double quotes)" if after.startswith("'") else ""


def _near(path: Path) -> str:
    """A hint that names a file beside it whose name is alike, or one of this name here; empty where there is none."""
    if not path.parent.is_dir():
        return f"; there is a {path.name} in this folder" if Path(path.name).is_file() else ""
    try:
        return did_you_mean(path.name, (each.name for each in path.parent.iterdir() if each.is_file()))
    except OSError:
        return ""


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=unique_keys, parse_constant=_no_constant)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")


def _is_small(document: Any) -> bool:
    """Whether the document stays small when its YAML aliases are written out."""
    count, stack = 0, [document]
    while stack:
        value = stack.pop()
        count += 1
        if count > _MAX_NODES:
            return False
        if isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return True
