"""Output of a program while it writes it: events of its lines, and a log that people can read."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from activities.agents.reporter import Reporter
from activities.system.file_modes import owner_only
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.presets.events import Doing, Event, Failed, Limited, Rejected, Said
from epw.core.presets.preset import Preset

_CHUNK = 1024 * 1024
_MAX_LINE = 16 * 1024 * 1024
_MAX_BYTES = 1024 * 1024 * 1024


class Output:
    """Reader of the file that takes a program's standard output and error."""

    def __init__(self, preset: Preset, path: Path, log: Path, reporter: Reporter, tree: Path) -> None:
        """`path`: the file. `log`: what people read. `tree`: the directory that paths in it are relative to."""
        self.path = path
        self.last_text = ""
        """The last line that is not JSON."""
        self._preset = preset
        self._log = log
        self._reporter = reporter
        self._trees = dict.fromkeys((f"{tree}/", f"{os.path.realpath(tree)}/"))
        self._offset = 0
        self._rest = b""
        self._written = ""

    def begin(self) -> None:
        """Be ready for a new start of the program; what a killed worker has left is not read twice."""
        self.remove()
        self._offset, self._rest = 0, b""

    def events(self, *, is_over: bool = False) -> Iterator[Event]:
        """Events of what is new; `is_over`: the last line needs no end. Raises `TaskFailed` at a GB."""
        with contextlib.suppress(FileNotFoundError), open(self.path, "rb") as file:
            file.seek(self._offset)
            while chunk := file.read(_CHUNK):
                self._offset += len(chunk)
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                self._rest = self._rest[:_MAX_LINE]
                for line in lines:
                    yield from self._events(line)
        if is_over and self._rest:
            rest, self._rest = self._rest, b""
            yield from self._events(rest)
        if self._offset > _MAX_BYTES:
            raise TaskFailed(failures.DISK_LIMIT, f"{self._preset.title} printed more than a GB")

    def _events(self, line: bytes) -> Iterator[Event]:
        text = line.decode("utf-8", "replace").strip()
        if not text:
            return
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            events = list(self._preset.read(found))
        else:
            self.last_text = text
            events = list(self._preset.read_text(text))
            self._write(text)
        for event in events:
            if isinstance(event, Said | Doing | Failed | Limited | Rejected) and isinstance(found, dict):
                self._write(_in_words(event))
            yield event

    def _write(self, text: str) -> None:
        """Append a line to the log; in the end it is redacted as a whole, but it is read before that too."""
        text = self.relative(text)
        # Some say their last words twice.
        if text and text != self._written:
            self._written = text
            with contextlib.suppress(OSError), open(self._log, "a", opener=owner_only) as log:
                log.write(f"{self._reporter.redact(text)}\n")

    def relative(self, text: str) -> str:
        """The text with paths relative to the directory."""
        for tree in self._trees:
            text = text.replace(tree, "")
        return text

    def remove(self) -> None:
        """Delete the file: the log has what people need of it."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)


def _in_words(event: Said | Doing | Failed | Limited | Rejected) -> str:
    if isinstance(event, Said):
        return event.text
    return f"> {event.operation}" if isinstance(event, Doing) else f"! {event.message}"
