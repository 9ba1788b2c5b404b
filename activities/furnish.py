"""Fill an attempt's directory: the checkout, the plan's `include`, its `setup`, a private repository."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from activities.agents.base import Work
from activities.agents.command import ended, last_output, run_shell
from activities.attempt import AttemptDirectory
from activities.git.tree import WorkTree
from activities.heartbeat import in_thread
from workflows.errors import TaskFailed

_LOCK_POLL_SECONDS = 0.05


async def furnish(directory: AttemptDirectory, work: Work) -> None:
    """Make the directory ready for its agent; one that waited for an answer is left as it is.

    Raises `TaskFailed` (`SetupFailed`) where the plan's `setup` fails.
    """
    if not await in_thread(directory.make):
        return
    if directory.run.base is None:
        await _run_setup(work)
        return
    workspace = directory.execution.workspace()
    await in_thread(_copy_included, work.plan.include, Path(workspace.path), work.tree)
    await _set_up(work, directory.work_tree, directory.execution.home / "setups", directory.execution.base())
    await in_thread(directory.open_to_agent)


def _copy_included(paths: list[str], workspace: Path, tree: Path) -> None:
    """Copy the plan's `include` paths (ignored by git) from the workspace, as they are now."""
    for name in paths:
        if os.path.lexists(workspace / name):
            _copy_path(workspace / name, tree / name)


async def _run_setup(work: Work) -> None:
    if work.plan.setup is None:
        return
    code = await run_shell(work, work.plan.setup)
    if code != 0:
        raise TaskFailed("SetupFailed", f"setup {ended(code)}{last_output(work)}")


async def _set_up(work: Work, work_tree: WorkTree, store: Path, base: str) -> None:
    """Run `setup`, or copy what it made for this base before; one attempt runs it, others wait."""
    if work.plan.setup is None:
        return
    settings = json.dumps([base, work.plan.setup, work.plan.env], sort_keys=True)
    made = store / hashlib.sha256(settings.encode()).hexdigest()[:32]
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with _locked(made.with_suffix(".lock")):
        if made.is_dir():
            await in_thread(_copy_path, made, work.tree)
            return
        await _run_setup(work)
        await in_thread(_keep, work_tree, made)


def _copy_path(source: Path, target: Path) -> None:
    """Copy a file, link or directory, over what is there, with modes and times; links stay links."""
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)


def _keep(work_tree: WorkTree, made: Path) -> None:
    unfinished = made.with_suffix(".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for name in work_tree.not_as_checked_out():
        _copy_path(work_tree.path / name, unfinished / name)
    unfinished.rename(made)


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    with open(path, "a") as lock:
        # Not in a thread: those who wait would leave none for the one who works.
        while not _taken(lock):  # noqa: ASYNC110 (other processes hold it too)
            await asyncio.sleep(_LOCK_POLL_SECONDS)
        yield


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
