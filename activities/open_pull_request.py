"""Open a pull request: push the delivered branch by the user's git, and have the forge's program open it."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.documents.live_document import live_document
from activities.forges.forges import PullRequestTexts
from activities.forges.pull_request import GivesUp, Target, found_open, opened, push_arguments, target_of, way_of
from activities.git.secret_commits import refusal, secrets_added
from activities.git.user_git import UserGit, captured
from activities.state.activity_scope import activity_scope, current_execution, not_retried
from activities.state.execution_store import ExecutionStore
from activities.state.fence import check_fence, fencing_token
from activities.state.plan_source import PlanSource, RunningPlan
from activities.state.state_directory import StateDirectory
from activities.system.concurrency import in_thread
from activities.system.failpoints import failpoint
from epw.core.errors import Fenced, InvalidRequest, Refused
from epw.core.execution.delivery import DeliveredPullRequest, PullRequestOutcome, PullRequestRequest
from epw.core.messages import OPEN_PULL_REQUEST, PULL_REQUEST_ATTEMPTS
from epw.core.plan.outgoing import PullRequestWish
from epw.core.report.assembly import assembled
from epw.core.report.model import ExecutionResult
from epw.rendering.markdown import markdown, title

_MAX_SECONDS = 600.0
_MAX_WORDS = 600


class PullRequestOpener:
    """The activity `open_pull_request`."""

    def __init__(self, state: StateDirectory, plans: PlanSource) -> None:
        self._state = state
        self._plans = plans

    @activity.defn(name=OPEN_PULL_REQUEST)
    async def open_pull_request(self, request: PullRequestRequest) -> PullRequestOutcome:
        """Push the branch and open its pull request once; a repeated one finds what the first one did.

        What cannot be done after some attempts is a result too: the branch is delivered all the same. Raises `Fenced`,
        not retried, where a later activity of the execution has begun.
        """
        execution, is_last = current_execution(self._state, request), activity.info().attempt >= PULL_REQUEST_ATTEMPTS
        async with activity_scope(self._state, execution.key + "/pull-request"):
            try:
                check_fence(execution, OPEN_PULL_REQUEST, fencing_token())
            except Fenced as error:
                raise not_retried(error) from None
            running, document = await self._plans.of_current_execution(), await live_document(execution)
            cancelled, deadline = threading.Event(), time.monotonic() + _MAX_SECONDS
            step = _Step(execution, running, request.branch, lambda: cancelled.is_set() or time.monotonic() > deadline)
            work = asyncio.ensure_future(in_thread(step.taken, document))
            try:
                outcome: PullRequestOutcome = await asyncio.shield(work)
            except asyncio.CancelledError:
                cancelled.set()
                await asyncio.wait([work])
                raise
            if outcome.problem is not None and not outcome.final and not is_last:
                # The SDK logs a stack trace for other categories; a remote that is away is no error of the worker.
                raise ApplicationError(outcome.problem, type=Refused.__name__, category=ApplicationErrorCategory.BENIGN)
        return outcome


@dataclass(frozen=True)
class _Step:
    """Push and pull request of one branch."""

    execution: ExecutionStore
    running: RunningPlan
    branch: str
    gives_up: GivesUp

    def taken(self, document: ExecutionResult) -> PullRequestOutcome:
        """Push the branch and open the pull request. Blocking."""
        plan, workspace = self.running.plan, self.execution.workspace()
        folder, url = Path(workspace.path), workspace.url
        wish, git, file = (
            plan.pull_request or PullRequestWish(),
            UserGit(folder),
            self.execution.path / "pull-request.md",
        )
        try:
            target = Target(url, url, workspace.branch or "") if url is not None else target_of(git)
        except InvalidRequest as error:
            return _failed(str(error))
        now = round(time.time() * 1000)
        delivery = document["delivery"]
        began, last = delivery["base"] if delivery is not None else None, f"refs/heads/{self.branch}"
        if secrets := secrets_added(git, began, last) if url is None else []:
            return _failed(
                f"{self.branch} is not pushed: {refusal(secrets, 'pr', self.execution.workflow_id)}", final=True
            )
        # It all but has: what it did is known, and this is its last step.
        report = assembled(plan, document, [], made=now, began=now, ended=now)
        said, text, is_again = wish.title or title(report), markdown(report), file.is_file()
        texts = PullRequestTexts(self.branch, said, text, str(file), wish.draft, tuple(wish.reviewers))
        way = way_of(git, target, folder, texts, self.gives_up)
        code, errors = 0, ""
        if url is None:
            code, _, errors = captured(["git", *push_arguments(target, self.branch)], folder, self.gives_up)
        failpoint("pull-request.pushed")
        if code:
            words = " ".join(errors.split())[-_MAX_WORDS:]
            return _failed(f"git has not pushed {self.branch} to {target.remote}: {words}")
        if not way.argv:
            return PullRequestOutcome(pull_request=DeliveredPullRequest(url=way.page, state="manual"))
        address = found_open(way, folder, self.gives_up) if is_again else None
        if address is None:
            # From here on, a further attempt looks first whether this one has opened it.
            self.execution.keep(file.name, text.encode("utf-8", "replace"))
            done = opened(way, folder, self.gives_up)
            failpoint("pull-request.opened")
            if done.problem is not None:
                return _failed(f"{way.argv[0]} opened no {way.noun}: {done.problem}", way.page)
            address = done.url
        state: str = "draft" if wish.draft else "open"
        return PullRequestOutcome(pull_request=DeliveredPullRequest.model_validate({"url": address, "state": state}))


def _failed(problem: str, page: str | None = None, *, final: bool = False) -> PullRequestOutcome:
    return PullRequestOutcome(pull_request=DeliveredPullRequest(url=page, state="failed"), problem=problem, final=final)
