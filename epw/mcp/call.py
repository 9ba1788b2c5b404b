"""A call of a tool: its arguments, and the ways back to the client that made it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from epw.core.errors import InvalidInput, Problem


@dataclass(frozen=True)
class Call:
    """Arguments of one call. `checked`: arguments that a tool takes, else `InvalidInput`."""

    arguments: Mapping[str, Any]
    report: Callable[[float, float | None, str], Awaitable[None]]
    """Send progress, total (if known) and a line about it; nothing is sent where the client asked for none."""
    ask: Callable[[str], Awaitable[bool | None]]
    """Ask the client's user for leave; None where the client cannot ask."""
    client: str = "an MCP client"
    """Name of the client, as it says."""

    def text(self, name: str) -> str:
        """A required text; raises `InvalidInput`."""
        value = self.arguments.get(name)
        if not isinstance(value, str) or not value.strip():
            raise InvalidInput([Problem(name, f"{name} is required and cannot be empty")])
        return value

    def optional_text(self, name: str) -> str | None:
        """A text, or None where it is not given; raises `InvalidInput`."""
        return None if self.arguments.get(name) is None else self.text(name)

    def flag(self, name: str) -> bool:
        """True or false, by default false; raises `InvalidInput`."""
        value = self.arguments.get(name)
        if value is not None and not isinstance(value, bool):
            raise InvalidInput([Problem(name, f"{name} must be true or false")])
        return bool(value)

    def optional_integer(self, name: str, least: int, most: int) -> int | None:
        """A whole number within bounds, or None where it is not given; raises `InvalidInput`."""
        return None if self.arguments.get(name) is None else self.integer(name, 0, least, most)

    def optional_amount(self, name: str) -> float | None:
        """A number above 0, or None where it is not given; raises `InvalidInput`."""
        value = self.arguments.get(name)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e12:
            raise InvalidInput([Problem(name, f"{name} must be a number above 0")])
        return float(value)

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds; raises `InvalidInput`."""
        value = self.arguments.get(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InvalidInput([Problem(name, f"{name} must be between {least} and {most}")])
        return value
