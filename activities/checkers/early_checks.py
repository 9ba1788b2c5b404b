"""Early checks: checkers read merges of unfinished changes, in the spare time of a worker's machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from activities.attempt.attempt import Attempt
from activities.attempt.containment import contained
from activities.attempt.setup import set_up_directory
from activities.attempt.without_agent import directory_without_agent
from activities.checkers.checker import Checker, Message
from activities.checkers.landing_checks import LandingChecks
from activities.checkers.merge_checks import MergeChecks, MergeSides
from activities.checkers.origin import OriginSearch
from activities.checkers.tree_runner import TreeRunner
from activities.conflicts.prediction import Fit
from activities.conflicts.semantic.sides import Finding
from activities.git.changes import changed_blobs
from activities.state.heartbeat import Heartbeat
from activities.state.plan_source import RunningPlan
from activities.system.concurrency import in_thread
from epw.core.backends import COMMAND
from epw.core.errors import TaskFailed
from epw.core.messages import AgentProgress
from epw.core.plan.model import Task
from epw.core.plan.parts import CheckCommand

_LOWEST_PRIORITY = 19


@dataclass(frozen=True)
class EarlyChecks:
    """The checkers of a plan, for the merges of what one attempt has changed so far with what others have."""

    attempt: Attempt
    running: RunningPlan

    async def read(self, fit: Fit) -> list[Finding] | None:
        """What checkers say of a merge and of neither side; None: there was no spare time to read it."""
        if self.running.plan.setup is not None:
            # Each merge would have to be set up first.
            return []
        hub, execution = self.attempt.directory.hub, self.attempt.directory.execution
        changed = await in_thread(changed_blobs, hub, fit.base, fit.other, fit.own)
        checks = await in_thread(LandingChecks.of, self.running.plan, execution)
        names = checks.unread(changed, fit.tree)
        if not names:
            return []
        sides = MergeSides(fit.base, fit.other, fit.own, await in_thread(self._commit, fit))
        said = await self.attempt.host.spare_time.use(lambda: self._check(checks.checkers, sides, names))
        if said is None:
            return None
        found: list[Finding] = await in_thread(OriginSearch(hub, changed, sides.merged).findings, said)
        return found

    def _commit(self, fit: Fit) -> str:
        return self.attempt.directory.hub.commit(fit.tree, [fit.other, fit.own], "epw: early check", None, 0)

    async def _check(
        self, checkers: Mapping[str, Checker], sides: MergeSides, names: Sequence[str]
    ) -> list[tuple[str, Message]]:
        """What the checkers say, run at the lowest priority; nothing where they fail."""
        own, plan = self.attempt.directory, self.running.plan
        name = f"early {own.run.task_id}"
        directory = directory_without_agent(own.execution, name, "check", hub=own.run.hub, base=sides.merged)
        heartbeat = Heartbeat(AgentProgress(task_id=name, agent_id="check"))
        task = Task(id=name, description=name, agent=COMMAND.name, run="true")
        sandbox = plan.default_sandbox if isinstance(plan.checks, CheckCommand) else "strongest"
        attempt = Attempt.of(directory, self.running, task, heartbeat, self.attempt.host, sandbox)
        execution = own.execution
        cache = execution.state.checks(execution.workspace().place) / "cache"
        checks = MergeChecks(own.hub, checkers, execution.path / "checks" / execution.run_key[:8])
        try:
            async with contained(attempt) as attempt:
                await set_up_directory(attempt)
                runner = TreeRunner(attempt, cache, niceness=_LOWEST_PRIORITY)
                reports = await checks.check(runner, sides, names)
        except TaskFailed:
            return []
        finally:
            await in_thread(directory.remove)
        return [(each.checker, message) for each in reports for message in each.findings]
