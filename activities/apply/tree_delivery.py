"""Delivery into a work tree: applied as a whole or not at all, and undone byte for byte.

New files are written beside the tree first (a full disk is noticed there); then each path is exchanged with its
successor by one atomic rename. Old files are kept, untouched, in our directory: undoing is renaming back, which needs
no space and restores content, mode, times and owner. Callers hold the hub's lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from activities.apply.atomic_rename import Identity, Name, beneath, directory, exchange, move
from activities.apply.journal import Folder, Journal
from activities.apply.plan import PathChange, Review, Target, differing, find_target, identities, obstacles, stage
from activities.apply.staging import planned
from activities.apply.undo import discard, remove_folder, undo, undo_command
from activities.git.command import display_path
from activities.git.hub import Hub
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from activities.system.atomic_write import sync_directory, write_durably
from activities.system.failpoints import failpoint
from activities.system.file_modes import user_umask
from epw.core.errors import GitError, Refused, UndoBlocked

STAGING_PREFIX = ".epw-"
_MAX_TRIES = 5
_POINTER = "applying"


class _ChangedMeanwhile(Exception):
    """The user changed a path after it was checked and before it was replaced."""


class TreeDelivery:
    """The delivery of one execution into its workspace."""

    def __init__(self, hub: Hub, workspace: Workspace, folder: Path, ref: str) -> None:
        """`folder`: for the journal; `ref`: keeps the snapshot of the workspace at the time of delivery."""
        self._hub = hub
        self._workspace = workspace
        self._root = Path(workspace.path)
        self._folder = folder
        self._ref = ref

    @classmethod
    def of(cls, execution: ExecutionStore, hub: Hub, head: str | None = None) -> TreeDelivery:
        """The delivery into the execution's workspace; `head`: the commit to be delivered."""
        workspace = execution.workspace()
        if head is not None:
            submodules = execution.submodules(hub)
            now = submodules.paths_at_start(submodules.lowered(head))
            known = {
                path: workspace.modules[old] if old else workspace.for_new_submodule() for path, old in now.items()
            }
            workspace = workspace.model_copy(update={"modules": {**workspace.modules, **known}})
        return cls(hub, workspace, execution.path / "apply", execution.ref("delivered-onto"))

    def apply(self, base: str, head: str, review: Review = lambda ours, theirs, tree: None) -> list[str]:
        """Apply the change from `base` to `head` to the work tree; returns the changed paths. Idempotent.

        Raises `Refused`, with the workspace as it was, if that is impossible; `review` sees the merge with what the
        user has changed.
        """
        finish_interrupted(self._hub)
        done = Journal.read(self._folder)
        if done is not None and done.applied and (done.base, done.head) == (base, head):
            return [step.path for step in done.steps]
        if done is not None:
            self._start_over(done)
        for _ in range(_MAX_TRIES):
            excludes = f"{self._workspace.ignored}\n/{STAGING_PREFIX}*/\n"
            try:
                target = find_target(self._hub, self._workspace, base, head, self._ref, excludes, review)
            except (OSError, GitError) as error:
                raise Refused(_message(error)) from None
            failpoint("deliver.checked")
            journal = self._new_journal(base, head)
            try:
                return self._apply(journal, target)
            except _ChangedMeanwhile:
                self._give_up(journal)
            except (OSError, GitError) as error:
                self._give_up(journal)
                raise Refused(_message(error)) from None
            except BaseException:
                self._give_up(journal)
                raise
        raise Refused("the workspace changed again and again while it was delivered to")

    def undo(self) -> None:
        """Restore the work tree; raises `UndoBlocked`, with commands, for paths that the user has changed since."""
        journal = Journal.read(self._folder)
        if journal is None:
            return
        undo(journal)
        self._forget(journal, undone=True)

    def commands(self) -> list[str]:
        """Commands that undo the whole journal by hand."""
        journal = Journal.read(self._folder)
        return [undo_command(journal, step) for step in journal.steps] if journal else []

    def clean_up(self) -> None:
        """Remove what would undo the delivery, which is final now."""
        journal = Journal.read(self._folder)
        if journal is not None:
            self._forget(journal)

    def _apply(self, journal: Journal, target: Target) -> list[str]:
        if not target.changes:
            return []
        staging = journal.staging_path
        # Noted before anything is created: whatever happens next, it will be found and removed.
        journal.write(self._folder)
        write_durably(self._hub.path / _POINTER, os.fsencode(self._folder))
        staging.mkdir(mode=0o700)
        (staging / "tree").mkdir()
        stage(self._hub, self._workspace, target, staging / "tree")
        with directory(self._root) as root, directory(staging) as aside:
            present = identities(root, target.changes)
            self._check(target.changes, present)
            journal = planned(journal, target.changes, present, root, aside)
            sync_directory(staging)
            journal.write(self._folder)
            failpoint("deliver.journaled")
            _change(journal, root, aside)
            failpoint("deliver.changed")
            for step in journal.steps:
                if step.before is not None and Name(aside, str(step.number)).identity() != step.before:
                    raise _ChangedMeanwhile
        _sync(self._root, journal)
        Journal(**{**vars(journal), "applied": True}).write(self._folder)
        (self._hub.path / _POINTER).unlink(missing_ok=True)
        failpoint("deliver.applied")
        return [step.path for step in journal.steps]

    def _new_journal(self, base: str, head: str) -> Journal:
        status = os.stat(self._root)
        root = Folder(".", status.st_mode & 0o7777, status.st_mtime_ns, status.st_uid, status.st_gid)
        return Journal(str(self._root), f"{STAGING_PREFIX}{os.urandom(6).hex()}", base, head, folders=[root])

    def _check(self, changes: list[PathChange], present: list[Identity | None]) -> None:
        blocked = obstacles(self._root, changes, present)
        if blocked:
            names = ", ".join(display_path(path) for path in blocked[:5])
            raise Refused(f"in the way, and not known to git: {names}; move it, then retry")
        missing = [change.path for change, identity in zip(changes, present, strict=True) if identity is None]
        changed = [path for path in differing(self._hub, self._workspace, changes) if path not in missing]
        if changed:
            # Either git was told to overlook these paths, or the user has just changed them.
            if self._workspace.kind == "git" and self._workspace.overlooks_any(changed):
                names = ", ".join(display_path(path) for path in changed[:5])
                raise Refused(f"git is told to overlook changes of {names} (assume-unchanged), and they differ")
            raise _ChangedMeanwhile

    def _start_over(self, done: Journal) -> None:
        """Undo an interrupted delivery; what the user has changed since stays, and is merged onto."""
        with contextlib.suppress(UndoBlocked):
            undo(done)
        self._forget(done, undone=True)

    def _give_up(self, journal: Journal) -> None:
        written = Journal.read(self._folder)
        if written is not None:
            undo(written)
        self._forget(journal, undone=True)

    def _forget(self, journal: Journal, *, undone: bool = False) -> None:
        discard(journal, self._folder, undone=undone)
        (self._hub.path / _POINTER).unlink(missing_ok=True)


def finish_interrupted(hub: Hub) -> None:
    """Undo a delivery that a crash interrupted, of any execution: the hub's lock keeps out running ones."""
    pointer = hub.path / _POINTER
    try:
        folder = Path(pointer.read_text())
    except FileNotFoundError:
        return
    journal = Journal.read(folder)
    if journal is not None and not journal.applied:
        # What cannot be undone is reported by its own execution, whose journal stays.
        with contextlib.suppress(UndoBlocked):
            undo(journal)
            discard(journal, folder, undone=True)
    pointer.unlink(missing_ok=True)


def _change(journal: Journal, root: int, aside: int) -> None:
    """Carry out the steps: deletions, directories, then new and changed files."""
    for step in journal.steps:
        if step.after is None and step.before is not None:
            with _at(root, step.path) as name:
                move(name, Name(aside, str(step.number)))
                failpoint("deliver.step")
    # Directories that became empty are removed, as git does it; those that a file replaces must be.
    emptied = _parents(step.path for step in journal.steps if step.after is None)
    emptied -= _parents(step.path for step in journal.steps if step.after is not None)
    replaced = {step.path for step in journal.steps if step.after is not None and step.before is None}
    for folder in reversed(journal.folders):
        parents = {folder.path, *map(str, PurePosixPath(folder.path).parents)}
        if folder.path != "." and (folder.path in emptied or parents & replaced):
            remove_folder(root, folder.path)
    for path in journal.made:
        with _at(root, path) as name:
            os.mkdir(name.name, dir_fd=name.directory)
            made = os.open(name.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=name.directory)
            try:
                os.fchmod(made, 0o777 & ~user_umask())
            finally:
                os.close(made)
    for step in journal.steps:
        if step.after is None:
            continue
        with _at(root, step.path) as name:
            ours = Name(aside, str(step.number))
            try:
                exchange(ours, name) if step.before else move(ours, name)
            except (FileNotFoundError, FileExistsError):
                raise _ChangedMeanwhile from None
            failpoint("deliver.step")


def _parents(paths: Iterable[str]) -> set[str]:
    return {str(parent) for path in paths for parent in PurePosixPath(path).parents}


@contextlib.contextmanager
def _at(root: int, path: str) -> Iterator[Name]:
    with beneath(root, path) as name:
        if name is None:
            raise _ChangedMeanwhile
        try:
            yield name
        except OSError as error:
            # Reported with the user's path, not with ours.
            raise OSError(error.errno, error.strerror, display_path(path)) from None


def _sync(root: Path, journal: Journal) -> None:
    for path in dict.fromkeys([*journal.made, *(folder.path for folder in journal.folders)]):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            sync_directory(root / path)


def _message(error: OSError | GitError) -> str:
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "No space left" in str(error):
        return "DiskFull: no space left for the new files beside the workspace; free some, then retry"
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename or 'the workspace'}"
    return " ".join(str(error).replace("\0", " ").split())[:500]
