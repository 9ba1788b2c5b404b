"""Calls of the tools as a client makes them: arguments that are accepted, and results, fit the tool's schemas."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from epw.core.errors import InvalidInput
from epw.core.plan.schema import plan_schema
from epw.tools.registry import TOOLS

jsonschema = pytest.importorskip("jsonschema")
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@cache
def validator(tool: str, side: str) -> Any:
    schema = plan_schema() if (tool, side) == ("execute_parallel_workflow", "output") else getattr(TOOLS[tool], side)
    return jsonschema.Draft202012Validator(schema)


def call(name: str, arguments: Any) -> dict[str, Any]:
    """The tool's result; for `execute_parallel_workflow` the plan to run."""
    result = TOOLS[name].function(arguments, NOW)
    validator(name, "input").validate(arguments)
    validator(name, "output").validate(result)
    assert result.keys() <= validator(name, "output").schema["properties"].keys(), "every field is described"
    return result


def analyze_task_parallelizability(arguments: Any) -> dict[str, Any]:
    return call("analyze_task_parallelizability", arguments)


def create_dependency_graph(arguments: Any) -> dict[str, Any]:
    return call("create_dependency_graph", arguments)


def optimize_batch_distribution(arguments: Any) -> dict[str, Any]:
    return call("optimize_batch_distribution", arguments)


def plan_to_execute(arguments: Any) -> dict[str, Any]:
    return call("execute_parallel_workflow", arguments)


def aggregate_progress(arguments: Any) -> dict[str, Any]:
    return call("aggregate_progress", arguments)


def detect_conflicts(arguments: Any) -> dict[str, Any]:
    return call("detect_conflicts", arguments)


def problems(tool: Callable[[Any], Any], arguments: Any) -> list[tuple[str, str]]:
    """(path, message) of everything that is wrong with a call."""
    with pytest.raises(InvalidInput) as caught:
        tool(arguments)
    return [(problem.path, problem.message) for problem in caught.value.problems]


def messages(tool: Callable[[Any], Any], arguments: Any = None) -> list[str]:
    return [message for _, message in problems(tool, arguments)]
