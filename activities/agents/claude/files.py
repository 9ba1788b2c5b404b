"""File tools of the `claude` backend: the SDK's own, each on a copy of the one file that it reads or writes.

All access to the attempt's directory goes through `RootedDir`.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from anthropic.lib.tools import ToolError
from anthropic.lib.tools import agent_toolset as sdk

from activities.system.rooted_dir import PathEscape, RootedDir

_MAKERS = {"Read": sdk.beta_read_tool, "Write": sdk.beta_write_tool, "Edit": sdk.beta_edit_tool}
_GLOB = sdk.beta_glob_tool(sdk.AgentToolContext(workdir=Path("/"), env={}))
_GREP = sdk.beta_grep_tool(sdk.AgentToolContext(workdir=Path("/"), env={}))
_TOOLS = {name: make(sdk.AgentToolContext(workdir=Path("/"), env={})) for name, make in _MAKERS.items()}
SCHEMAS: Mapping[str, Any] = {**_TOOLS, "Glob": _GLOB, "Grep": _GREP}
"""The SDK's tools, for their definitions."""
_MAX_BYTES = 64 * 1024 * 1024
_MAX_RESULTS = 200
_MAX_FILES = 50_000

Content = str | list[dict[str, Any]]


class FileTools:
    """File tools of one directory. Blocking; raises `ValueError` for invalid input, `ToolError` for failed calls."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree

    def run(self, name: str, arguments: dict[str, Any]) -> Content:
        try:
            with RootedDir.opened(self._tree) as beneath:
                if name == "Glob":
                    return _glob(beneath, **_texts(arguments, required="pattern", optional="path"))
                return self._on_copy(beneath, name, arguments)
        except OSError as error:
            raise ToolError(
                f"{name.lower()}: {arguments.get('file_path', arguments.get('path', '.'))}: "
                f"{(error.strerror or 'cannot be done').lower()}"
            ) from None

    def existing(self, path: str) -> str:
        """The path relative to the directory; raises `ToolError` where nothing is there."""
        try:
            with RootedDir.opened(self._tree) as beneath:
                return beneath.existing(path)
        except OSError as error:
            raise ToolError(f"{path}: {(error.strerror or 'cannot be read').lower()}") from None

    def _on_copy(self, beneath: RootedDir, name: str, arguments: dict[str, Any]) -> Content:
        path = arguments.get("file_path")
        if not isinstance(path, str) or "\0" in path:
            raise ValueError("file_path")
        inner = beneath.relative(path)
        with tempfile.TemporaryDirectory(prefix="epw-") as scratch:
            copy = Path(scratch, inner)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if name != "Write":
                with contextlib.suppress(FileNotFoundError):
                    content = beneath.read(inner, _MAX_BYTES)
                    if len(content) > _MAX_BYTES:
                        raise ToolError(f"{name.lower()}: {inner}: larger than {_MAX_BYTES} bytes")
                    copy.write_bytes(content)
            tool = _MAKERS[name](sdk.AgentToolContext(workdir=scratch, env={}))
            result = asyncio.run(tool.call({**arguments, "file_path": inner}))
            if name != "Read":
                beneath.write(inner, copy.read_bytes())
            return result  # type: ignore[return-value]


def _glob(beneath: RootedDir, pattern: str, path: str = ".") -> str:
    parts = pattern.split("/")
    if pattern.startswith("/") or ".." in parts:
        raise PathEscape(0, "the pattern leads outside of the working directory")
    start, found = beneath.relative(path), []
    for number, (file, changed) in enumerate(beneath.files(path)):
        names = file.split("/") if start == "." else file[len(start) + 1 :].split("/")
        if ".git" not in names and _match(parts, names):
            found.append((-changed, file))
        if number >= _MAX_FILES:
            break
    return "\n".join(file for _, file in sorted(found)[:_MAX_RESULTS]) or "no matches"


def _match(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the names of a path match the parts of a pattern; `**` matches any number of names."""
    # Numbers of names that the parts so far can match.
    reached = {0}
    for part in parts:
        if part == "**":
            reached = set(range(min(reached), len(names) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(names) and fnmatchcase(names[at], part)}
    return len(names) in reached


def _texts(arguments: dict[str, Any], *, required: str, optional: str) -> dict[str, str]:
    """The two arguments, checked to be texts; raises `ValueError`."""
    given = {key: value for key, value in arguments.items() if value is not None or key == required}
    if required not in given or set(given) - {required, optional}:
        raise ValueError(required)
    if not all(isinstance(value, str) and "\0" not in value for value in given.values()):
        raise ValueError(required)
    return given
