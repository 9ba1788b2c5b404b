"""Limits around the work of an agent: time, resources, and which errors are the agent's own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
from collections.abc import Awaitable, Callable
from typing import Any

from activities.agents.base import AgentOutcome
from activities.attempt.attempt import Attempt
from activities.system.concurrency import in_thread, uninterrupted
from epw.core import failures
from epw.core.errors import TaskFailed

_MIN_FREE_BYTES = 64 * 1024


async def within_limits(attempt: Attempt, work: Callable[[], Awaitable[AgentOutcome]]) -> AgentOutcome | TaskFailed:
    """Run the work until it ends or a limit is broken; returns its outcome or its failure."""
    backend, guard = attempt.backend, attempt.launcher.guard
    working = asyncio.ensure_future(_judged(attempt, work))
    broken = guard.broken if guard is not None else None
    # Backends that keep state measure their time over all runs of an attempt themselves.
    seconds = None if backend.keeps_state or backend.simulated else attempt.context.max_seconds
    try:
        either: list[asyncio.Future[Any]] = [working, *([broken] if broken is not None else [])]
        await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if guard is not None:
            # A process may have been ended by its limit: look before the agent gets the blame.
            await in_thread(guard.sample)
            await asyncio.sleep(0)
        if broken is not None and broken.done():
            return broken.result()
        if working.done():
            return working.result()
        return attempt.context.out_of_time()
    finally:
        if not working.done():
            # Cancelled, it gives its processes a signal and a moment to clean up.
            working.cancel()
            await uninterrupted(asyncio.wait([working]))


async def _judged(attempt: Attempt, work: Callable[[], Awaitable[AgentOutcome]]) -> AgentOutcome | TaskFailed:
    try:
        return await work()
    except TaskFailed as error:
        full = is_disk_full(error) or _has_no_space(attempt)
        return TaskFailed(failures.DISK_FULL, str(error)) if full else error
    except (OSError, ValueError) as error:
        # Caused by the agent (its directory is gone, its variables are too long), not by the infrastructure.
        kind = failures.DISK_FULL if is_disk_full(error) else failures.AGENT_ERROR
        return TaskFailed(kind, f"{type(error).__name__}: {error}")


def is_disk_full(error: Exception) -> bool:
    return (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in str(error)


def _has_no_space(attempt: Attempt) -> bool:
    """Whether the disk of the attempt is full, so that the agent's own message could not be written."""
    tree = attempt.directory.tree
    with contextlib.suppress(OSError):
        return tree.is_dir() and shutil.disk_usage(tree).free < _MIN_FREE_BYTES
    return False
