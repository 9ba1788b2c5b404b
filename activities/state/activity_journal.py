"""Journal of a worker process: what it has begun and not ended, so that a successor finds what a dead one has left."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from activities.system.atomic_write import write_atomically
from activities.system.line_file import append_line, lines_from
from activities.system.process_identity import CURRENT_PROCESS, Process, is_alive

_MAX_BYTES = 1 << 20
"""A longer file is written anew, without what has ended."""
_NAME, _ENTRY = "name", "entry"


class ActivityJournal:
    """Journal of this process in one folder; entries are JSON objects by name. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._lines: dict[str, bytes] = {}
        self._bytes = 0

    @classmethod
    def of_this_process(cls, folder: Path) -> ActivityJournal:
        """The one journal of this process in a folder."""
        with _creating:
            found = _journals.get(folder)
            if found is None:
                found = _journals[folder] = cls(folder / JournalFile.name_of(CURRENT_PROCESS))
            return found

    def put(self, name: str, entry: Mapping[str, Any]) -> None:
        """Note what has begun; the entry replaces an earlier one of this name. Raises `OSError`."""
        line = _line(name, entry)
        with self._lock:
            self._append(line)
            self._lines[name] = line

    def remove(self, name: str) -> None:
        """Note that it has ended."""
        # With a full disk a successor asks the server about it, in vain.
        with self._lock, contextlib.suppress(OSError):
            if self._lines.pop(name, None) is not None:
                self._append(_line(name, None))

    def close(self) -> None:
        """Delete the file, unless something has not ended; what begins later makes it again."""
        with self._lock:
            if not self._lines:
                self._path.unlink(missing_ok=True)
                self._bytes = 0

    def _append(self, line: bytes) -> None:
        if self._bytes > _MAX_BYTES:
            content = b"".join(b"\n" + each for each in self._lines.values())
            write_atomically(self._path, content, survives_power_loss=False)
            self._bytes = len(content)
        append_line(self._path, line, survives_power_loss=False)
        self._bytes += len(line)


class JournalFile:
    """Journal of any process, to read, and to note ends in once that process is dead."""

    def __init__(self, path: Path, worker: Process) -> None:
        self.path = path
        self.worker = worker

    @staticmethod
    def name_of(process: Process) -> str:
        return f"{process[0]}-{round(process[1] * 1000)}.activities"

    @classmethod
    def all(cls, folder: Path) -> list[JournalFile]:
        """Every journal in a folder."""
        found = []
        for path in sorted(folder.glob("*.activities")):
            number, _, began = path.stem.partition("-")
            with contextlib.suppress(ValueError):
                found.append(cls(path, (int(number), int(began) / 1000)))
        return found

    @property
    def worker_lives(self) -> bool:
        """Whether the process still runs."""
        return is_alive(self.worker)

    def entries(self) -> dict[str, dict[str, Any]]:
        """What has not ended, by name."""
        found: dict[str, dict[str, Any]] = {}
        for line in lines_from(self.path)[0]:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                content = json.loads(line)
                found.pop(content[_NAME], None)
                if content[_ENTRY] is not None:
                    found[content[_NAME]] = content[_ENTRY]
        return found

    def remove(self, name: str) -> None:
        """Note that it has ended."""
        append_line(self.path, _line(name, None), survives_power_loss=False)

    def delete_empty(self) -> None:
        """Delete the file where everything has ended."""
        if not self.entries():
            self.path.unlink(missing_ok=True)


def _line(name: str, entry: Mapping[str, Any] | None) -> bytes:
    return json.dumps({_NAME: name, _ENTRY: entry}).encode()


# State of the whole process, on purpose: its successors look for one file.
_journals: dict[Path, ActivityJournal] = {}
"""By folder."""
_creating = threading.Lock()
