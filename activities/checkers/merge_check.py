"""Judgement of the merge of any two commits of a repository, without an execution."""

from __future__ import annotations

import os
import shlex
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from activities.attempt.attempt import Attempt
from activities.attempt.containment import contained
from activities.attempt.directory import AttemptDirectory
from activities.attempt.setup import set_up_directory
from activities.attempt.without_agent import directory_without_agent
from activities.attempt.worktree_pool import WorktreePool
from activities.checkers.checker import Checker
from activities.checkers.differential import defects
from activities.checkers.judgement import Judgement, refusal, semantic_conflict, textual_conflict
from activities.checkers.judgement_files import NAME, lock_of
from activities.checkers.merge_checks import MergeChecks, MergeSides, decided
from activities.checkers.origin import OriginSearch
from activities.checkers.tree_runner import TreeRunner
from activities.conflicts.fit import semantic_conflicts, with_uses_renamed
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.textual.resolve import resolved_tree
from activities.git import transfer
from activities.git.changes import Blobs, changed_blobs
from activities.git.hub import Hub
from activities.git.merge import merge, merge_base
from activities.git.merge_attributes import keep_user_settings
from activities.git.workspace import Workspace
from activities.processes.host_monitor import HostMonitor
from activities.sandbox.levels import bubblewrap_problem
from activities.state.execution_store import ExecutionStore
from activities.state.heartbeat import Heartbeat
from activities.state.plan_source import RunningPlan
from activities.state.state_directory import StateDirectory
from activities.system.concurrency import in_thread
from activities.system.directories import Trash
from activities.system.file_lock import FileLock
from epw.core.conflict_steps import APPLY_RENAME
from epw.core.errors import InvalidPlan, InvalidRequest
from epw.core.messages import AgentProgress

_RESULT = "refs/epw/merge-check"
"""The last clean merge that git would not have made so."""


class MergeCheck:
    """Judges merges of one repository, in a hub of ours: the repository is only read."""

    def __init__(
        self, state: StateDirectory, repository: str, checkers: Mapping[str, Checker], *, apply_renames: bool = False
    ) -> None:
        """Raises `InvalidPlan` where the directory is no repository.

        `apply_renames`: judge the merge in which uses follow renames, where those are all there is to its conflicts.
        """
        # Git commands of the hub do not run in this process's directory.
        self._workspace = Workspace.read(os.path.abspath(repository))
        if self._workspace.kind != "git":
            raise InvalidRequest(f"{repository} is not a git repository")
        self._hub = Hub.created(state.hub(self._workspace.path))
        keep_user_settings(self._hub, self._workspace)
        self._execution = ExecutionStore(state, f"{NAME}-{uuid.uuid4().hex}", uuid.uuid4().hex)
        kept = state.checks(self._workspace.path)
        self._cache = kept / "cache"
        self._spare = WorktreePool(kept / "spare", Trash(state.trash))
        self._apply_renames = apply_renames
        self._checks = MergeChecks(self._hub, checkers, kept / "results")

    async def judge(self, ours: str, theirs: str, base: str | None = None) -> Judgement:
        """Judge the merge of two refs; `base`: where both began, if not at their merge base."""
        times: dict[str, int] = {}
        await in_thread(self._execution.keep_id)
        with FileLock.opened(lock_of(self._execution)) as lock:
            lock.acquire()
            found = await self._judge(ours, theirs, base, times)
            if found.is_clean:
                found.finish_with = await in_thread(self._commands, found, theirs)
            return found

    async def _judge(self, ours: str, theirs: str, base: str | None, times: dict[str, int]) -> Judgement:
        try:
            with _timed(times, "fetch"):
                sides = [await in_thread(self._fetched, name) for name in (ours, theirs)]
                began = await in_thread(self._fetched, base) if base else await in_thread(merge_base, self._hub, *sides)
            if began is None:
                raise InvalidRequest(f"{ours} and {theirs} have no commit in common; name one with --base")
            found = Judgement(began, sides[0], sides[1], milliseconds=times)
            with _timed(times, "merge"):
                merged = await in_thread(self._merge, found)
            if merged is not None:
                await self._check(found, merged)
            return found
        finally:
            await in_thread(self._hub.delete_refs, self._execution.ref())
            await in_thread(self._execution.remove)

    def _commands(self, found: Judgement, theirs: str) -> list[str]:
        """What merges THEIRS where OURS is checked out: git by itself, or our merge where git's would be another."""
        place = ("git", "-C", self._workspace.path)
        if not found.are_applied and not found.resolved:
            return [shlex.join([*place, "merge", theirs])]
        commit = self._hub.commit(
            found.tree or "", [found.ours, found.theirs], f"Merge {theirs}", self._workspace, int(time.time())
        )
        self._hub.update_ref(_RESULT, commit)
        branch = f"merged-{commit[:8]}"
        fetch = shlex.join([*place, "fetch", "--quiet", str(self._hub.path), f"{_RESULT}:refs/heads/{branch}"])
        return [f"{fetch} && {shlex.join([*place, 'merge', branch])}"]

    def _fetched(self, name: str) -> str:
        try:
            commit = self._workspace.at(name).head or ""
        except InvalidPlan:
            raise InvalidRequest(f"{name!r} names no commit in {self._workspace.path}") from None
        transfer.fetch(self._hub, self._workspace, commit, self._execution.ref("sides", commit))
        return commit

    def _merge(self, found: Judgement) -> str | None:
        """The commit of the merge; None where it does not merge."""
        merged = merge(self._hub, found.ours, found.theirs, found.base)
        tree: str | None = merged.tree
        if not merged.clean:
            tree = resolved_tree(self._hub, merged, "merge")
            found.resolved = [] if tree is None else list(merged.stages)
        if tree is None:
            found.conflicts.append(textual_conflict(self._hub, merged))
            return None
        found.tree = tree
        return self._hub.commit(tree, [found.ours, found.theirs], NAME, None, 0)

    async def _check(self, found: Judgement, merged: str) -> None:
        sides = MergeSides(found.base, found.ours, found.theirs, merged)
        with _timed(found.milliseconds, "symbols"):
            symbols = await in_thread(
                semantic_conflicts, self._hub, sides.base, sides.ours, sides.theirs, found.tree or ""
            )
        with _timed(found.milliseconds, "checks"):
            names = await in_thread(self._checks.concerned, sides.base, sides.ours, sides.theirs)
            if names:
                async with self._runner(merged) as runner:
                    found.checks = await self._checks.check(runner, sides, names)
        found.suspected = len(symbols)
        ran = [self._checks.checkers[each.checker] for each in found.checks if each.problem is None]
        said = defects((checked.checker, each) for checked in found.checks for each in checked.findings)
        findings = [each for each in symbols if not decided(each, ran)]
        changed = await in_thread(changed_blobs, self._hub, sides.base, sides.ours, sides.theirs)
        if said:
            search = OriginSearch(self._hub, changed, merged)
            findings += await in_thread(search.findings, [(names[0], each) for each, names in said])
        if await self._follow(found, sides, names, findings, changed, ran):
            return
        others = {(names[0], each.path, each.line, each.text): names[1:] for each, names in said}
        for each in findings:
            also = others.get((each.checker, each.path, each.line, each.message), [])
            by_rename = {"resolvedBy": APPLY_RENAME} if found.renames else {}
            found.conflicts.append(semantic_conflict(each) | ({"alsoSaidBy": also} if also else {}) | by_rename)

    async def _follow(
        self,
        found: Judgement,
        sides: MergeSides,
        names: Sequence[str],
        findings: Sequence[Finding],
        changed: Sequence[Blobs],
        ran: Sequence[Checker],
    ) -> bool:
        """Note the renames that all findings can follow; whether they are applied, and checkers agree with that."""

        def counts(finding: Finding) -> bool:
            return not decided(finding, ran)

        arguments = self._hub, sides.base, changed, found.tree or "", findings, None, counts
        followed = await in_thread(with_uses_renamed, *arguments)
        if followed is None:
            return False
        if self._apply_renames and names:
            commit = await in_thread(self._hub.commit, followed.tree, [sides.ours, sides.theirs], NAME, None, 0)
            with _timed(found.milliseconds, "renames"):
                async with self._runner(commit) as runner:
                    again = await self._checks.check(runner, replace(sides, merged=commit), names)
            for each in again:
                found.conflicts += [refusal(each.checker, message) for message in each.findings]
            if found.conflicts:
                return False
            found.checks = again
        found.renames = followed.renames
        if self._apply_renames:
            found.are_applied, found.tree = True, followed.tree
        return found.are_applied

    @asynccontextmanager
    async def _runner(self, commit: str) -> AsyncIterator[TreeRunner]:
        """A runner in a directory with a commit, in the strongest sandbox of this machine."""
        await in_thread(self._execution.keep_workspace, self._workspace, commit)
        hub = str(self._hub.path)
        directory = directory_without_agent(self._execution, NAME, NAME, hub=hub, base=commit)
        plan = {"tasks": [{"id": NAME, "description": NAME, "run": "true"}]}
        has_bubblewrap = await in_thread(bubblewrap_problem) is None
        running = RunningPlan.of({**plan, **({"network": False} if has_bubblewrap else {})})
        heartbeat = Heartbeat(AgentProgress(task_id=NAME, agent_id=NAME))
        attempt = Attempt.of(directory, running, running.plan.tasks[0], heartbeat, HostMonitor(), "strongest")
        try:
            await in_thread(self._take_spare, directory)
            async with contained(attempt) as attempt:
                await set_up_directory(attempt)
                yield TreeRunner(attempt, self._cache, Path(self._workspace.path))
            await in_thread(self._keep_spare, directory)
        finally:
            await in_thread(directory.remove)

    def _take_spare(self, directory: AttemptDirectory) -> None:
        """Have the checkout start from the files of the check before: few of them differ."""
        taken = self._execution.path / "spare"
        taken.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._spare.acquire(taken):
            directory.pool.release(taken)

    def _keep_spare(self, directory: AttemptDirectory) -> None:
        pooled = directory.recycle()
        if pooled is not None and not self._spare.is_empty:
            directory.discard(pooled)
        elif pooled is not None:
            self._spare.release(pooled)


@contextmanager
def _timed(times: dict[str, int], step: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        times[step] = round((time.perf_counter() - began) * 1000)
