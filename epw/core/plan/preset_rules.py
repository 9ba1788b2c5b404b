"""Rules for plans with presets and logins: what can be kept of their limits, and where a home can be."""

from __future__ import annotations

from collections.abc import Iterator

from epw.core.errors import Problem
from epw.core.plan.model import Plan, Task
from epw.core.plan.parts import Budget
from epw.core.plan.requests import SetBudget
from epw.core.presets.preset import Preset


def check_preset(path: str, task: Task, plan: Plan) -> Iterator[Problem]:
    """Check the parts of a plan that the program of a task cannot keep."""
    preset = plan.backend_of(task).preset
    if preset is None:
        return
    if plan.network is False:
        hosts = ", ".join(preset.hosts)
        message = f'agent "{preset.name}" calls its API itself: name its hosts in `network` ({hosts})'
        yield Problem(f"{path}.agent", message)
    if (budget := plan.constraints.budget) is not None:
        yield from (Problem(f"{path}.agent", each) for each in not_kept(preset, budget))


def not_kept(preset: Preset, budget: Budget | SetBudget) -> Iterator[str]:
    """Why a program's spending cannot be held to a budget, a line for each limit."""
    named = f'agent "{preset.name}"'
    if budget.max_cost_usd is not None and not preset.reports_cost:
        hint = "use maxTokens, or its provider's own limit" if preset.reports_tokens else "use its provider's own limit"
        yield f"{named} does not say what it costs, so maxCostUSD cannot be kept; {hint}"
    if budget.max_tokens is not None and not preset.reports_tokens:
        message = f"{named} does not say how many tokens it uses, so maxTokens cannot be kept"
        yield f"{message}; use its provider's own limit"


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
