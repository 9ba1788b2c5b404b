"""Advice that several failures share: what a user can do, with the command that does it."""

from __future__ import annotations

LOGS = "see what it printed: `epw logs {id} {task}`"
SALVAGE = "look at what it had saved: `epw salvage {id} {task}`"
RETRY = "run what is not done again, and keep the rest: `epw retry {id}`"
RETRY_TASK = "run the task again, and what depends on it: `epw retry {id} {task}`"
CHANGED = "correct the plan, then run what is not done: `epw retry {id} PLAN`"
DOCTOR = "see what this machine lacks: `epw doctor`"
SPLIT = "split the task in the plan, then `epw retry {id} PLAN`"
ANEW = "once that is there, run the plan again: nothing had begun"
SET_VARIABLE = (
    "set it where the worker is started (`epw up`, `epw worker`), or take it out of `passEnv`; then `epw retry {id}`"
)
UP = "keep a worker up (`epw up`), then `epw retry {id}`"


def raise_limit(limit: str, otherwise: str) -> str:
    return (
        f"raise {{path}}.constraints.resourceLimits.{limit} in the plan, or {otherwise}; then `epw retry {{id}} PLAN`"
    )
