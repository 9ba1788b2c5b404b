"""JSON schema of plans, for editors and other programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from epw.core.conflict_steps import CONFLICT_STEPS, StepKind
from epw.core.plan.model import Plan

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def plan_schema(steps: Mapping[str, StepKind] = CONFLICT_STEPS) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a plan document with camelCase keys.

    A document that it refuses is not a valid plan. The validator also refuses what no schema can say: dependencies on
    unknown tasks, cycles, fields that contradict one another.
    """
    schema = _tidied(Plan.model_json_schema())
    patterns = [f"{re.escape(each.name)}:.+" if each.names_task else re.escape(each.name) for each in steps.values()]
    (named, _) = schema["properties"]["onConflict"]["anyOf"]
    named["items"]["pattern"] = f"^({'|'.join(patterns)})$"
    definitions = schema.pop("$defs")
    return {"$schema": _DIALECT, "title": "epw plan", **schema, "$defs": definitions}


def _tidied(node: Any) -> Any:
    """A schema without titles, which only repeat names, and without defaults that are not scalars."""
    if isinstance(node, list):
        return [_tidied(each) for each in node]
    if not isinstance(node, dict):
        return node
    tidied: dict[str, Any] = {}
    for key, value in node.items():
        if key in ("properties", "patternProperties", "$defs"):
            tidied[key] = {name: _tidied(each) for name, each in value.items()}
        elif key != "title" and not (key == "default" and (value is None or isinstance(value, dict))):
            tidied[key] = _tidied(value)
    if "patternProperties" in tidied:
        tidied["additionalProperties"] = False
    return tidied
