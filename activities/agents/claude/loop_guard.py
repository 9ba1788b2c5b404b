"""How long a model's attempt may go on: turns, time, broken answers, the same call again and again."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import Any

from activities.agents.base import Work
from activities.agents.environment import redacted
from epw.core import failures
from epw.core.errors import TaskFailed

MAX_TURNS = 500
MAX_BROKEN = 3
_MAX_SAME_CALLS = 6


class LoopGuard:
    """Of one attempt; `before`: the seconds that it had worked when it was interrupted last."""

    def __init__(self, work: Work, before: float) -> None:
        self._work = work
        self._before = before
        self._started = time.monotonic()
        self._recent: deque[str] = deque(maxlen=_MAX_SAME_CALLS)

    def worked(self) -> float:
        """Seconds of this attempt that were no waiting for limits."""
        return self._before + time.monotonic() - self._started - self._work.waited.seconds

    def left(self) -> float:
        """Seconds that it has left."""
        return self._work.most_seconds - self.worked()

    def notice(self, name: str, arguments: dict[str, Any]) -> None:
        """An agent that does the same again and again gets nowhere: raises `TaskFailed` (`RepeatedCall`)."""
        self._recent.append(json.dumps([name, arguments], sort_keys=True))
        if len(self._recent) == _MAX_SAME_CALLS and len(set(self._recent)) == 1:
            told = f"the same call {_MAX_SAME_CALLS} times: {redacted(self._recent[0], self._work)[:300]}"
            raise TaskFailed(failures.REPEATED_CALL, told)
