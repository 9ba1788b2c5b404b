"""The one validator of plans, at every way in: all problems at once, each with its path.

Texts and bounds of the seed's tools stand in `_check_tasks`; the noun (`Task`, `Subtask`) is a parameter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from epw.core.conflict_steps import CONFLICT_STEPS, StepKind, parse_step
from epw.core.errors import InvalidPlan, Problem
from epw.core.plan.graph import TaskGraph, format_cycle
from epw.core.plan.model import DEFAULT_TOOLS, MAX_DESCRIPTION_BYTES, MAX_MINUTES, MAX_PLAN_BYTES, MAX_TASKS, Plan
from epw.core.plan.unsupported import is_url, not_available

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_DEPTH = 100
_MAX_HINTS = 20
_MAX_COMPARED = 500
_PLAIN_WORDS = {
    "string_type": "must be a text (a number needs quotes)",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be an array",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "missing": "is required",
    "finite_number": "must be a finite number",
}


def read_plan(document: Any, *, runnable: bool = True, steps: Mapping[str, StepKind] = CONFLICT_STEPS) -> Plan:
    """The plan that a JSON-like document holds; raises `InvalidPlan` with every problem found.

    `runnable`: also refuse what this version cannot run, a workspace that is relative, and cycles. `steps`: what
    `onConflict` can name.
    """
    if not isinstance(document, dict):
        raise InvalidPlan([Problem("", f"a plan is an object, not {_kind(document)}")])
    if too_deep(document):
        raise InvalidPlan([Problem("", f"nested deeper than {_MAX_DEPTH} levels")])
    count = len(document["tasks"]) if isinstance(document.get("tasks"), list) else 0
    if count > MAX_TASKS:
        raise InvalidPlan([Problem("tasks", f"Maximum {MAX_TASKS} tasks allowed (current: {count})")])
    problems: list[Problem] = []
    document = _own_keys(document, Plan, "", problems)
    problems += _check_tasks(document.get("tasks"), noun="Task")
    plan = None
    try:
        plan = Plan.model_validate(document)
    except ValidationError as error:
        told = {problem.path for problem in problems}
        found = [_from_pydantic(details, document) for details in error.errors()]
        problems += [problem for problem in found if problem.path not in told]
    if plan is not None:
        problems += _check_references(plan, steps)
        if runnable:
            problems += [*_check_size(document), *_check_workspace(plan), *not_available(plan)]
            if not problems:
                problems += check_cycles(TaskGraph.of_plan(plan))
    if problems or plan is None:
        raise InvalidPlan(problems)
    return plan


def check_cycles(graph: TaskGraph) -> list[Problem]:
    """A problem for each circular dependency, with its path."""
    return [Problem("tasks", f"Circular dependency: {format_cycle(cycle)}") for cycle in graph.cycles()]


def too_deep(value: Any) -> bool:
    """Whether a JSON-like value nests deeper than any plan needs (iterative: it may be hostile)."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True


def _check_tasks(tasks: Any, noun: str) -> list[Problem]:
    if not isinstance(tasks, list):
        return []
    if not tasks:
        return [Problem("tasks", "tasks array is required and cannot be empty")]
    problems: list[Problem] = []
    known: dict[str, int] = {}
    for index, task in enumerate(tasks):
        if isinstance(task, dict):
            problems += _check_task(index, task, noun, known)
    for index, task in enumerate(tasks):
        if isinstance(task, dict):
            problems += _check_dependencies(index, task, noun, known, hint=len(problems) < _MAX_HINTS)
    return problems


def _check_task(index: int, task: dict[str, Any], noun: str, known: dict[str, int]) -> Iterator[Problem]:
    path = f"tasks[{index}]"
    for field in ("id", "description"):
        value = task.get(field)
        if value is None or (isinstance(value, str) and not value.strip()):
            yield Problem(f"{path}.{field}", f"{noun} at index {index} is missing required field: {field}")
    identifier = task.get("id")
    if isinstance(identifier, str) and identifier.strip():
        if len(identifier) > 128 or _CONTROL.search(identifier):
            yield Problem(f"{path}.id", "must have 1 to 128 characters, none of them a control character")
        if identifier in known:
            yield Problem(f"{path}.id", f"Duplicate task ID found: {identifier}")
        known.setdefault(identifier, index)
    description = task.get("description")
    if isinstance(description, str):
        size = len(description.encode("utf-8", "surrogatepass"))
        if size > MAX_DESCRIPTION_BYTES:
            message = f"has {size} bytes, at most {MAX_DESCRIPTION_BYTES} are allowed"
            yield Problem(f"{path}.description", message)
    minutes = task.get("estimatedMinutes", 1)
    number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    if not number or not 0 < minutes <= MAX_MINUTES:  # false for NaN too
        yield Problem(
            f"{path}.estimatedMinutes",
            f"{noun} {identifier}: estimatedMinutes must be above 0 and at most {MAX_MINUTES} (24 hours)",
        )


def _check_dependencies(
    index: int, task: dict[str, Any], noun: str, known: dict[str, int], *, hint: bool
) -> Iterator[Problem]:
    path, identifier = f"tasks[{index}].dependsOn", task.get("id")
    dependencies = task.get("dependsOn", [])
    if not isinstance(dependencies, list):
        yield Problem(path, f"{noun} {identifier}: dependsOn must be an array")
        return
    for position, dependency in enumerate(dependencies):
        if not isinstance(dependency, str):
            continue
        if dependency == identifier:
            yield Problem(f"{path}[{position}]", f"{noun} {identifier} cannot depend on itself")
        elif dependency not in known:
            message = f"{noun} {identifier} depends on non-existent task: {dependency}"
            yield Problem(f"{path}[{position}]", message + (_nearest(dependency, known) if hint else ""))


def _check_references(plan: Plan, steps: Mapping[str, StepKind]) -> Iterator[Problem]:
    """Fields that must agree with one another."""
    ids = {task.id for task in plan.tasks}
    for index, task in enumerate(plan.tasks):
        path, agent = f"tasks[{index}]", plan.agent_of(task)
        if agent == "command" and task.run is None:
            yield Problem(f"{path}.run", 'is required by agent "command"')
        if agent == "command" and task.simulate is not None:
            yield Problem(f"{path}.simulate", 'has no meaning for agent "command"')
        if agent in ("command", "simulated") and task.tools is not None:
            yield Problem(f"{path}.tools", f'has no meaning for agent "{agent}"')
        if agent == "claude":
            for position, tool in enumerate(task.tools or []):
                if tool not in DEFAULT_TOOLS:
                    message = f"must be one of: {', '.join(DEFAULT_TOOLS)}" + _nearest(tool, DEFAULT_TOOLS)
                    yield Problem(f"{path}.tools[{position}]", message)
        for name, globs in (("files", task.files), ("reads", task.reads), ("keep", task.keep)):
            for position, glob in enumerate(globs):
                if ".." in glob.split("/"):
                    yield Problem(f"{path}.{name}[{position}]", "must stay within the workspace (no ..)")
        yield from _check_include(f"{path}.include", task.include)
        if task.simulate is not None:
            for written in [*task.simulate.writes, *task.simulate.deletes]:
                if {"..", ".git"} & set(written.split("/")):
                    yield Problem(f"{path}.simulate", f"{written!r} must stay within the workspace")
    for position, step in enumerate(plan.on_conflict or []):
        try:
            target = parse_step(step, steps).target
        except ValueError as error:
            yield Problem(f"onConflict[{position}]", str(error))
        else:
            if target and target not in ids:
                yield Problem(f"onConflict[{position}]", f"names a non-existent task: {target}")
    for position, host in enumerate(plan.network if isinstance(plan.network, list) else []):
        port = host.rpartition("]" if host.startswith("[") else ":")[2].lstrip(":") if ":" in host else ""
        if port and not 1 <= int(port) <= 65535:
            yield Problem(f"network[{position}]", f"{port} is not a port (1 to 65535)")
    for position, glob in enumerate(plan.keep):
        if ".." in glob.split("/"):
            yield Problem(f"keep[{position}]", "must stay within the workspace (no ..)")
    yield from _check_include("include", plan.include)
    if plan.deliver == "push" and plan.base is None:
        yield Problem("base", 'is required by deliver "push"')
    if plan.workspace is None:
        for name, value in (("base", plan.base), ("verify", plan.verify), ("include", plan.include)):
            if value:
                yield Problem(name, "needs a workspace")
        if plan.deliver not in (None, "none"):
            yield Problem("deliver", "needs a workspace")
    if plan.base is not None and (plan.base.startswith("-") or _CONTROL.search(plan.base)):
        yield Problem("base", "is no name of a ref")
    if not plan.on_question.wait and plan.on_question.timeout_minutes is not None:
        yield Problem("onQuestion.timeoutMinutes", "has no meaning with wait: false")


def _check_include(path: str, include: Sequence[str]) -> Iterator[Problem]:
    for position, name in enumerate(include):
        if {"..", ".git"} & set(name.split("/")):
            yield Problem(f"{path}[{position}]", "must stay within the workspace")


def _check_workspace(plan: Plan) -> Iterator[Problem]:
    if plan.workspace is not None and not plan.workspace.startswith("/") and not is_url(plan.workspace):
        yield Problem("workspace", "must be an absolute path (only a plan file can have a relative one)")


def _check_size(document: dict[str, Any]) -> Iterator[Problem]:
    try:
        size = len(json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8"))
    except UnicodeEncodeError:
        yield Problem("", "holds half of a surrogate pair, which is no text")
        return
    except (ValueError, OverflowError) as error:
        yield Problem("", f"holds a value that is none in JSON: {str(error)[:200]}")
        return
    if size > MAX_PLAN_BYTES:
        message = f"has {size} bytes; running one above {MAX_PLAN_BYTES} is not available yet; split the plan"
        yield Problem("", message)


def _own_keys(value: Any, model: type[BaseModel], path: str, problems: list[Problem]) -> Any:
    """The value with our own keys in camelCase, however they were written, and unknown ones reported."""
    if not isinstance(value, dict):
        return value
    aliases = {field.alias or name: field for name, field in model.model_fields.items()}
    camel = {name: field.alias or name for name, field in model.model_fields.items()}
    read: dict[str, Any] = {}
    for key, item in value.items():
        name = key if key in aliases else camel.get(key, key)
        where = f"{path}.{key}" if path else str(key)
        if name not in aliases:
            hint = _nearest(str(key), [*aliases, *camel]) if len(problems) < _MAX_HINTS else ""
            problems.append(Problem(where, "unknown key" + hint))
        elif name in read:
            problems.append(Problem(where, f"is given twice (also as {name})"))
        else:
            read[name] = _own_item(item, aliases[name].annotation, where, problems)
    return read


def _own_item(item: Any, annotation: Any, path: str, problems: list[Problem]) -> Any:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if isinstance(item, list):
                return [_own_keys(each, kind, f"{path}[{i}]", problems) for i, each in enumerate(item)]
            return _own_keys(item, kind, path, problems)
    return item


def _nearest(word: str, known: Any) -> str:
    # The comparison is slow, and a workflow task must not be.
    close = get_close_matches(word[:200], list(known)[:_MAX_COMPARED], n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _from_pydantic(details: ErrorDetails, document: dict[str, Any]) -> Problem:
    path = ""
    here: Any = document
    for part in details["loc"]:
        # A union's branch names stand in `loc` too; only what is in the document is a path to a user.
        inside = isinstance(here, dict) and (part in here or details["type"] == "missing")
        if isinstance(part, int):
            path += f"[{part}]"
            here = here[part] if isinstance(here, list) and part < len(here) else None
        elif inside:
            path += f".{part}" if path else str(part)
            here = here.get(part)
    return Problem(path, _PLAIN_WORDS.get(details["type"]) or _told(details))


def _told(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    if details["type"] == "literal_error":
        return f"must be one of: {str(context['expected']).replace(chr(39), '').replace(' or ', ', ')}"
    if details["type"] == "string_pattern_mismatch":
        return f"{details['input']!r} has characters or a form that is not allowed here"
    message = details["msg"]
    return message[:1].lower() + message[1:].replace("Input", "value") if message else "is not valid"


def _kind(value: Any) -> str:
    kinds = {type(None): "nothing", list: "an array", str: "a text", bool: "a truth value"}
    return kinds.get(type(value), "a number")
