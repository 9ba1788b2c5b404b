"""End of an execution: last checks and delivery of the head, or its undoing."""

from __future__ import annotations

import asyncio
import shlex
from datetime import timedelta
from typing import Literal

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

from epw.core.errors import NOT_RETRIED
from epw.core.execution.compensation import Compensations
from epw.core.execution.delivery import (
    MOVED_ON,
    CleanUpRequest,
    Compensation,
    Delivered,
    DeliveredPullRequest,
    DeliverRequest,
    Delivery,
    PullRequestOutcome,
    PullRequestRequest,
    RollBackRequest,
    finish_push,
)
from epw.core.execution.exit_status import Conclusion
from epw.core.execution.state import ExecutionState
from epw.core.landing import in_few_lines
from epw.core.messages import CHECK, CLEAN_UP, DELIVER, OPEN_PULL_REQUEST, PULL_REQUEST_ATTEMPTS, ROLL_BACK
from epw.core.naming import branch_name
from workflows import dispatch
from workflows.head_checks import HeadChecks
from workflows.merge_queue import MergeQueue

_MAX_TRIES = 4
"""So often a delivery is tried, with other changes of the user each time; the last one is not checked."""
_PULL_REQUEST_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=4,
    maximum_attempts=PULL_REQUEST_ATTEMPTS,
    non_retryable_error_types=NOT_RETRIED,
)
_MAX_TOLD = 500


class Finisher:
    """Sets the execution's conclusion, once every task has ended."""

    def __init__(
        self,
        execution: ExecutionState,
        merge_queue: MergeQueue,
        head_checks: HeadChecks,
        compensations: Compensations,
        conclusion: Conclusion,
    ) -> None:
        self._execution = execution
        self._merge_queue = merge_queue
        self._head_checks = head_checks
        self._compensations = compensations
        self._conclusion = conclusion

    async def finish(self) -> bool:
        """Check and deliver the head, or undo it; false: tasks have to run again before."""
        execution = self._execution
        execution.finishing = True
        if self._merge_queue.commit is None:
            # A person's wish is no failure, which alone stops a strategy.
            some = execution.counts["succeeded"] and not (execution.failed and execution.strategy.stops_on_failure)
            self._conclusion.status = "succeeded" if not execution.incomplete else "partial" if some else "failed"
            return True
        if execution.failed and execution.undoes_all:
            await self._undo("rolled_back")
            return True
        if self._any_landed:
            problem = await self._head_checks.pass_or_exclude()
            self._conclusion.verified = self._head_checks.verified
            if not execution.finished:
                execution.finishing = False
                return False
            if problem is not None:
                await self._undo("rolled_back" if execution.undoes_all else "failed", problem)
                return True
        if execution.incomplete and not self._any_landed:
            await self._undo("failed", None if execution.failed else "nothing has landed: people have cancelled tasks")
            return True
        try:
            delivery = await self._deliver(self._merge_queue.commit)
            warnings = [
                *self._merge_queue.warnings,
                *delivery.warnings,
                *in_few_lines(list(self._merge_queue.checks.problems)),
            ]
            self._conclusion.delivery = delivery.model_copy(update={"warnings": warnings})
        except ActivityError as error:
            self._rollback_failed(error)
            return True
        refused = self._conclusion.delivery.refused_because is not None
        if execution.plan.pull_request is not None and not refused:
            self._conclusion.delivery = await self._with_pull_request(self._conclusion.delivery)
        self._conclusion.status = "undelivered" if refused else "partial" if execution.incomplete else "succeeded"
        return True

    async def abort(self, error: BaseException) -> None:
        """Undo an execution that was cancelled, or of which a step failed for good."""
        if dispatch.is_cancelled(error):
            await self._undo("cancelled")
        else:
            await self._undo("failed", dispatch.message_of(error))

    @property
    def _any_landed(self) -> bool:
        return any(state.landed for state in self._execution.tasks.values())

    async def _deliver(self, commit: str) -> Delivery:
        queue, mode = self._merge_queue, self._merge_queue.deliver
        if mode == "none":
            return Delivery(mode=mode, base=queue.base, head=commit)
        branch = branch_name(workflow.info().workflow_id) if mode in ("branch", "push") else None
        step: Literal["branch", "push", "apply"] = (
            "branch" if mode == "branch" else "push" if mode == "push" else "apply"
        )
        self._compensations.register(Compensation(step=step, hub=queue.hub, branch=branch, head=commit))
        commits = self._execution.plan.commits
        request = DeliverRequest(
            hub=queue.hub,
            base=queue.base,
            head=commit,
            branch=branch,
            mode=mode,
            commits=commits,
            checks=self._execution.plan.checks != "off",
            added={each: self._execution.tasks[each].task.description[:_MAX_TOLD] for each in self._execution.added},
        )
        summary = f"{'push' if mode == 'push' else 'deliver'} {branch}" if branch else "deliver into the work tree"
        try:
            delivery = await self._delivered(request, summary)
        except ActivityError as error:
            if dispatch.is_cancelled(error) or workflow.cancellation_reason() is not None:
                raise asyncio.CancelledError from None
            refused = Delivery(mode=mode, base=queue.base, head=commit, refused_because=dispatch.message_of(error))
            if mode == "push":
                refused = refused.model_copy(update={"finish_with": finish_push(workflow.info().workflow_id)})
            if mode == "apply":
                # The delivery may have stopped half-way.
                await self._roll_back(RollBackRequest(steps=[Compensation(step="apply", hub=queue.hub)]))
            return refused
        if mode == "apply":
            await self._clean_up(CleanUpRequest(hub=queue.hub))
        return delivery

    async def _delivered(self, request: DeliverRequest, summary: str) -> Delivery:
        """Deliver; where the user has moved on, checkers read the merge with that before."""
        for tries_left in reversed(range(_MAX_TRIES)):
            delivered: Delivered = await dispatch.awaited(self._merge_queue.start(DELIVER, request, summary))
            merge = delivered.to_check
            if merge is None:
                break
            checked = await self._head_checks.read(CHECK, merge, "check the merge with the workspace", merge.names)
            refused = checked.conflict and f"{MOVED_ON}, and the parts do not fit: {checked.conflict.description}"
            without = [*request.without, *checked.failed]
            update = {"without": without, "refused_because": refused, "checks": tries_left > 1}
            request = request.model_copy(update=update)
        return Delivery(**delivered.model_dump(exclude={"to_check"}))

    async def _with_pull_request(self, delivery: Delivery) -> Delivery:
        """Open the pull request of a delivered branch. Whatever becomes of it, the delivery stands."""
        if delivery.branch is None or delivery.head == delivery.base:
            said = "no pull request is opened: nothing has changed"
            return delivery.model_copy(update={"warnings": [*delivery.warnings, said]})
        request, queue = PullRequestRequest(branch=delivery.branch, hub=self._merge_queue.hub), self._merge_queue.queue
        summary = f"pull request of {delivery.branch}"
        try:
            opening = dispatch.start(
                OPEN_PULL_REQUEST, request, queue=queue, retry=_PULL_REQUEST_RETRY, summary=summary
            )
            outcome: PullRequestOutcome = await opening
        except (ActivityError, asyncio.CancelledError) as error:
            problem = "it was cancelled" if dispatch.is_cancelled(error) else dispatch.message_of(error)
            outcome = PullRequestOutcome(pull_request=DeliveredPullRequest(url=None, state="failed"), problem=problem)
        update: dict[str, object] = {"pull_request": outcome.pull_request}
        if outcome.problem is not None:
            update["warnings"] = [*delivery.warnings, f"no pull request: {outcome.problem}"]
            update["finish_with"] = [*delivery.finish_with, shlex.join(["epw", "pr", workflow.info().workflow_id])]
        return delivery.model_copy(update=update)

    async def tidy(self) -> None:
        """Remove the directories of attempts that still wait: they will not be resumed."""
        if any(state.saved is not None or state.has_directory for state in self._execution.tasks.values()):
            await self._clean_up(CleanUpRequest(directories=True))

    async def _clean_up(self, request: CleanUpRequest) -> None:
        """Remove what is not needed any more; no cancellation interrupts this."""
        retry = dispatch.retry_policy(self._execution.strategy)
        started = dispatch.start(CLEAN_UP, request, queue=self._merge_queue.queue, retry=retry, summary="clean up")
        try:
            await dispatch.uncancelled(started)
        except ActivityError as error:
            # The next worker's janitor removes what is left.
            workflow.logger.warning("clean-up failed: %s", dispatch.message_of(error))

    async def _undo(self, status: str, message: str | None = None) -> None:
        """Undo every step that was taken, newest first, then set the status."""
        queue, steps = self._merge_queue, self._compensations.reversed()
        self._execution.undo_landings()
        if queue.commit is not None:
            self._conclusion.delivery = Delivery(mode=queue.deliver, base=queue.base, head=queue.base)
        try:
            if steps:
                await self._roll_back(RollBackRequest(steps=steps))
        except ActivityError as error:
            self._rollback_failed(error)
            return
        self._conclusion.status, self._conclusion.message = status, message

    def _rollback_failed(self, error: ActivityError) -> None:
        """Conclude a rollback that cannot finish, with the commands that finish it by hand."""
        commands = [str(command) for command in dispatch.details_of(error)]
        self._conclusion.status, self._conclusion.message = "rollback_failed", dispatch.message_of(error)
        self._conclusion.delivery = Delivery(
            mode=self._merge_queue.deliver, base=self._merge_queue.base, finish_with=commands
        )

    async def _roll_back(self, request: RollBackRequest) -> None:
        retry = dispatch.retry_policy(self._execution.strategy)
        started = dispatch.start(ROLL_BACK, request, queue=self._merge_queue.queue, retry=retry, summary="roll back")
        await dispatch.uncancelled(started)
