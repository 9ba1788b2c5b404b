"""Fill an attempt's directory: the checkout, the plan's `include`, its `setup`, a private repository."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO

from activities.agents.base import Work
from activities.agents.command import ended, last_output, run_shell
from activities.attempt.agent_repository import add_repositories
from activities.attempt.checkout import fill
from activities.attempt.directory import AttemptDirectory
from activities.attempt.include import copy_included
from activities.git.tree import WorkTree
from activities.system.concurrency import in_thread
from activities.system.copying import copy_with_links
from activities.system.directories import remove
from epw.core import failures
from epw.core.errors import TaskFailed

_LOCK_POLL_SECONDS = 0.05
_HOOKS = ".git/hooks"


async def furnish(directory: AttemptDirectory, work: Work, *, keeps_state: bool = False) -> None:
    """Make the directory ready for its agent; one that waited for an answer is left as it is.

    Raises `TaskFailed` (`SetupFailed`) where the plan's `setup` fails.
    """
    if not await in_thread(partial(fill, directory, keeps_state=keeps_state)):
        return
    if directory.run.base is None:
        await in_thread(copy_included, directory, work)
        await _run_setup(work)
        directory.is_ready()
        return
    await in_thread(add_repositories, directory)
    included = await in_thread(copy_included, directory, work)
    await _set_up(work, directory, included)
    if directory.both_sides is not None and not (work.dispute and work.dispute.relock):
        await in_thread(directory.both_sides.put, directory.work_tree)
    furnished = work.plan.setup is not None or bool(work.plan.included_in(work.task))
    await in_thread(partial(directory.open_to_agent, furnished=furnished))


async def _run_setup(work: Work) -> None:
    if work.plan.setup is None:
        return
    code = await run_shell(work, work.plan.setup)
    if code != 0:
        raise TaskFailed(failures.SETUP_FAILED, f"setup {ended(code)}{last_output(work)}")


async def _set_up(work: Work, directory: AttemptDirectory, included: Sequence[str]) -> None:
    """Run `setup`, or copy what it made before; one attempt runs it, others wait. `included`: commits of kept files.

    What it made is reused for every attempt of the same base where it made only new files, else for attempts
    from the same commit: a changed file may since have changed by what has landed.
    """
    if work.plan.setup is None:
        return
    execution, tree = directory.execution, directory.work_tree
    store = execution.home / "setups"
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    of_base, of_start = (store / _name(work, commit, included) for commit in (execution.base(), directory.start))
    async with _locked(of_base.with_suffix(".lock")):
        if of_base.is_dir():
            await in_thread(partial(copy_with_links, of_base, work.tree, overwrite=False))
        elif (changed := of_start.with_suffix(".changed")).is_dir():
            await in_thread(partial(copy_with_links, changed, work.tree, overwrite=True))
        else:
            await _run_setup(work)
            new, modified = await in_thread(tree.not_as_checked_out)
            # What it installed into the agent's repository is not among the files.
            new += [_HOOKS] if (tree.path / _HOOKS).is_dir() else []
            kept = changed if modified else of_base
            await in_thread(_keep, tree, [*new, *modified], kept)


def _name(work: Work, commit: str, included: Sequence[str]) -> str:
    passed = {name: os.environ.get(name) for name in work.plan.pass_env}
    seen = [
        commit,
        work.plan.setup,
        work.plan.env,
        work.task.env,
        passed,
        work.plan.include,
        work.task.include,
        included,
    ]
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:32]


def _keep(work_tree: WorkTree, names: list[str], made: Path) -> None:
    unfinished = made.with_suffix(".part")
    with contextlib.suppress(FileNotFoundError):
        remove(unfinished)
    unfinished.mkdir()
    for name in names:
        (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
        copy_with_links(work_tree.path / name, unfinished / name, overwrite=True)
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
