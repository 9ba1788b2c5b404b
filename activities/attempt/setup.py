"""Set up an attempt's directory: checkout, private repository, the plan's `include` and `setup`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from activities.agents.context import AgentContext
from activities.agents.environment import missing_variables
from activities.attempt.agent_repository import add_repositories
from activities.attempt.attempt import Attempt
from activities.attempt.checkout import check_out
from activities.attempt.include import copy_included
from activities.attempt.included_secrets import know_included
from activities.attempt.moved import leave_other_conversation
from activities.git.work_tree import WorkTree
from activities.processes.shell import describe_exit, last_output, run_shell
from activities.state.host import machine_name
from activities.system.concurrency import in_thread
from activities.system.copying import copy_with_links
from activities.system.directories import remove
from activities.system.file_lock import FileLock
from epw.core import failures
from epw.core.errors import TaskFailed

_LOCK_POLL_SECONDS = 0.05
_HOOKS = ".git/hooks"


async def set_up_directory(attempt: Attempt) -> None:
    """Make the directory ready for its agent; one that is resumed is left as it is.

    Raises `TaskFailed` where the plan's `setup` fails, or the worker lacks a variable that is to be passed on.
    """
    directory, context = attempt.directory, attempt.context
    if missing := [] if attempt.backend.simulated else missing_variables(context.plan):
        message = f"passEnv: {', '.join(missing)} not set for the worker on {machine_name()}"
        raise TaskFailed(failures.VARIABLE_MISSING, message)
    await in_thread(leave_other_conversation, attempt)
    if not await in_thread(partial(check_out, directory, keeps_state=context.backend.keeps_state)):
        await in_thread(know_included, attempt)
        return
    if directory.run.base is None:
        await in_thread(copy_included, attempt)
        await _run_setup(attempt)
        directory.mark_ready()
        return
    await in_thread(add_repositories, directory)
    included = await in_thread(copy_included, attempt)
    await _run_or_reuse_setup(attempt, included)
    if directory.both_sides is not None and not (context.conflict and context.conflict.relock):
        await in_thread(directory.both_sides.write_side_files, directory.work_tree)
    was_changed = context.plan.setup is not None or bool(context.plan.included_in(context.task))
    await in_thread(partial(directory.open_to_agent, was_changed=was_changed))


async def _run_setup(attempt: Attempt) -> None:
    command = attempt.context.plan.setup
    if command is None:
        return
    code = await run_shell(attempt.launcher, command)
    if code != 0:
        message = f"setup {describe_exit(code)}{last_output(attempt.launcher, attempt.reporter.redact)}"
        raise TaskFailed(failures.SETUP_FAILED, message, command=command)


async def _run_or_reuse_setup(attempt: Attempt, included: Sequence[str]) -> None:
    """Run `setup`, or copy what it made before; one attempt runs it, others wait. `included`: commits of kept files.

    Where it made only new files, its result is reused for every attempt on the same base, else for attempts on the
    same commit: what has landed since may have changed a file that it changes.
    """
    directory, context = attempt.directory, attempt.context
    if context.plan.setup is None:
        return
    execution, tree = directory.execution, directory.work_tree
    store = execution.state.setups
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    of_base, of_start = (store / _name(context, commit, included) for commit in (execution.base(), directory.start))
    with FileLock.opened(of_base.with_suffix(".lock")) as lock:
        await lock.poll(_LOCK_POLL_SECONDS)
        if of_base.is_dir():
            await in_thread(partial(copy_with_links, of_base, tree.path, overwrite=False))
        elif (changed := of_start.with_suffix(".changed")).is_dir():
            await in_thread(partial(copy_with_links, changed, tree.path, overwrite=True))
        else:
            await _run_setup(attempt)
            new, modified = await in_thread(tree.not_as_checked_out)
            # Hooks that it installed into the agent's repository are not among the files.
            new += [_HOOKS] if (tree.path / _HOOKS).is_dir() else []
            kept = changed if modified else of_base
            await in_thread(_keep, tree, [*new, *modified], kept)


def _name(context: AgentContext, commit: str, included: Sequence[str]) -> str:
    """Name of a result in the store, from everything that `setup` can depend on."""
    plan, task = context.plan, context.task
    passed = {name: os.environ.get(name) for name in plan.pass_env}
    inputs = [commit, plan.setup, plan.env, task.env, passed, plan.include, task.include, included]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:32]


def _keep(work_tree: WorkTree, names: list[str], result: Path) -> None:
    unfinished = result.with_suffix(".part")
    with contextlib.suppress(FileNotFoundError):
        remove(unfinished)
    unfinished.mkdir()
    for name in names:
        (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
        copy_with_links(work_tree.path / name, unfinished / name, overwrite=True)
    unfinished.rename(result)
