"""Validator of plans, the same at every way in: all problems at once, each with its path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from epw.core.backends import Backend
from epw.core.conflict_steps import CONFLICT_STEPS, StepKind, parse_step
from epw.core.errors import InvalidPlan, Problem
from epw.core.plan.git_url import check_url, is_url
from epw.core.plan.graph import TaskGraph, format_cycle
from epw.core.plan.model import MAX_DESCRIPTION_BYTES, MAX_ID_LENGTH, MAX_MINUTES, MAX_TASKS, Plan, Task
from epw.core.plan.outgoing import check_notices
from epw.core.plan.packed import check_size, unpacked
from epw.core.plan.partial import readable_part, without_consequences
from epw.core.plan.preset_rules import check_home, check_preset
from epw.core.plan.wording import did_you_mean, kind_of, problem_of

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_DEPTH = 100
_MAX_HINTS = 20
_MAX_IN_PARTS = 1_000
"""Tasks of a plan of which a part is read where the whole cannot be: that takes a few times as long."""


def read_plan(
    document: Any,
    *,
    runnable: bool = True,
    steps: Mapping[str, StepKind] = CONFLICT_STEPS,
    noun: str = "Task",
    hints: bool = True,
) -> Plan:
    """The plan in a JSON-like document; raises `InvalidPlan` with every problem found.

    `runnable`: also refuse what cannot be started: what is too large, a relative workspace, cycles. `steps`: what
    `onConflict` can name. `noun`: what messages call a task that has no id. `hints`: whether to name the task that an
    unknown one in `dependsOn` may have meant.
    """
    sent, document = document, unpacked(document)
    if not isinstance(document, dict):
        raise InvalidPlan([Problem("", f"a plan is an object, not {kind_of(document)}")])
    if too_deep(document):
        raise InvalidPlan([Problem("", f"nested deeper than {_MAX_DEPTH} levels")])
    count = len(document["tasks"]) if isinstance(document.get("tasks"), list) else 0
    if count > MAX_TASKS:
        raise InvalidPlan([Problem("tasks", f"Maximum {MAX_TASKS} tasks allowed (current: {count})")])
    problems: list[Problem] = []
    document = _own_keys(document, Plan, "", problems)
    problems += _check_tasks(document.get("tasks"), noun, hints=hints)
    part, left_out, is_whole = None, list[str](), True
    try:
        part = Plan.model_validate(document)
    except ValidationError as error:
        reported = {problem.path for problem in problems}
        found = [problem_of(details, document) for details in error.errors()]
        problems += [problem for problem in found if problem.path not in reported]
        is_whole = False
        if count <= _MAX_IN_PARTS:
            part, left_out = readable_part(document, error)
    if part is not None:
        ruled = list(_check_references(part, steps))
        if runnable:
            ruled += [*check_size(sent), *_check_workspace(part), *check_url(part), *_check_network(part)]
        problems += without_consequences(ruled, problems, left_out)
        if runnable:
            problems += check_cycles(_known_edges(part))
    if problems or part is None or not is_whole:
        raise InvalidPlan(problems)
    return part


def _known_edges(plan: Plan) -> TaskGraph:
    """The graph of a plan without the edges that are problems of their own."""
    ids = {task.id for task in plan.tasks}
    edges = {task.id: [each for each in task.depends_on if each in ids and each != task.id] for task in plan.tasks}
    return TaskGraph(edges, {task.id: task.estimated_minutes for task in plan.tasks})


def check_cycles(graph: TaskGraph, path: str = "tasks") -> list[Problem]:
    """A problem for each circular dependency, at `path`: where the edges stand."""
    return [Problem(path, f"Circular dependency: {format_cycle(cycle)}") for cycle in graph.cycles()]


def too_deep(value: Any) -> bool:
    """Whether a JSON-like value has more than 100 levels; not recursive, since it may be hostile."""
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


def _check_tasks(tasks: Any, noun: str, *, hints: bool) -> list[Problem]:
    if not isinstance(tasks, list):
        return []
    if not tasks:
        return [Problem("tasks", "tasks array is required and cannot be empty")]
    problems: list[Problem] = []
    known: dict[str, int] = {}
    for index, task in enumerate(tasks):
        if isinstance(task, dict):
            problems += _check_task(index, task, known, noun)
    for index, task in enumerate(tasks):
        if isinstance(task, dict):
            hint = hints and len(problems) < _MAX_HINTS
            problems += _check_dependencies(index, task, known, noun, hint=hint)
    return problems


def _check_task(index: int, task: dict[str, Any], known: dict[str, int], noun: str) -> Iterator[Problem]:
    """Check id, description and estimate; `known` collects the ids, with the index of the first task that has each."""
    path = f"tasks[{index}]"
    for field in ("id", "description"):
        value = task.get(field)
        if value is None or (isinstance(value, str) and not value.strip()):
            yield Problem(f"{path}.{field}", f"{noun} at index {index} is missing required field: {field}")
    identifier = task.get("id")
    if isinstance(identifier, str) and identifier.strip():
        if len(identifier) > MAX_ID_LENGTH or _CONTROL.search(identifier):
            message = f"must have 1 to {MAX_ID_LENGTH} characters, none of them a control character"
            yield Problem(f"{path}.id", message)
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
            f"{_name_of(index, task, noun)}: estimatedMinutes must be above 0 and at most {MAX_MINUTES} (24 hours)",
        )


def _name_of(index: int, task: dict[str, Any], noun: str) -> str:
    """What messages call a task: by its id, else by its place."""
    identifier = task.get("id")
    return f"Task {identifier}" if isinstance(identifier, str) and identifier.strip() else f"{noun} at index {index}"


def _check_dependencies(
    index: int, task: dict[str, Any], known: dict[str, int], noun: str, *, hint: bool
) -> Iterator[Problem]:
    path, name = f"tasks[{index}].dependsOn", _name_of(index, task, noun)
    dependencies = task.get("dependsOn", [])
    if not isinstance(dependencies, list):
        yield Problem(path, f"{name}: dependsOn must be an array")
        return
    for position, dependency in enumerate(dependencies):
        if not isinstance(dependency, str):
            continue
        if dependency == task.get("id"):
            yield Problem(f"{path}[{position}]", f"{name} cannot depend on itself")
        elif dependency not in known:
            message = f"{name} depends on non-existent task: {dependency}"
            yield Problem(f"{path}[{position}]", message + (did_you_mean(dependency, known) if hint else ""))


def _check_references(plan: Plan, steps: Mapping[str, StepKind]) -> Iterator[Problem]:
    """Check fields that must agree with one another."""
    for index, task in enumerate(plan.tasks):
        yield from _check_agent(f"tasks[{index}]", task, plan.backend_of(task))
        yield from check_preset(f"tasks[{index}]", task, plan)
        for name, globs in (("files", task.files), ("reads", task.reads), ("keep", task.keep)):
            yield from _check_globs(f"tasks[{index}].{name}", globs)
        yield from _check_include(f"tasks[{index}].include", task.include)
    yield from check_home(plan)
    yield from check_notices(plan.notify)
    yield from _check_globs("keep", plan.keep)
    yield from _check_include("include", plan.include)
    yield from _check_conflict_steps(plan, steps)
    for position, host in enumerate(plan.network if isinstance(plan.network, list) else []):
        port = host.rpartition("]" if host.startswith("[") else ":")[2].lstrip(":") if ":" in host else ""
        if port and not 1 <= int(port) <= 65535:
            yield Problem(f"network[{position}]", f"{port} is not a port (1 to 65535)")
    if plan.workspace is None:
        for name, value in (("base", plan.base), ("verify", plan.verify), ("include", plan.include)):
            if value:
                yield Problem(name, "needs a workspace")
        if plan.deliver not in (None, "none"):
            yield Problem("deliver", "needs a workspace")
        if plan.pull_request is not None:
            yield Problem("pullRequest", "needs a workspace")
    if plan.pull_request is not None and plan.deliver in ("apply", "none"):
        yield Problem("pullRequest", f'needs deliver "branch", not "{plan.deliver}"')
    if plan.base is not None and (plan.base.startswith("-") or _CONTROL.search(plan.base)):
        yield Problem("base", "is not a valid git ref")
    if not plan.on_question.wait and plan.on_question.timeout_minutes is not None:
        yield Problem("onQuestion.timeoutMinutes", "has no meaning with wait: false")


def _check_agent(path: str, task: Task, backend: Backend) -> Iterator[Problem]:
    """Check the fields that a task's backend needs, and those that it cannot use."""
    for field in backend.required:
        if getattr(task, field) is None:
            yield Problem(f"{path}.{field}", f'is required by agent "{backend.name}"')
    for field in backend.forbidden:
        if getattr(task, field) is not None:
            yield Problem(f"{path}.{field}", f'has no meaning for agent "{backend.name}"')
    for position, tool in enumerate(task.tools or []):
        if backend.tools is not None and tool not in backend.tools:
            message = f"must be one of: {', '.join(backend.tools)}" + did_you_mean(tool, backend.tools)
            yield Problem(f"{path}.tools[{position}]", message)
    if task.simulate is not None:
        for written in [*task.simulate.writes, *task.simulate.deletes]:
            if {"..", ".git"} & set(written.split("/")):
                yield Problem(f"{path}.simulate", f"{written!r} must stay within the workspace")


def _check_conflict_steps(plan: Plan, steps: Mapping[str, StepKind]) -> Iterator[Problem]:
    ids = {task.id for task in plan.tasks}
    for position, text in enumerate(plan.on_conflict or []):
        try:
            target = parse_step(text, steps).target
        except ValueError as error:
            yield Problem(f"onConflict[{position}]", str(error))
        else:
            if target and target not in ids:
                yield Problem(f"onConflict[{position}]", f"names a non-existent task: {target}")


def _check_globs(path: str, globs: Sequence[str]) -> Iterator[Problem]:
    for position, glob in enumerate(globs):
        if ".." in glob.split("/"):
            yield Problem(f"{path}[{position}]", "must stay within the workspace (no ..)")


def _check_include(path: str, include: Sequence[str]) -> Iterator[Problem]:
    for position, name in enumerate(include):
        if {"..", ".git"} & set(name.split("/")):
            yield Problem(f"{path}[{position}]", "must stay within the workspace")


def _check_workspace(plan: Plan) -> Iterator[Problem]:
    if plan.workspace is not None and not plan.workspace.startswith("/") and not is_url(plan.workspace):
        yield Problem("workspace", "must be an absolute path (only a plan file can have a relative one)")


def _check_network(plan: Plan) -> Iterator[Problem]:
    if plan.network is not True and plan.sandbox in ("none", "process", "landlock"):
        yield Problem("network", f'needs sandbox "bubblewrap", not "{plan.sandbox}"')


def _own_keys(value: Any, model: type[BaseModel], path: str, problems: list[Problem]) -> Any:
    """The value with the keys of `model` in camelCase, however they were written; unknown ones are reported."""
    if not isinstance(value, dict):
        return value
    aliases = {field.alias or name: field for name, field in model.model_fields.items()}
    camel = {name: field.alias or name for name, field in model.model_fields.items()}
    read: dict[str, Any] = {}
    for key, item in value.items():
        name = key if key in aliases else camel.get(key, key)
        where = f"{path}.{key}" if path else str(key)
        if name not in aliases:
            hint = did_you_mean(to_camel(str(key)), aliases) if len(problems) < _MAX_HINTS else ""
            # A prompt within braces ends at its first comma, and the rest of it looks like a key.
            hint = hint or ("; a text with a comma or a colon in it needs quotes" if " " in str(key) else "")
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
