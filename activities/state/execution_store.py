"""Files of one execution in the state directory: attempts, outcomes, logs, findings."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowExecutionDescription

from activities.git import hub_files
from activities.git.agent_clone import borrowed_refs
from activities.git.hub import Hub
from activities.git.submodules.submodules import Submodules
from activities.git.url_git import UrlGit
from activities.git.url_refs import UrlRefs
from activities.git.workspace import Workspace
from activities.state.host import host_name
from activities.state.state_directory import StateDirectory
from activities.system import file_lock
from activities.system.atomic_write import write_atomically
from activities.system.directories import Trash
from epw.core.naming import execution_ref, slug, url_ref

_WORKSPACE = "workspace.json"
FILES = "files"
"""Part of the refs that hold files for other hosts."""
_LEDGERS = "agents/ledgers"


@lru_cache(maxsize=64)
def _workspace(path: Path, changed: int) -> Workspace:
    """The workspace in a file, cached since every attempt needs it often; `changed`: the file's mtime, ns."""
    return Workspace.model_validate_json(path.read_bytes())


@dataclass(frozen=True)
class ExecutionStore:
    """Store of one execution, a chain of runs that resets extend; a later execution with its id shares nothing."""

    state: StateDirectory
    workflow_id: str
    run_id: str
    """The first run of the chain."""
    current_run: str = ""
    """The current run (default: the first), whose own files no other run overwrites."""

    @property
    def run_key(self) -> str:
        """Id of the current run."""
        return self.current_run or self.run_id

    @classmethod
    def of(cls, state: StateDirectory, described: WorkflowExecutionDescription) -> ExecutionStore:
        """The store of an execution that the server describes."""
        first = described.raw_description.workflow_execution_info.first_run_id
        return cls(state, described.id, first or described.run_id, described.run_id)

    @cached_property
    def key(self) -> str:
        """Path of the execution below `executions`; also the mark of its processes."""
        return f"{slug(self.workflow_id)}/{self.run_id}"

    @cached_property
    def path(self) -> Path:
        """Folder of the execution."""
        return self.state.execution(self.key)

    def ref(self, *parts: str) -> str:
        """Name of a ref of this execution in its hub."""
        return execution_ref(self.workflow_id, self.run_id, *parts)

    def url_refs(self, url: str, prefix: str, gives_up: threading.Event | None = None) -> UrlRefs:
        """Its refs on a git URL, beneath a prefix; `gives_up`: ends what is under way once it is set."""
        hub = Hub.created(self.state.hub(url))
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = url_ref(prefix, self.workflow_id, self.run_id)
        return UrlRefs(hub, UrlGit(hub.path, url, gives_up), self.ref(), there, self.path / "url.lock")

    def own_url_refs(self) -> UrlRefs | None:
        """Its refs on the git URL that is its workspace; None where a directory is, or this host knows of none."""
        workspace = self.known_workspace()
        return self.url_refs(workspace.url, workspace.url_refs) if workspace and workspace.url else None

    @property
    def ledger(self) -> Path:
        """File of the execution's budget ledger; those of other hosts lie beside it."""
        return self.path / "agents" / "ledger.json"

    def attempt_key(self, task_id: str) -> str:
        """Mark of every process of a task of this execution."""
        return f"{self.key}/{self.run_key[:8]}/{slug(task_id)}"

    def keep_id(self) -> None:
        """Note the workflow id, by which a finder of the folder can look the execution up."""
        path = self.path / "id"
        if not path.is_file():
            write_atomically(path, self.workflow_id.encode())

    @classmethod
    def all(cls, state: StateDirectory) -> list[ExecutionStore]:
        """Every execution that has files in the state directory."""
        return [cls(state, path.read_text(), path.parent.name) for path in state.execution_ids()]

    @classmethod
    def with_remains(cls, state: StateDirectory) -> list[ExecutionStore]:
        """Executions, running or not, that have directories of attempts or an unfinished delivery."""
        return [each for each in cls.all(state) if (each.path / "attempts").is_dir() or each.has_half_delivery()]

    def hub(self) -> Hub | None:
        """The hub on this machine; None if the execution was prepared on another."""
        workspace = self.known_workspace()
        if workspace is None:
            return Hub.created(self.state.hub_without_workspace) if self.path.is_dir() else None
        hub = Hub(self.state.hub(workspace.place))
        return hub if hub.path.is_dir() else None

    def hub_at(self, path: str) -> Hub:
        """The hub that its workflow knows by a path."""
        return Hub(self.state.hub_at(path))

    def attempts(self) -> Path:
        """Folder of the directories of the current run's attempts."""
        return self.path / "attempts" / self.run_key[:8]

    def notes(self, task_id: str) -> Path:
        """File of the messages that people have sent to a task's agents in the current run."""
        return self.path / "notes" / self.run_key[:8] / f"{slug(task_id)}.jsonl"

    def keep_reads(self, task_id: str, paths: list[str]) -> None:
        """Note the paths that an agent was seen to read, in place of those of the task's earlier attempts."""
        path = self._reads(task_id)
        if paths or path.is_file():
            self.keep(str(path.relative_to(self.path)), json.dumps(paths).encode())

    def has_reads(self) -> bool:
        """Whether any agent was seen to read a file."""
        return self._reads_folder.is_dir()

    def reads(self, task_id: str) -> list[str]:
        """Paths that the task's agent was seen to read."""
        path = self._reads(task_id)
        found: list[str] = json.loads(path.read_bytes()) if path.is_file() else []
        return found

    @property
    def _reads_folder(self) -> Path:
        return self.path / "reads" / self.run_key[:8]

    def _reads(self, task_id: str) -> Path:
        return self._reads_folder / f"{slug(task_id)}.json"

    def work_in_progress(self) -> Path:
        """Folder where running attempts note what they have changed so far."""
        return self.path / "so-far" / self.run_key[:8]

    def remove(self) -> None:
        """Delete all files of the execution."""
        Trash(self.state.trash).take(self.path)
        with contextlib.suppress(OSError):
            # It is not empty while another execution of this id has files.
            self.path.parent.rmdir()

    @property
    def head_ref(self) -> str:
        """Ref of the current run's head: an earlier run that is still active moves only its own."""
        return self.ref("heads", self.run_key)

    def log(self, name: str) -> Path:
        """File for the output of an agent or a command."""
        return self.path / "logs" / f"{name}.log"

    def attempt_log(self, task_id: str, attempt: int) -> Path | None:
        """Log of an attempt of a task; None where it printed nothing, or on another machine."""
        path = self.log(f"{slug(task_id)}.{attempt}")
        return path if path.is_file() and path.stat().st_size else None

    def workspace(self) -> Workspace:
        """The workspace as `prepare` has read it."""
        path = self.path / _WORKSPACE
        found = _workspace(path, path.stat().st_mtime_ns)
        return found.at_hub(self.state.hub(found.url)) if found.url is not None else found

    def known_workspace(self) -> Workspace | None:
        """The workspace; None where this host has not heard of one."""
        return self.workspace() if (self.path / _WORKSPACE).is_file() else None

    def refs(self, module: str = "") -> Path:
        """File of the user's packed refs at the start, for agents' repositories; `module`: path of a submodule."""
        return self.path / "packed-refs" / (slug(module) if module else "workspace")

    def submodules(self, hub: Hub) -> Submodules:
        """The submodules of the execution."""
        return Submodules(hub, self.base(), self.ref)

    def checkout_settings(self, module: str = "") -> list[str]:
        """Settings for an attempt's files: which are ignored, and how their content is stored.

        `module`: path of a submodule, for the files in it.
        """
        files = [f"core.excludesFile={self._exclude(module)}", f"core.attributesFile={self.path / 'attributes'}"]
        workspace = self.known_workspace()
        if workspace is None:
            return files
        return [*files, *(workspace.modules[module] if module else workspace).checkout_settings]

    def _exclude(self, module: str) -> Path:
        return self.path / (f"exclude-{slug(module)}" if module else "exclude")

    def base(self) -> str:
        """The commit that the execution started from."""
        return (self.path / "base").read_text()

    def keep_workspace(self, workspace: Workspace, base: str) -> None:
        """Note the workspace, and the commit that the execution starts from."""
        self.keep_id()
        write_atomically(self.path / "base", base.encode())
        if workspace.url is not None:
            nowhere: dict[str, Any] = {"large_objects": [], "filter_environment": {}}
            workspace = workspace.at_hub(Path()).model_copy(update=nowhere)
        self.keep(_WORKSPACE, workspace.model_dump_json().encode())
        workspace = self.workspace()
        write_atomically(self.path / "attributes", workspace.attributes.encode())
        for path, each in {"": workspace, **workspace.modules}.items():
            write_atomically(self._exclude(path), each.ignored.encode("utf-8", "surrogateescape"))
            write_atomically(self.refs(path), os.fsencode(borrowed_refs(each)))

    def keep(self, name: str, content: bytes) -> None:
        """Write a file of the execution; every host has it that works on one with a git URL as workspace."""
        write_atomically(self.path / name, content)
        if (hub := self.shared_hub()) is not None:
            hub_files.store(hub, self.ref(FILES, name), content)

    def share_ledger(self) -> None:
        """Have other hosts know what this one has spent on models."""
        if not self.ledger.is_file() or (hub := self.shared_hub()) is None:
            return
        with file_lock.exclusive(self.ledger.with_suffix(".lock")):
            ref = self.ref(FILES, _LEDGERS, f"{host_name(self.state)}.json")
            hub_files.store(hub, ref, self.ledger.read_bytes())

    def keep_reachable(self, commit: str) -> None:
        """Give a commit that no ref reaches one, where another host may be the next to work with it."""
        if (hub := self.shared_hub()) is not None:
            hub.update_ref(self.ref("reachable", commit), commit)

    def take_over(self, hub: Hub, refs: Mapping[str, str]) -> None:
        """Write the files that another host has kept: commits by ref, each without the execution's prefix."""
        files = {name.removeprefix(f"{FILES}/"): commit for name, commit in refs.items() if name.startswith(FILES)}
        for name, content in hub_files.read(hub, files).items():
            write_atomically(self.path / name, content)

    def shared_hub(self) -> Hub | None:
        """The hub, where a git URL is the workspace."""
        workspace = self.known_workspace()
        return self.hub() if workspace and workspace.url else None

    def has_half_delivery(self) -> bool:
        """Whether there is a delivery journal that can still be undone without the user."""
        return (self.path / "apply/journal.json").is_file() and not (self.path / "apply/blocked").is_file()

    def keep_blocked(self) -> None:
        """Note that only the user can finish the undo, so that nobody tries again."""
        write_atomically(self.path / "apply/blocked", b"")

    def keep_results(self, document: dict[str, Any]) -> None:
        """Keep the result document before its sources are removed."""
        write_atomically(self.state.result(self.key), json.dumps(document).encode())

    def kept_results(self) -> dict[str, Any]:
        """The result document that was kept; empty if none was."""
        path = self.state.result(self.key)
        found: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
        return found

    def keep_delivered(self, branch: str, head: str) -> None:
        """Note a branch before it is created: only our own branch, at our commit, is ever taken back."""
        self.keep("delivered", f"{branch}\n{head}".encode())

    def delivered(self) -> tuple[str, str] | None:
        """The delivered branch and its commit; None without one."""
        path = self.path / "delivered"
        branch, _, head = path.read_text().partition("\n") if path.is_file() else ("", "", "")
        return (branch, head) if branch else None

    def keep_conflict(self, commit: str, detail: dict[str, Any]) -> None:
        """Keep the hunks of a conflict, which are too large for the history."""
        self.keep(f"conflicts/{commit}.json", json.dumps(detail).encode())

    def conflict(self, commit: str | None) -> dict[str, Any]:
        """The hunks of a conflict; empty without any."""
        path = self.path / "conflicts" / f"{commit}.json"
        found: dict[str, Any] = json.loads(path.read_bytes()) if commit and path.is_file() else {}
        return found
