"""Log of the outcomes of attempts, by name: what an attempt that runs again after a lost worker looks up first."""

from __future__ import annotations

import contextlib
import json
from functools import lru_cache
from pathlib import Path

from activities.state.execution_store import ExecutionStore
from activities.system.line_file import append_line, lines_from

_MAX_OPEN = 16


class OutcomeLog:
    """One file, to which all workers of the host append."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_to = 0
        self._known: dict[bytes, bytes] = {}

    @classmethod
    @lru_cache(maxsize=_MAX_OPEN)
    def at(cls, path: Path) -> OutcomeLog:
        """The log in a file, which is read once."""
        return cls(path)

    def append(self, name: str, outcome: bytes, *, survives_power_loss: bool) -> None:
        """Add an outcome, JSON without line breaks. Raises `OSError`."""
        append_line(self._path, _key(name) + outcome, survives_power_loss=survives_power_loss)

    def find(self, name: str) -> bytes | None:
        """The last outcome of a name; what is broken off counts as none."""
        lines, self._read_to = lines_from(self._path, self._read_to)
        for line in lines:
            with contextlib.suppress(ValueError):
                end = line.index(b"\t") + 1
                json.loads(line[end:])
                self._known[line[:end]] = line[end:]
        return self._known.get(_key(name))


def keep_outcome(execution: ExecutionStore, name: str, content: bytes, *, survives_power_loss: bool) -> None:
    """Keep the outcome of an attempt of the current run, JSON without line breaks. Raises `OSError`."""
    if execution.shared_hub() is not None:
        execution.keep(_file(execution, name), content)
    else:
        _log(execution).append(name, content, survives_power_loss=survives_power_loss)


def kept_outcome(execution: ExecutionStore, name: str) -> bytes | None:
    """The outcome that was kept by a name."""
    # In a file of its own: on a git URL, or by an earlier version.
    path = execution.path / _file(execution, name)
    return path.read_bytes() if path.is_file() else _log(execution).find(name)


def _log(execution: ExecutionStore) -> OutcomeLog:
    return OutcomeLog.at(execution.path / "outcomes" / f"{execution.run_key[:8]}.jsonl")


def _file(execution: ExecutionStore, name: str) -> str:
    return f"outcomes/{execution.run_key[:8]}/{name}.json"


def _key(name: str) -> bytes:
    return json.dumps(name).encode() + b"\t"
