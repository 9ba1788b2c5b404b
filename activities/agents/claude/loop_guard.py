"""Limits of a model's attempt: turns, invalid answers, time, and repeated calls."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import Any

from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from epw.core import failures
from epw.core.errors import TaskFailed

MAX_TURNS = 500
MAX_BROKEN = 3
_MAX_SAME_CALLS = 6


class LoopGuard:
    """Watch over one attempt's time, and over calls that repeat."""

    def __init__(self, context: AgentContext, reporter: Reporter, seconds_before: float) -> None:
        """`seconds_before`: time at work in earlier runs of this attempt."""
        self._max_seconds = context.max_seconds
        self._reporter = reporter
        self._before = seconds_before
        self._started = time.monotonic()
        self._recent: deque[str] = deque(maxlen=_MAX_SAME_CALLS)

    def seconds_worked(self) -> float:
        """Time of this attempt, waits for the account and the budget not counted."""
        return self._before + time.monotonic() - self._started - self._reporter.account_wait.seconds

    def seconds_left(self) -> float:
        return self._max_seconds - self.seconds_worked()

    def check_repeat(self, name: str, arguments: dict[str, Any]) -> None:
        """Raises `TaskFailed` (`RepeatedCall`) at the sixth identical call in a row."""
        self._recent.append(json.dumps([name, arguments], sort_keys=True))
        if len(self._recent) == _MAX_SAME_CALLS and len(set(self._recent)) == 1:
            message = f"the same call {_MAX_SAME_CALLS} times: {self._reporter.redact(self._recent[0])[:300]}"
            raise TaskFailed(failures.REPEATED_CALL, message)
