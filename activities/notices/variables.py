"""Variables of the worker that notices need."""

from __future__ import annotations

import os

from epw.core.errors import InvalidPlan, Problem
from epw.core.plan.model import Plan


def check_variables(plan: Plan) -> None:
    """Raise `InvalidPlan` where this worker lacks a variable that `notify` names."""
    problems = [
        Problem(f"notify[{index}]", f"the worker has no variable {name}: set it where the worker is started")
        for index, rule in enumerate(plan.notify)
        for name in rule.variables
        if not os.environ.get(name)
    ]
    if problems:
        raise InvalidPlan(problems)
