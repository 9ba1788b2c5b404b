"""What can be done about a failure: by a user, and by another attempt."""

from __future__ import annotations

import shlex

from epw.core.failures import FAILURES, Retried
from epw.core.recovery_words import LOGS, RETRY, RETRY_TASK


def recovery_options(
    type: str,
    execution_id: str = "ID",
    task_id: str = "TASK",
    path: str = "tasks[N]",
    *,
    is_open: bool = False,
) -> list[str]:
    """What a user can do about a failure of this type, as words and commands; of an unknown type, look and run again.

    `path`: the task's place in the plan. `is_open`: the execution goes on, so that one task can run again by itself,
    and a changed plan has to wait for the end.
    """
    kind = FAILURES.get(type)
    known = {"id": shlex.quote(execution_id), "task": shlex.quote(task_id), "path": path}
    options = kind.recovery if kind is not None else (LOGS, RETRY)
    return [(_while_open(each) if is_open else each).format(**known) for each in options]


def _while_open(option: str) -> str:
    """Advice for a task of an execution that goes on, from that for one that has ended."""
    if option == RETRY:
        return RETRY_TASK
    return option.replace("`epw retry {id}`", "`epw retry {id} {task}`").replace(
        "`epw retry {id} PLAN`", "once the execution has ended `epw retry {id} PLAN`"
    )


def is_repeated(earlier: str | None, type: str) -> bool:
    """Whether a limit was broken in two attempts in a row: another would end the same way."""
    return earlier == type and type in FAILURES and FAILURES[type].retried is Retried.ONCE
