"""Outcomes of an execution: status, exit code of a command and failure in Temporal, one record each."""

from __future__ import annotations

from dataclasses import dataclass

from epw.core import failures
from epw.core.errors import UrlAway, UrlDenied
from epw.core.execution.delivery import Delivery
from epw.core.failures import FailureKind
from epw.core.landing import Verified

UNPREPARED = (failures.UNAVAILABLE.type, UrlAway.__name__, UrlDenied.__name__)
"""Failures of the preparation that say what the environment lacks."""


@dataclass(frozen=True)
class Outcome:
    """A final status of an execution."""

    status: str
    exit_code: int
    failure: FailureKind | None = None
    """Failure with which the workflow ends FAILED; None: it ends COMPLETED, or CANCELED where it was cancelled."""


@dataclass
class Conclusion:
    """How an execution ends. `status`: `running` until that is decided, then a key of `OUTCOMES`."""

    status: str = "running"
    message: str | None = None
    """Why, where no task's failure says it."""
    lacks: bool = False
    """Whether nothing began, since the environment lacks something."""
    delivery: Delivery | None = None
    verified: Verified | None = None
    """The plan's `verify` of the final head, if it was run."""


OUTCOMES = {
    outcome.status: outcome
    for outcome in (
        Outcome("succeeded", 0),
        Outcome("partial", 1),
        Outcome("failed", 1, failures.EXECUTION_FAILED),
        Outcome("rolled_back", 1, failures.EXECUTION_ROLLED_BACK),
        Outcome("undelivered", 1, failures.DELIVERY_REFUSED),
        Outcome("cancelled", 4),
        Outcome("rollback_failed", 3, failures.ROLLBACK_FAILED),
    )
}
STATUS_OF_TEMPORAL = {
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "CANCELED": "cancelled",
    "TERMINATED": "terminated",
    "TIMED_OUT": "failed",
    "RUNNING": "running",
    "CONTINUED_AS_NEW": "running",
}
"""Status by Temporal's status of the workflow, for an execution whose own status cannot be read."""
