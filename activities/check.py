"""Check: let the languages' own checkers read the merge of a change before it lands, and the head before delivery."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from temporalio import activity

from activities.attempt.attempt import Attempt
from activities.attempt.containment import contained
from activities.attempt.setup import set_up_directory
from activities.attempt.without_agent import directory_without_agent
from activities.checkers.checker import Checker, Message
from activities.checkers.differential import defects
from activities.checkers.head_checks import HeadChecks
from activities.checkers.merge_checks import CheckerReport, MergeChecks, MergeSides, decided
from activities.checkers.origin import OriginSearch
from activities.checkers.read_trees import ReadTrees
from activities.checkers.registry import checkers_of
from activities.checkers.tree_runner import TreeRunner
from activities.conflicts.fit import with_uses_renamed
from activities.conflicts.recorded import ConflictRecorder, conflict_found
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.try_check import try_check
from activities.git.changes import Blobs, changed_blobs
from activities.git.hub import Hub
from activities.processes.host_monitor import HostMonitor
from activities.processes.process_tree import end_marked
from activities.state.activity_scope import activity_scope, current_execution
from activities.state.heartbeat import Heartbeat
from activities.state.plan_source import PlanSource
from activities.state.state_directory import StateDirectory
from activities.system.concurrency import in_thread
from activities.system.failpoints import failpoint
from epw.core.backends import COMMAND
from epw.core.errors import TaskFailed
from epw.core.landing import Change, Checked, CheckHeadRequest, CheckRequest, ConflictFound
from epw.core.messages import CHECK, CHECK_HEAD, AgentProgress, StepRequest
from epw.core.plan.model import Task
from epw.core.plan.parts import CheckCommand
from epw.core.semantic_entry import Rename

_MAX_RECORDED = 100


class MergeChecker:
    """The activities `check` and `check_head`."""

    def __init__(self, state: StateDirectory, plans: PlanSource, host: HostMonitor) -> None:
        self._state = state
        self._plans = plans
        self._host = host

    @activity.defn(name=CHECK)
    async def check(self, request: CheckRequest) -> Checked:
        """Run the checkers on the merge, and where they find something, on both sides; a conflict is recorded.

        What a checker cannot read, or does not end in time, is a problem and no conflict.
        """
        began, change = time.perf_counter(), request.change
        label = f"check the merge of {change.task_id}"
        try:
            async with self._reading(request, request.hub, request.merged, label) as reading:
                checks, hub, recorder = reading.checks, reading.hub, reading.recorder
                started_from = await in_thread(hub.parent_of, change.commit)
                sides = MergeSides(started_from, request.head, change.commit, request.merged)
                earlier = await in_thread(recorder.earlier, change)
                before = earlier.checker_messages if earlier is not None else []
                remaining = await checks.remaining(reading.runner, request.merged, before)
                is_merge = request.head != started_from
                reports = await checks.check(reading.runner, sides, request.names) if is_merge and not remaining else []
        except TaskFailed as error:
            return Checked(problems=[str(error)[:300]], failed=request.names)
        found = remaining + [(each.checker, message) for each in reports for message in each.findings]
        checked = _checked(reports, began)
        if not found:
            await in_thread(reading.keep_read, request.merged, request.names, reports)
            return checked
        if request.is_rewritten:
            text = "; ".join(f"{each.path}:{each.line}: {each.text} ({name})" for name, each in found)
            return checked.model_copy(update={"conflict": conflict_found("semantic", change, [], [], text)})
        if remaining and earlier is not None:
            sides = MergeSides(earlier.base, earlier.head, change.commit, request.merged)
            reports = []
        conflict = await in_thread(reading.conflict, change, sides, found, reports)
        return checked.model_copy(update={"conflict": conflict})

    @activity.defn(name=CHECK_HEAD)
    async def check_head(self, request: CheckHeadRequest) -> Checked:
        """Run the checkers on a head; what neither the base nor a single change has is the conflict of a landing."""
        began, head = time.perf_counter(), request.heads[-1]
        label = f"check the head: {', '.join(request.names)}"
        try:
            async with self._reading(request, request.hub, head, label) as reading:
                search = HeadChecks(reading.checks, reading.runner, request.heads, request.changes)
                reports, found = await search.check(request.names)
        except TaskFailed as error:
            return Checked(problems=[str(error)[:300]], failed=request.names)
        checked = _checked(reports, began)
        if found is None:
            await in_thread(reading.keep_read, head, request.names, reports)
            return checked
        if request.is_trial:
            return checked.model_copy(update={"conflict": conflict_found("semantic", found.change, [], [], "")})
        conflict = await in_thread(reading.conflict, found.change, found.sides, found.found, reports)
        return checked.model_copy(update={"conflict": conflict.model_copy(update={"is_of_head": True})})

    @asynccontextmanager
    async def _reading(self, request: StepRequest, hub: str, commit: str, label: str) -> AsyncIterator[_Reading]:
        """A directory with a commit, set up for checkers; raises `TaskFailed` where the plan's `setup` fails."""
        execution, activity_attempt = current_execution(self._state, request), activity.info().attempt
        running = await self._plans.of_current_execution()
        name = f"check {commit[:12]}"
        directory = directory_without_agent(execution, name, "check", activity_attempt, hub=hub, base=commit)
        heartbeat = Heartbeat(AgentProgress(task_id=name, agent_id="check", operation=label[:200]))
        task = Task(id=name, description=label, agent=COMMAND.name, run="true")
        if activity_attempt > 1:
            await in_thread(partial(end_marked, execution.attempt_key(name), forget=True))
        # A command of the plan runs as its `verify` does; of the others, some run what the repository brings.
        is_own = isinstance(running.plan.checks, CheckCommand)
        sandbox = running.plan.default_sandbox if is_own else "strongest"
        attempt = Attempt.of(directory, running, task, heartbeat, self._host, sandbox)
        cache = self._state.checks(execution.workspace().place) / "cache"
        checks = MergeChecks(
            execution.hub_at(hub), checkers_of(running.plan.checks), execution.path / "checks" / execution.run_key[:8]
        )
        recorder = ConflictRecorder(checks.hub, execution, execution.workspace())
        async with AsyncExitStack() as held:
            held.enter_context(self._host.spare_time.kept_for_others())
            await held.enter_async_context(activity_scope(self._state, directory.marker, heartbeat))
            attempt = await held.enter_async_context(contained(attempt))
            try:
                await set_up_directory(attempt)
                failpoint("check.set-up")
                yield _Reading(checks, TreeRunner(attempt, cache), recorder, ReadTrees.of(execution))
                failpoint("check.ran")
                if running.plan.setup is None:
                    await in_thread(directory.recycle)
            finally:
                await in_thread(directory.remove)


@dataclass(frozen=True)
class _Reading:
    """Checkers of an execution, with a directory to run in, and where what they find is kept."""

    checks: MergeChecks
    runner: TreeRunner
    recorder: ConflictRecorder
    read: ReadTrees

    @property
    def hub(self) -> Hub:
        return self.checks.hub

    def keep_read(self, commit: str, names: Sequence[str], reports: Sequence[CheckerReport]) -> None:
        """Note that checkers have read a tree and found nothing, but for those that had a problem. Blocking."""
        failed = {each.checker for each in reports if each.problem is not None}
        self.read.add(self.hub.tree_of(commit), [name for name in names if name not in failed])

    def conflict(
        self, change: Change, sides: MergeSides, found: Sequence[tuple[str, Message]], reports: Sequence[CheckerReport]
    ) -> ConflictFound:
        """The recorded conflict of a change whose merge has these messages. Blocking.

        `reports`: of the checkers that have read this merge; without any, it follows no renames.
        """
        changed = changed_blobs(self.hub, sides.base, sides.ours, sides.theirs)
        search = OriginSearch(self.hub, changed, sides.merged)
        findings = search.findings([(names[0], each) for each, names in defects(found)])
        messages = [[name, each.path, each.rule, each.text] for name, each in found[:_MAX_RECORDED]]
        read = [self.checks.checkers[each.checker] for each in reports if each.problem is None]
        renames, is_checked = _renames(self.hub, sides, changed, findings, read) if reports else ([], False)
        return self.recorder.semantic(findings, sides.ours, change, messages, sides.merged, renames, is_checked)


def _checked(reports: Sequence[CheckerReport], began: float) -> Checked:
    failed = [each for each in reports if each.problem is not None]
    return Checked(
        problems=[f"{each.checker}: {each.problem}"[:300] for each in failed],
        failed=[each.checker for each in failed],
        duration_ms=round((time.perf_counter() - began) * 1000),
    )


def _renames(
    hub: Hub, sides: MergeSides, changed: Sequence[Blobs], findings: Sequence[Finding], read: Sequence[Checker]
) -> tuple[list[Rename], bool]:
    """Renames by which the merge fits if the uses follow them; whether checkers read each of the files concerned."""

    def counts(finding: Finding) -> bool:
        return not decided(finding, read)

    tree = hub.tree_of(sides.merged)
    found = try_check(lambda: [with_uses_renamed(hub, sides.base, changed, tree, findings, counts=counts)])
    if not found or found[0] is None:
        return [], False
    files = {use.file for each in found[0].renames for use in each.uses} | {each.file for each in found[0].renames}
    return found[0].renames, all(any(each.concerns(path) for each in read) for path in files)
