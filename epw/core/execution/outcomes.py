"""How an execution ends: the table of CONTRACT section 4, as records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    status: str
    exit_code: int
    failure_type: str | None = None
    """The type of the Temporal failure; None: COMPLETED (or CANCELED)."""


OUTCOMES = {
    ending.status: ending
    for ending in (
        Outcome("succeeded", 0),
        Outcome("partial", 1),
        Outcome("failed", 1, "ExecutionFailed"),
        Outcome("rolled_back", 1, "ExecutionRolledBack"),
        Outcome("undelivered", 1, "DeliveryRefused"),
        Outcome("cancelled", 4),
        Outcome("rollback_failed", 3, "RollbackFailed"),
    )
}
# How Temporal closed an execution whose own status cannot be read.
STATUS_OF_TEMPORAL = {
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CANCELED": "cancelled",
    "TERMINATED": "terminated",
    "TIMED_OUT": "failed",
    "RUNNING": "running",
    "CONTINUED_AS_NEW": "running",
}
