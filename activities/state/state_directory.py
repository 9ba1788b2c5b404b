"""Layout of the state directory: the names of all files and folders that are shared by executions."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from epw.core.naming import slug
from epw.core.plan.git_url import is_url


def _name(workspace: str) -> str:
    return slug(workspace if is_url(workspace) else os.path.realpath(workspace))


class ServerFiles:
    """Files of the embedded server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.note = folder / "server.json"
        """Addresses and process of the running server, or the error of its start; its ports of last time."""
        self.users_lock = folder / "users.lock"
        """Lock that every user of the server shares."""
        self.supervisor_lock = folder / "guardian.lock"
        self.supervisor_log = folder / "guardian.log"
        self.log = folder / "server.log"
        self.database = folder / "temporal.db"
        self.namespace = folder / "namespace"
        """Name of the Temporal namespace."""

    def read_note(self) -> dict[str, Any]:
        """The content of `note`; empty where there is none."""
        try:
            found: dict[str, Any] = json.loads(self.note.read_text())
        except (OSError, ValueError):
            return {}
        return found


@dataclass
class StateDirectory:
    """Paths of the application's state; they need not exist."""

    path: Path

    def __post_init__(self) -> None:
        self.hub_without_workspace = self.path / "hubs/no-workspace.git"
        """Hub for changes that belong to no workspace."""
        self.running = self.path / "running"
        """Folder of the records of workers and of their activities."""
        self.suspect_lock = self.running / "suspect.lock"
        """Lock of the one task that runs after workers have died under it."""
        self.recovery_lock = self.running / "recovery.lock"
        """Lock of the process that looks after activities of dead workers."""
        self.setups = self.path / "setups"
        """Folder of what `setup` commands have created, for reuse."""
        self.trash = self.path / "trash"
        """Folder of files on their way to deletion."""
        self.retention = self.path / "retention.json"
        """What was dropped last because of its age or size."""
        self.retention_lock = self.path / "retention.lock"
        """Lock of the process that looks for what is to be dropped."""
        self.prices = self.path / "prices.json"
        """The user's own prices of models."""
        self.host_name = self.path / "host"
        """Name of this machine and state directory, for task queues."""
        self.background_lock = self.path / "background.lock"
        """Lock of the process that works in the background for clients that come and go."""
        self.background_log = self.path / "background.log"
        self.logins_lock = self.path / "logins.lock"
        """Lock of whoever writes into a login file of the user."""
        self.mcp_token = self.path / "mcp-token"
        """Token of MCP over HTTP."""
        self.server = ServerFiles(self.path / "server")

    def hub(self, workspace: str) -> Path:
        """Hub of a workspace, which its URL identifies, or its real path."""
        return self.path / "hubs" / f"{_name(workspace)}.git"

    def hub_at(self, path: str) -> Path:
        """The hub that a workflow knows by a path: the state directory may have moved since it began."""
        own = self.path / "hubs" / Path(path).name
        return own if own.is_dir() else Path(path)

    @property
    def all_checks(self) -> Path:
        """Folder of what checkers keep, of all workspaces; it can be made again."""
        return self.path / "checks"

    def checks(self, workspace: str | None) -> Path:
        """Folder of what checkers said of trees of a workspace, and of their caches; None: of what all share."""
        return self.all_checks / (_name(workspace) if workspace is not None else "shared")

    def hubs(self) -> list[Path]:
        """Every hub that exists."""
        return sorted((self.path / "hubs").glob("*.git"))

    def execution(self, key: str) -> Path:
        """Folder of an execution."""
        return self.path / "executions" / key

    def execution_ids(self) -> list[Path]:
        """The files in which executions note their workflow ids, in folders that are named for their first runs."""
        return sorted((self.path / "executions").glob("*/*/id"))

    def result(self, key: str) -> Path:
        """Result document of an execution whose folder was removed."""
        return self.path / "results" / f"{key}.json"

    def worker_record(self, process_id: int) -> Path:
        """Record of a worker process."""
        return self.running / f"{process_id}.worker"

    def worker_records(self) -> list[Path]:
        """Every record of a worker that exists."""
        return sorted(self.running.glob("*.worker"))
