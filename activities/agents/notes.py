"""Messages of people to the agent of an attempt: those it began with, and those that come while it runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from activities.system.file_modes import owner_only


@dataclass
class Notes:
    """Messages in their order, each taken once.

    `path`: file of those that come while the attempt runs. `memory`: file that keeps how many a conversation has had
    which a later attempt goes on with; None: each attempt gets all of them.
    """

    path: Path
    given: Sequence[str] = ()
    memory: Path | None = None
    _taken: int | None = field(default=None, init=False)

    @property
    def taken(self) -> int:
        """How many the agent has got."""
        if self._taken is None:
            known = self.memory.read_text() if self.memory is not None and self.memory.is_file() else ""
            self._taken = int(known) if known.isdigit() else 0
        return self._taken

    def take_new(self) -> list[str]:
        """The messages that the agent has not got yet."""
        known = dict(enumerate(self.given, 1)) | _read(self.path)
        new = []
        while (number := self.taken + 1) in known:
            new.append(known[number])
            self._taken = number
        if new and self.memory is not None:
            self.memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.memory.write_text(str(self._taken))
        return new


def keep(path: Path, number: int, text: str) -> None:
    """Append a message, its number counted from 1, to the file of a task's messages. Blocking."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    line = json.dumps({"number": number, "text": text}).encode() + b"\n"
    with open(path, "ab", opener=owner_only) as file:
        file.write(line)


def _read(path: Path) -> dict[int, str]:
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return {}
    return {each["number"]: each["text"] for each in map(json.loads, lines)}
