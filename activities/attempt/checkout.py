"""Fill the directory of an attempt: from the hub, or by one that is as good as new, or that was left at work."""

from __future__ import annotations

from activities.attempt.directory import READY, AttemptDirectory, made_at
from activities.attempt.worktree_pool import NotReusable, bare
from activities.conflicts.textual.resolve import resolved_tree
from activities.git.submodules.picked import line_of
from activities.git.tree import WorkTree
from activities.state.execution_store import write_atomically
from activities.system.directories import Trash
from epw.core import failures
from epw.core.errors import GitError, TaskFailed

_MAX_RACES = 100


def fill(directory: AttemptDirectory, *, keeps_state: bool = False) -> bool:
    """Make and fill it; False where it is the one that waited, or that a dead worker left.

    `keeps_state`: its agent goes on in the tree as it was.
    """
    run = directory.run
    if run.resume is not None and directory.tries == 1 and directory.tree.is_dir():
        return False
    goes_on = keeps_state and directory.tries > 1
    if goes_on and _take_over(directory):
        return False
    checkpoint = _last_checkpoint(directory) if goes_on else None
    directory.remove()
    directory.execution.keep_id()
    _make_private_folders(directory)
    # The tree that waited is lost: go on from what was saved of it.
    start = _start(directory, checkpoint or (run.resume.commit if run.resume else None))
    if start is None or not _take_spare(directory):
        directory.tree.mkdir(mode=0o700)
    if start is not None:
        write_atomically(directory.path / "start", start.encode())
        directory.work_tree.check_out(start)
    return True


def _make_private_folders(directory: AttemptDirectory) -> None:
    """Again while another attempt that ends removes the folders above, empty as they are."""
    for folder in (directory.path / "home", directory.path / "tmp"):
        for left in reversed(range(_MAX_RACES)):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                break
            except FileNotFoundError:
                if not left:
                    raise


def _start(directory: AttemptDirectory, saved: str | None) -> str | None:
    """What the directory is filled from."""
    base, both = directory.run.base, directory.both_sides
    if saved or base is None or both is None:
        return saved or base
    relocked = directory.run.dispute.relock if directory.run.dispute else []
    merged = both.merged
    tree = resolved_tree(directory.hub, merged, "merge", relocked) if relocked and not merged.clean else both.tree
    if tree is None:
        told = f"more than {', '.join(relocked)} has come to be in the way"
        raise TaskFailed(failures.RELOCK_FAILED, told, final=True)
    other = directory.run.dispute.commit if directory.run.dispute else None
    lines = line_of(directory.hub, other) if other else ""
    return directory.hub.commit(tree, [base], f"both sides\n\n{lines}", None, 0)


def _take_over(directory: AttemptDirectory) -> bool:
    """Have the directory of the try before this one: by another name, so that a frozen worker loses it."""
    own = made_at(directory.own_key)
    for each in reversed(directory.siblings()):
        # Of this very attempt and round: an earlier round may have begun elsewhere.
        is_same = made_at(each.name)[:2] == own[:2]
        if is_same and (each / READY).is_file() and made_at(each.name) < own:
            each.rename(directory.path)
            return True
    return False


def _last_checkpoint(directory: AttemptDirectory) -> str | None:
    """What was saved of this attempt by a try before this one."""
    run = directory.run
    for tries in range(directory.tries - 1, 0, -1):
        if commit := directory.hub.resolve(directory.saved_ref(f"{run.attempt}.{run.round}.{tries}")):
            return commit
    return None


def _take_spare(directory: AttemptDirectory) -> bool:
    """Have the bare directory of an attempt that ended cleanly, if there is one."""
    spare, own, trash = directory.path / "spare", directory.work_tree, Trash(directory.execution.home)
    if not directory.spares.take(spare):
        return False
    try:
        own.take_over(WorkTree(directory.hub, spare / "tree", spare / "index", own.settings))
        bare(own)
    except (NotReusable, OSError, GitError):
        trash.take(directory.tree)
        own.fresh_index.unlink(missing_ok=True)
        return False
    finally:
        trash.take(spare)
    return True
