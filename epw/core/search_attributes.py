"""Search attributes of an execution: how Temporal's own lists and the Web UI find it."""

STATUS = "EpwStatus"
STRATEGY = "EpwStrategy"
WAITING = "EpwWaiting"
FAILED_TASKS = "EpwFailedTasks"

TYPES = {STATUS: "Keyword", STRATEGY: "Keyword", WAITING: "Keyword", FAILED_TASKS: "Int"}
"""Temporal's type of each, as its command line names it."""
