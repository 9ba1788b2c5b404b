"""Fill an attempt's directory: the checkout, the plan's `include`, its `setup`, a private repository."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO

from activities.agents.base import Work
from activities.agents.command import ended, last_output, run_shell
from activities.agents_git import add_repositories
from activities.attempt import AttemptDirectory
from activities.directories import remove, walk
from activities.fill import fill
from activities.git.tree import WorkTree
from activities.uninterrupted import in_thread
from workflows.errors import TaskFailed

_LOCK_POLL_SECONDS = 0.05
_HOOKS = ".git/hooks"


async def furnish(directory: AttemptDirectory, work: Work, *, keeps_state: bool = False) -> None:
    """Make the directory ready for its agent; one that waited for an answer is left as it is.

    Raises `TaskFailed` (`SetupFailed`) where the plan's `setup` fails.
    """
    if not await in_thread(partial(fill, directory, keeps_state=keeps_state)):
        return
    if directory.run.base is None:
        await _run_setup(work)
        directory.is_ready()
        return
    workspace = directory.execution.workspace()
    await in_thread(add_repositories, directory)
    await in_thread(_copy_included, work.plan.include, Path(workspace.path), work.tree)
    await _set_up(work, directory)
    furnished = work.plan.setup is not None or bool(work.plan.include)
    await in_thread(partial(directory.open_to_agent, furnished=furnished))


def _copy_included(paths: list[str], workspace: Path, tree: Path) -> None:
    """Copy the plan's `include` paths (ignored by git) from the workspace, as they are now."""
    for name in paths:
        if os.path.lexists(workspace / name):
            _copy_path(workspace / name, _target(tree, name), True)


def _target(tree: Path, name: str) -> Path:
    """The place of a path in the tree, its parents made; a link on the way could lead to the user's files."""
    parent = tree
    for part in Path(name).parent.parts:
        parent = parent / part
        if parent.is_symlink():
            raise TaskFailed("UnsafeInclude", f"{name}: {part} is a link in the checkout")
        parent.mkdir(exist_ok=True)
    return tree / name


async def _run_setup(work: Work) -> None:
    if work.plan.setup is None:
        return
    code = await run_shell(work, work.plan.setup)
    if code != 0:
        raise TaskFailed("SetupFailed", f"setup {ended(code)}{last_output(work)}")


async def _set_up(work: Work, directory: AttemptDirectory) -> None:
    """Run `setup`, or copy what it made before; one attempt runs it, others wait.

    What it made is reused for every attempt of the same base where it made only new files, else for attempts
    from the same commit: a changed file may since have changed by what has landed.
    """
    if work.plan.setup is None:
        return
    execution, tree = directory.execution, directory.work_tree
    store = execution.home / "setups"
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    of_base, of_start = (store / _name(work, commit) for commit in (execution.base(), directory.start))
    async with _locked(of_base.with_suffix(".lock")):
        if of_base.is_dir():
            await in_thread(_copy_path, of_base, work.tree, False)
        elif (changed := of_start.with_suffix(".changed")).is_dir():
            await in_thread(_copy_path, changed, work.tree, True)
        else:
            await _run_setup(work)
            new, modified = await in_thread(tree.not_as_checked_out)
            # What it installed into the agent's repository is not among the files.
            new += [_HOOKS] if (tree.path / _HOOKS).is_dir() else []
            kept = changed if modified else of_base
            await in_thread(_keep, tree, [*new, *modified], kept)


def _name(work: Work, commit: str) -> str:
    passed = {name: os.environ.get(name) for name in work.plan.pass_env}
    seen = [commit, work.plan.setup, work.plan.env, work.task.env, passed, work.plan.include]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:32]


def _copy_path(source: Path, target: Path, overwrite: bool) -> None:
    """Copy a file, link or directory with modes and times; links stay links."""
    if source.is_symlink() or not source.is_dir():
        _copy_file(source, target, overwrite)
        return
    copied = []
    for folder in walk(source):
        into = target / folder.path
        if into.is_symlink():
            folder.folders.clear()
            continue
        into.mkdir(exist_ok=True)
        copied.append(folder.path)
        for name in folder.files:
            _copy_file(source / folder.path / name, into / name, overwrite)
    for path in reversed(copied):
        shutil.copystat(source / path, target / path)


def _copy_file(source: Path, target: Path, overwrite: bool) -> None:
    if (source.is_symlink() or source.is_file()) and (overwrite or not os.path.lexists(target)):
        beside = target.with_name(f".{target.name}.epw-copy")
        shutil.copy2(source, beside, follow_symlinks=False)
        beside.replace(target)


def _keep(work_tree: WorkTree, names: list[str], made: Path) -> None:
    unfinished = made.with_suffix(".part")
    with contextlib.suppress(FileNotFoundError):
        remove(unfinished)
    unfinished.mkdir()
    for name in names:
        (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
        _copy_path(work_tree.path / name, unfinished / name, True)
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
