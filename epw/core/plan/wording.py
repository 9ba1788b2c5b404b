"""Texts of a plan's problems: what is wrong in plain words, and which known word may have been meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from epw.core.errors import Problem

_MAX_COMPARED = 500
_PLAIN_WORDS = {
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
_BOUNDS = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "string_too_short": "must not be shorter than {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word; empty where none is near."""
    # The comparison is slow, and validation runs within a workflow task.
    close = get_close_matches(word[:200], list(known)[:_MAX_COMPARED], n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def problem_of(details: ErrorDetails, document: dict[str, Any]) -> Problem:
    """The problem that one error of pydantic is for a user."""
    path = ""
    here: Any = document
    for part in details["loc"]:
        # `loc` also holds the names of a union's branches, which are not part of the document.
        inside = isinstance(here, dict) and (part in here or details["type"] == "missing")
        if isinstance(part, int):
            path += f"[{part}]"
            here = here[part] if isinstance(here, list) and part < len(here) else None
        elif inside:
            path += f".{part}" if path else str(part)
            here = here.get(part)
    return Problem(path, _PLAIN_WORDS.get(details["type"]) or _describe(details))


def _describe(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    if details["type"] == "string_type":
        return _no_text(details["input"])
    if details["type"] == "literal_error":
        known = str(context["expected"]).replace("'", "").replace(" or ", ", ")
        given = details["input"]
        return f"must be one of: {known}" + (did_you_mean(given, known.split(", ")) if isinstance(given, str) else "")
    if details["type"] == "string_pattern_mismatch":
        return f"{details['input']!r} has characters or a form that is not allowed here"
    if details["type"] == "unknown_agent":
        return str(details["msg"])
    if (bound := _BOUNDS.get(details["type"])) is not None:
        return bound.format(**context)
    message = details["msg"]
    return message[:1].lower() + message[1:].replace("Input", "value") if message else "is not valid"


def _no_text(value: Any) -> str:
    """What is said of a value where a text belongs; what YAML takes for a number or a truth value needs quotes."""
    if isinstance(value, bool):
        return f"must be a text ({str(value).lower()} is a truth value; as a text it needs quotes)"
    if isinstance(value, int | float):
        return "must be a text (a number needs quotes)"
    return f"must be a text, not {kind_of(value)}"


def kind_of(value: Any) -> str:
    """The JSON type of a value."""
    kinds = {dict: "an object", type(None): "nothing", list: "an array", str: "a text", bool: "a truth value"}
    return kinds.get(type(value), "a number")
