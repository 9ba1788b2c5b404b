"""What can be done about a failure: by a user, and by another attempt."""

from __future__ import annotations

import shlex

from epw.core.failures import FAILURES, Retried
from epw.core.recovery_words import LOGS, RETRY


def recovery_options(type: str, execution_id: str = "ID", task_id: str = "TASK", path: str = "tasks[N]") -> list[str]:
    """What a user can do about a failure of this type, as words and commands; of an unknown type, look and run again.

    `path`: the task's place in the plan.
    """
    kind = FAILURES.get(type)
    known = {"id": shlex.quote(execution_id), "task": shlex.quote(task_id), "path": path}
    return [each.format(**known) for each in (kind.recovery if kind is not None else (LOGS, RETRY))]


def is_repeated(earlier: str | None, type: str) -> bool:
    """Whether a limit was broken in two attempts in a row: another would end the same way."""
    return earlier == type and type in FAILURES and FAILURES[type].retried is Retried.ONCE
