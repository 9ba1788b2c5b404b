"""Verification: runs of the plan's `verify` on heads, and what they have found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import workflow

from epw.core.execution.state import ExecutionState
from epw.core.landing import ConflictFound, Verified, VerifyRequest
from epw.core.messages import VERIFY, StepRequest
from workflows import dispatch


class Verification:
    """Runs `verify`, one at a time; `start` starts an activity."""

    def __init__(
        self,
        execution: ExecutionState,
        hub: str,
        start: Callable[[str, StepRequest, str], workflow.ActivityHandle[Any]],
    ) -> None:
        self._execution = execution
        self._hub = hub
        self._start = start
        self._running: workflow.ActivityHandle[Any] | None = None
        self.knows_commits = False
        """Whether a commit is not verified twice: so since there are trials."""
        self._verdicts: dict[str, Verified] = {}
        """What `verify` said, by commit."""

    def cancel(self) -> None:
        """Cancel the run that is under way."""
        if self._running is not None:
            self._running.cancel()

    async def verify(self, commit: str, label: str) -> Verified:
        """What `verify` says of a commit; where it has been asked before, and `knows_commits`, it is not run again."""
        if self.knows_commits and commit in self._verdicts:
            return self._verdicts[commit]
        request = VerifyRequest(hub=self._hub, commit=commit, label=label)
        self._running = self._start(VERIFY, request, f"verify {label}"[:200])
        try:
            verified: Verified = await dispatch.awaited(self._running)
            self._verdicts[commit] = verified
            return verified
        finally:
            self._running = None

    async def has_passed(self, commit: str, label: str) -> bool:
        """Whether `verify` passes on a commit; it runs where that is not known."""
        if commit not in self._verdicts:
            await self.verify(commit, label)
        return self._verdicts[commit].green

    def verdict(self, commit: str) -> Verified:
        """What `verify` has said of a commit."""
        return self._verdicts[commit]

    def conflict(self, tasks: Sequence[str], paths: Sequence[str], verified: Verified) -> ConflictFound:
        """The conflict of the tasks whose changes make `verify` fail."""
        return ConflictFound(
            kind="verify",
            tasks=[*tasks],
            paths=[*paths],
            description=f"verify is red: {verified.message}",
            command=self._execution.plan.verify if verified.exit_code is not None else None,
            exit_code=verified.exit_code,
            output=verified.output,
        )
