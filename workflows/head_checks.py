"""Checks that the head has to pass before it is delivered: by checkers, where none has read it, then by `verify`."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import workflow
from temporalio.exceptions import ActivityError

from epw.core import failures
from epw.core.amounts import few
from epw.core.decisions.resolver import Resolver
from epw.core.execution.bisect import first_bad
from epw.core.execution.state import ExecutionState
from epw.core.landing import RED_BEFORE, Checked, CheckHeadRequest, ConflictFound, Verified
from epw.core.messages import CHECK_HEAD, Failure, StepRequest
from workflows import dispatch
from workflows.clock import now
from workflows.merge_queue import MergeQueue

_PATCH_RERUN_CULPRITS = "run-culprits-again"
_PATCH_BASE_FIRST = "verify-base-before-blame"
_MAX_NAMED = 5


@dataclass(frozen=True)
class _Red:
    """A head that fails: what fails and why, and the conflict of the landing to blame, None where none is."""

    what: str
    why: str
    conflict: ConflictFound | None
    failure: Failure
    is_of_base: bool = False
    """Whether the base fails too: then no task made it so."""


class HeadChecks:
    """Checks of one execution's head."""

    def __init__(self, execution: ExecutionState, merge_queue: MergeQueue, resolver: Resolver) -> None:
        self._execution = execution
        self._queue = merge_queue
        self._resolver = resolver
        self.verified: Verified | None = None
        """What `verify` said of the newest head; None: it was not run."""
        self._failed: list[str] = []
        """Checkers that could not read a head: they are not asked again."""

    async def pass_or_exclude(self) -> str | None:
        """Check the head, and exclude each landing that makes it fail; returns why it fails still, or None.

        Where the plan's steps run an excluded task again first, the execution is not finished afterwards.
        """
        rerun: dict[str, ConflictFound] = {}
        while (red := await self._red()) is not None:
            if red.is_of_base:
                return f"{RED_BEFORE}: {red.why}"
            if self._execution.undoes_all or red.conflict is None:
                return f"{red.what}, of what {self._landed_tasks} did: {red.why}"
            culprit = red.conflict.tasks[0]
            if self._resolver.can_run_again(red.conflict) and workflow.patched(_PATCH_RERUN_CULPRITS):
                self._execution.reopen(culprit, now())
                rerun[culprit] = red.conflict
            else:
                self._queue.exclude(red.conflict, red.failure)
            await self._queue.land_again()
        # Only once the head passes: else each would be blamed for the others.
        for culprit, conflict in rerun.items():
            self._resolver.conflicted(culprit, conflict)
        return None

    async def read(self, name: str, request: StepRequest, summary: str, names: list[str]) -> Checked:
        """Run an activity in which checkers read; where they cannot, that is a warning."""
        try:
            checked: Checked = await dispatch.awaited(self._queue.start(name, request, summary))
        except ActivityError as error:
            if dispatch.is_cancelled(error):
                raise
            checked = Checked(problems=[f"{', '.join(names)}: {dispatch.message_of(error)}"[:300]], failed=names)
        self._queue.checks.problems |= dict.fromkeys(checked.problems)
        self._failed += checked.failed
        return checked

    @property
    def _landed_tasks(self) -> str:
        """Ids of the tasks whose changes are in the head, the first few."""
        landed = [task_id for task_id, state in self._execution.tasks.items() if state.landed]
        return few(landed, _MAX_NAMED)

    async def _red(self) -> _Red | None:
        """What the head fails, if it does."""
        return await self._read_head() or await self._verify()

    async def _read_head(self) -> _Red | None:
        """Let checkers read the head where they have not read a merge in it; what they cannot read is a warning."""
        names = [name for name in self._queue.unread if name not in self._failed]
        if not names:
            return None
        changes = [self._queue.change_of(task_id) for task_id, _ in self._queue.landings]
        request = CheckHeadRequest(hub=self._queue.hub, heads=self._queue.heads, changes=changes, names=names)
        found = (await self.read(CHECK_HEAD, request, f"check the head: {', '.join(names)}"[:200], names)).conflict
        if found is None:
            self._queue.was_read()
            return None
        if self._execution.undoes_all:
            self._resolver.left_out(found)
        failure = Failure.of(failures.MERGE_CONFLICT, found.description)
        return _Red("the parts do not fit", found.description, found, failure)

    async def _verify(self) -> _Red | None:
        """Run the plan's `verify`; of a red one find the landing to blame, by bisection.

        Where everything is undone anyway, only whether the base is red too, so that nobody is blamed for that.
        """
        command, verification = self._execution.plan.verify, self._queue.verification
        if command is None:
            return None
        self.verified = verified = await verification.verify(self._queue.commit or "", "final")
        if verified.green:
            return None
        failure = Failure.of(failures.VERIFY_FAILED, verified.message, command)
        if self._execution.undoes_all:
            is_of_base = workflow.patched(_PATCH_BASE_FIRST) and not await verification.has_passed(
                self._queue.base, "the base"
            )
            return _Red("verify is red", verified.message, None, failure, is_of_base)
        blamed = await first_bad(len(self._queue.heads), self._passes)
        if blamed is None:
            return _Red("verify is red", verified.message, None, failure, is_of_base=True)
        culprit, _ = self._queue.landings[blamed - 1]
        return _Red("verify is red", verified.message, verification.conflict([culprit], [], verified), failure)

    async def _passes(self, at: int) -> bool:
        heads = self._queue.heads
        return (await self._queue.verification.verify(heads[at], f"landing {at} of {len(heads) - 1}")).green
