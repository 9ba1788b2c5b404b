"""What an agent's processes see of the worker's environment: an allow-list, nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any

from activities.agents.base import Work
from activities.agents.secrets import Secrets
from activities.model_api.credentials import has_key, missing_key
from activities.state.execution_store import write_atomically
from activities.state.heartbeat import Heartbeat
from activities.system.process_identity import API_KEYS
from epw.core.errors import Unavailable
from epw.core.plan.model import MODELS, Plan

_ALLOWED = ("PATH", "LANG", "TERM")
_NO_SECRETS = ("HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "TZ", "USER")


def environment(work: Work) -> dict[str, str]:
    """The variables of an attempt: the allow-list, `passEnv`, `env`, and `EPW_*`."""
    passed = {name: os.environ[name] for name in (*_ALLOWED, *work.plan.pass_env) if name in os.environ}
    private = {"HOME": str(work.home), "TMPDIR": str(work.temporary)}
    # What the plan passes on is not ours to replace.
    theirs = private if work.sandbox == "none" else [name for name in private if name in work.plan.pass_env]
    private |= {name: os.environ[name] for name in theirs if name in os.environ}
    constraints = work.plan.constraints.model_copy(update={"resource_limits": work.plan.limits_of(work.task)})
    own = {
        "EPW_TASK_ID": work.task.id,
        "EPW_EXECUTION_ID": work.execution_id,
        "EPW_ATTEMPT": str(work.attempt),
        "EPW_EVENTS": str(work.events),
        "EPW_WARNINGS": str(work.warnings_file),
        "EPW_CONSTRAINTS": json.dumps(constraints.model_dump(mode="json", exclude_none=True)),
    }
    if work.answer is not None:
        own["EPW_ANSWER"] = work.answer
    if work.dispute is not None:
        told = work.dispute.model_dump(mode="json", exclude={"commit", "found_with"})
        own["EPW_CONFLICT"] = json.dumps({**told, "hunks": work.hunks}, ensure_ascii=False, separators=(",", ":"))
    network = work.network.variables() if work.network is not None else {}
    return {**passed, **private, **network, **work.plan.env, **work.task.env, **own}


def lacking(agent: str) -> str | None:
    """What an agent needs and this process does not have; None: nothing."""
    if agent == "claude-code" and not (find_spec("claude_agent_sdk") and find_spec("aiohttp")):
        return "agent claude-code needs an extra: pip install 'epw[claude-code]' (from a clone: '.[claude-code]')"
    if agent in MODELS and not has_key():
        return missing_key(agent)
    return None


def require_bash() -> None:
    """Raises `Unavailable` without the shell that runs commands."""
    if shutil.which("bash") is None:
        raise Unavailable("bash is needed by `run`, `verify` and `setup`, and is not on PATH: install it")


def require_agents(plan: Plan) -> None:
    """Raises `Unavailable` where an agent of the plan lacks something."""
    for agent in dict.fromkeys(plan.agent_of(task) for task in plan.tasks):
        if missing := lacking(agent):
            raise Unavailable(missing)


def redacted(text: str, work: Work) -> str:
    """`text` without the secrets of `secrets_of`."""
    return without_secrets(work.plan, text)


def without_secrets(plan: Plan, text: str) -> str:
    return secrets_of(plan).hidden(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def tell(plan: Plan, heartbeat: Heartbeat, fields: dict[str, Any]) -> None:
    """What an agent says of itself, without what must not be stored or shown."""
    hide = partial(without_secrets, plan)
    told = {
        name: [hide(each) if isinstance(each, str) else each for each in value] if isinstance(value, list) else value
        for name, value in fields.items()
    }
    heartbeat.report({name: hide(value) if isinstance(value, str) else value for name, value in told.items()})


def redact_log(work: Work) -> None:
    """Take the secrets out of what an attempt has printed; nobody writes to it any more."""
    secrets = secrets_of(work.plan)
    if not secrets.forms:
        return
    with contextlib.suppress(OSError):
        printed = work.output.read_bytes()
        hidden = secrets.hidden(printed)
        if hidden != printed:
            write_atomically(work.output, hidden)


def secrets_of(plan: Plan) -> Secrets:
    """Values of the variables that were passed on from the worker, and its keys."""
    names = (*(name for name in plan.pass_env if name not in _NO_SECRETS), *API_KEYS)
    return _known(tuple((name, os.environ.get(name, "")) for name in names))


@lru_cache(maxsize=64)
def _known(values: tuple[tuple[str, str], ...]) -> Secrets:
    """The encoded forms are worked out once: every path and line that an agent reports is looked through."""
    return Secrets.of(dict(values))
