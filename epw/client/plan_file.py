"""Plan files: JSON or YAML, read strictly: no duplicate keys, no NaN, no aliases that expand without bound."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from epw.core import strict_yaml
from epw.core.errors import InvalidPlan, Problem
from epw.core.plan.model import Plan
from epw.core.plan.unsupported import is_url
from epw.core.plan.validate import read_plan

_MAX_BYTES = 20_000_000
_MAX_NODES = 2_000_000


@dataclass(frozen=True)
class PlanFile:
    """Plan and the document that it was read from, which is the workflow's input."""

    plan: Plan
    document: dict[str, Any]

    @classmethod
    def of(cls, document: Any, *, runnable: bool = True) -> PlanFile:
        """Validate a document; raises `InvalidPlan`. `runnable`: also for what this version cannot run."""
        return cls(read_plan(document, runnable=runnable), document)


def read_plan_file(path: str, *, runnable: bool = True) -> PlanFile:
    """Read a plan from a file (`-`: standard input), with an absolute workspace; raises `InvalidPlan`."""
    return PlanFile.of(read_document(path), runnable=runnable)


def read_document(path: str) -> Any:
    """Read the document in a file, before validation; raises `InvalidPlan`."""
    try:
        raw = sys.stdin.buffer.read(_MAX_BYTES + 1) if path == "-" else _read(Path(path))
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad(path, f"is not UTF-8: {error.reason} at byte {error.start}") from None
    if len(raw) > _MAX_BYTES:
        raise _bad(path, f"has more than {_MAX_BYTES} bytes")
    is_json = path.endswith(".json") or text.lstrip()[:1] in ("{", "[")
    try:
        document = _json(text) if is_json else strict_yaml.load(text)
    except RecursionError:
        raise _bad(path, "is nested too deep") from None
    except ValueError as error:
        raise _bad(path, f"is not valid {'JSON' if is_json else 'YAML'}: {error}") from None
    if not _is_small(document):
        raise _bad(path, f"expands to more than {_MAX_NODES} values")
    if isinstance(document, dict):
        _make_workspace_absolute(document, Path.cwd() if path == "-" else Path(path).absolute().parent)
    return document


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _bad(str(path), f"cannot be read: {error.strerror}") from None


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"duplicate key {key!r}")
        seen[key] = value
    return seen


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


def _make_workspace_absolute(document: dict[str, Any], folder: Path) -> None:
    workspace = document.get("workspace")
    if isinstance(workspace, str) and workspace and not is_url(workspace):
        # A NUL or an unknown `~user`: validation reports it, with its place in the plan.
        with contextlib.suppress(ValueError, RuntimeError):
            document["workspace"] = str((folder / Path(workspace).expanduser()).resolve())


def _bad(path: str, message: str) -> InvalidPlan:
    return InvalidPlan([Problem(path, message)])
