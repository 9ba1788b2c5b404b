"""What a channel gets to send a notice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from activities.processes.host_monitor import HostMonitor
from activities.state.execution_store import ExecutionStore
from activities.state.heartbeat import Heartbeat
from activities.state.plan_source import RunningPlan
from epw.core.errors import EpwError
from epw.core.plan.outgoing import NoticeRule


class NotSent(EpwError):
    """A receiver has not taken a notice; `final`: another try would end the same way."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        self.final = final
        super().__init__(message)


@dataclass(frozen=True)
class Sending:
    """One try of a notice by one rule."""

    rule: NoticeRule
    notice: dict[str, Any]
    """As its receiver gets it: without secrets."""
    execution: ExecutionStore
    running: RunningPlan
    host: HostMonitor
    heartbeat: Heartbeat
    activity_attempt: int


Send = Callable[[Sending], Awaitable[None]]
"""Sends a notice; raises `NotSent`."""
