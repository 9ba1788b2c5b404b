"""Output of commands: JSON documents, text of unknown origin made safe for a terminal, the end of the process."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from epw.rendering.words import printable
from epw.service.startup import INTERRUPTED

__all__ = ["INTERRUPTED", "console_print", "exit_process", "print_json", "printable"]

BEFORE_EXIT: list[Callable[[], None]] = []
"""What is to be given back before the process ends, wherever it ends: the terminal."""


def print_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "replace").decode(), flush=True)


def console_print(text: str) -> None:
    """Print a line of unknown origin on standard output."""
    print(printable(text), flush=True)


def exit_process(code: int) -> NoReturn:
    """End the process. The SDK's threads can abort an interpreter that shuts down (sdk-python issue 300)."""
    for give_back in reversed(BEFORE_EXIT):
        give_back()
    for stream in (sys.stdout, sys.stderr):
        # Nobody may be there to read it, or no disk to hold it: what was done was done all the same.
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
