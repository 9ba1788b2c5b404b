"""Check: let the languages' own checkers read the merge of a change, before it lands."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from temporalio import activity

from activities.attempt.attempt import Attempt
from activities.attempt.containment import contained
from activities.attempt.directory import AttemptDirectory
from activities.attempt.setup import set_up_directory
from activities.checkers.checker import Checker
from activities.checkers.differential import defects
from activities.checkers.merge_checks import MergeChecks, MergeSides, decided
from activities.checkers.origin import OriginSearch
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
from epw.core.landing import Checked, CheckRequest
from epw.core.messages import CHECK, AgentProgress, TaskRun
from epw.core.plan.model import Task
from epw.core.plan.parts import CheckCommand
from epw.core.semantic_entry import Rename

_MAX_RECORDED = 100


class MergeChecker:
    """The activity `check`."""

    def __init__(self, state: StateDirectory, plans: PlanSource, host: HostMonitor) -> None:
        self._state = state
        self._plans = plans
        self._host = host

    @activity.defn(name=CHECK)
    async def check(self, request: CheckRequest) -> Checked:
        """Run the checkers on the merge, and where they find something, on both sides; a conflict is recorded.

        What a checker cannot read, or does not end in time, is a problem and no conflict.
        """
        execution, activity_attempt = current_execution(self._state, request), activity.info().attempt
        running = await self._plans.of_current_execution()
        began = time.perf_counter()
        name = f"check {request.merged[:12]}"
        run = TaskRun(task_id=name, attempt=1, agent_id="check", hub=request.hub, base=request.merged)
        directory = AttemptDirectory(execution, run, activity_attempt)
        label = f"check the merge of {request.change.task_id}"
        heartbeat = Heartbeat(AgentProgress(task_id=name, agent_id="check", operation=label[:200]))
        task = Task(id=name, description=label, agent=COMMAND.name, run="true")
        if activity_attempt > 1:
            await in_thread(partial(end_marked, execution.attempt_key(name), forget=True))
        # A command of the plan runs as its `verify` does; of the others, some run what the repository brings.
        is_own = isinstance(running.plan.checks, CheckCommand)
        sandbox = running.plan.default_sandbox if is_own else "strongest"
        attempt = Attempt.of(directory, running, task, heartbeat, self._host, sandbox)
        hub, cache = Hub(Path(request.hub)), self._state.checks(execution.workspace().path) / "cache"
        checks = MergeChecks(hub, checkers_of(running.plan.checks), execution.path / "checks" / execution.run_key[:8])
        recorder = ConflictRecorder(hub, execution, execution.workspace())
        started_from = await in_thread(hub.parent_of, request.change.commit)
        sides = MergeSides(started_from, request.head, request.change.commit, request.merged)
        async with activity_scope(self._state, directory.marker, heartbeat), contained(attempt) as attempt:
            try:
                await set_up_directory(attempt)
                failpoint("check.set-up")
                runner = TreeRunner(attempt, cache)
                earlier = await in_thread(recorder.earlier, request.change)
                before = earlier.checker_messages if earlier is not None else []
                remaining = await checks.remaining(runner, request.merged, before)
                is_merge = request.head != started_from
                reports = await checks.check(runner, sides, request.names) if is_merge and not remaining else []
                failpoint("check.ran")
                if running.plan.setup is None:
                    await in_thread(directory.recycle)
            except TaskFailed as error:
                return Checked(problems=[str(error)[:300]])
            finally:
                await in_thread(directory.remove)
        problems = [f"{each.checker}: {each.problem}"[:300] for each in reports if each.problem is not None]
        spent = round((time.perf_counter() - began) * 1000)
        found = remaining + [(each.checker, message) for each in reports for message in each.findings]
        if not found:
            return Checked(problems=problems, duration_ms=spent)
        base, ours = (earlier.base, earlier.head) if earlier and remaining else (started_from, request.head)
        changed = await in_thread(changed_blobs, hub, base, ours, request.change.commit)
        if request.is_rewritten:
            text = "; ".join(f"{each.path}:{each.line}: {each.text} ({name})" for name, each in found)
            return Checked(conflict=conflict_found("semantic", request.change, [], [], text), problems=problems)
        search = OriginSearch(hub, changed, request.merged)
        findings = await in_thread(search.findings, [(names[0], each) for each, names in defects(found)])
        messages = [[name, each.path, each.rule, each.text] for name, each in found[:_MAX_RECORDED]]
        renames, is_checked = [], False
        if not remaining:
            read = [checks.checkers[each.checker] for each in reports if each.problem is None]
            renames, is_checked = await in_thread(_renames, hub, sides, changed, findings, read)
        conflict = await in_thread(
            recorder.semantic, findings, ours, request.change, messages, request.merged, renames, is_checked
        )
        return Checked(conflict=conflict, problems=problems, duration_ms=spent)


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
