"""The part of a plan that can be read where the whole cannot, so that all its problems are found at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from epw.core.errors import Problem
from epw.core.plan.model import Plan

_ROUNDS = 4
_HINT = re.compile(r"did you mean (\w+)\?")
_IN_TASK = re.compile(r"tasks\[\d+\]")


def readable_part(document: dict[str, Any], error: ValidationError) -> tuple[Plan | None, list[str]]:
    """The plan without what its types refuse, and the paths of what is left out; None where nothing can be read."""
    part, left_out = deepcopy(document), list[str]()
    for _ in range(_ROUNDS):
        for details in reversed(error.errors(include_url=False, include_input=False)):
            left_out.append(_leave_out(part, details))
        try:
            return Plan.model_validate(part), left_out
        except ValidationError as again:
            error = again
    return None, left_out


def without_consequences(found: Iterable[Problem], known: Sequence[Problem], left_out: Sequence[str]) -> list[Problem]:
    """The problems of a readable part that do not come from what is left out of it, nor from a key that is mistyped."""
    paths = {*left_out, *(_meant(problem) for problem in known)} - {""}
    missing = [(_task_of(path), decides) for path in paths for decides in _decides(path)]
    if any(re.fullmatch(r"tasks(\[\d+\](\.id)?)?", path) for path in paths):
        missing.append(("", "task"))
    said = {problem.path for problem in known}

    def follows(problem: Problem) -> bool:
        words = set(re.findall(r"\w+", problem.message))
        is_meant = problem.path in paths
        return is_meant or any(name in words and of in ("", _task_of(problem.path)) for of, name in missing)

    return [problem for problem in found if problem.path not in said and not follows(problem)]


def _decides(path: str) -> Iterator[str]:
    """What rules say that ask for the field with this path: without it nobody knows whether they are kept."""
    name = path.rpartition(".")[2]
    if name in ("workspace", "sandbox", "webhook"):
        yield name
    if name in ("agent", "run"):
        yield "agent"


def _leave_out(part: dict[str, Any], details: ErrorDetails) -> str:
    """Take out of a document what an error is about; its path. A task gets what it must have instead."""
    here: Any = part
    path = ""
    for depth, key in enumerate(details["loc"]):
        if isinstance(here, dict) and key == "tasks" and depth == 0 and isinstance(here.get("tasks"), list):
            here, path = here["tasks"], "tasks"
        elif isinstance(here, list) and isinstance(key, int) and key < len(here):
            path = f"tasks[{key}]"
            if not isinstance(here[key], dict):
                here[key] = _stand_in(key)
                return path
            here = here[key]
        elif isinstance(here, dict) and (key in here or details["type"] == "missing"):
            # Of a field with several problems all goes: what is within a list has no name of its own.
            here.pop(str(key), None)
            path = f"{path}.{key}" if path else str(key)
            found = _IN_TASK.match(path)
            if found is not None and key in ("id", "description"):
                here[str(key)] = _stand_in(int(path[6 : path.index("]")]))[str(key)]
            return path
    part["tasks"] = [_stand_in(0)]
    return "tasks"


def _stand_in(index: int) -> dict[str, Any]:
    return {"id": f"(task {index})", "description": "-", "run": "true"}


def _task_of(path: str) -> str:
    """The task in which a path lies, as `tasks[3]`; empty for one of the whole plan."""
    found = _IN_TASK.match(path)
    return found[0] if found is not None else ""


def _meant(problem: Problem) -> str:
    """Path of the field that an unknown key may have meant; empty for other problems."""
    hint = _HINT.search(problem.message) if problem.message.startswith("unknown key") else None
    parent = problem.path.rpartition(".")[0]
    return (f"{parent}.{hint[1]}" if parent else hint[1]) if hint is not None else ""
