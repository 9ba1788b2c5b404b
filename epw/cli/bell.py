"""Bell of the terminal that follows an execution, where the plan's `notify` asks for it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection
from dataclasses import dataclass
from typing import IO, Any

from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from epw.client.started_plan import plan_of
from epw.core.errors import EpwError
from epw.core.plan.outgoing import Event
from epw.core.plan.validate import read_plan
from epw.service.connection import Connection


@dataclass(frozen=True)
class Bell:
    """Rings at these events, on a terminal alone."""

    events: Collection[Event] = ()
    terminal: IO[str] | None = None
    """Default: standard error."""

    @classmethod
    async def of(cls, connection: Connection, handle: WorkflowHandle[Any, Any]) -> Bell:
        """The bell of an execution; one that never rings where its plan cannot be read."""
        with contextlib.suppress(RPCError, EpwError):
            rules = read_plan(await plan_of(connection, handle), runnable=False).notify
            return cls(frozenset(event for rule in rules if rule.bell for event in rule.on))
        return cls()

    def ring(self, event: Event) -> None:
        """Ring, if the event is one of those."""
        terminal = self.terminal or sys.stderr
        if event in self.events and terminal.isatty():
            print("\a", end="", file=terminal, flush=True)
