"""Checks of a tool's arguments: every problem is collected, with the path of the value, and reported at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from epw.core.errors import InvalidInput, InvalidPlan, Problem
from epw.core.plan.model import MAX_AGENTS, Plan
from epw.core.plan.validate import read_plan, too_deep

DEFAULT_AGENTS = 5
STRATEGIES = ("conservative", "aggressive")


class Checks:
    """Arguments of one call and the problems found in them. `raise_if_any` raises `InvalidInput` with all of them.

    A null stands for an argument that is not there. Arguments of more than 100 levels are refused at once.
    """

    def __init__(self, arguments: Any) -> None:
        self.problems: list[Problem] = []
        if too_deep(arguments):
            raise InvalidInput([Problem("", "the arguments are nested deeper than 100 levels")])
        self.arguments: Mapping[str, Any] = without_nulls(arguments) if isinstance(arguments, dict) else {}
        if not isinstance(arguments, dict):
            self.add("", "the arguments must be an object")

    def add(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))

    def raise_if_any(self) -> None:
        if self.problems:
            raise InvalidInput(self.problems)

    def items(self, name: str, most: int) -> list[Any]:
        """A required array of 1 to `most` entries."""
        value = self.array(name)
        if len(value) > most:
            self.add(name, f"{name}: at most {most} entries are allowed (current: {len(value)})")
            return []
        return value

    def array(self, name: str) -> list[Any]:
        """A required array that is not empty; an empty one where it is not there."""
        value = self.arguments.get(name)
        if isinstance(value, list) and value:
            return value
        self.add(name, f"{name} array is required and cannot be empty")
        return []

    def one_of(self, name: str, allowed: Sequence[str]) -> str:
        """A word of a list."""
        value = self.arguments.get(name)
        if value not in allowed:
            self.add(name, f"{name} must be one of: {', '.join(allowed)}")
            return allowed[0]
        return str(value)

    def truth(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.arguments.get(name, default)
        if not isinstance(value, bool):
            self.add(name, f"{name} must be true or false")
            return default
        return value

    def strategy(self, *, default: str | None = None) -> str | None:
        """`executionStrategy`; required where there is no default."""
        value = self.arguments.get("executionStrategy", default)
        if value not in STRATEGIES:
            self.add("executionStrategy", 'executionStrategy must be "conservative" or "aggressive"')
            return default
        return str(value)

    def agents(self, *, required: bool = True) -> int:
        """`maxParallelAgents`."""
        value: Any = self.arguments.get("maxParallelAgents")
        if value is None:
            if required:
                self.add("maxParallelAgents", "maxParallelAgents is required")
            return DEFAULT_AGENTS
        agents = whole_number(value)
        if agents is None or not 1 <= agents <= MAX_AGENTS:
            self.add("maxParallelAgents", f"maxParallelAgents must be between 1 and {MAX_AGENTS}")
            return DEFAULT_AGENTS
        return agents

    def tasks(self, tasks: list[Any], name: str, noun: str, agents: int = DEFAULT_AGENTS) -> Plan | None:
        """Tasks as a plan; None where they have problems, which are added under the argument's own name."""
        document = {"tasks": [without_nulls(task) for task in tasks], "maxAgents": agents}
        return self.plan(document, noun, lambda path: name + path.removeprefix("tasks"))

    def plan(self, document: dict[str, Any], noun: str, path_of: Callable[[str], str]) -> Plan | None:
        """A plan document as a plan; None where it has problems, whose paths `path_of` makes those of the call."""
        try:
            return read_plan(document, runnable=False, noun=noun, hints=False)
        except InvalidPlan as error:
            self.problems += [Problem(path_of(each.path) if each.path else "", each.message) for each in error.problems]
            return None


def without_nulls(value: Any) -> Any:
    """An object without its nulls, which stand for what is not there; anything else as it is."""
    return {name: item for name, item in value.items() if item is not None} if isinstance(value, dict) else value


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number that a float can hold."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def whole_number(value: Any) -> int | None:
    """A JSON number without a fraction (3 and 3.0 are one number); None for anything else."""
    return int(value) if is_number(value) and value == int(value) else None
