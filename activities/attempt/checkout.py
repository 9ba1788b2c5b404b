"""Check out the directory of an attempt: from the hub, from the pool, or from a lost worker's directory."""

from __future__ import annotations

import os
from pathlib import Path

from activities.attempt.directory import READY, AttemptDirectory, age_key
from activities.attempt.unsaved import remove_attempt
from activities.attempt.worktree_pool import NotReusable, clean_to_index
from activities.conflicts.textual.resolve import resolved_tree
from activities.git.repository_view import read_plain
from activities.git.submodules.agent_pointers import record_trailer
from activities.git.work_tree import WorkTree
from activities.system.atomic_write import write_atomically
from activities.system.directories import Trash
from epw.core import failures
from epw.core.errors import GitError, TaskFailed

_MAX_RACES = 100


def check_out(directory: AttemptDirectory, *, keeps_state: bool = False) -> bool:
    """Make the directory; False where the agent goes on in one that is there: it waited, or its worker died.

    `keeps_state`: the backend can go on in the tree that a dead worker left.
    """
    run = directory.run
    is_there = directory.tree.is_dir() and not _was_moved(directory, directory.path)
    if run.resume is not None and directory.activity_attempt == 1 and is_there:
        directory.mark_unsaved()
        return False
    adopts = keeps_state and directory.activity_attempt > 1
    if adopts and _adopt(directory):
        return False
    checkpoint = _last_checkpoint(directory) if adopts else None
    directory.findings.before = remove_attempt(directory).kept
    directory.execution.keep_id()
    _make_private_folders(directory)
    # Where the tree that waited is lost, the attempt goes on from its saved change.
    start = _start(directory, checkpoint or (run.resume.commit if run.resume else None))
    if start is None or not _reuse_worktree(directory):
        directory.tree.mkdir(mode=0o700)
    if start is not None:
        write_atomically(directory.path / "start", start.encode())
        directory.work_tree.check_out(start)
    return True


def _make_private_folders(directory: AttemptDirectory) -> None:
    """Make `home` and `tmp`; retried where an attempt that ends removes the folders above because they are empty."""
    for folder in (directory.path / "home", directory.path / "tmp"):
        for left in reversed(range(_MAX_RACES)):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                break
            except FileNotFoundError:
                if not left:
                    raise


def _start(directory: AttemptDirectory, saved: str | None) -> str | None:
    """The commit to check out; None: an empty directory. `saved`: the change of the run that this one goes on from."""
    base, both = directory.run.base, directory.both_sides
    if saved or base is None or both is None:
        return saved or base
    relocked = directory.run.dispute.relock if directory.run.dispute else []
    merged = both.merged
    tree = resolved_tree(directory.hub, merged, "merge", relocked) if relocked and not merged.clean else both.tree
    if tree is None:
        message = f"more than {', '.join(relocked)} conflicts by now"
        raise TaskFailed(failures.RELOCK_FAILED, message, final=True)
    other = directory.run.dispute.commit if directory.run.dispute else None
    lines = record_trailer(directory.hub, other) if other else ""
    return directory.hub.commit(tree, [base], f"both sides\n\n{lines}", None, 0)


def _adopt(directory: AttemptDirectory) -> bool:
    """Rename the directory of an earlier activity attempt to this one's, so that a frozen worker loses it."""
    own = age_key(directory.own_key)
    for each in reversed(directory.siblings()):
        # Only of the same attempt and resume: an earlier one may have started from another commit.
        is_same = age_key(each.name)[:2] == own[:2] and not _was_moved(directory, each)
        if is_same and (each / READY).is_file() and age_key(each.name) < own:
            each.rename(directory.path)
            directory.mark_unsaved()
            return True
    return False


def _was_moved(directory: AttemptDirectory, at: Path) -> bool:
    """Whether the state directory has another path than when a directory was made: its `.git` borrows from nowhere."""
    objects = str(directory.hub.path / "objects")
    borrowed = read_plain(at / "tree/.git/objects/info/alternates") or b""
    first = os.fsdecode(borrowed.partition(b"\n")[0])
    return first != objects and Path(first).parts[-2:] == Path(objects).parts[-2:]


def _last_checkpoint(directory: AttemptDirectory) -> str | None:
    """The newest checkpoint of this attempt by an earlier activity attempt."""
    run = directory.run
    for number in range(directory.activity_attempt - 1, 0, -1):
        if commit := directory.hub.resolve(directory.saved_ref(f"{run.attempt}.{run.round}.{number}")):
            return commit
    return None


def _reuse_worktree(directory: AttemptDirectory) -> bool:
    """Take a directory from the pool, cleaned; False where there is none that can be used."""
    pooled, own, trash = directory.path / "spare", directory.work_tree, Trash(directory.execution.state.trash)
    if not directory.pool.acquire(pooled):
        return False
    try:
        own.adopt(WorkTree(directory.hub, pooled / "tree", pooled / "index", own.settings))
        clean_to_index(own)
    except (NotReusable, OSError, GitError):
        trash.take(directory.tree)
        own.fresh_index.unlink(missing_ok=True)
        return False
    finally:
        trash.take(pooled)
    return True
