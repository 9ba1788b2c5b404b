"""Journal of a delivery into a work tree: on disk before the first change, and sufficient to undo at any moment."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from activities.apply.atomic_rename import Identity
from activities.system.atomic_write import write_durably

_NAME = "journal.json"


@dataclass(frozen=True)
class Step:
    """Change of one path: its file before and after, or None; our copy is `number` in the staging directory."""

    number: int
    path: str
    before: Identity | None
    after: Identity | None


@dataclass(frozen=True)
class Folder:
    """A directory as it was before the delivery; `mtime` in nanoseconds."""

    path: str
    mode: int
    mtime: int
    owner: int
    group: int


@dataclass(frozen=True)
class Journal:
    """All that undoing a delivery needs to know."""

    root: str
    """Path of the workspace."""
    staging: str
    """Name of our directory in it: on the same file system, so that undoing needs no space."""
    base: str
    head: str
    applied: bool = False
    steps: list[Step] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    """Parents of the paths as they were, the root first."""
    made: list[str] = field(default_factory=list)
    """Directories that the delivery creates, outer ones first."""

    @property
    def staging_path(self) -> Path:
        """Our directory in the workspace."""
        return Path(self.root, self.staging)

    def write(self, folder: Path) -> None:
        """Write it into a folder, durably."""
        # Names that are not UTF-8 become escapes.
        write_durably(folder / _NAME, json.dumps(asdict(self), ensure_ascii=True).encode())

    @classmethod
    def read(cls, folder: Path) -> Journal | None:
        """The journal in a folder; None without one."""
        try:
            content = json.loads((folder / _NAME).read_text())
        except FileNotFoundError:
            return None
        steps = [
            Step(each["number"], each["path"], *map(_identity, (each["before"], each["after"])))
            for each in content["steps"]
        ]
        folders = [Folder(**each) for each in content["folders"]]
        return cls(**content | {"steps": steps, "folders": folders})

    @staticmethod
    def remove(folder: Path) -> None:
        """Delete the journal of a folder."""
        (folder / _NAME).unlink(missing_ok=True)


def _identity(content: dict[str, Any] | None) -> Identity | None:
    return Identity(**content) if content else None
