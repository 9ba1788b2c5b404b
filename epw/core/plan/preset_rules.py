"""Rules for plans with presets and logins: what can be kept of their limits, and where a home can be."""

from __future__ import annotations

from collections.abc import Iterator

from epw.core.errors import Problem
from epw.core.plan.model import Plan, Task


def check_preset(path: str, task: Task, plan: Plan) -> Iterator[Problem]:
    """Check the parts of a plan that the program of a task cannot keep."""
    preset = plan.backend_of(task).preset
    if preset is None:
        return
    named, budget = f'agent "{preset.name}"', plan.constraints.budget
    if plan.network is False:
        hosts = ", ".join(preset.hosts)
        yield Problem(f"{path}.agent", f"{named} calls its API itself: name its hosts in `network` ({hosts})")
    if budget is None:
        return
    if budget.max_cost_usd is not None and not preset.reports_cost:
        hint = "use maxTokens, or its provider's own limit" if preset.reports_tokens else "use its provider's own limit"
        yield Problem(f"{path}.agent", f"{named} does not say what it costs, so maxCostUSD cannot be kept; {hint}")
    if budget.max_tokens is not None and not preset.reports_tokens:
        message = f"{named} does not say how many tokens it uses, so maxTokens cannot be kept"
        yield Problem(f"{path}.agent", f"{message}; use its provider's own limit")


def check_home(plan: Plan) -> Iterator[Problem]:
    """Check that a sandbox shows the home that `passEnv` passes on."""
    hides = plan.demands_bubblewrap or plan.sandbox == "landlock"
    if "HOME" in plan.pass_env and hides:
        yield Problem(
            f"passEnv[{plan.pass_env.index('HOME')}]",
            hidden_home("bubblewrap" if plan.demands_bubblewrap else "landlock"),
        )


def hidden_home(level: str) -> str:
    """Message about a home that a sandbox level does not show."""
    return (
        f"the home directory is not there in sandbox {level}: name the logins that are needed in `logins`, "
        "or say `sandbox: process`"
    )
