"""Fields of JSON that others wrote: read leniently where it is clear what is meant, with every problem and its path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from epw.core.errors import Problem
from epw.core.plan.wording import kind_of

_MAX_HOURS = 100_000
_MAX_NUMBER = 10**15


class Fields:
    """Reader that collects the problems of one file."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def refuse(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))

    def rows(self, value: Any, path: str) -> list[tuple[str, Mapping[str, Any]]]:
        """The objects of an array, each with its path; None stands for an empty array."""
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(path, f"must be an array, not {kind_of(value)}")
            return []
        found: list[tuple[str, Mapping[str, Any]]] = []
        for index, each in enumerate(value):
            if isinstance(each, dict):
                found.append((f"{path}[{index}]", each))
            else:
                self.refuse(f"{path}[{index}]", f"must be an object, not {kind_of(each)}")
        return found

    def text(self, row: Mapping[str, Any], path: str, *names: str) -> str:
        """The first of the fields that is there and not blank, stripped; empty where none is."""
        for name in names:
            value = row.get(name)
            if value is None:
                continue
            if not isinstance(value, str):
                self.refuse(f"{path}.{name}", f"must be a text, not {kind_of(value)}")
            elif value.strip():
                return value.strip()
        return ""

    def name(self, row: Mapping[str, Any], path: str, *names: str) -> str:
        """As `text`, of an id, which may be a number too."""
        for name in names:
            value = row.get(name)
            if is_id(value):
                return str(value).strip()
            if value is not None:
                self.refuse(f"{path}.{name}", f"must be a text or a whole number, not {kind_of(value)}")
        return ""

    def names(self, row: Mapping[str, Any], path: str, name: str) -> list[tuple[str, Any]]:
        """Ids in an array, each with its path, as they stand."""
        value = row.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.refuse(f"{path}.{name}", f"must be an array, not {kind_of(value)}")
            return []
        found = []
        for index, each in enumerate(value):
            if is_id(each):
                found.append((f"{path}.{name}[{index}]", each))
            else:
                self.refuse(f"{path}.{name}[{index}]", f"must be a text or a whole number, not {kind_of(each)}")
        return found

    def hours(self, row: Mapping[str, Any], path: str, name: str) -> float | None:
        """Hours above 0; None where the field is absent."""
        value = row.get(name)
        if value is None:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 < value < _MAX_HOURS:  # False for NaN too
            self.refuse(f"{path}.{name}", "must be a number of hours above 0")
            return None
        return float(value)

    def texts(self, row: Mapping[str, Any], name: str) -> list[str]:
        """Texts of an array that says more of a task; what is no text is passed over."""
        value = row.get(name)
        return (
            [each.strip() for each in value if isinstance(each, str) and each.strip()]
            if isinstance(value, list)
            else []
        )


def is_id(value: Any) -> bool:
    """Whether a value can be the id of a task."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < _MAX_NUMBER
    return isinstance(value, str) and bool(value.strip())


def has_any(row: Mapping[str, Any], names: frozenset[str]) -> bool:
    """Whether an object has one of the keys."""
    return not names.isdisjoint(row)


def paragraphs(*parts: str) -> str:
    """Texts that are not empty, as paragraphs."""
    return "\n\n".join(part for part in parts if part)


def bullets(heading: str, lines: Sequence[str]) -> str:
    """A heading and a list beneath it; empty where there are no lines."""
    return "\n".join([heading, *(f"- {line}" for line in lines)]) if lines else ""
