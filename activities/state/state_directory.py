"""Layout of the state directory: the names of all files and folders that are shared by executions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from epw.core.naming import slug


@dataclass(frozen=True)
class ServerFiles:
    """Files of the embedded server."""

    folder: Path

    @property
    def note(self) -> Path:
        """Addresses and process of the running server, or the error of its start; its ports of last time."""
        return self.folder / "server.json"

    @property
    def users_lock(self) -> Path:
        """Lock that every user of the server shares."""
        return self.folder / "users.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Lock of the one supervisor."""
        return self.folder / "guardian.lock"

    @property
    def supervisor_log(self) -> Path:
        """Output of the supervisor."""
        return self.folder / "guardian.log"

    @property
    def log(self) -> Path:
        """Output of the server."""
        return self.folder / "server.log"

    @property
    def database(self) -> Path:
        """Temporal's database."""
        return self.folder / "temporal.db"

    @property
    def namespace(self) -> Path:
        """Name of the Temporal namespace."""
        return self.folder / "namespace"


@dataclass(frozen=True)
class StateDirectory:
    """Where the application keeps its state; paths only, which need not exist."""

    path: Path

    def hub(self, workspace: str) -> Path:
        """Hub of a workspace, which its real path identifies."""
        return self._hubs / f"{slug(os.path.realpath(workspace))}.git"

    @property
    def hub_without_workspace(self) -> Path:
        """Hub for changes that belong to no workspace."""
        return self._hubs / "no-workspace.git"

    def hubs(self) -> list[Path]:
        """Every hub that exists."""
        return sorted(self._hubs.glob("*.git"))

    @property
    def _hubs(self) -> Path:
        return self.path / "hubs"

    def execution(self, key: str) -> Path:
        """Folder of an execution."""
        return self._executions / key

    def execution_ids(self) -> Iterator[Path]:
        """The files in which executions note their workflow ids, in the folders that are named for their runs."""
        yield from sorted(self._executions.glob("*/*/id"))

    @property
    def _executions(self) -> Path:
        return self.path / "executions"

    def result(self, key: str) -> Path:
        """Result document of an execution whose folder was removed."""
        return self.path / "results" / f"{key}.json"

    @property
    def running(self) -> Path:
        """Folder of the records of workers and of their activities."""
        return self.path / "running"

    def worker_record(self, process_id: int) -> Path:
        """Record of a worker process."""
        return self.running / f"{process_id}.worker"

    def worker_records(self) -> list[Path]:
        """Every record of a worker that exists."""
        return sorted(self.running.glob("*.worker"))

    def activity_record(self, name: str) -> Path:
        """Record of an activity in flight."""
        return self.running / f"{name}.json"

    def activity_records(self) -> list[Path]:
        """Every record of an activity that exists."""
        return sorted(self.running.glob("*.json"))

    @property
    def suspect_lock(self) -> Path:
        """Lock of the one task that runs after workers have died under it."""
        return self.running / "suspect.lock"

    @property
    def recovery_lock(self) -> Path:
        """Lock of the process that looks after activities of dead workers."""
        return self.running / "recovery.lock"

    @property
    def setups(self) -> Path:
        """Folder of what `setup` commands have created, for reuse."""
        return self.path / "setups"

    @property
    def trash(self) -> Path:
        """Folder of files on their way to deletion."""
        return self.path / "trash"

    @property
    def prices(self) -> Path:
        """The user's own prices of models."""
        return self.path / "prices.json"

    @property
    def host_name(self) -> Path:
        """Name of this machine and state directory, for task queues."""
        return self.path / "host"

    @property
    def server(self) -> ServerFiles:
        """Files of the embedded server."""
        return ServerFiles(self.path / "server")
