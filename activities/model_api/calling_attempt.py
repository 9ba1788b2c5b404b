"""Attempt that calls a model, as the API account sees it: its limits, its budget, its clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from activities.model_api.waiting import WaitClock
from epw.core.account_limiter import Limits
from epw.core.messages import Usage
from epw.core.plan.parts import Budget


@dataclass(frozen=True)
class CallingAttempt:
    """One attempt that calls a model."""

    execution_id: str
    task_id: str
    ledger: Path
    """File of the execution's budget ledger."""
    budget: Budget
    limits: Callable[[str], Limits]
    """The limits that the plan sets for the account of a provider."""
    waited: WaitClock
    """Counts the time that its calls wait for the account and the budget."""
    report: Callable[[dict[str, Any]], None]
    """Takes fields of `AgentProgress`."""
    used: Callable[[Usage], None]
    """Takes what the task has used, whenever that changes."""
