"""Answers of tools: small enough for a model, free of secrets, and where they are cut, with a place for the rest."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from activities.agents.secrets import Secrets
from epw.core.errors import EpwError, InvalidInput, InvalidPlan, Problem

DEFAULT_MAX_TOKENS = 8_000
_CHARACTERS_PER_TOKEN = 4
_MAX_KEPT = 50
_FRAME = 12
"""Objects and lists of so few entries stay whole; what is in them is cut."""
_LONG_TEXT = 200
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_MIN_SECRET = 8
URI = "epw://results/"


def serialized(document: Any) -> str:
    """Compact JSON; unpaired surrogates are replaced, since they have no UTF-8."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


@dataclass
class Answers:
    """Makes the texts of answers, and keeps the last ones that were cut, whole, under a URI."""

    home: Path
    """The state directory, which answers call `$EPW_HOME`."""
    max_tokens: int = DEFAULT_MAX_TOKENS
    secrets: Secrets = field(default_factory=lambda: Secrets.of(_secret_variables(os.environ)))
    _kept: OrderedDict[str, Any] = field(default_factory=OrderedDict)

    def text_of(self, document: Mapping[str, Any]) -> str:
        """The answer as JSON; one that is too long is cut, and says what is left out and where all of it is."""
        text = serialized(document)
        most = self.max_tokens * _CHARACTERS_PER_TOKEN
        if len(text) > most:
            text = serialized(self._cut(document, most, self._keep(document, text)))
        return self.clean(text)

    def clean(self, text: str) -> str:
        """The text without secrets of this process's environment and without the state directory's path."""
        return self.secrets.redact_text(text).replace(str(self.home), "$EPW_HOME")

    def whole(self, uri: str) -> Any:
        """The whole answer that was cut; None where it is not kept any more."""
        return self._kept.get(uri)

    def resolve(self, value: Any) -> Any:
        """The whole of an answer that was cut, for itself or for `{"resource": URI}`; any other value as it is.

        Raises `InvalidInput` where it is not kept any more.
        """
        if not isinstance(value, dict):
            return value
        cut = value.get("truncated")
        uri = (
            value.get("resource") if set(value) == {"resource"} else cut.get("whole") if isinstance(cut, dict) else None
        )
        if uri is None:
            return value
        found = self.whole(str(uri))
        if found is None:
            raise InvalidInput([Problem("resource", f"{uri} is not kept any more: call the tool again")])
        return found

    def _keep(self, document: Mapping[str, Any], text: str) -> str:
        uri = URI + hashlib.sha256(text.encode()).hexdigest()[:16]
        self._kept[uri] = document
        self._kept.move_to_end(uri)
        while len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
        return uri

    def _cut(self, document: Mapping[str, Any], most: int, uri: str) -> dict[str, Any]:
        """A copy whose largest lists, objects and texts are halved, again and again, until it is short enough."""
        cut = copy.deepcopy(dict(document))
        left_out: dict[str, int] = {}
        while True:
            rest = {"leftOut": left_out, "whole": uri}
            if len(serialized(cut)) + len(serialized(rest)) + _FRAME <= most:
                return {**cut, "truncated": rest}
            place = _largest(cut)
            if place.size < 0:
                return {"truncated": {"whole": uri}}
            value = place.holder[place.key]
            left = len(value) // 2
            left_out[place.path] = left_out.get(place.path, 0) + len(value) - left
            entries = dict(islice(value.items(), left)) if isinstance(value, dict) else value[:left]
            place.holder[place.key] = entries


@dataclass
class _Place:
    """Where a cut saves most."""

    size: int
    holder: Any
    key: Any
    path: str


def _largest(document: dict[str, Any]) -> _Place:
    """The longest list or object of many entries, or the longest text."""
    found = _Place(-1, document, next(iter(document)), "")

    def size_of(value: Any, holder: Any, key: Any, path: str) -> int:
        nonlocal found
        size = len(value) + 2 if isinstance(value, str) else 6
        can_be_cut = isinstance(value, str) and size > _LONG_TEXT
        if isinstance(value, dict):
            size = sum(len(name) + 4 + size_of(each, value, name, f"{path}.{name}") for name, each in value.items())
        elif isinstance(value, list):
            size = sum(1 + size_of(each, value, index, f"{path}[{index}]") for index, each in enumerate(value))
        can_be_cut |= isinstance(value, dict | list) and len(value) > _FRAME
        if can_be_cut and size > found.size:
            found = _Place(size, holder, key, path)
        return size

    for name, value in document.items():
        size_of(value, document, name, name)
    return found


def failure(error: EpwError) -> dict[str, Any]:
    """`{success: false, error: {type, message, path?, problems?}}` of an error."""
    document: dict[str, Any] = {"type": error.type, "message": str(error)}
    if isinstance(error, InvalidInput | InvalidPlan):
        problems = [{"path": each.path, "message": each.message} for each in error.problems]
        document["message"] = "\n".join(each["message"] for each in problems)
        if problems and problems[0]["path"]:
            document["path"] = problems[0]["path"]
        document["problems"] = problems
    return {"success": False, "error": document}


def _secret_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables whose names say that they are secret."""
    return {
        name: value
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value) >= _MIN_SECRET and not os.path.exists(value)
    }
