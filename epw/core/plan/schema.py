"""JSON schema of the plan."""

from __future__ import annotations

from typing import Any

from epw.core.plan.model import Plan


def plan_schema() -> dict[str, Any]:
    """JSON schema of a plan document."""
    return Plan.model_json_schema(by_alias=True)
