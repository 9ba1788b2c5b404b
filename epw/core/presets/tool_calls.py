"""Calls of coding tools in words: the names of tools and their arguments differ, what they do does not."""

from __future__ import annotations

from typing import Any

from epw.core.presets.events import Doing
from epw.core.presets.preset import Json

_WRITES = frozenset(
    [
        *("create", "delete", "edit", "insert", "multiedit", "notebookedit", "patch", "replace", "str_replace_editor"),
        *("text_editor", "write", "write_file"),
    ]
)
_READS = frozenset(("read", "read_file", "view"))
_PATHS = ("file_path", "filePath", "notebook_path", "absolute_path", "path", "filename")
_SUBJECTS = (*_PATHS, "command", "cmd", "pattern", "query", "url", "description")
_MAX_LENGTH = 2_000


def doing(name: str, arguments: Any) -> Doing:
    """What a call of a tool does, with the files that it writes or reads."""
    given: Json = arguments if isinstance(arguments, dict) else {}
    subject = next((given[key] for key in _SUBJECTS if isinstance(given.get(key), str)), "")
    path = next((given[key] for key in _PATHS if isinstance(given.get(key), str)), None)
    kind = name.lower().rpartition("__")[2]
    operation = f"{name} {' '.join(subject.split())}".strip()[:_MAX_LENGTH]
    is_write, is_read = path is not None and kind in _WRITES, path is not None and kind in _READS
    return Doing(operation, (path,) if path and is_write else (), (path,) if path and is_read else ())
