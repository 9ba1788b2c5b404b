"""The directory of one attempt: where it lies, how its change is saved, and how it is removed.

`tree` belongs to the agent, `home` and `tmp` are private to it; the index of our git and our records lie beside.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

from activities.attempt.merge_directory import BothSides
from activities.attempt.nested_repositories import Findings, Repositories
from activities.attempt.worktree_pool import WorktreePool
from activities.conflicts.textual.encoded_files import FilterDrivers
from activities.git.changes import changed_paths
from activities.git.hub import Hub
from activities.git.merge import carry_over
from activities.git.save_tree import save_tree
from activities.git.task_commits import trailers
from activities.git.work_tree import WorkTree
from activities.state.execution_store import ExecutionStore
from activities.state.outcome_log import keep_outcome, kept_outcome
from activities.system.atomic_write import write_atomically
from activities.system.directories import Trash
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.messages import Saved, TaskOutcome, TaskRun
from epw.core.naming import slug
from epw.core.plan.parts import Message

READY = "ready"
"""File of a directory that is complete, so that a later activity attempt may adopt it."""
UNSAVED = "unsaved"
"""File of a directory that an agent has, and whose change is not in the hub yet: an `UnsavedRecord`."""


@dataclass(frozen=True)
class AttemptDirectory:
    """One directory; its files may not exist yet, or not any more."""

    execution: ExecutionStore
    run: TaskRun
    activity_attempt: int
    keeps_work: bool = True
    """Whether changes in it are an agent's work, which is saved before the directory goes."""
    findings: Findings = field(default_factory=Findings, compare=False, repr=False)
    """Findings of the last `save`."""
    _saving: Lock = field(default_factory=Lock, compare=False, repr=False)

    @property
    def key(self) -> str:
        """Name of the directory: that of the run which this one resumes, else `own_key`."""
        return self.run.resume.directory if self.run.resume and self.activity_attempt == 1 else self.own_key

    @property
    def own_key(self) -> str:
        """Attempt, resumes and activity attempt: a worker that froze and wakes up never shares its successor's."""
        return f"{self.run.attempt}.{self.run.round}.{self.activity_attempt}"

    @cached_property
    def path(self) -> Path:
        return self.execution.attempts() / slug(self.run.task_id) / self.key

    @property
    def tree(self) -> Path:
        return self.path / "tree"

    @property
    def marker(self) -> str:
        return f"{self.execution.attempt_key(self.run.task_id)}/{self.own_key}"

    @property
    def deaths(self) -> Path:
        """File that counts the workers that died under this task, since a person had it run again."""
        again = f"~{self.run.retries}" if self.run.retries else ""
        return self.execution.path / "deaths" / self.execution.run_key[:8] / f"{slug(self.run.task_id)}{again}"

    @property
    def pool(self) -> WorktreePool:
        return WorktreePool(self.execution.attempts() / ".spare", Trash(self.execution.state.trash))

    @property
    def work_tree(self) -> WorkTree:
        """The directory as it was checked out, with its submodules."""
        start = self.path / "start"
        if self.run.base is None or not start.is_file():
            return WorkTree(self.hub, self.tree, self.path / "index", self.execution.checkout_settings())
        return self.repositories.at_start()

    @property
    def repositories(self) -> Repositories:
        return Repositories(self.execution, self.hub, self.tree, self.path / "index", self.start)

    @property
    def start(self) -> str:
        """The commit from which the directory was checked out."""
        return (self.path / "start").read_text()

    @property
    def hub(self) -> Hub:
        """The hub of the workspace; without one a hub of its own, in which changes are saved all the same."""
        execution = self.execution
        return execution.hub_at(self.run.hub) if self.run.hub else Hub.created(execution.state.hub_without_workspace)

    def outcome(self) -> TaskOutcome | None:
        """The outcome that an earlier activity attempt has saved; None: none got that far."""
        names = map(self._outcome_name, range(self.activity_attempt - 1, 0, -1))
        found = next(filter(None, (kept_outcome(self.execution, name) for name in names)), None)
        return TaskOutcome.model_validate_json(found) if found else None

    def keep_outcome(self, outcome: TaskOutcome, *, survives_power_loss: bool = True) -> None:
        """Note the outcome; one that costs nothing to have again need not survive a power loss."""
        self.execution.keep_id()
        name, content = self._outcome_name(self.activity_attempt), outcome.model_dump_json().encode()
        keep_outcome(self.execution, name, content, survives_power_loss=survives_power_loss)

    def _outcome_name(self, activity_attempt: int) -> str:
        return f"{slug(self.run.task_id)}.{self.run.attempt}.{self.run.round}.{activity_attempt}"

    def siblings(self) -> list[Path]:
        """The existing directories of this task, oldest first."""
        try:
            return sorted(self.path.parent.iterdir(), key=lambda each: age_key(each.name))
        except FileNotFoundError:
            return []

    @cached_property
    def both_sides(self) -> BothSides | None:
        """The head and the task's earlier change, where the agent is to merge them; else None."""
        other, base = self._conflicting_change, self.run.base
        if not other or not base:
            return None
        return BothSides(self.hub, base, other, self.run.task_id, FilterDrivers.of(self.execution, self.hub))

    @property
    def _conflicting_change(self) -> str | None:
        return self.run.dispute.commit if self.run.dispute else None

    def saved_ref(self, key: str) -> str:
        """Ref of the saved change of an attempt of this task; `key`: see `own_key`."""
        return self.execution.ref("tasks", slug(self.run.task_id), self.execution.run_key[:8], key)

    def open_to_agent(self, *, was_changed: bool = False) -> None:
        """Record the state in which the agent gets the directory.

        `was_changed`: `setup` or `include` have added or changed files, which are not the agent's.
        """
        if was_changed:
            write_atomically(self.path / "ignored", json.dumps(self.work_tree.ignored()).encode())
            saved = save_tree(self.work_tree, self.start)
            if saved.failures:
                raise saved.failures[0]
            write_atomically(self.path / "start-tree", saved.tree.encode())
        self.mark_ready()

    def mark_ready(self) -> None:
        """Record that the directory is complete and an agent has it: see `READY`."""
        (self.path / READY).touch()
        self.mark_unsaved()

    def mark_unsaved(self) -> None:
        """Record that an agent has the directory: see `UNSAVED`."""
        if not self.keeps_work:
            return
        # Of what the attempt was told, nothing is needed to save it.
        untold: dict[str, Any] = {"task": None, "messages": [], "inputs": [], "answer": None, "after": None}
        run = self.run.model_copy(update=untold)
        record = UnsavedRecord(run_id=self.execution.run_key, activity_attempt=self.activity_attempt, run=run)
        write_atomically(self.path / UNSAVED, record.model_dump_json().encode())

    def mark_saved(self) -> None:
        """Record that the hub has what the agent changed, so that the directory may be removed."""
        (self.path / UNSAVED).unlink(missing_ok=True)

    def save(self, at: int, *, final: bool = True, keep: bool = True) -> tuple[str | None, list[str]]:
        """Save the change as one commit on the head it started from; returns it (None: no change) and its paths.

        `at`: time of the commit, epoch seconds. `final`: the agent has ended; what it made unreadable, and
        repositories that it made inside, are turned into plain files, and `findings` names what could not be saved.
        Not final: the tree is not touched; raises `TaskFailed` where not everything can be saved. `keep`: a ref of
        the attempt points to the commit from now on.
        """
        with self._saving, self.hub.in_use():
            commit, paths = self._save(at, final=final)
            if commit is not None and keep:
                self.hub.update_ref(self.saved_ref(self.own_key), commit)
            return commit, paths

    def _save(self, at: int, *, final: bool) -> tuple[str | None, list[str]]:
        hub, base = self.hub, self.run.base
        if self.tree.is_symlink() or not self.tree.is_dir():
            raise TaskFailed(failures.DIRECTORY_LOST, "the agent removed or replaced its directory")
        if final and not os.access(self.tree, os.R_OK | os.X_OK):
            self.work_tree.make_readable()
        if base is None and not any(self.tree.iterdir()):
            return None, []
        if base is None:
            base = hub.empty_commit()
        work_tree, record, found = self.work_tree, "", []
        if self.run.base is not None:
            repositories = self.repositories
            work_tree = repositories.current(base, opens=final)
            record, found = repositories.trailer(), repositories.failures
            if final:
                self.findings.agents, self.findings.picked = repositories.agents, repositories.picked
        saved = save_tree(work_tree, base, opens=final)
        tree, paths, found = saved.tree, saved.paths, [*found, *saved.failures]
        if found and not final:
            raise found[0]
        if final:
            self.findings.opened, self.findings.in_clear = saved.opened, saved.in_clear
            self.findings.failures, self.findings.work_tree = found, work_tree
        recorded = self.path / "start-tree"
        if recorded.is_file() and recorded.read_text() != hub.tree_of(self.start):
            tree = carry_over(hub, recorded.read_text(), tree, self.start)
            paths = changed_paths(hub, base, tree)
        if self.both_sides and (own := self.both_sides.without_side_files(tree)) != tree:
            tree, paths = own, changed_paths(hub, base, own)
        if not paths:
            return None, []
        lines = trailers(self.execution.workflow_id, self.run.task_id, self.run.attempt)
        message = f"{self.run.task_id}\n\n{lines}{record}"
        author = self.execution.workspace() if self.run.base else None
        merges = [self._conflicting_change] if self._conflicting_change and final else []
        return hub.commit(tree, [base, *merges], message, author, at), paths

    def ignored_by_agent(self) -> list[str]:
        """Ignored paths that were not there when the agent got the directory."""
        recorded = self.path / "ignored"
        before = json.loads(recorded.read_bytes()) if recorded.is_file() else []
        return [path for path in self.work_tree.ignored() if path not in before]

    def saved(self, commit: str | None) -> Saved:
        """Reference by which a later attempt goes on from the work of this one."""
        return Saved(directory=self.key, commit=commit, base=self.run.base)

    def recycle(self) -> Path | None:
        """Remove the directory of an attempt that left no process; returns where the pool has it, None: nowhere."""
        pooled = self.pool.release(self.path) if self.run.base is not None and self.tree.is_dir() else None
        self.remove()
        return pooled

    def discard(self, pooled: Path) -> None:
        """Delete a directory in the pool that no attempt has acquired."""
        self.pool.discard(pooled)
        self._remove_empty_folders()

    def remove(self) -> None:
        """Delete the directory and those of earlier attempts, except where their changes are not in the hub."""
        for each in self.up_to_own():
            if not (each / UNSAVED).exists():
                Trash(self.execution.state.trash).take(each)
        self._remove_empty_folders()

    def up_to_own(self) -> list[Path]:
        """The existing directories of this task that are not newer than this one."""
        # Never a later one: a worker that froze and wakes up would delete its successor's.
        return [each for each in self.siblings() if age_key(each.name) <= age_key(self.own_key)]

    def _remove_empty_folders(self) -> None:
        with contextlib.suppress(OSError):
            # They are not empty while another attempt has a directory.
            for folder in (self.path.parent, self.pool.folder):
                with contextlib.suppress(FileNotFoundError):
                    folder.rmdir()
            self.execution.attempts().rmdir()
            self.execution.attempts().parent.rmdir()


class UnsavedRecord(Message):
    """What is needed to save the change of an attempt without its worker."""

    run_id: str
    """Id of the run of the execution that the attempt belongs to."""
    activity_attempt: int
    run: TaskRun

    @classmethod
    def read(cls, folder: Path) -> UnsavedRecord:
        """The record of a directory; raises `OSError` or `ValueError`."""
        return cls.model_validate_json((folder / UNSAVED).read_bytes())

    def directory(self, execution: ExecutionStore, folder: Path) -> AttemptDirectory:
        """The directory that the record was read from, of whichever run of the execution."""
        of_run = replace(execution, current_run=self.run_id)
        found = AttemptDirectory(of_run, self.run, self.activity_attempt)
        # A worker that died as it adopted the directory has left its predecessor's record.
        return found if found.path == folder else AttemptDirectory(of_run, self.run, age_key(folder.name)[-1])


def age_key(key: str) -> list[int]:
    """Sort key of a directory's name: newer ones compare greater."""
    return [int(part) for part in key.split(".")]
