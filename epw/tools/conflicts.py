"""`detect_conflicts`: which results of agents do not fit together, by what each says of its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from epw.tools.checks import Checks, is_number
from epw.tools.conflict_rules import (
    Ordered,
    dependency_conflicts,
    file_conflicts,
    line_range,
    semantic_conflicts,
    touches,
)
from epw.tools.dependency_graph import optional_graph

MAX_RESULTS = 10_000
_MAX_NOT_AUTOMATIC = 5
CHANGE_TYPES = ("create", "modify", "delete")


def detect_conflicts(arguments: Any) -> dict[str, Any]:
    """`{hasConflicts, conflicts, resolutionStrategy, mergedResult}`.

    Failed results, results of one agent and results of tasks that the graph orders do not conflict. Raises
    `InvalidInput`.
    """
    checks = Checks(arguments)
    results = checks.items("agentResults", MAX_RESULTS)
    for index, result in enumerate(results):
        _check_result(checks, index, result)
    graph = optional_graph(checks)
    strategy = checks.strategy(default="aggressive")
    checks.raise_if_any()
    good = [result for result in results if result["success"]]
    ordered = Ordered(graph)
    conflicts = [*file_conflicts(good, ordered), *semantic_conflicts(good, ordered)]
    conflicts += dependency_conflicts(results, graph)
    decision = _strategy(conflicts, strategy)
    return {
        "hasConflicts": bool(conflicts),
        "conflicts": conflicts,
        "resolutionStrategy": decision,
        "mergedResult": _merged(good) if decision == "auto" else None,
    }


def _check_result(checks: Checks, index: int, result: Any) -> None:
    path = f"agentResults[{index}]"
    if not isinstance(result, dict):
        checks.add(path, f"Result at index {index} must be an object")
        return
    for field in ("agentId", "taskId"):
        if not isinstance(result.get(field), str) or not result[field].strip():
            checks.add(f"{path}.{field}", f"Result at index {index} is missing required field: {field}")
    agent = result.get("agentId")
    name = f"Result {agent}" if isinstance(agent, str) and agent.strip() else f"Result at index {index}"
    if not isinstance(result.get("success"), bool):
        checks.add(f"{path}.success", f"{name}: success must be true or false")
    if result.get("duration") is not None and not is_number(result["duration"]):
        checks.add(f"{path}.duration", f"{name}: duration must be a number")
    elif (result.get("duration") or 0) < 0:
        checks.add(f"{path}.duration", f"{name}: duration cannot be negative")
    files = result.get("filesModified", [])
    if not isinstance(files, list) or not all(isinstance(each, str) for each in files):
        checks.add(f"{path}.filesModified", f"{name}: filesModified must be an array")
    changes = result.get("changes", [])
    if not isinstance(changes, list):
        checks.add(f"{path}.changes", f"{name}: changes must be an array")
        return
    for position, change in enumerate(changes):
        where, message = f"{path}.changes[{position}]", f"{name}, change {position}"
        if not isinstance(change, dict) or not isinstance(change.get("file"), str) or not change["file"]:
            checks.add(f"{where}.file", f"{message} is missing required field: file")
        elif change.get("type") not in CHANGE_TYPES:
            checks.add(f"{where}.type", f"{message}: type must be one of: {', '.join(CHANGE_TYPES)}")
        elif change.get("lineNumbers") is not None and line_range(change) is None:
            checks.add(f"{where}.lineNumbers", f"{message}: lineNumbers must have start and end, start not after end")


def _is_automatic(conflict: Mapping[str, Any]) -> bool:
    first = conflict["resolutionOptions"][0]
    return bool(first["automatic"] and first["risk"] == "low")


def _strategy(conflicts: Sequence[Mapping[str, Any]], strategy: Any) -> str:
    if all(map(_is_automatic, conflicts)):
        return "auto"
    by_hand = [each for each in conflicts if not _is_automatic(each)]
    if any(each["severity"] == "critical" for each in conflicts) or len(by_hand) > _MAX_NOT_AUTOMATIC:
        return "manual"
    if any(each["severity"] == "high" for each in conflicts):
        return "rollback" if strategy == "conservative" else "manual"
    return "manual"


def _merged(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Files and changes of all results together, where nothing has to be decided."""
    files = dict.fromkeys(path for path in touches(results))
    return {
        "success": True,
        "filesModified": list(files),
        "changes": [change for result in results for change in result.get("changes", [])],
        "duration": max((result.get("duration") or 0 for result in results), default=0),
    }
