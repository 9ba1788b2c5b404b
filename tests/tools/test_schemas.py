"""Schemas of the tools: short, described to the last field, and with the bounds that the code has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from epw.core.errors import InvalidInput
from epw.tools.registry import TOOLS
from tests.tools.calls import NOW, call, validator

jsonschema = pytest.importorskip("jsonschema")
_SIDES = [(name, side) for name in TOOLS for side in ("input", "output")]
_MAX_CHARACTERS = 5_000
"""Of an input schema: about 1,250 tokens."""


@pytest.mark.parametrize(("name", "side"), _SIDES)
def test_a_schema_is_valid_and_every_field_of_it_is_described(name: str, side: str) -> None:
    schema = getattr(TOOLS[name], side)
    jsonschema.Draft202012Validator.check_schema(schema)
    fields = list(_fields(schema, ""))
    assert len(fields) > 2
    assert [path for path, field in fields if not field.get("description")] == []


@pytest.mark.parametrize("name", TOOLS)
def test_an_input_schema_is_short_and_has_no_alternatives_at_its_top(name: str) -> None:
    tool = TOOLS[name]
    assert tool.name == name
    assert len(json.dumps(tool.input)) < _MAX_CHARACTERS
    assert tool.input["type"] == "object"
    assert not {"anyOf", "oneOf", "allOf"} & tool.input.keys()
    assert "Example:" in tool.description


@pytest.mark.parametrize("name", TOOLS)
def test_examples_of_a_schema_are_accepted(name: str) -> None:
    for example in TOOLS[name].input["examples"]:
        assert call(name, example)


def test_fields_of_executions_are_in_the_schemas() -> None:
    assert {"plan", "wait"} <= TOOLS["execute_parallel_workflow"].input["properties"].keys()
    for name in ("aggregate_progress", "detect_conflicts"):
        assert "executionId" in TOOLS[name].input["properties"]


@pytest.mark.parametrize("name", TOOLS)
def test_the_bounds_of_a_schema_are_those_of_the_code(name: str) -> None:
    """At each bound that a schema states both accept a call, and just beyond it both refuse it."""
    example = _with_everything(name)
    found = 0
    for path, field in _fields(TOOLS[name].input, ""):
        steps = path.split(".")[1:]
        for good, bad in _around(field):
            found += 1
            assert _accepts(name, _changed(example, steps, good)), (path, good)
            assert not _accepts(name, _changed(example, steps, bad)), (path, bad)
            assert validator(name, "input").is_valid(_changed(example, steps, good)), (path, good)
            assert not validator(name, "input").is_valid(_changed(example, steps, bad)), (path, bad)
    assert found


def _around(field: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """(accepted, refused) values beside each bound of a field."""
    if "minimum" in field:
        yield field["minimum"], field["minimum"] - 1
    if "maximum" in field:
        yield field["maximum"], field["maximum"] + 1
    if "exclusiveMinimum" in field:
        yield field["exclusiveMinimum"] + 0.01, field["exclusiveMinimum"]
    if "maxLength" in field:
        yield "x" * field["maxLength"], "x" * (field["maxLength"] + 1)
    if "pattern" in field:
        yield "x", " "
    if "enum" in field:
        for allowed in field["enum"]:
            yield allowed, "something else"


def _with_everything(name: str) -> dict[str, Any]:
    """A call that gives each field of the tool that has a bound."""
    example: dict[str, Any] = json.loads(json.dumps(TOOLS[name].input["examples"][0]))
    one = [{"id": "a", "description": "Do it", "estimatedMinutes": 5}]
    graph = {"nodes": {"a": {"id": "a", "task": one[0]}, "b": {"id": "b"}}, "edges": []}
    edge = [{"from": "a", "to": "b", "type": "explicit", "confidence": 1}]
    if name == "execute_parallel_workflow":
        example["maxParallelAgents"] = 2
        example["constraints"] = {
            "apiRateLimit": {"provider": "anthropic", "maxRequestsPerMinute": 5},
            "resourceLimits": {"maxMemoryMB": 200, "maxCPUPercent": 50, "maxDurationMs": 5},
        }
    elif name in ("aggregate_progress", "detect_conflicts"):
        example["dependencyGraph"] = {**graph, "edges": edge}
        for row in example.get("agentProgresses", []):
            row |= {"taskWeight": 1, "estimatedTimeRemaining": 5, "currentTask": "a"}
        for row in example.get("agentResults", []):
            row |= {"duration": 5}
    elif name == "optimize_batch_distribution":
        example |= {"tasks": one, "dependencyGraph": {"nodes": {"a": {"id": "a"}}, "edges": []}}
    else:
        example["tasks" if "tasks" in example else "subtasks"] = one
    return example


def _changed(example: dict[str, Any], steps: list[str], value: Any) -> dict[str, Any]:
    """A copy of a call with another value at a path, whose `[]` is the first entry of an array."""
    copy: dict[str, Any] = json.loads(json.dumps(example))
    here: Any = copy
    for step in steps[:-1]:
        here = here.setdefault(step, {}) if step != "[]" else here[0]
    here[steps[-1]] = value
    if steps == ["tasks", "[]", "id"] and "dependencyGraph" in copy:
        copy["dependencyGraph"]["nodes"] = {value: {"id": value}}
    return copy


def _accepts(name: str, arguments: dict[str, Any]) -> bool:
    try:
        TOOLS[name].function(arguments, NOW)
    except InvalidInput:
        return False
    return True


def _fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of a schema, at any depth, by its path: `.tasks.[].id`."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from _fields(field, f"{path}.{name}")
    if "items" in schema:
        yield from _fields(schema["items"], f"{path}.[]")
