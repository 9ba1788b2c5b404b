"""How an execution ends: the table of CONTRACT section 4, as records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ending:
    status: str
    exit_code: int
    failure_type: str | None = None
    """The type of the Temporal failure; null: COMPLETED (or CANCELED)."""


ENDINGS = {
    ending.status: ending
    for ending in (
        Ending("succeeded", 0),
        Ending("partial", 1),
        Ending("failed", 1, "ExecutionFailed"),
        Ending("rolled_back", 1, "ExecutionRolledBack"),
        Ending("undelivered", 1, "DeliveryRefused"),
        Ending("cancelled", 4),
        Ending("rollback_failed", 3, "RollbackFailed"),
    )
}
# How Temporal closed an execution whose own status cannot be read.
OF_TEMPORAL = {
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CANCELED": "cancelled",
    "TERMINATED": "terminated",
    "TIMED_OUT": "failed",
    "RUNNING": "running",
    "CONTINUED_AS_NEW": "running",
}
