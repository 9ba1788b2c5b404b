"""Environment variables of an agent's processes: an allow-list of the worker's, and those of the attempt."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from activities.agents import login_files
from activities.agents.context import AgentContext
from activities.agents.secrets import Secrets
from activities.system.process_identity import API_KEYS
from epw.core.plan.model import Plan
from epw.core.presets.preset import Login

_ALLOWED = ("PATH", "LANG", "TERM")
_NO_SECRETS = ("HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "TZ", "USER")


def missing_variables(plan: Plan) -> list[str]:
    """Names in `passEnv` that nothing has set for this process."""
    return [name for name in plan.pass_env if name not in os.environ]


def inherited_variables(plan: Plan, home: Path, temporary: Path, sandbox: str) -> dict[str, str]:
    """The allow-list and `passEnv` from the worker, with a private `HOME` and `TMPDIR`.

    Those two are the worker's where `passEnv` names them, and at sandbox level `none`.
    """
    passed = {name: os.environ[name] for name in (*_ALLOWED, *plan.pass_env) if name in os.environ}
    private = {"HOME": str(home), "TMPDIR": str(temporary)}
    kept = private if sandbox == "none" else [name for name in private if name in plan.pass_env]
    return {**passed, **private, **{name: os.environ[name] for name in kept if name in os.environ}}


def attempt_variables(context: AgentContext) -> dict[str, str]:
    """`env` of the plan and the task, and `EPW_*`."""
    plan, task = context.plan, context.task
    in_force = {
        "resource_limits": context.limits_in_force,
        "budget": context.budget_override or plan.constraints.budget,
    }
    constraints = plan.constraints.model_copy(update=in_force)
    own = {
        "EPW_TASK_ID": task.id,
        "EPW_EXECUTION_ID": context.execution_id,
        "EPW_ATTEMPT": str(context.attempt),
        "EPW_EVENTS": str(context.events),
        "EPW_WARNINGS": str(context.warnings_file),
        "EPW_MESSAGES": str(context.messages_file),
        "EPW_CONSTRAINTS": json.dumps(constraints.model_dump(mode="json", exclude_none=True)),
    }
    if context.answer is not None:
        own["EPW_ANSWER"] = context.answer
    if context.conflict is not None:
        described = context.conflict.model_dump(mode="json", exclude={"commit", "found_with"})
        own["EPW_CONFLICT"] = json.dumps(
            {**described, "hunks": context.hunks}, ensure_ascii=False, separators=(",", ":")
        )
    return {**plan.env, **task.env, **own}


def secrets_of(plan: Plan, logins: Sequence[Login] = ()) -> Secrets:
    """Values of the variables that the plan passes on from the worker, the worker's API keys, the tokens of logins."""
    names = (*(name for name in plan.pass_env if name not in _NO_SECRETS), *API_KEYS)
    values = {name: os.environ.get(name, "") for name in names}
    return _known(tuple({**login_files.secrets(logins), **values}.items()))


@lru_cache(maxsize=64)
def _known(values: tuple[tuple[str, str], ...]) -> Secrets:
    """Cached: the encoded forms are costly, and every path and line that an agent reports is searched for them."""
    return Secrets.of(dict(values))
