"""Log of an agent that a model drives: what it said, what it called, and what came of that, for people to read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from activities.system.file_modes import owner_only

_MAX_CALL = 300
_MAX_RESULT = 4000
_SUBJECTS = ("command", "file_path", "pattern", "path", "question", "operation", "summary")
"""Arguments of tools that say what a call is about, the most telling first."""


class AgentLog:
    """Writer of the lines; `redact` removes secrets before they are written."""

    def __init__(self, path: Path, redact: Callable[[str], str]) -> None:
        self._path = path
        self._redact = redact

    def said(self, text: str) -> None:
        """Write a text of the model."""
        if text.strip():
            self._write(text.strip())

    def called(self, name: str, arguments: Any) -> None:
        """Write a call of a tool in one line."""
        known = arguments if isinstance(arguments, dict) else {}
        subject = next((str(known[each]) for each in _SUBJECTS if known.get(each)), "")
        self._write(f"● {name} {' '.join(subject.split())}"[:_MAX_CALL].rstrip())

    def returned(self, content: Any) -> None:
        """Write the result of a call, indented; of a long one the end."""
        text = content if isinstance(content, str) else ""
        shown = text[-_MAX_RESULT:].strip()
        if shown:
            cut = "  …\n" if len(text) > _MAX_RESULT else ""
            self._write(cut + "\n".join(f"  {line}" for line in shown.splitlines()))

    def noted(self, text: str) -> None:
        """Write a remark of ours on what the agent did."""
        self._write(f"epw: {text}")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(self._path, "ab", opener=owner_only) as log:
                log.write(f"{self._redact(text)}\n".encode("utf-8", "replace"))
