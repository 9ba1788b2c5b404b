"""What an attempt that was to bring two sides together has left as it was."""

from __future__ import annotations

import contextlib

from activities.agents.base import Work
from activities.attempt import AttemptDirectory
from activities.git.command import shown
from activities.limits.beneath import Beneath

_MOST_BYTES = 16 * 1024 * 1024
_MOST_NAMED = 10


def unmerged(work: Work) -> list[str]:
    """Files that the agent was to merge and in which both sides still stand, or that nobody can read."""
    left = []
    if work.disputed:
        with Beneath.opened(work.tree) as beneath:
            for path in work.disputed:
                try:
                    lines = beneath.read(path, _MOST_BYTES).splitlines()
                except FileNotFoundError:
                    continue
                except OSError:
                    left.append(shown(path))
                    continue
                if any(line.startswith(b"<<<<<<< ") for line in lines):
                    left.append(shown(path))
    return left[:_MOST_NAMED]


def as_before(work: Work, directory: AttemptDirectory | None) -> list[str]:
    """Generated files that were to be made anew, and are what the directory began with."""
    left = []
    if directory is not None and work.dispute is not None and work.dispute.relock:
        with Beneath.opened(work.tree) as beneath, contextlib.suppress(OSError):
            for path in work.dispute.relock:
                if beneath.read(path, _MOST_BYTES) == directory.hub.file(directory.start, path):
                    left.append(path)
    return left
