"""Rules by which results of agents do not fit together: files, signatures, the order of tasks."""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

from epw.core.plan.ancestors import Ancestors
from epw.core.plan.graph import TaskGraph
from epw.tools.checks import is_number

MAX_COMPARED = 100
"""Changes of one file that are compared in pairs; more of them are one conflict."""
_MAX_NAMED = 5
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
_LANGUAGES = {
    extension: group.split()[0]
    for group in ("js jsx ts tsx mjs cjs mts cts vue svelte", "py pyi", "c h cc cpp cxx hpp hh", "java kt kts")
    for extension in group.split()
}
"""Language of files by extension, where one language has several."""
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


class Ordered:
    """Which results are of tasks that the graph orders, however far apart."""

    def __init__(self, graph: TaskGraph | None) -> None:
        self._before = Ancestors.upstream(graph) if graph is not None else None
        self._after = Ancestors.downstream(graph) if graph is not None else None

    def __call__(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        tasks = one["taskId"], other["taskId"]
        if self._before is None or not all(task in self._before.of for task in tasks):
            return False
        return self._before.has(*tasks) or self._before.has(*tasks[::-1])

    def free(self, found: Sequence[_Touch]) -> list[_Touch]:
        """Those whose task is not ordered with every other task among them."""
        if self._before is None or self._after is None:
            return list(found)
        known, position = {touch.result["taskId"] for touch in found}, self._before.position
        if not known <= position.keys():
            return list(found)
        all_tasks = sum(1 << position[task] for task in known)
        own = Counter(touch.result["taskId"] for touch in found)
        rest = {task: all_tasks & ~(self._before.of[task] | self._after.of[task] | 1 << position[task]) for task in own}
        return [each for each in found if rest[each.result["taskId"]] or own[each.result["taskId"]] > 1]


def line_range(change: Mapping[str, Any]) -> tuple[int, int] | None:
    given = change.get("lineNumbers")
    if not isinstance(given, dict) or not is_number(given.get("start")) or not is_number(given.get("end")):
        return None
    return (given["start"], given["end"]) if given["start"] <= given["end"] else None


def touches(results: Sequence[Mapping[str, Any]]) -> dict[str, list[_Touch]]:
    """Changes by normalised path; a file that is only named counts as modified, its lines unknown."""
    found: dict[str, list[_Touch]] = defaultdict(list)
    for result in results:
        named: dict[str, None] = {}
        for change in result.get("changes", []):
            path = _normal(change["file"])
            named[path] = None
            found[path].append(_Touch(result, change["type"], line_range(change)))
        for path in dict.fromkeys(map(_normal, result.get("filesModified", []))):
            if path not in named:
                found[path].append(_Touch(result, "modify", None))
    return found


def _normal(path: str) -> str:
    return posixpath.normpath(path.replace("\\", "/"))


def file_conflicts(results: Sequence[Mapping[str, Any]], ordered: Ordered) -> Iterator[dict[str, Any]]:
    """Two results that changed one file, or all that did where they are many."""
    for path, found in touches(results).items():
        if len(found) > MAX_COMPARED:
            yield from _crowd(path, ordered.free(found))
            continue
        pairs: dict[tuple[int, int], list[tuple[_Touch, _Touch]]] = defaultdict(list)
        for one, other in combinations(found, 2):
            if one.result["agentId"] != other.result["agentId"] and not ordered(one.result, other.result):
                pairs[id(one.result), id(other.result)].append((one, other))
        for met in pairs.values():
            yield _file_conflict(path, met)


def _file_conflict(path: str, met: Sequence[tuple[_Touch, _Touch]]) -> dict[str, Any]:
    """The conflict of two results on one file."""
    agents = [touch.result["agentId"] for touch in met[0]]
    known = all(touch.lines is not None for pair in met for touch in pair)
    kinds = {"both" if "delete" not in kind else "delete" if len(kind) == 1 else "mixed" for kind in map(_types, met)}
    return _on_file(path, agents, kinds, known=known, overlap=any(_overlap(one, other) for one, other in met))


def _types(pair: tuple[_Touch, _Touch]) -> set[str]:
    return {touch.type for touch in pair}


def _crowd(path: str, found: Sequence[_Touch]) -> Iterator[dict[str, Any]]:
    """The conflict of many results on one file, as bad as its worst pair can be."""
    agents = list(dict.fromkeys(touch.result["agentId"] for touch in found))
    if len(agents) < 2:
        return
    deletes = sum(touch.type == "delete" for touch in found)
    kinds = {"delete" if deletes == len(found) else "mixed" if deletes else "both"}
    ranges = sorted(touch.lines for touch in found if touch.lines is not None)
    known = len(ranges) == len(found)
    overlap = not known or any(after[0] <= before[1] for before, after in pairwise(ranges))
    yield _on_file(path, agents, kinds, known=known, overlap=overlap)


def _on_file(path: str, agents: list[str], kinds: set[str], *, known: bool, overlap: bool) -> dict[str, Any]:
    """A conflict on a file. `kinds`: `delete` both delete it, `mixed` one deletes it, `both` both change it."""
    if "mixed" in kinds:
        what, severity, options = "one deletes it, another changes it", "high", ["prefer-agent", "manual", "rollback"]
    elif kinds == {"delete"}:
        what, severity, options = "all delete it", "low", ["merge"]
    elif not overlap:
        what, severity, options = "they change different lines", "low", ["merge"]
    else:
        is_manifest = path.rpartition("/")[2] in _MANIFESTS
        what, severity = "their lines overlap", "critical" if is_manifest else "medium"
        options = ["sequential-retry", "prefer-agent", "manual"]
        if not known:
            what, severity = "which lines is not known", "medium"
    more = f" and {len(agents) - _MAX_NAMED} more" if len(agents) > _MAX_NAMED else ""
    message = f"{' and '.join(agents[:_MAX_NAMED])}{more} changed {path}: {what}"
    return _conflict("file-level", severity, agents, message, [path], "files and line ranges", options)


def _overlap(one: _Touch, other: _Touch) -> bool:
    if one.type == other.type == "delete":
        return False
    if one.lines is None or other.lines is None:
        return True
    return one.lines[0] <= other.lines[1] and other.lines[0] <= one.lines[1]


def semantic_conflicts(results: Sequence[Mapping[str, Any]], ordered: Ordered) -> Iterator[dict[str, Any]]:
    """A function whose signature one result changes or removes, and whose name another newly calls."""
    changed: dict[tuple[str, str], list[tuple[Mapping[str, Any], str]]] = defaultdict(list)
    used: dict[tuple[str, str], list[tuple[Mapping[str, Any], str]]] = defaultdict(list)
    for result in results:
        for change in result.get("changes", []):
            text = change.get("content")
            if isinstance(text, str):
                own = _SIGNATURE.findall(text)
                path = _normal(change["file"])
                language = _language(path)
                for name, _ in own if change["type"] != "create" else []:
                    changed[language, name].append((result, path))
                for name in dict.fromkeys(_USE.findall(text)):
                    if name not in [each for each, _ in own]:
                        used[language, name].append((result, path))
    for (language, name), definers in changed.items():
        seen: set[tuple[str, str]] = set()
        for one, path in definers:
            for other, elsewhere in used.get((language, name), []):
                agents = one["agentId"], other["agentId"]
                if agents[0] == agents[1] or agents in seen or ordered(one, other):
                    continue
                seen.add(agents)
                message = f"{agents[0]} changed {name} in {path}, which {agents[1]} newly calls in {elsewhere}"
                options = ["sequential-retry", "manual"]
                paths = list(dict.fromkeys([path, elsewhere]))
                yield _conflict("semantic", "high", list(agents), message, paths, "signatures and calls", options)


def _language(path: str) -> str:
    """What can call what: the language of a file, by its extension."""
    extension = posixpath.splitext(path)[1].lstrip(".").lower()
    return _LANGUAGES.get(extension, extension)


def dependency_conflicts(results: Sequence[Mapping[str, Any]], graph: TaskGraph | None) -> Iterator[dict[str, Any]]:
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
