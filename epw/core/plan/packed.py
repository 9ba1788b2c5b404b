"""Packed plans: what is too large for one message of Temporal, as a document of one field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from epw.core.errors import InvalidPlan, Problem
from epw.core.packing import MAX_BYTES, pack, unpack

MAX_MESSAGE_BYTES = 1_500_000
"""Of a plan as the start of an execution has it, packed or not."""
_PACKED = "packedPlan"


def packed(document: dict[str, Any]) -> dict[str, Any]:
    """The document as it is sent: packed where it is large, and so of no use to a person in the Web UI."""
    text = _json(document)
    return document if len(text) <= MAX_MESSAGE_BYTES else {_PACKED: pack(text)}


def unpacked(document: Any) -> Any:
    """The document that was given to `packed`; any other is returned as it is. Raises `InvalidPlan`."""
    if not isinstance(document, dict) or list(document) != [_PACKED]:
        return document
    try:
        return unpack(document[_PACKED])
    except ValueError as error:
        raise InvalidPlan([Problem(_PACKED, f"is no packed plan: {error}")]) from None


def check_size(document: dict[str, Any]) -> Iterator[Problem]:
    """A problem where the document is no JSON, or too large to start an execution with."""
    try:
        text = _json(document)
    except UnicodeEncodeError:
        yield Problem("", "contains an unpaired surrogate (invalid Unicode)")
        return
    except (ValueError, OverflowError) as error:
        yield Problem("", f"contains a value that JSON cannot hold: {str(error)[:200]}")
        return
    if len(text) <= MAX_MESSAGE_BYTES:
        return
    size = len(json.dumps({_PACKED: pack(text)})) if len(text) <= MAX_BYTES else len(text)
    if size > MAX_MESSAGE_BYTES:
        allowed = f"{MAX_MESSAGE_BYTES} are allowed: split the plan"
        yield Problem("", f"has {len(text)} bytes, {size} as it is sent; {allowed}")


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")
