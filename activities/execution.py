"""What the state directory holds of an execution: where its attempts, outcomes, logs and findings lie."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from activities.git.workspace import Workspace
from workflows.naming import execution_ref, slug

_numbers = count()


@dataclass(frozen=True)
class Execution:
    """One run of one workflow id: a later run under the same id shares nothing with it."""

    home: Path
    workflow_id: str
    run_id: str

    @property
    def key(self) -> str:
        return f"{slug(self.workflow_id)}/{self.run_id}"

    @property
    def path(self) -> Path:
        return self.home / "executions" / self.key

    def ref(self, *parts: str) -> str:
        """A ref of this execution in its hub."""
        return execution_ref(self.workflow_id, self.run_id, *parts)

    def attempt_key(self, task_id: str) -> str:
        """The marker under which every process of a task of this execution runs."""
        return f"{self.key}/{slug(task_id)}"

    def remove_attempts(self) -> None:
        """Nothing of it runs any more: the directories of attempts that waited are of no use."""
        shutil.rmtree(self.path / "attempts", ignore_errors=True)

    def log(self, name: str) -> Path:
        """The file that takes what an agent or a command prints."""
        return self.path / "logs" / f"{name}.log"

    def workspace(self) -> Workspace:
        """What `prepare` found out about the workspace."""
        return Workspace.model_validate_json((self.path / "workspace.json").read_bytes())

    def excludes(self) -> Path:
        return self.path / "exclude"

    def base(self) -> str:
        """The commit that the execution started from."""
        return (self.path / "base").read_text()

    def keep_workspace(self, workspace: Workspace, base: str) -> None:
        write_atomically(self.path / "base", base.encode())
        write_atomically(self.path / "workspace.json", workspace.model_dump_json().encode())
        write_atomically(self.excludes(), workspace.excludes.encode())

    def keep_delivered_branch(self, branch: str) -> None:
        """Noted before it is made: only a branch of our own is ever taken back."""
        write_atomically(self.path / "delivered", branch.encode())

    def delivered_branch(self) -> str | None:
        path = self.path / "delivered"
        return path.read_text() if path.is_file() else None

    def keep_conflict(self, commit: str, detail: dict[str, Any]) -> None:
        """Hunks of a conflict, too large for the history."""
        write_atomically(self.path / "conflicts" / f"{commit}.json", json.dumps(detail).encode())

    def conflict(self, commit: str | None) -> dict[str, Any]:
        path = self.path / "conflicts" / f"{commit}.json"
        found: dict[str, Any] = json.loads(path.read_bytes()) if commit and path.is_file() else {}
        return found


def write_atomically(path: Path, content: bytes) -> None:
    """A file that is there whole or not at all, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{next(_numbers)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        handle = os.open(temporary, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(temporary, flags, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
