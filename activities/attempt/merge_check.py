"""Check of an attempt that was to merge two sides: no conflict markers, and generated files made again."""

from __future__ import annotations

import contextlib

from activities.attempt.attempt import Attempt
from activities.attempt.directory import AttemptDirectory
from activities.git.command import display_paths
from activities.system.rooted_dir import RootedDir
from epw.core import failures
from epw.core.errors import TaskFailed

_MAX_BYTES = 16 * 1024 * 1024


def check_merged(attempt: Attempt) -> None:
    """Raises `TaskFailed` where conflict markers remain, or a generated file is still that of one side."""
    marked = attempt.context.conflicting_paths
    generated = attempt.context.conflict.relock if attempt.context.conflict else []
    if not marked and not generated:
        return
    with RootedDir.opened(attempt.directory.tree) as tree:
        if found := [path for path in marked if _has_markers(tree, path)]:
            raise TaskFailed(
                failures.CONFLICT_MARKERS, f"conflict markers are left in {', '.join(display_paths(found))}"
            )
        if found := [path for path in generated if _is_unchanged(tree, path, attempt.directory)]:
            raise TaskFailed(
                failures.RELOCK_FAILED, f"the plan's `relock` left {', '.join(display_paths(found))} as one side had it"
            )


def _has_markers(tree: RootedDir, path: str) -> bool:
    """Whether a file has conflict markers; one that cannot be read counts as if it had."""
    try:
        lines = tree.read(path, _MAX_BYTES).splitlines()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return any(line.startswith(b"<<<<<<<") for line in lines)


def _is_unchanged(tree: RootedDir, path: str, directory: AttemptDirectory) -> bool:
    with contextlib.suppress(OSError):
        return tree.read(path, _MAX_BYTES) == directory.hub.file(directory.start, path)
    return False
