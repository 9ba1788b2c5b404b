"""What an attempt that was to bring two sides together has left as it was."""

from __future__ import annotations

import contextlib

from activities.agents.base import Work
from activities.attempt.directory import AttemptDirectory
from activities.git.command import named
from activities.system.rooted_dir import RootedDir
from epw.core import failures
from epw.core.errors import TaskFailed
from epw.core.messages import MergeContext

_MAX_BYTES = 16 * 1024 * 1024


def check_merged(work: Work, dispute: MergeContext, directory: AttemptDirectory) -> None:
    """Raises `TaskFailed` for an attempt that has left a side out, or both in."""
    if not work.disputed and not dispute.relock:
        return
    with RootedDir.opened(work.tree) as beneath:
        if left := [path for path in work.disputed if _holds_markers(beneath, path)]:
            raise TaskFailed(failures.CONFLICT_MARKERS, f"conflict markers are left in {', '.join(named(left))}")
        if left := [path for path in dispute.relock if _is_as_before(beneath, path, directory)]:
            raise TaskFailed(
                failures.RELOCK_FAILED, f"the plan's `relock` left {', '.join(named(left))} as one side had it"
            )


def _holds_markers(beneath: RootedDir, path: str) -> bool:
    """Whether both sides still stand in a file; one that nobody can read is taken to hold them."""
    try:
        lines = beneath.read(path, _MAX_BYTES).splitlines()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return any(line.startswith(b"<<<<<<<") for line in lines)


def _is_as_before(beneath: RootedDir, path: str, directory: AttemptDirectory) -> bool:
    with contextlib.suppress(OSError):
        return beneath.read(path, _MAX_BYTES) == directory.hub.file(directory.start, path)
    return False
