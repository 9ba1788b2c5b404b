"""Watch over activities that no worker takes: their execution is told, so that it says whom it waits for.

A workflow does not see whether an activity has started. Any worker of the namespace tells it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle
from temporalio.common import SearchAttributeKey

from epw.core import search_attributes
from epw.core.plan.requests import AWAY, AWAY_TASKS, HostAway
from epw.service.connection import SearchAttributes
from epw.service.pollers import Unstarted, unstarted

PATIENCE_SECONDS = 5.0
"""So long an activity may wait before that is said."""
_MAX_KNOWN = 1_000
_RPC_TIMEOUT = timedelta(seconds=5)
_WAITING = SearchAttributeKey.for_keyword(search_attributes.WAITING)


class Patience:
    """Tells activities that wait for longer from those that were scheduled just now; by this machine's own clock."""

    def __init__(self, seconds: float = PATIENCE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._since: dict[tuple[str, int], float] = {}

    def of(self, waiting: Iterable[Unstarted]) -> list[Unstarted]:
        """Those that were among the waiting ones before, long enough ago."""
        now = self._clock()
        known, self._since = self._since, {}
        found = []
        for each in waiting:
            key = each.activity, each.since
            self._since[key] = known.get(key, now)
            if now - self._since[key] >= self._seconds:
                found.append(each)
        return found


class HostWatch:
    """Looks at running executions, one after the other; one instance a worker process."""

    def __init__(self, client: Client, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._client = client
        self._patience_seconds = patience_seconds
        self._patience: OrderedDict[str, Patience] = OrderedDict()
        """Of executions in which something waits, by run id."""
        self._told: set[str] = set()
        """Runs that wait for a host, as far as this process knows."""
        self._attributes = SearchAttributes(client)

    async def look_at(self, handle: WorkflowHandle[Any, Any], described: WorkflowExecutionDescription) -> bool:
        """Tell an execution what nobody takes, if that has changed; whether it was told.

        Raises `RPCError`, `WorkflowQueryFailedError` where no worker answers for it now.
        """
        run_id, now = described.run_id, await unstarted(self._client, described)
        patience = self._patience.pop(run_id, None) or Patience(self._patience_seconds)
        if now:
            self._patience[run_id] = patience
            if len(self._patience) > _MAX_KNOWN:
                self._patience.popitem(last=False)
        waiting = patience.of(now)
        was_told = run_id in self._told or described.typed_search_attributes.get(_WAITING) == "host"
        if not waiting and not was_told:
            return False
        attempts = {each.task_id: each for each in waiting if each.task_id is not None}
        message = HostAway(
            tasks=sorted(attempts),
            since={task_id: attempts[task_id].since for task_id in sorted(attempts)},
            lost=sorted(task_id for task_id, each in attempts.items() if each.run > 1),
            steps=sorted({each.type for each in waiting if each.task_id is None}),
            search_attributes=await self._attributes.known(),
        )
        known: dict[str, Any] = await handle.query(AWAY_TASKS, rpc_timeout=_RPC_TIMEOUT)
        if waiting:
            self._told.add(run_id)
        else:
            self._told.discard(run_id)
        if (known["tasks"], known["steps"]) == (message.tasks, message.steps):
            return False
        await handle.signal(AWAY, message, rpc_timeout=_RPC_TIMEOUT)
        return True
