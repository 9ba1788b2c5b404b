"""Unsaved work: changes of agents whose attempt ended without saving them, since their worker died or was stopped.

Each is saved before its directory is removed, as the attempt's commit; a directory that cannot be saved stays.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from activities.attempt.agent_repository import left_behind
from activities.attempt.directory import UNSAVED, AttemptDirectory, UnsavedRecord
from activities.processes.process_tree import end_marked
from activities.state.execution_store import ExecutionStore
from activities.system import file_lock
from activities.system.directories import Trash
from epw.core.errors import GitError, TaskFailed

_MAX_REASON = 200
_log = logging.getLogger(__name__)


@dataclass
class Remains:
    """What became of the unsaved work of ended attempts."""

    saved: list[str] = field(default_factory=list)
    """Tasks whose changes the hub has now."""
    kept: list[str] = field(default_factory=list)
    """A sentence for each directory that could not be saved, and is still there."""

    def sentences(self, execution: ExecutionStore) -> list[str]:
        """What a person is to know."""
        names, command = ", ".join(dict.fromkeys(self.saved)), shlex.join(["epw", "salvage", execution.workflow_id])
        return [*self.kept, *([f"the unfinished work of {names} is saved: {command}"] if names else [])]

    def told(self, execution: ExecutionStore) -> None:
        """Tell it in the worker's log."""
        for sentence in self.sentences(execution):
            _log.warning("%s: %s", execution.workflow_id, sentence)


def unsaved(execution: ExecutionStore) -> Iterator[tuple[str, Path]]:
    """Task and directory of each attempt, running or not, whose change is not saved yet."""
    for folder in _unsaved_folders(execution):
        try:
            yield UnsavedRecord.read(folder).run.task_id, folder
        except (OSError, ValueError):
            yield folder.parent.name, folder


def remove_attempt(directory: AttemptDirectory) -> Remains:
    """Remove the directory of an attempt and those of earlier ones, the unsaved work in them saved. Blocking."""
    remains = Remains()
    for each in directory.up_to_own():
        if (each / UNSAVED).exists():
            _save(directory.execution, each, remains)
    directory.remove()
    remains.told(directory.execution)
    return remains


def remove_attempts(execution: ExecutionStore, *, is_awaited: bool = False) -> Remains:
    """Remove the directories of all attempts of an execution that has ended, unsaved work in them saved. Blocking.

    `is_awaited`: somebody waits for the end of the execution; their files are deleted behind it.
    """
    remains, top = Remains(), execution.path / "attempts"
    for stream in execution.log("*").parent.glob("*.stream"):
        # What a killed worker had begun to read.
        stream.unlink(missing_ok=True)
    if not top.is_dir():
        return remains
    with file_lock.exclusive(execution.path / "attempts.lock"):
        for folder in list(_unsaved_folders(execution)):
            _save(execution, folder, remains)
        trash = Trash(execution.state.trash)
        if not remains.kept:
            trash.take(top, is_awaited=is_awaited)
            return remains
        for folder in top.glob("*/*/*"):
            if not (folder / UNSAVED).exists():
                trash.take(folder)
    return remains


def _unsaved_folders(execution: ExecutionStore) -> Iterator[Path]:
    return (path.parent for path in sorted((execution.path / "attempts").glob(f"*/*/*/{UNSAVED}")))


def _save(execution: ExecutionStore, folder: Path, remains: Remains) -> None:
    """Save the change in a directory, to which nobody may write any more, and note what became of it."""
    task = folder.parent.name
    try:
        record = UnsavedRecord.read(folder)
        task = record.run.task_id
        directory = record.directory(execution, folder)
        end_marked(directory.marker)
        if directory.tree.is_symlink() or not directory.tree.is_dir():
            # The agent has removed it: there is nothing to save.
            directory.mark_saved()
            return
        at = int((folder / UNSAVED).stat().st_mtime)
        commit, _ = directory.save(at)
        lefts = left_behind(directory, commit, at, _withheld)
        directory.mark_saved()
    except (TaskFailed, GitError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:_MAX_REASON]
        remains.kept.append(f"the unfinished work of {task} could not be saved ({reason}) and is kept in {folder}")
        return
    if commit is not None or any(each.commit for each in lefts):
        remains.saved.append(task)


def _withheld(_: str) -> str:
    """In place of a name that an agent has chosen: the secrets that it may hold are not known here."""
    return "(its name is not kept)"
