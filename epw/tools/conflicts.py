"""`detect_conflicts`: which results of agents do not fit together, by what each says of its files."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from epw.core.plan.graph import TaskGraph
from epw.tools.checks import Checks, is_number, read_graph

_MAX_RESULTS = 10_000
_MAX_AGENTS_OF_A_FILE = 200
"""Results of one file that are compared in pairs."""
_MAX_NOT_AUTOMATIC = 5
_TYPES = ("create", "modify", "delete")
_MANIFEST_NAMES = """
package.json package-lock.json yarn.lock pnpm-lock.yaml requirements.txt poetry.lock uv.lock pyproject.toml
Cargo.toml Cargo.lock go.mod go.sum Gemfile Gemfile.lock composer.json composer.lock pom.xml build.gradle
"""
_MANIFESTS = frozenset(_MANIFEST_NAMES.split())
_SIGNATURE = re.compile(
    r"^[+-]?\s*(?:export\s+)?(?:default\s+)?(?:pub\s+)?(?:async\s+)?(?:def|function|func|fn)\s+(\w+)\s*(\([^)]*\))",
    re.M,
)
_USE = re.compile(r"(?<![\w.])(\w+)\s*\(")
_OPTIONS = {
    "merge": ("Merge both changes: they touch different lines", True, "low"),
    "prefer-agent": ("Take the change of one agent and drop the other", False, "medium"),
    "sequential-retry": ("Run the later task again on the result of the other", False, "low"),
    "rollback": ("Undo both changes", True, "high"),
    "manual": ("Have a person decide", False, "low"),
}


@dataclass(frozen=True)
class _Touch:
    """One result's change of one file; `lines`: first and last, None where they are not known."""

    result: Mapping[str, Any]
    type: str
    lines: tuple[int, int] | None


def detect_conflicts(arguments: Any) -> dict[str, Any]:
    """`{hasConflicts, conflicts, resolutionStrategy, mergedResult}`.

    Failed results, results of one agent and results of tasks that the graph orders do not conflict. Raises
    `InvalidInput`.
    """
    checks = Checks(arguments)
    results = checks.items("agentResults", _MAX_RESULTS)
    for index, result in enumerate(results):
        _check_result(checks, index, result)
    graph = None
    if checks.arguments.get("dependencyGraph") is not None:
        edges = read_graph(checks, checks.arguments["dependencyGraph"])
        if edges is not None:
            nodes = checks.arguments["dependencyGraph"]["nodes"]
            dependencies: dict[str, list[str]] = {node: [] for node in nodes}
            for before, after in edges:
                dependencies[after].append(before)
            graph = TaskGraph(dependencies, dict.fromkeys(nodes, 1.0))
    checks.raise_if_any()
    good = [result for result in results if result["success"]]
    ordered = _Ordered(graph)
    conflicts = [*_file_conflicts(good, ordered), *_semantic_conflicts(good, ordered)]
    conflicts += _dependency_conflicts(results, graph)
    strategy = _strategy(conflicts, checks.arguments.get("executionStrategy", "aggressive"))
    return {
        "hasConflicts": bool(conflicts),
        "conflicts": conflicts,
        "resolutionStrategy": strategy,
        "mergedResult": _merged(good) if strategy == "auto" else None,
    }


def _check_result(checks: Checks, index: int, result: Any) -> None:
    path = f"agentResults[{index}]"
    if not isinstance(result, dict):
        checks.add(path, f"Result at index {index} must be an object")
        return
    for name in ("agentId", "taskId"):
        if not isinstance(result.get(name), str) or not result[name].strip():
            checks.add(f"{path}.{name}", f"Result at index {index} is missing required field: {name}")
    agent = result.get("agentId")
    if not isinstance(result.get("success"), bool):
        checks.add(f"{path}.success", f"Result {agent}: success must be true or false")
    if result.get("duration") is not None and not is_number(result["duration"]):
        checks.add(f"{path}.duration", f"Result {agent}: duration must be a number")
    elif (result.get("duration") or 0) < 0:
        checks.add(f"{path}.duration", f"Result {agent}: duration cannot be negative")
    files = result.get("filesModified", [])
    if not isinstance(files, list) or not all(isinstance(each, str) for each in files):
        checks.add(f"{path}.filesModified", f"Result {agent}: filesModified must be an array")
    changes = result.get("changes", [])
    if not isinstance(changes, list):
        checks.add(f"{path}.changes", f"Result {agent}: changes must be an array")
        return
    for position, change in enumerate(changes):
        where, message = f"{path}.changes[{position}]", f"Result {agent}, change {position}"
        if not isinstance(change, dict) or not isinstance(change.get("file"), str) or not change["file"]:
            checks.add(f"{where}.file", f"{message} is missing required field: file")
        elif change.get("type") not in _TYPES:
            checks.add(f"{where}.type", f"{message}: type must be one of: {', '.join(_TYPES)}")
        elif change.get("lineNumbers") is not None and _lines(change) is None:
            checks.add(f"{where}.lineNumbers", f"{message}: lineNumbers must have start and end, start not after end")


def _lines(change: Mapping[str, Any]) -> tuple[int, int] | None:
    given = change.get("lineNumbers")
    if not isinstance(given, dict) or not is_number(given.get("start")) or not is_number(given.get("end")):
        return None
    return (given["start"], given["end"]) if given["start"] <= given["end"] else None


class _Ordered:
    """Whether the graph orders two tasks, however far apart."""

    def __init__(self, graph: TaskGraph | None) -> None:
        self._graph = graph
        self._after: dict[str, frozenset[str]] = {}

    def __call__(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        tasks = one["taskId"], other["taskId"]
        return tasks[0] == tasks[1] or tasks[1] in self._of(tasks[0]) or tasks[0] in self._of(tasks[1])

    def _of(self, task: str) -> frozenset[str]:
        if self._graph is None or task not in self._graph.dependencies:
            return frozenset()
        if task not in self._after:
            self._after[task] = frozenset(self._graph.descendants([task]))
        return self._after[task]


def _touches(results: Sequence[Mapping[str, Any]]) -> dict[str, list[_Touch]]:
    """Changes by normalised path; a file that is only named counts as modified, its lines unknown."""
    found: dict[str, list[_Touch]] = defaultdict(list)
    for result in results:
        named: dict[str, None] = {}
        for change in result.get("changes", []):
            path = _normal(change["file"])
            named[path] = None
            found[path].append(_Touch(result, change["type"], _lines(change)))
        for path in dict.fromkeys(map(_normal, result.get("filesModified", []))):
            if path not in named:
                found[path].append(_Touch(result, "modify", None))
    return found


def _normal(path: str) -> str:
    return posixpath.normpath(path.replace("\\", "/"))


def _file_conflicts(results: Sequence[Mapping[str, Any]], ordered: _Ordered) -> Iterator[dict[str, Any]]:
    for path, touches in _touches(results).items():
        pairs: dict[tuple[int, int], list[tuple[_Touch, _Touch]]] = defaultdict(list)
        for one, other in combinations(touches[:_MAX_AGENTS_OF_A_FILE], 2):
            if one.result["agentId"] != other.result["agentId"] and not ordered(one.result, other.result):
                pairs[id(one.result), id(other.result)].append((one, other))
        for met in pairs.values():
            yield _file_conflict(path, met)


def _file_conflict(path: str, met: Sequence[tuple[_Touch, _Touch]]) -> dict[str, Any]:
    """The conflict of two results on one file."""
    first, second = met[0][0].result, met[0][1].result
    kinds = [{one.type, other.type} for one, other in met]
    overlap = any(_overlap(one, other) for one, other in met)
    agents = [first["agentId"], second["agentId"]]
    if {"delete", "modify"} in kinds or {"delete", "create"} in kinds:
        what, severity, options = "one deletes it, the other changes it", "high", ["prefer-agent", "manual", "rollback"]
    elif all(kind == {"delete"} for kind in kinds):
        what, severity, options = "both delete it", "low", ["merge"]
    elif not overlap:
        what, severity, options = "they change different lines", "low", ["merge"]
    else:
        is_manifest = path.rpartition("/")[2] in _MANIFESTS
        severity = "critical" if is_manifest else "medium"
        what, options = "their lines overlap", ["sequential-retry", "prefer-agent", "manual"]
        if any(one.lines is None or other.lines is None for one, other in met):
            what = "which lines is not known"
    message = f"{agents[0]} and {agents[1]} both changed {path}: {what}"
    return _conflict("file-level", severity, agents, message, [path], "files and line ranges", options)


def _overlap(one: _Touch, other: _Touch) -> bool:
    if one.type == other.type == "delete":
        return False
    if one.lines is None or other.lines is None:
        return True
    return one.lines[0] <= other.lines[1] and other.lines[0] <= one.lines[1]


def _semantic_conflicts(results: Sequence[Mapping[str, Any]], ordered: _Ordered) -> Iterator[dict[str, Any]]:
    """A function whose signature one result changes or removes, and whose name another newly calls."""
    changed: dict[str, list[tuple[Mapping[str, Any], str]]] = defaultdict(list)
    used: dict[str, list[tuple[Mapping[str, Any], str]]] = defaultdict(list)
    for result in results:
        for change in result.get("changes", []):
            text = change.get("content")
            if isinstance(text, str):
                own = _SIGNATURE.findall(text)
                path = _normal(change["file"])
                for name, _ in own if change["type"] != "create" else []:
                    changed[name].append((result, path))
                for name in dict.fromkeys(_USE.findall(text)):
                    if name not in [each for each, _ in own]:
                        used[name].append((result, path))
    for name, definers in changed.items():
        seen: set[tuple[str, str]] = set()
        for one, path in definers:
            for other, elsewhere in used.get(name, []):
                agents = one["agentId"], other["agentId"]
                if agents[0] == agents[1] or agents in seen or ordered(one, other):
                    continue
                seen.add(agents)
                message = f"{agents[0]} changed {name} in {path}, which {agents[1]} newly calls in {elsewhere}"
                options = ["sequential-retry", "manual"]
                paths = list(dict.fromkeys([path, elsewhere]))
                yield _conflict("semantic", "high", list(agents), message, paths, "signatures and calls", options)


def _dependency_conflicts(results: Sequence[Mapping[str, Any]], graph: TaskGraph | None) -> Iterator[dict[str, Any]]:
    """A task that succeeded though one that it depends on failed, or that ended before it."""
    by_task = {result["taskId"]: result for result in results}
    options = ["sequential-retry", "manual"]
    for before, after in graph.edges if graph is not None else []:
        one, other = by_task.get(before), by_task.get(after)
        if one is None or other is None or not other["success"]:
            continue
        agents = list(dict.fromkeys([one["agentId"], other["agentId"]]))
        ends = one.get("finishedAt"), other.get("finishedAt")
        if not one["success"]:
            message = f"{after} succeeded though {before}, on which it depends, failed"
            yield _conflict("dependency", "high", agents, message, [], "dependency graph", options)
        elif is_number(ends[0]) and is_number(ends[1]) and ends[1] < ends[0]:  # type: ignore[operator]
            message = f"{after} ended before {before}, on which it depends"
            yield _conflict("ordering", "high", agents, message, [], "times", options)


def _conflict(
    type: str,
    severity: str,
    agents: list[str],
    description: str,
    resources: list[str],
    method: str,
    options: Sequence[str],
) -> dict[str, Any]:
    return {
        "type": type,
        "severity": severity,
        "agents": agents,
        "description": description,
        "affectedResources": resources,
        "detectionMethod": method,
        "resolutionOptions": [
            {"strategy": name, "description": text, "automatic": automatic, "risk": risk}
            for name in options
            for text, automatic, risk in [_OPTIONS[name]]
        ],
    }


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
    files = dict.fromkeys(path for path in _touches(results))
    return {
        "success": True,
        "filesModified": list(files),
        "changes": [change for result in results for change in result.get("changes", [])],
        "duration": max((result.get("duration") or 0 for result in results), default=0),
    }
